"""Wrong answers that are the reference with one expression changed."""

from __future__ import annotations

import pytest

from labkit.grading import Challenge
from labkit.grading.source.spoiling import spoiled, without_docstrings


def check_apply_temperature(s):
    pass


check_apply_temperature.__module__ = "labkit.challenges.temperature.apply_temperature"


def asked():
    return Challenge("apply_temperature", "T", check_apply_temperature, 1, ("", "", ""))


def test_the_reference_with_one_expression_changed():
    made = asked()
    made.mistake("two", "Never below 0.", hint="0 or more.", answer=spoiled("< 0", "< -2"))
    wrong = made.find_mistake("two").imitation

    assert made.parameters == ("logits", "temperature")
    assert "temperature < -2" in made.find_mistake("two").source
    with pytest.raises(ValueError):
        wrong(None, -3)


def test_what_stands_nowhere_or_twice_is_said():
    for old in ("no such text", "temperature"):
        made = asked()
        made.mistake("x", "Wrong.", hint="Right.", answer=spoiled(old, "y"))
        with pytest.raises(ValueError, match=rf"apply_temperature has \d+ times {old!r}"):
            made.find_mistake("x").imitation  # noqa: B018


def test_a_name_that_the_reference_does_not_have_is_said():
    made = asked()
    made.mistake("x", "Wrong.", hint="Right.", answer=spoiled("< 0", "< numpy.zeros(len([]))"))
    with pytest.raises(ValueError, match=r"apply_temperature has no \['numpy'\]"):
        made.find_mistake("x").imitation  # noqa: B018


def test_texts_come_in_pairs():
    with pytest.raises(ValueError, match="pairs of old and new, got 1"):
        spoiled("old")


def test_a_name_is_given_once():
    made = asked()
    made.mistake("same", "Wrong.", hint="Right.", answer=lambda: None)
    with pytest.raises(ValueError, match="apply_temperature has two mistakes 'same'"):
        made.mistake("same", "Wrong.", hint="Right.")


def test_what_a_docstring_says_is_no_code():
    source = 'def f(x):\n    """Twice x."""\n    return 2 * x\n\n\ndef g():\n    """Nothing."""\n'
    code = without_docstrings(source)

    assert "Twice" not in code and "Nothing" not in code
    assert code.splitlines()[2] == "    return 2 * x"
    compile(code, "code", "exec")
