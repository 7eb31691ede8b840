"""A page says what a learner needs, holds nothing that they must not see, and runs nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.course.feedback import file_names, page, prose, write_pages
from labkit.course.grading_run import Graded, Report
from labkit.course.grading_worker import as_mark
from labkit.grading import Outcome, Verdict
from labkit.grading.intake import Found
from tests.course.handed_in import LESSON

HOSTILE = '<script>alert(1)</script><img src=x onerror=y> [a](http://x) `c` & "q" \''


class Reader(HTMLParser):
    """The tags of a page, its text, and the attributes that lead somewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def mark(name="apply_temperature", outcome="pass", **changes):
    return {
        "challenge": name,
        "title": f"Title of {name}",
        "outcome": outcome,
        "points": 2 if outcome == "pass" else 0,
        "worth": 2,
        "message": "Right: 21 cases hold.",
        "line": "",
        "seconds": 0.1,
        **changes,
    }


def graded(learner="alice", marks=None, notes=(), problem=""):
    found = Found(learner, "x", f"/secret/place/{learner}", f"{LESSON}.ipynb")
    reply = {"lesson": LESSON, "checks": "c", "marks": marks or [mark()], "notes": list(notes)}
    return Graded(found, LESSON, "abcdef" * 10, {"problem": problem} if problem else reply)


def test_a_page_says_what_came_of_each_challenge():
    wrong = mark("top_p_filter", "fail", message="You sort `down`.", line="line 3: x.sort()")
    read = Reader(page("alice", [graded(marks=[mark(), wrong], notes=["A `%%bash` cell."])]))

    assert read.tags.count("h1") == 1 and read.tags.count("h2") == 1
    assert "Feedback for alice" in read.text
    assert "Lesson 05: Temperature and sampling" in read.text
    assert "1 of 2 challenges are right: 2 of 4 points." in read.text
    assert "Title of top_p_filter (top_p_filter): not yet, 0 of 2 points" in read.text
    assert "You sort down." in read.text and "line 3: x.sort()" in read.text
    assert "A %%bash cell." in read.text
    assert "abcdefabcdef" in read.text


def test_it_can_be_read_by_everybody():
    html = page("alice", [graded()])

    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert "<main>" in html and 'name="viewport"' in html and "color-scheme: light dark" in html


def test_a_challenge_says_its_outcome_in_words_and_not_by_colour_only():
    for outcome, words in {
        "pass": "right",
        "error": "stopped",
        "not attempted": "not attempted",
    }.items():
        assert f": {words}, " in Reader(page("a", [graded(marks=[mark(outcome=outcome)])])).text


def test_what_learners_write_is_shown_and_never_run():
    hostile = mark(message=HOSTILE, line=HOSTILE, title=HOSTILE)
    read = Reader(page(HOSTILE, [graded(HOSTILE, [hostile], [HOSTILE])]))

    assert not set(read.tags) & {"script", "img", "a", "link", "iframe", "object"}
    assert not read.attributes & {"src", "href", "onerror", "action"}
    assert read.text.count("<script>alert(1)</script>") >= 4


def test_no_case_of_the_check_and_no_place_of_the_instructors():
    verdict = Verdict("f", Outcome.FAIL, "Wrong.", case="f(tensor([7.25]))", line="line 1: x")
    from labkit.challenges import find_challenge

    kept = as_mark(verdict, find_challenge(LESSON, "apply_temperature"))
    html = page("alice", [graded(marks=[kept])]) + page("bob", [graded(problem="It is a link.")])

    assert "7.25" not in html and "7.25" not in str(kept)
    assert "/secret" not in html
    assert "It is a link." in html


def test_what_could_not_be_read_is_said():
    assert "It is a link." in Reader(page("alice", [graded(problem="It is a link.")])).text


def test_pages_are_written_for_everybody(tmp_path):
    names = ["alice", "Alice", "../bob", "Jane Doe (123)", "con", "ü", "…", "x" * 80]
    report = Report([graded(name) for name in names])

    pages = write_pages(report, tmp_path / "pages")

    assert len(pages) == len(names) == len({path.name.casefold() for path in pages})
    assert {path.parent for path in pages} == {tmp_path / "pages"}
    assert all(path.is_file() for path in pages)
    assert (tmp_path / "pages" / "alice.html").exists() or (
        tmp_path / "pages" / "Alice.html"
    ).exists()


@settings(deadline=None)
@given(st.sets(st.text(min_size=1)))
def test_file_names_never_leave_their_folder(learners):
    names = file_names(learners)
    assert len({name.casefold() for name in names.values()}) == len(learners)
    for name in names.values():
        assert not set(name) & set('/\\:*?"<>|\0') and not name.startswith(".") and len(name) < 90


@pytest.mark.parametrize(
    ("words", "html"),
    [
        ("a `b` c", "a <code>b</code> c"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("a\nb", "a<br>b"),
        ("**a**", "**a**"),
        ("`a\nb`", "`a<br>b`"),
    ],
)
def test_prose(words, html):
    assert prose(words) == html
