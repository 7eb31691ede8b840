"""Lesson 02 in a real model: passages that nobody knows, alone and among rivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from labkit.estimates import mean_of_few
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import MODEL, columns, loaded
from labkit.instruments.context.haystacks import Haystack, rival_haystacks
from labkit.instruments.real.passages import demonstrations, names, read

SETS = 8  # of solved questions before the text
STACKS = {1: 12, 2: 6, 4: 3, 8: 2, 16: 1}  # passages → texts for each set; all passages are asked
Judge = Callable[[Haystack, int, str], bool]
Said = list[list[list[str]]]  # for each set, for each text, the answers to its questions


def rivals(passages: int, sets: int = SETS) -> dict[str, float]:
    """Every passage tells the same kind of thing, of another name. Besides the right answers, with
    their interval over sets of solved questions: the worst and the best set; answers that name any
    value in the text, and what picking one of them would give; answers that name the last passage's
    value; and right answers without the text."""
    texts = [stacks(passages, each) for each in range(sets)]
    said = [read(*loaded(), some, demonstrations(each)) for each, some in enumerate(texts)]
    bare = read(*loaded(), texts[0], demonstrations(0), with_text=False)
    right = [share(some, answers, is_value) for some, answers in zip(texts, said, strict=True)]
    return columns(mean_of_few("right", right)) | {
        "worst_set": min(right),
        "best_set": max(right),
        "any_value": over(texts, said, any_of),
        "guess": fmean(chance(stack) for some in texts for stack in some),
        "last": over(texts, said, lambda stack, _, text: is_value(stack, -1, text)),
        "without_text": share(texts[0], bare, is_value),
    }


def stacks(passages: int, each: int) -> list[Haystack]:
    """The texts of one set."""
    return rival_haystacks(passages, STACKS[passages], passages, seed=each)


def share(texts: Sequence[Haystack], said: Sequence[Sequence[str]], judge: Judge) -> float:
    """Of all answers about these texts the share that the judge accepts."""
    return fmean(
        judge(stack, i, text)
        for stack, answers in zip(texts, said, strict=True)
        for i, text in enumerate(answers)
    )


def over(texts: Sequence[Sequence[Haystack]], said: Said, judge: Judge) -> float:
    """The same over all sets."""
    return fmean(share(some, answers, judge) for some, answers in zip(texts, said, strict=True))


def is_value(stack: Haystack, i: int, text: str) -> bool:
    """Whether a text names the value that the i-th passage tells."""
    return names(text, stack.answers[i], stack.answers)


def any_of(stack: Haystack, _: int, text: str) -> bool:
    """Whether it names any value that stands there."""
    return any(is_value(stack, i, text) for i in range(len(stack.answers)))


def chance(stack: Haystack) -> float:
    """How often a passage picked at random tells the right value."""
    n = len(stack.answers)
    return fmean(stack.answers.count(answer) / n for answer in stack.answers)


EXPERIMENTS = (
    Experiment(
        "real-rivals",
        "passages that nobody knows, read by SmolLM2-135M-Instruct among 0 to 15 rivals",
        grid(passages=tuple(STACKS)),
        rivals,
        minutes=8,
        cheap={"passages": 2, "sets": 2},
        within={"right": 0.25, "right_low": 1.0, "right_high": 1.0}
        | {"worst_set": 0.3, "best_set": 0.3, "any_value": 0.2, "guess": 1e-6, "last": 0.25}
        | {"without_text": 0.1},
        model=MODEL,
    ),
)
