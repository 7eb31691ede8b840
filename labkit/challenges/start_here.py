"""Lesson 00, Start here: three small functions, so that every outcome of a check is met once.

Expected values are counted here item by item in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.drawing import draw, draw_text

Weights = dict[str, Tensor]


# ------------------------------------------------------------------------------------------------
# share_right


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


def hits_unchecked(answers: list[str], expected: list[str]) -> int:
    return sum(a.strip() == e.strip() for a, e in zip(answers, expected, strict=False))


def lengths_unchecked(answers: list[str], expected: list[str]) -> float:
    if not answers:
        raise ValueError("no answers")
    return hits_unchecked(answers, expected) / len(answers)


def empty_is_zero(answers: list[str], expected: list[str]) -> float:
    if len(answers) != len(expected):
        raise ValueError("one answer for each question, please")
    return hits_unchecked(answers, expected) / len(answers) if answers else 0.0


def in_any_place(answers: list[str], expected: list[str]) -> float:
    if not answers or len(answers) != len(expected):
        raise ValueError("one answer for each question, please")
    known = {right.strip() for right in expected}
    return sum(answer.strip() in known for answer in answers) / len(answers)


def by_indices(answers: list[str], expected: list[str]) -> float:
    """Another right answer: with indices, and a subtraction from the end."""
    if len(answers) == 0 or len(answers) - len(expected):
        raise ValueError
    wrong = [i for i, answer in enumerate(answers) if answer.strip() != expected[i].strip()]
    return 1 - len(wrong) / len(answers)


SHARE_MISTAKES = (
    Mistake(
        "a-count",
        counted(stripped, lambda hits, n: hits),
        "You returned how many answers are right. Divide that by how many there are.",
        "A count of 57 says nothing until you know of how many. Divide by len(answers).",
    ),
    Mistake(
        "percent",
        counted(stripped, lambda hits, n: 100 * hits / n),
        "You returned percent. A share goes from 0 to 1.",
        "Leave the factor 100 out.",
    ),
    Mistake(
        "whole-division",
        counted(stripped, lambda hits, n: hits // n),
        "`//` drops what is behind the point: your share is 0 until every answer is right.",
        "Divide with `/`.",
    ),
    Mistake(
        "share-of-wrong",
        counted(stripped, lambda hits, n: (n - hits) / n),
        "You counted the wrong answers.",
        "Count where `answer == right`, not where they differ.",
    ),
    Mistake(
        "spaces-count",
        counted(lambda answer, right: answer == right),
        "You compare the texts as they are, so ' goat' is not 'goat'. A model often begins with a "
        "space or ends with a line end.",
        "Compare `answer.strip()` with `right.strip()`.",
    ),
    Mistake(
        "one-side-stripped",
        counted(lambda answer, right: answer.strip() == right),
        "You took the spaces away from the model's answer and not from the expected one.",
        "Strip both sides before you compare.",
    ),
    Mistake(
        "only-expected-stripped",
        counted(lambda answer, right: answer == right.strip()),
        "You took the spaces away from the expected answer and not from the model's.",
        "Strip both sides before you compare.",
    ),
    Mistake(
        "only-spaces-stripped",
        counted(lambda answer, right: answer.strip(" ") == right.strip(" ")),
        "You took away spaces only; line ends and tabs around an answer don't count either.",
        "strip() without an argument takes away all white space.",
    ),
    Mistake(
        "all-spaces-gone",
        counted(lambda answer, right: answer.replace(" ", "") == right.replace(" ", "")),
        "You removed the spaces inside the answers too: 'oldgoat' now counts as 'old goat'.",
        "strip() takes away what is around a text and leaves the inside alone.",
    ),
    Mistake(
        "contains",
        counted(lambda answer, right: right.strip() in answer.strip()),
        "You look whether the right answer occurs in what was said: 'no goat' would be right.",
        "Exact match is `==`. It is strict on purpose: a program reads the answer.",
    ),
    Mistake(
        "case-ignored",
        counted(lambda answer, right: answer.strip().lower() == right.strip().lower()),
        "You ignore upper and lower case. Here 'Goat' and 'goat' are two answers.",
        "Leave lower() out.",
    ),
    Mistake(
        "any-place",
        in_any_place,
        "You look whether an answer is right for any of the questions. It has to be right for its "
        "own.",
        "Walk through both lists together: zip(answers, expected).",
    ),
    Mistake(
        "lengths-unchecked",
        lengths_unchecked,
        "You accept two answers for one question: zip stops at the shorter list, and says nothing.",
        "Compare the lengths first, and raise ValueError when they differ.",
    ),
    Mistake(
        "empty-is-zero",
        empty_is_zero,
        "You answered 0 for no answers at all, as if all had been wrong.",
        "Raise ValueError when there is nothing to count.",
    ),
)

SHARE_HINTS = (
    "Two lists of the same length: walk through them together and count where they agree.",
    "Take one pair by hand, ' cat\\n' and 'cat': what must happen before `==` says True? And "
    "which lists can't be counted at all?",
    "zip(answers, expected) gives the pairs; strip() both texts of each, count the equal ones, and "
    "divide. ['goat', ' cat\\n', 'a dog'] and ['goat', 'cat', 'dog']: two of three, 0.6667.",
)


# ------------------------------------------------------------------------------------------------
# prompt_with


def check_prompt_with(s: Submission) -> None:
    """Passage, question and the beginning of the answer: three lines, in this order."""
    question = "Which pet does Anna Kell have?"
    layout = "The passage, the question after 'Q: ', and 'A: ' stand on three lines."
    s.prompt_with("Anna Kell has a goat.", question).equals(
        "Anna Kell has a goat.\nQ: Which pet does Anna Kell have?\nA: ", because=layout
    )
    s.prompt_with("x", "y").equals("x\nQ: y\nA: ", because=layout)
    s.prompt_with("One.\nTwo.", "y?").equals(
        "One.\nTwo.\nQ: y?\nA: ", because="A passage may have several lines; they stay."
    )
    around = "Spaces and line ends around the passage are left out."
    s.prompt_with("  One.\n\n", "y?").equals("One.\nQ: y?\nA: ", because=around)
    none = "Without a passage the prompt begins with the question."
    s.prompt_with("", question).equals("Q: Which pet does Anna Kell have?\nA: ", because=none)
    s.prompt_with(" \n ", "y?").equals("Q: y?\nA: ", because=none)
    for lines in (1, 3):
        passage = "\n".join(draw_text(s, "abc .", 12).strip() or "x" for _ in range(lines))
        asked, text = f"Who {draw_text(s, 'abc', 12)}?", f"{passage}. "
        wanted = f"{text.strip()}\nQ: {asked}\nA: "
        s.prompt_with(f" {text}\n", asked).equals(wanted, because=layout)
    asked = draw_text(s, "abcdefgh", 12)
    s.prompt_with("\n", asked).equals(f"Q: {asked}\nA: ", because=none)


def prompt_by(layout: str) -> Callable[[str, str], str]:
    """A complete answer that fills in a layout."""

    def prompt_with(passage: str, question: str) -> str:
        text = passage.strip()
        if not text:
            return f"Q: {question}\nA: "
        return layout.format(passage=text, question=question)

    return prompt_with


def passage_as_it_is(passage: str, question: str) -> str:
    return f"{passage}\nQ: {question}\nA: " if passage.strip() else f"Q: {question}\nA: "


def empty_line(passage: str, question: str) -> str:
    return f"{passage.strip()}\nQ: {question}\nA: "


def ending_in(end: str) -> Callable[[str, str], str]:
    def prompt_with(passage: str, question: str) -> str:
        return prompt_joined(passage, question)[: -len("A: ")] + end

    return prompt_with


def prompt_joined(passage: str, question: str) -> str:
    """Another right answer: a list of lines, joined."""
    lines = [passage.strip(), f"Q: {question}", "A: "]
    return "\n".join(line for line in lines if line)


PROMPT_MISTAKES = (
    Mistake(
        "question-first",
        prompt_by("Q: {question}\n{passage}\nA: "),
        "You put the question before the passage. The model was trained to read first.",
        "Passage, question, answer: in this order.",
    ),
    Mistake(
        "one-line",
        prompt_by("{passage} Q: {question} A: "),
        "Everything stands on one line. The line ends tell the model where a part begins.",
        "Put '\\n' after the passage and after the question.",
    ),
    Mistake(
        "no-passage",
        prompt_by("Q: {question}\nA: "),
        "You left the passage out: there is nothing to read.",
        "The passage is the first line of the prompt.",
    ),
    Mistake(
        "no-answer-line",
        ending_in(""),
        "The prompt ends with the question. The model would have to write 'A: ' itself, and may "
        "write another question instead.",
        "End with 'A: ', so that the answer is all that is left to write.",
    ),
    Mistake(
        "no-space-after-a",
        ending_in("A:"),
        "The space after 'A:' is missing. To a tokenizer that is another text: the model has to "
        "write the space first.",
        "End with 'A: ', with the space.",
    ),
    Mistake(
        "line-after-a",
        ending_in("A: \n"),
        "You ended with a line end, which says that the answer is over.",
        "Nothing comes after 'A: '.",
    ),
    Mistake(
        "passage-as-it-is",
        passage_as_it_is,
        "You took the passage as it came, with the empty lines around it.",
        "passage.strip() leaves them out.",
    ),
    Mistake(
        "empty-line",
        empty_line,
        "Without a passage your prompt begins with an empty line.",
        "Put the passage and its line end there only when there is a passage.",
    ),
)

PROMPT_HINTS = (
    "It is three lines of text. Write them down for the example, then put the names in.",
    "Three lines have two line ends between them: after which parts do they stand? Then the odd "
    "case: what is the first line when the passage is nothing but white space?",
    "'Anna Kell has a goat.' + '\\n' + 'Q: ' + 'Which pet does Anna Kell have?' + '\\n' + 'A: '",
)


# ------------------------------------------------------------------------------------------------
# share_changed


def check_share_changed(s: Submission) -> None:
    """Numbers that differ, of all numbers, over all tensors."""

    def expect(before: Weights, after: Weights, because: str) -> None:
        pairs = [(before[n].flatten().tolist(), after[n].flatten().tolist()) for n in before]
        changed = sum(x != y for a, b in pairs for x, y in zip(a, b, strict=True))
        share = changed / sum(len(a) for a, _ in pairs)
        s.share_changed(before, after).close_to(share, because=because)

    zeros, step = torch.zeros(3), torch.tensor([0.0, 0.5, 0.0])
    count = "The numbers that differ, divided by all numbers."
    expect({"a": zeros}, {"a": step}, count)
    expect({"a": zeros}, {"a": zeros.clone()}, count)
    expect({"a": zeros}, {"a": zeros + 1}, count)
    expect({"a": torch.ones(2, 3)}, {"a": torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])}, count)

    several = "All tensors count together, each number once."
    expect(
        {"a": torch.zeros(2), "b": torch.zeros(8)},
        {"a": torch.ones(2), "b": torch.zeros(8)},
        several,
    )
    x = torch.randn(4, 5, generator=s.generator)
    expect({"a": x, "b": x[0]}, {"a": x.round(), "b": x[0].clone()}, several)
    for shape in ((30, 40), (7, 11, 13)):
        old = torch.randn(shape, generator=s.generator)
        moved = torch.rand(shape, generator=s.generator) < 0.1 + 0.1 * draw(s, 8)
        expect({"a": old, "b": old[0]}, {"a": old + moved, "b": old[0] - 1}, several)
    order = "Names belong together, whatever their order."
    expect({"a": zeros, "b": step}, {"b": step.clone(), "a": zeros.clone()}, order)

    little = "A number that differs ever so little has changed."
    expect({"a": torch.ones(2)}, {"a": torch.tensor([1.0, 1.0000001])}, little)
    expect({"a": torch.tensor([1.0, -1.0])}, {"a": torch.tensor([-1.0, 1.0])}, "Signs count.")
    expect({"a": zeros.bfloat16()}, {"a": step.bfloat16()}, "Any dtype will do.")

    names = "Weights of other names are another model's."
    s.share_changed.raises(ValueError, {"a": zeros}, {"b": zeros}, because=names)
    s.share_changed.raises(ValueError, {"a": zeros}, {"a": zeros, "b": step}, because=names)
    s.share_changed.raises(ValueError, {"a": zeros, "b": step}, {"a": zeros}, because=names)
    shapes = "One name with two shapes can't be compared, though broadcasting would."
    s.share_changed.raises(ValueError, {"a": zeros}, {"a": torch.zeros(1)}, because=shapes)
    s.share_changed.raises(ValueError, {"a": torch.zeros(1)}, {"a": zeros}, because=shapes)
    one_of_two = {"a": step, "b": torch.zeros(1)}
    s.share_changed.raises(ValueError, {"a": step, "b": zeros}, one_of_two, because=shapes)


def refused(before: Weights, after: Weights) -> None:
    if set(before) != set(after) or any(before[n].shape != after[n].shape for n in before):
        raise ValueError("not the same model")


def by(
    formula: Callable[[list[Tensor], list[Tensor]], float],
) -> Callable[[Weights, Weights], float]:
    """A complete answer with a formula of its own for tensors in the same order."""

    def share_changed(before: Weights, after: Weights) -> float:
        refused(before, after)
        return formula([before[name] for name in before], [after[name] for name in before])

    return share_changed


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.float().flatten() for tensor in tensors])


def mean_of_shares(before: list[Tensor], after: list[Tensor]) -> float:
    shares = [(a != b).float().mean().item() for a, b in zip(before, after, strict=True)]
    return sum(shares) / len(shares)


def tensors_that_changed(before: list[Tensor], after: list[Tensor]) -> float:
    changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    return sum(changed) / len(changed)


def names_unchecked(before: Weights, after: Weights) -> float:
    both = [name for name in before if name in after]
    if any(before[name].shape != after[name].shape for name in both):
        raise ValueError("shapes")
    changed = sum(int((before[name] != after[name]).sum()) for name in both)
    return changed / max(1, sum(before[name].numel() for name in both))


def shapes_unchecked(before: Weights, after: Weights) -> float:
    if before.keys() != after.keys():
        raise ValueError("names")
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    return changed / sum(tensor.numel() for tensor in before.values())


def by_position(before: Weights, after: Weights) -> float:
    refused(before, after)
    pairs = list(zip(before.values(), after.values(), strict=True))
    changed = sum(int((a != b).sum()) for a, b in pairs)
    return changed / sum(a.numel() for a, _ in pairs)


def at_once(before: list[Tensor], after: list[Tensor]) -> float:
    """Another right answer: all tensors as one."""
    return (flat(before) != flat(after)).float().mean().item()


def one_by_one(before: list[Tensor], after: list[Tensor]) -> float:
    """Another right answer: in plain Python."""
    numbers = zip(flat(before).tolist(), flat(after).tolist(), strict=True)
    different = [x != y for x, y in numbers]
    return sum(different) / len(different)


CHANGED_MISTAKES = (
    Mistake(
        "mean-of-shares",
        by(mean_of_shares),
        "You averaged the shares of the tensors, so that a small tensor weighs as much as a large "
        "one.",
        "Add up the changed numbers of all tensors, then divide once by all numbers.",
    ),
    Mistake(
        "tensors",
        by(tensors_that_changed),
        "You counted tensors. One changed number in a tensor of a million makes it 'changed'.",
        "Count numbers: (before != after).sum() for each tensor.",
    ),
    Mistake(
        "tolerance",
        by(lambda a, b: 1 - torch.isclose(flat(a), flat(b)).float().mean().item()),
        "You compare within a tolerance. A number that moved a little has moved.",
        "Use `!=` and not isclose.",
    ),
    Mistake(
        "unchanged",
        by(lambda a, b: (flat(a) == flat(b)).float().mean().item()),
        "That is the share of numbers that stayed.",
        "Count where they differ: `!=`.",
    ),
    Mistake(
        "magnitudes",
        by(lambda a, b: (flat(a).abs() != flat(b).abs()).float().mean().item()),
        "You compare magnitudes: from 1 to -1 is a change too.",
        "Leave abs() out.",
    ),
    Mistake(
        "how-far",
        by(lambda a, b: (flat(a) - flat(b)).abs().mean().item()),
        "You measured how far the numbers moved, not how many did.",
        "Compare with `!=`, which gives True or False for each number, and count.",
    ),
    Mistake(
        "count",
        by(lambda a, b: (flat(a) != flat(b)).sum().item()),
        "You returned how many numbers changed. Divide that by how many there are.",
        "numel() says how many numbers a tensor has.",
    ),
    Mistake(
        "by-position",
        by_position,
        "You compare the first tensor with the first one, whatever their names are.",
        "Look the second one up by name: after[name].",
    ),
    Mistake(
        "names-unchecked",
        names_unchecked,
        "You skip names that only one side has, and compare two different models without a word.",
        "before.keys() != after.keys() is a ValueError.",
    ),
    Mistake(
        "shapes-unchecked",
        shapes_unchecked,
        "You compare tensors of different shapes: broadcasting stretches one of them.",
        "Compare the shapes first, and raise ValueError where they differ.",
    ),
)

CHANGED_HINTS = (
    "`a != b` on two tensors gives True wherever they differ.",
    "Two tensors of 2 and 8 numbers: both numbers of the first changed, none of the second. What "
    "share is that of all? Which two sums do you need for it? And what can't be compared at all?",
    "2 of 10 numbers, 0.2. Refuse other names and shapes first; then go through the names, add up "
    "(before[name] != after[name]).sum() and before[name].numel(), and divide once, at the end.",
)


CHALLENGES = (
    Challenge(
        name="share_right",
        title="What share is right?",
        points=1,
        check=check_share_right,
        mistakes=SHARE_MISTAKES,
        alternatives=(counted(stripped), by_indices),
        hints=SHARE_HINTS,
    ),
    Challenge(
        name="prompt_with",
        title="A prompt with something to read",
        points=1,
        check=check_prompt_with,
        mistakes=PROMPT_MISTAKES,
        alternatives=(prompt_by("{passage}\nQ: {question}\nA: "), prompt_joined),
        hints=PROMPT_HINTS,
    ),
    Challenge(
        name="share_changed",
        title="How much of the model changed?",
        points=1,
        check=check_share_changed,
        mistakes=CHANGED_MISTAKES,
        alternatives=(by(at_once), by(one_by_one)),
        hints=CHANGED_HINTS,
    ),
)


# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
SAME_LENGTH = "An empty list beside a full one is refused by zip's strict."
ALIKE = "By then both have the same names, and each name the same shape."
EQUIVALENT = {
    "share_right: answers->expected | if not answers:": SAME_LENGTH,
    "share_right: answers->expected | return sum(answer.strip() == right.strip() for answer, right "
    "in pairs) / len(answers)": "By then both have the same length.",
    "share_changed: before->after | if any(before[name].shape != after[name].shape for name in "
    "before): #2": ALIKE,
    "share_changed: before->after | changed = sum(int(torch.ne(before[name], after[name]).sum()) "
    "for name in before) #2": ALIKE,
    "share_changed: before->after | return changed / sum(tensor.numel() for tensor in "
    "before.values())": ALIKE,
}
