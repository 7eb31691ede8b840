"""Pages and parts of pages from the templates in labkit/course/templates, by jinja2.

Whatever a template is given is escaped, and a name that it was not given is an error.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labkit.paths import PACKAGE

TEMPLATES = PACKAGE / "course" / "templates"
CARDS = PACKAGE / "widgets" / "base.css"


def render(template: str, **values: Any) -> str:
    """The text of a template; `look` is in it the style sheet that pages share with the cards."""
    return environment().get_template(template).render(values, look=look())


@cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def look() -> Markup:
    """The cards' own style sheet, and what only pages have."""
    files = (CARDS, TEMPLATES / "pages.css")
    return Markup("<style>{}</style>").format(
        Markup("\n".join(file.read_text("utf-8") for file in files))
    )
