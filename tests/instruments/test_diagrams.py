"""Drawings of mechanisms: well-formed SVG that says itself in words, as a picture in a notebook."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

from labkit.instruments.diagrams import Diagram
from labkit.instruments.sampling_diagram import DRAW, TOKENS, one_step

SVG = "{http://www.w3.org/2000/svg}"


def drawn():
    drawing = Diagram(300, 100, alt='A "box" <and> more.')
    drawing.box(1, 2, 30, 20, "a < b", filled=True)
    drawing.matrix(50, 10, 2, 3, "W (2, 3)")
    drawing.bars(100, 10, 60, 40, [0.5, 0.0], ["x", "y"])
    drawing.arrow(10, 50, 10, 80, "down")
    assert drawing.tokens(0, 60, ["red", "blue"]) > 60
    return drawing


def test_a_drawing_is_well_formed_and_says_what_it_shows():
    root = ElementTree.fromstring(drawn().svg())
    assert root.get("role") == "img" and root.get("aria-label") == 'A "box" <and> more.'
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b", "W (2, 3)", "red", "down"} <= set(words)
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 6 + 2 + 2


def test_a_notebook_holds_it_as_a_picture_with_its_words():
    drawing = drawn()
    bundle = drawing._repr_mimebundle_()
    (picture,) = ElementTree.fromstring(bundle["text/html"].replace("></figure>", "/></figure>"))
    kind, _, encoded = picture.get("src").partition(";base64,")
    assert kind == "data:image/svg+xml" and base64.b64decode(encoded).decode() == drawing.svg()
    assert picture.get("alt") == drawing.alt and "background:#fff" in picture.get("style")
    assert bundle["text/plain"].startswith("Drawing: A ")


def test_a_value_of_nothing_is_dashed():
    root = ElementTree.fromstring(drawn().svg())
    dashed = [rect for rect in root.iter(f"{SVG}rect") if rect.get("stroke-dasharray")]
    assert len(dashed) == 1


def test_one_step_shows_the_token_that_the_draw_picks():
    words = [t.text for t in ElementTree.fromstring(one_step(alt="x").svg()).iter(f"{SVG}text")]
    assert f"draw u = {DRAW:g}" in words
    assert words[-2] in TOKENS
