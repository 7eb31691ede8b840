"""Templates: what they are given is escaped, what they are not given is an error."""

from __future__ import annotations

import pytest
from jinja2 import DictLoader, UndefinedError

from labkit.course import rendering


@pytest.fixture(autouse=True)
def template(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = rendering.environment().overlay(loader=DictLoader({"a": "{{ look }}{{ name }}"}))
    monkeypatch.setattr(rendering, "environment", lambda: environment)


def test_text_from_others_is_escaped() -> None:
    assert rendering.render("a", name="<script>").endswith("&lt;script&gt;")


def test_a_name_that_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        rendering.render("a")


def test_the_look_is_that_of_the_cards() -> None:
    page = rendering.render("a", name="")
    assert rendering.CARDS.read_text("utf-8") in page and ".labkit-next" in page
    assert page.count("<style>") == 1
