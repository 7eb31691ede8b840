"""What strangers write can be shown to anybody: nothing obeys it, and it betrays nobody."""

from __future__ import annotations

import os
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.grading.plain_text import plain_line, plain_lines, without_places
from labkit.paths import PACKAGE

# Often those that do harm: controls, marks that turn text around, halves, kinds of spaces.
TROUBLE = st.sampled_from("\0\a\b\t\n\r\x0b\x1b\x85\x9b\u00ad\u200b\u200f\u2028\u202e\u2066\ufeff")
ANY = st.text(st.one_of(TROUBLE, st.characters()))


@settings(deadline=None, derandomize=True)
@given(ANY)
def test_any_text_becomes_lines_that_can_be_written_and_shown(text: str) -> None:
    shown = plain_lines(text)

    assert shown.encode("utf-8").decode("utf-8") == shown
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not {unicodedata.category(sign) for sign in shown if sign != "\n"} & {"Cc", "Cf", "Cs"}
    assert plain_lines(shown) == shown or shown.endswith("\n")
    assert plain_line(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("José Ωmega 李雷 🙂", "José Ωmega 李雷 🙂"),
        ("red \x1b[31m", "red �[31m"),
        ("exe.\u202excod", "exe.�xcod"),
        ("1\u00a0000\u202f0", "1 000 0"),
        ("\tx = 1", "    x = 1"),
        ("half \ud83d", "half �"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
    ],
)
def test_what_is_kept_and_what_stands_for_the_rest(text: str, shown: str) -> None:
    assert plain_lines(text) == shown


def test_a_name_stays_on_its_line() -> None:
    assert plain_line("alice\nbob\r") == "alice�bob�"


def test_paths_do_not_tell_whose_machine_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", "/home/prof")
    monkeypatch.setenv("USERPROFILE", "/home/prof")
    monkeypatch.chdir(tmp_path)
    inner = os.path.join(sys.prefix, "lib", "torch", "__init__.py")

    said = without_places(f"({inner}) '/home/prof/x' {tmp_path} {PACKAGE / 'paths.py'} /home/prof")

    assert "/home/prof" not in said and sys.prefix not in said
    assert str(tmp_path) not in said and str(PACKAGE.parent) not in said
    assert said.startswith(f"(…{os.path.join(os.sep, 'lib', 'torch', '__init__.py')}) '…/x' …")


def test_what_only_looks_like_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/al")
    monkeypatch.setenv("USERPROFILE", "/home/al")
    for text in ("/home/alice/x", "my/home/al", "a / b", "https://x.org/y"):
        assert without_places(text) == text


def test_a_machine_without_telling_places_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.grading.plain_text.places", list)

    assert without_places("/ and C:\\ and ~") == "/ and C:\\ and ~"
