"""Markdown with $maths$, as authors write it in quizzes, made into safe HTML.

A widget can't use JupyterLab's own renderer, so the text is rendered here: raw HTML is
escaped, and maths becomes MathML, which browsers draw by themselves.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

import mistune
from latex2mathml.converter import convert

PARAGRAPH = re.compile(r"\A<p>(.*)</p>\Z", re.DOTALL)

NAMED_OPERATOR = re.compile(r"<mo>([A-Za-z]{2,})</mo>")
FUNCTION_NAME = re.compile(r"(<mi>[a-z]{2,}</mi>)(?=<m(?!o\b|space\b))")
CLOSING = "&#x00029;|&#x0005D;|&#x0007D;|&#x0007C;"
SIGN = re.compile(rf"(<mrow>|<mo[^>]*>(?!{CLOSING})[^<]+</mo>)<mo>&#x02212;</mo>")


class ProseRenderer(mistune.HTMLRenderer):
    """mistune's renderer with maths as MathML; a card has no images or headings."""

    def inline_math(self, text: str) -> str:
        return mathml(text, "inline")

    def block_math(self, text: str) -> str:
        return f"<div>{mathml(text.strip(), 'block')}</div>\n"

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f"<p><strong>{text}</strong></p>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return text

    def block_code(self, code: str, info: str | None = None) -> str:
        # A block that scrolls sideways must be reachable with the keyboard.
        return f'<pre tabindex="0"><code>{html.escape(code.rstrip())}</code></pre>\n'


def mathml(tex: str, display: str) -> str:
    """One formula as MathML; one that can't be read is shown as it was written."""
    try:
        return spaced(convert(tex, display=display))
    except Exception:  # the converter raises a different class for every kind of slip
        return f"<code>{html.escape(tex)}</code>"


def spaced(formula: str) -> str:
    """The spaces that TeX sets and the converter leaves out: ln p, and a sign after a relation."""
    formula = NAMED_OPERATOR.sub(r"<mi>\1</mi>", formula)
    formula = FUNCTION_NAME.sub(r'\1<mspace width="0.17em"></mspace>', formula)
    return SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', formula)


_markdown = mistune.Markdown(renderer=ProseRenderer(escape=True))
for _plugin in ("math", "table", "strikethrough"):
    mistune.import_plugin(_plugin)(_markdown)

_plain = mistune.Markdown(renderer=mistune.HTMLRenderer(escape=True))


@lru_cache(maxsize=1024)
def to_html(text: str) -> str:
    """Blocks of HTML with MathML; a single paragraph loses its <p>, to fit into a label."""
    return _unwrap(str(_markdown(text)))


@lru_cache(maxsize=1024)
def to_static_html(text: str) -> str:
    """The same with $maths$ as it stands: GitHub and nbconvert typeset that, and strip MathML."""
    return _unwrap(str(_plain(text)))


def to_plain(text: str) -> str:
    """One line of text for terminals: the Markdown as written, white space run together."""
    return " ".join(text.split())


def split_first(text: str) -> tuple[str, str]:
    """The first paragraph (a legend may hold one line only) and what follows it."""
    first, _, rest = text.strip().partition("\n\n")
    return first, rest.strip()


def _unwrap(rendered: str) -> str:
    rendered = rendered.strip()
    single = PARAGRAPH.match(rendered)
    return single[1] if single and "<p>" not in single[1] else rendered
