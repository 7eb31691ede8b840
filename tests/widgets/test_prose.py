"""Markdown with maths becomes HTML that is safe and that a browser can draw."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.widgets import prose

ALLOWED = set(
    "p strong em code pre a ul ol li br hr del blockquote div table thead tbody tr th td".split()
)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(rendered: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(rendered)
    return parser.seen


def test_one_paragraph_fits_into_a_label() -> None:
    assert prose.to_html("**bold** and `code`") == "<strong>bold</strong> and <code>code</code>"


def test_two_paragraphs_stay_two() -> None:
    assert prose.to_html("one\n\ntwo") == "<p>one</p>\n<p>two</p>"


def test_raw_html_is_escaped() -> None:
    rendered = prose.to_html("<img src=x onerror=alert(1)> [go](javascript:alert(1))")
    assert "<img" not in rendered and "&lt;img" in rendered
    assert "javascript:" not in rendered


@given(st.text(alphabet="<>&\"'=/ab onerror[]()!`*_$#:-\n\\{}^", max_size=80))
def test_no_text_becomes_a_script(text: str) -> None:
    for tag, attributes in tags(prose.to_html(text)):
        assert tag in ALLOWED or tag == "math" or tag.startswith("m"), (tag, text)
        assert not any(name.startswith("on") for name in attributes), (attributes, text)
        assert not (attributes.get("href") or "").lower().startswith("javascript:")


def test_maths_becomes_mathml() -> None:
    rendered = prose.to_html(r"as $T \to 0$")
    assert rendered.startswith("as <math ") and "<mi>T</mi>" in rendered
    assert "$" not in rendered


def test_a_displayed_formula_stands_alone() -> None:
    assert 'display="block"' in prose.to_html("$$\n\\frac{1}{2}\n$$")


def test_a_price_can_be_written() -> None:
    assert prose.to_html(r"\$5 and \$7") == "$5 and $7"


def test_a_formula_that_cannot_be_read_is_shown_as_written() -> None:
    assert prose.to_html(r"$\frac{$") == r"<code>\frac{</code>"


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\ln V", '<mi>ln</mi><mspace width="0.17em">'),
        (r"x = -1", '<mo form="prefix">&#x02212;</mo>'),
        (r"a - b", "<mo>&#x02212;</mo>"),
        (r"(a) - b", "<mo>&#x02212;</mo>"),
        (r"\operatorname{softmax}(z)", "<mi>softmax</mi><mo"),
    ],
)
def test_spaces_as_tex_sets_them(tex: str, part: str) -> None:
    assert part in prose.to_html(f"${tex}$")


def test_static_html_leaves_maths_to_the_reader_s_page() -> None:
    assert prose.to_static_html("as $T$") == "as $T$"


def test_code_that_scrolls_is_reached_with_the_keyboard() -> None:
    assert '<pre tabindex="0">' in prose.to_html("```\nx < 1\n```")
    assert "x &lt; 1" in prose.to_html("```\nx < 1\n```")
