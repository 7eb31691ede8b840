"""A page says what a learner needs, holds nothing that they must not see, and runs nothing."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.classroom import feedback
from labkit.classroom.feedback import file_names, page, prose, write_pages
from labkit.classroom.intake import Found
from labkit.classroom.replies import Fault, Mark, Marked, Problem
from labkit.classroom.result_files import write_result
from labkit.classroom.run import Graded, Report
from labkit.course.cards import verdict_card
from labkit.grading import Outcome, Verdict
from labkit.paths import PACKAGE
from tests.classroom.handed_in import LESSON

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
    right = Mark(
        challenge=name,
        title=f"Title of {name}",
        outcome=Outcome(outcome),
        points=2 if outcome == "pass" else 0,
        worth=2,
        message="Right: 21 cases hold.",
        line="",
        case="",
        seconds=0.1,
    )
    return replace(right, **changes)


def graded(learner="alice", marks=None, notes=(), problem="", submission="abcdef" * 10, **where):
    found = Found(learner, "x", f"/secret/place/{learner}", f"{LESSON}.ipynb")
    reply = Marked(LESSON, "c", tuple(marks or [mark()]), tuple(notes), seed=1)
    reply = Problem(problem, seed=1) if problem else reply
    return Graded(replace(found, **where), LESSON, submission, reply)


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


def test_it_is_accessible():
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


def test_the_failing_call_is_shown_as_in_the_lesson():
    call = "apply_temperature(tensor([7.25]), temperature=2.0)\n  expected  tensor([3.625])"
    verdict = Verdict("apply_temperature", Outcome.FAIL, "Wrong.", case=call, line="line 1: x")

    read = Reader(page("alice", [graded(marks=[mark(outcome="fail", case=verdict.case)])]))

    assert call in read.text
    assert all(line in verdict_card(verdict).text for line in call.splitlines())


def test_a_page_names_no_place_of_the_instructors():
    place = PACKAGE.parent
    said = mark("f", "error", message=f"in {place}/x.py", line=f"{place}", case=f"f('{place}/y')")
    work = [graded(marks=[said], notes=[f"{place}/z"]), graded(problem=f"{place}/q is a link.")]
    fault = Graded(graded().found, LESSON, "", Fault(f"OSError: {place}/bob/05.ipynb"))

    html = page("alice", [*work, fault])

    assert "/secret" not in html and str(place) not in html and "bob" not in html
    assert "…/x.py" in html and "…/q is a link." in html
    assert "by a fault that is not yours" in html and "OSError" not in html


def test_pages_of_hand_ins_that_are_told_apart_show_the_place_below_what_was_given(tmp_path):
    work = [graded("alice", below=f"section{n}/alice.ipynb", submission=str(n)) for n in (1, 2)]

    pages = write_pages(Report(work), tmp_path)

    assert len(pages.written) == 2
    for number, path in enumerate(pages.written, 1):
        html = path.read_text(encoding="utf-8")
        assert f"Feedback for <bdi>alice [section{number}/alice.ipynb]</bdi>" in html
        assert "/secret" not in html and path.name.startswith(f"alice_section{number}_alice.ipynb-")


def test_nothing_turns_text_around_or_ends_its_line():
    trouble = "a\u202eb\x1b[31m\x00\u2028\ud800"
    said = mark("f", "fail", title=trouble, message=trouble, line=trouble, case=trouble)
    one = graded(trouble, [said], [trouble], file=trouble)

    html = page(trouble, [one, graded(trouble, problem=trouble)])

    assert all(sign.isprintable() or sign == "\n" for sign in html)
    assert html.encode("utf-8")


def test_unreadable_hand_ins_are_explained():
    assert "It is a link." in Reader(page("alice", [graded(problem="It is a link.")])).text


def test_every_learner_gets_a_page(tmp_path):
    names = ["alice", "Alice", "../bob", "Jane Doe (123)", "con", "ü", "…", "x" * 80, "😀" * 62]
    report = Report([graded(name) for name in names])

    pages = write_pages(report, tmp_path / "pages")

    assert not pages.failed and not pages.kept
    assert len(pages.written) == len(names) == len({path.name.casefold() for path in pages.written})
    assert sorted((tmp_path / "pages").iterdir()) == sorted(pages.written)


def test_one_page_that_cannot_be_written_costs_no_other(tmp_path, monkeypatch):
    def write_but_one(path: Path, data: bytes) -> None:
        if path.name == "bob.html":
            raise OSError(28, "No space left on device")
        write_result(path, data)

    monkeypatch.setattr(feedback, "write_result", write_but_one)

    pages = write_pages(Report([graded(name) for name in ("alice", "bob", "carol")]), tmp_path)

    assert [path.name for path in pages.written] == ["alice.html", "carol.html"]
    assert pages.failed == [f"{tmp_path / 'bob.html'}: No space left on device"]


def test_a_page_of_another_run_is_kept_and_the_same_one_is_left(tmp_path):
    last_week, now = graded(marks=[mark("top_p_filter")]), graded()
    write_pages(Report([last_week, graded("bob")]), tmp_path)

    pages = write_pages(Report([now, graded("bob")]), tmp_path)

    (kept,) = pages.kept
    assert "top_p_filter" in kept.read_text() and kept.parent == tmp_path
    assert kept.name.startswith("alice.20") and kept.suffix == ".html"
    assert "apply_temperature" in (tmp_path / "alice.html").read_text()
    assert len(list(tmp_path.iterdir())) == 3


def test_no_page_replaces_another_learners():
    """By a name that is what another's name comes to with its fingerprint."""
    for odd in ("a b", "a~b", "é b"):
        guess = file_names([odd])[odd].removesuffix(".html")
        assert len(set(file_names([odd, guess, guess.upper()]).values())) == 3


@settings(deadline=None, derandomize=True)
@given(st.sets(st.text(min_size=1), max_size=8) | st.sets(st.text("aA.-_ ", min_size=1)))
def test_file_names_never_leave_their_folder(learners):
    names = file_names(learners)
    assert len({name.casefold() for name in names.values()}) == len(learners)
    for name in names.values():
        assert not set(name) & set('/\\:*?"<>|\0') and not name.startswith((".", "-"))
        assert len(name.encode()) < 140


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
