"""Exact answers but for space around them, as a share of all."""

from __future__ import annotations

from collections.abc import Callable

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw, draw_text


def check_share_right(s: Submission) -> None:
    """Exact answers but for space around them, as a share of all."""

    def expect(answers: list[str], expected: list[str], because: str) -> None:
        right = [i for i in range(len(answers)) if answers[i].strip() == expected[i].strip()]
        s.share_right(answers, expected).close_to(len(right) / len(answers), because=because)

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


def counted(
    same: Callable[[str, str], bool], share: Callable[[int, int], float] = lambda hits, n: hits / n
) -> Callable[..., float]:
    """A complete answer with a test of its own for what is right, and for what is returned."""

    def share_right(answers: list[str], expected: list[str]) -> float:
        if not answers or len(answers) != len(expected):
            raise ValueError("one answer for each question, please")
        hits = sum(
            1 for answer, right in zip(answers, expected, strict=True) if same(answer, right)
        )
        return share(hits, len(answers))

    return share_right


def stripped(answer: str, right: str) -> bool:
    return answer.strip() == right.strip()


challenge.mistake(
    "a-count",
    "You returned how many answers are right. Divide that by how many there are.",
    hint="A count of 57 says nothing until you know of how many. Divide by len(answers).",
    answer=counted(stripped, lambda hits, n: hits),
)


challenge.mistake(
    "percent",
    "You returned percent. A share goes from 0 to 1.",
    hint="Leave the factor 100 out.",
    answer=counted(stripped, lambda hits, n: 100 * hits / n),
)


challenge.mistake(
    "whole-division",
    "`//` drops what is behind the point: your share is 0 until every answer is right.",
    hint="Divide with `/`.",
    answer=counted(stripped, lambda hits, n: hits // n),
)


challenge.mistake(
    "share-of-wrong",
    "You counted the wrong answers.",
    hint="Count where `answer == right`, not where they differ.",
    answer=counted(stripped, lambda hits, n: (n - hits) / n),
)


challenge.mistake(
    "spaces-count",
    "You compare the texts as they are, so ' goat' is not 'goat'. A model often begins with a "
    "space or ends with a line end.",
    hint="Compare `answer.strip()` with `right.strip()`.",
    answer=counted(lambda answer, right: answer == right),
)


challenge.mistake(
    "one-side-stripped",
    "You took the spaces away from the model's answer and not from the expected one.",
    hint="Strip both sides before you compare.",
    answer=counted(lambda answer, right: answer.strip() == right),
)


challenge.mistake(
    "only-expected-stripped",
    "You took the spaces away from the expected answer and not from the model's.",
    hint="Strip both sides before you compare.",
    answer=counted(lambda answer, right: answer == right.strip()),
)


challenge.mistake(
    "only-spaces-stripped",
    "You took away spaces only; line ends and tabs around an answer don't count either.",
    hint="strip() without an argument takes away all white space.",
    answer=counted(lambda answer, right: answer.strip(" ") == right.strip(" ")),
)


challenge.mistake(
    "all-spaces-gone",
    "You removed the spaces inside the answers too: 'oldgoat' now counts as 'old goat'.",
    hint="strip() takes away what is around a text and leaves the inside alone.",
    answer=counted(lambda answer, right: answer.replace(" ", "") == right.replace(" ", "")),
)


challenge.mistake(
    "contains",
    "You look whether the right answer occurs in what was said: 'no goat' would be right.",
    hint="Exact match is `==`. It is strict on purpose: a program reads the answer.",
    answer=counted(lambda answer, right: right.strip() in answer.strip()),
)


challenge.mistake(
    "case-ignored",
    "You ignore upper and lower case. Here 'Goat' and 'goat' are two answers.",
    hint="Leave lower() out.",
    answer=counted(lambda answer, right: answer.strip().lower() == right.strip().lower()),
)


@challenge.mistake(
    "any-place",
    "You look whether an answer is right for any of the questions. It has to be right for its own.",
    hint="Walk through both lists together: zip(answers, expected).",
)
def in_any_place(answers: list[str], expected: list[str]) -> float:
    if not answers or len(answers) != len(expected):
        raise ValueError("one answer for each question, please")
    known = {right.strip() for right in expected}
    return sum(answer.strip() in known for answer in answers) / len(answers)


def hits_unchecked(answers: list[str], expected: list[str]) -> int:
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected, strict=False))


@challenge.mistake(
    "lengths-unchecked",
    "You accept two answers for one question: zip stops at the shorter list, and says nothing.",
    hint="Compare the lengths first, and raise ValueError when they differ.",
)
def lengths_unchecked(answers: list[str], expected: list[str]) -> float:
    if not answers:
        raise ValueError("no answers")
    return hits_unchecked(answers, expected) / len(answers)


@challenge.mistake(
    "empty-is-zero",
    "You answered 0 for no answers at all, as if all had been wrong.",
    hint="Raise ValueError when there is nothing to count.",
)
def empty_is_zero(answers: list[str], expected: list[str]) -> float:
    if len(answers) != len(expected):
        raise ValueError("one answer for each question, please")
    return hits_unchecked(answers, expected) / len(answers) if answers else 0.0


challenge.alternative(counted(stripped))


@challenge.alternative
def by_indices(answers: list[str], expected: list[str]) -> float:
    """Another right answer: with indices, and a subtraction from the end."""
    if len(answers) == 0 or len(answers) - len(expected):
        raise ValueError
    wrong = [i for i, answer in enumerate(answers) if answer.strip() != expected[i].strip()]
    return 1 - len(wrong) / len(answers)


challenge.equivalent(
    "answers->expected | if not answers:",
    because="An empty list beside a full one is refused by zip's strict.",
)


challenge.equivalent(
    (
        "answers->expected | return sum(answer.strip() == right.strip() for answer, right in "
        "pairs) / len(answers)"
    ),
    because="By then both have the same length.",
)
