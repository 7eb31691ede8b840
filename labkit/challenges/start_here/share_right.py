"""Accuracy by exact match: the share of answers that are what was expected, but for white space.

Checked against a count by position in plain Python, on texts that differ by one thing each: space
around and inside, upper case, a longer or a shorter text, another place.
"""

from __future__ import annotations

from operator import eq
from statistics import fmean

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw, draw_text
from labkit.grading.source.spoiling import spoiled


def true_share(answers: list[str], expected: list[str]) -> float:
    """Position by position."""
    right = [i for i in range(len(answers)) if answers[i].strip() == expected[i].strip()]
    return len(right) / len(answers)


def check_share_right(s: Submission) -> None:
    def expect(answers: list[str], expected: list[str], because: str) -> None:
        share = true_share(answers, expected)
        s.share_right(answers, expected).close_to(share, because=because)

    count = "Right answers, divided by all answers."
    expect(["goat"], ["goat"], count)
    expect(["goat"], ["cat"], count)
    expect(["goat", "cat", "a dog"], ["goat", "cat", "dog"], count)
    expect(["red", "red", "blue", "red"], ["red", "blue", "blue", "green"], count)
    expect(["goat", "goat"], ["goat", "goat"], count)

    around = "Spaces and line ends around an answer don't count."
    expect([" goat", "cat\n", "\tdog "], ["goat", "cat", "dog"], around)
    expect(["goat", "cat"], [" goat ", "cat\n"], around)
    expect(["\tgoat", "cat\r\n", "dog"], ["goat\t", "cat", "\n dog"], around)
    expect(["old goat", "oldgoat", "old  goat"], ["old goat"] * 3, "Spaces inside an answer count.")

    whole = "An answer that only holds the right one, or is a part of it, is another answer."
    expect(["no goat", "goat", "goats"], ["goat"] * 3, whole)
    expect(["go", "", "goat"], ["goat"] * 3, whole)

    expect(["Goat", "goat"], ["goat", "goat"], "Upper and lower case count.")
    expect(["cat", "goat"], ["goat", "cat"], "Each answer belongs to the question in its place.")

    drawn = "All of it together, on drawn texts."
    for many in (7, 12, 17, 23, 31):
        expect(*drawn_answers(s, many, ("",)), drawn)
    expect(*drawn_answers(s, 40, ("", "", " ", "\n", "\t ")), drawn)

    alike = "There must be one answer for each question."
    s.share_right.raises(ValueError, ["goat", "cat"], ["goat"], because=alike)
    s.share_right.raises(ValueError, ["goat"], ["goat", "cat"], because=alike)
    s.share_right.raises(ValueError, [], [], because="No answers have no share.")


