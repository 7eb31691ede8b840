"""Records to be written as a table, and read from one: case by case, and drawn ones."""

from __future__ import annotations

from typing import Any

from labkit.grading import Submission
from labkit.grading.checks.drawing import draw

Records = list[dict[str, Any]]

STEPS: dict[str, tuple[Records, ...]] = {
    "One column for each key, one line for each record.": (
        [{"name": "Ada", "age": 36}],
        [{"city": "Porto", "n": 2}, {"city": "Graz", "n": 15}],
    ),
    "The columns are the keys of all records, in the order of first appearance.": (
        [{"b": 1}, {"a": 2, "b": 3}],
        [{"b": 1, "a": 2}, {"a": 3, "b": 4}],
        [{"x": 1, "y": 2}, {"z": 5}],
    ),
    "A missing key is an empty cell; null and an empty text are not missing.": (
        [{"a": 1, "b": 2}, {"b": 3}],
        [{"a": None, "b": 1}],
        [{"a": "", "b": 1}],
        [{"a": 1}, {}, {"a": 2}],
    ),
    "Numbers, true and false are as in JSON.": (
        [{"a": True, "b": False}],
        [{"a": 1.5, "b": -3, "c": 0.0, "d": 12345678901234567890}],
    ),
    "Text that JSON could read is quoted, so that it comes back as text.": (
        [{"zip": "0815", "n": "42"}],
        [{"a": "true", "b": "null", "c": "1e5", "d": "-7"}],
        [{"a": "[1]", "b": "{}", "c": '"x"', "d": "NaN"}],
        [{"a": "007", "b": "1_000", "c": "True", "d": "None", "e": "0x1F"}],
    ),
    "Commas and quotes inside a text are the text's own.": (
        [{"a": "x, y", "b": 1}],
        [{"a": 'say "hi"', "b": "'tis"}],
        [{"a": '",",', "b": '"'}],
    ),
    "Spaces at the ends of a text, and line ends in it, stay.": (
        [{"a": " x", "b": "y "}],
        [{"a": "one\ntwo", "b": "tab\tbed"}],
        [{"a": " ", "b": "\n", "c": "a\r\nb"}],
        [{"a": "x\u2028y", "b": "p\x85q", "c": "Łódź 東京"}],
    ),
    "A dict inside a record makes a column outer.inner for each of its keys.": (
        [{"at": {"city": "Porto", "zip": "4000"}, "id": 1}],
        [{"a": {"b": {"c": 1, "d": 2}, "e": 3}}, {"a": {"b": {"d": 5}}}],
        [{"a": 1}, {"a": {"b": 2}}],
        [{"a": {"b": None}}, {"a": {"b": ""}}],
    ),
    "Lists and empty dicts are JSON in their cell.": (
        [{"tags": ["x", "y"], "n": 1}],
        [{"a": [], "b": {}}],
        [{"a": [{"b": 1}, {"b": "2"}], "c": [[]]}, {"c": {"d": {}}}],
    ),
    "A dot or a backslash in a key has a backslash before it.": (
        [{"a.b": 1, "a": {"b": 2}}],
        [{"v1.0.2": "x", "w": {"1.5": "y"}}],
        [{"a\\": {"b": 1}, "c\\d": 2}],
        [{"a\\.b": 1}],
    ),
    "Keys may hold what cells may: commas, quotes, bars.": (
        [{"a,b": 1, 'c"d': 2}],
        [{"a|b": 1, "c d": {"e|f": 2}}],
    ),
    "The header holds the columns as they are, a key that JSON could read too.": (
        [{"7": "x", "true": 1}],
        [{"null": {"1": 2}, "[]": 3}, {"-1e5": "y"}],
    ),
    "A bar in a text does not end the cell, and a backslash stays a backslash.": (
        [{"a": "x|y", "b": 1}],
        [{"a": "C:\\temp", "b": "\\"}, {"a": "||", "b": "\\|"}],
        [{"a": "end\\", "b": "|", "c": "\\n"}],
        [{"a": ["|", "\\"], "b": "- | -"}],
    ),
}

TEXTS = ("", "x", "12", " y", "a,b", "p|q", "\\", '"')
LEAVES: tuple[Any, ...] = (None, True, 7, -2.5, *TEXTS, [1], {})
KEYS = ("a", "b", "c.d", "e|f", "g,h", "i\\", "7", "null")


def drawn_records(s: Submission) -> Records:
    """Some records with two levels of keys, from the check's own generator."""

    def drawn_value(deep: bool) -> Any:
        if deep and draw(s, 4) == 0:
            return drawn_record(False)
        return LEAVES[draw(s, len(LEAVES))]

    def drawn_record(deep: bool = True) -> dict[str, Any]:
        return {key: drawn_value(deep) for key in KEYS if draw(s, 2)}

    return [{"id": 0}, *(drawn_record() for _ in range(4))]