def drawn_answers(s: Submission, count: int, blank: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Answers and what was expected, some equal and some not, with `blank` around the answers."""
    expected = [draw_text(s, "agot", 6) for _ in range(count)]
    others = expected[1:] + expected[:1]
    answers = [
        (right, other, right + "s", right.upper(), f"{right} {right}", right)[draw(s, 6)]
        for right, other in zip(expected, others, strict=True)
    ]
    around = [(blank[draw(s, len(blank))], blank[draw(s, len(blank))]) for _ in answers]
    return [a + text + b for text, (a, b) in zip(answers, around, strict=True)], expected


challenge = Challenge(
    name="share_right",
    title="What share is right?",
    check=check_share_right,
    points=1,
    hints=(
        "Two lists of the same length: walk through them together and count where they agree.",
        "Take one pair by hand, ' cat\\n' and 'cat': what must happen before `==` says True? And "
        "which lists can't be counted at all?",
        "zip(answers, expected) gives the pairs; strip() both texts of each, count the equal "
        "ones, and divide. ['goat', ' cat\\n', 'a dog'] and ['goat', 'cat', 'dog']: two of three, "
        "0.6667.",
    ),
)


# ---- what is divided -----------------------------------------------------------------------------

challenge.mistake(
    "a-count",
    "You returned how many answers are right. Divide that by how many there are.",
    hint="A count of 57 says nothing until you know of how many. Divide by len(answers).",
    answer=spoiled(" / len(answers)", ""),
)

challenge.mistake(
    "percent",
    "You returned percent. A share goes from 0 to 1.",
    hint="Leave the factor 100 out.",
    answer=spoiled("return sum", "return 100 * sum"),
)

challenge.mistake(
    "whole-division",
    "`//` drops what is behind the point: your share is 0 until every answer is right.",
    hint="Divide with `/`.",
    answer=spoiled(" / ", " // "),
)

challenge.mistake(
    "share-of-wrong",
    "You counted the wrong answers.",
    hint="Count where `answer == right`, not where they differ.",
    answer=spoiled("==", "!="),
)


# ---- what is equal -------------------------------------------------------------------------------

EQUAL = "answer.strip() == right.strip()"

challenge.mistake(
    "spaces-count",
    "You compare the texts as they are, so ' goat' is not 'goat'. A model often begins with a "
    "space or ends with a line end.",
    hint="Compare `answer.strip()` with `right.strip()`.",
    answer=spoiled(EQUAL, "answer == right"),
)

challenge.mistake(
    "one-side-stripped",
    "You took the spaces away from the model's answer and not from the expected one.",
    hint="Strip both sides before you compare.",
    answer=spoiled(EQUAL, "answer.strip() == right"),
)

challenge.mistake(
    "only-expected-stripped",
    "You took the spaces away from the expected answer and not from the model's.",
    hint="Strip both sides before you compare.",
    answer=spoiled(EQUAL, "answer == right.strip()"),
)

challenge.mistake(
    "only-spaces-stripped",
    "You took away spaces only; line ends and tabs around an answer don't count either.",
    hint="strip() without an argument takes away all white space.",
    answer=spoiled(EQUAL, "answer.strip(' ') == right.strip(' ')"),
)

challenge.mistake(
    "all-spaces-gone",
    "You removed the spaces inside the answers too: 'oldgoat' now counts as 'old goat'.",
    hint="strip() takes away what is around a text and leaves the inside alone.",
    answer=spoiled(EQUAL, "answer.replace(' ', '') == right.replace(' ', '')"),
)

challenge.mistake(
    "contains",
    "You look whether the right answer occurs in what was said: 'no goat' would be right.",
    hint="Exact match is `==`. It is strict on purpose: a program reads the answer.",
    answer=spoiled(EQUAL, "right.strip() in answer.strip()"),
)

challenge.mistake(
    "case-ignored",
    "You ignore upper and lower case. Here 'Goat' and 'goat' are two answers.",
    hint="Leave lower() out.",
    answer=spoiled(EQUAL, "answer.strip().lower() == right.strip().lower()"),
)

challenge.mistake(
    "any-place",
    "You look whether an answer is right for any of the questions. It has to be right for its own.",
    hint="Walk through both lists together: zip(answers, expected).",
    answer=spoiled(EQUAL, "answer.strip() in [text.strip() for text in expected]"),
)


# ---- what can't be counted -----------------------------------------------------------------------

challenge.mistake(
    "lengths-unchecked",
    "You accept two answers for one question: zip stops at the shorter list, and says nothing.",
    hint="Compare the lengths first, and raise ValueError when they differ.",
    answer=spoiled("strict=True", "strict=False"),
)

challenge.mistake(
    "empty-is-zero",
    "You answered 0 for no answers at all, as if all had been wrong.",
    hint="Raise ValueError when there is nothing to count.",
    answer=spoiled('raise ValueError("there are no answers to count")', "return 0.0"),
)


@challenge.alternative
def as_a_mean(answers: list[str], expected: list[str]) -> float:
    """Two columns compared; of nothing, fmean raises a kind of ValueError."""
    if len(answers) != len(expected):
        raise ValueError("one answer for each question")
    return fmean(map(eq, map(str.strip, answers), map(str.strip, expected)))


@challenge.alternative
def less_what_is_wrong(answers: list[str], expected: list[str]) -> float:
    """With indices, and a subtraction from the end."""
    if len(answers) == 0 or len(answers) - len(expected):
        raise ValueError
    wrong = [i for i, answer in enumerate(answers) if answer.strip() != expected[i].strip()]
    return 1 - len(wrong) / len(answers)


challenge.equivalent(
    "answers->expected | if not answers:",
    because="An empty list beside a full one is refused by zip's strict.",
)
challenge.equivalent(
    f"answers->expected | return sum({EQUAL} for answer, right in pairs) / len(answers)",
    because="By then both have the same length.",
)
