"""Lesson 14, small models: what is right, the mistakes known by name, the hints.

Expected values come from the definitions in float64 and plain Python, and for the distillation
loss also from torch.distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.drawing import draw

Models = dict[str, tuple[float, float]]
Fit = dict[str, Any]
GIB = 2**30


def exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def normal(s: Submission, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=s.generator)


# ------------------------------------------------------------------------------------------------
# distillation_loss


def log_softmax(row: np.ndarray) -> np.ndarray:
    shifted = row - row.max()
    return np.asarray(shifted - math.log(np.exp(shifted).sum()))


def true_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """By the definition of KL, token by token, in float64."""
    total = 0.0
    for q_row, p_row in zip(exact(student), exact(teacher), strict=True):
        log_q, log_p = log_softmax(q_row / temperature), log_softmax(p_row / temperature)
        both = zip(log_p, log_q, strict=True)
        total += sum(math.exp(p) * (p - q) for p, q in both if p > -math.inf)
    return torch.tensor(temperature**2 * total / len(student))


def true_gradient(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """For the student's logits: temperature · (q - p) / tokens."""
    rows = [
        np.exp(log_softmax(q / temperature)) - np.exp(log_softmax(p / temperature))
        for q, p in zip(exact(student), exact(teacher), strict=True)
    ]
    return torch.tensor(np.array(rows) * temperature / len(rows)).float()


def library_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """By torch.distributions."""
    p, q = (Categorical(logits=x / temperature) for x in (teacher, student))
    return temperature**2 * kl_divergence(p, q).mean()


def check_distillation_loss(s: Submission) -> None:
    """T² · KL(teacher || student) of both softened, the mean over tokens."""

    def expect(
        student: Tensor, teacher: Tensor, temperature: float, because: str,
        truth: Callable[..., Tensor] = true_loss,
    ) -> None:  # fmt: skip
        answer = s.distillation_loss(student, teacher, temperature)
        expected = truth(student, teacher, temperature)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-5)
        answer.is_tensor(shape=(), dtype=torch.float32)

    def expect_gradient(student: Tensor, teacher: Tensor, temperature: float, because: str) -> None:
        answer = s.distillation_loss.gradient(0, student, teacher, temperature)
        expected = true_gradient(student, teacher, temperature)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-5)

    plain = "At temperature 1 it is KL(teacher || student)."
    expect(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.5, 0.5]]).log(), 1.0, plain)
    expect(2 * normal(s, 1, 4), 2 * normal(s, 1, 4), 1.0, plain)
    mean = "The mean over tokens of a sum over the vocabulary."
    expect(2 * normal(s, 3, 5), 2 * normal(s, 3, 5), 1.0, mean)
    expect(2 * normal(s, 6, 2), 2 * normal(s, 6, 2), 1.0, mean)
    soft = "Both are softened, and temperature² keeps the gradient's size."
    for temperature in (2.0, 4.0, 0.5):
        expect(3 * normal(s, 1, 4), 3 * normal(s, 1, 4), temperature, soft)
        expect(3 * normal(s, 4, 6), 3 * normal(s, 4, 6), temperature, soft)
    same = normal(s, 3, 4)
    expect(same, same, 2.0, "A student that agrees with its teacher has nothing to learn.")
    far = (
        "Logits far apart: the logarithm of a tiny probability is a plain number, which neither "
        "rounding to 0 nor a floor under it may spoil."
    )
    expect(torch.tensor([[0.0, 300.0]]), torch.tensor([[1.0, 0.0]]), 1.0, far)
    for away in (150.0 + draw(s, 150), -150.0 - draw(s, 150)):
        apart, teacher = torch.tensor([[0.0, away]]), normal(s, 1, 2)
        expect(apart, teacher, 1.0, far)
        expect_gradient(apart, teacher, 1.0, far)
    ruled_out = "What the teacher rules out (-inf) adds nothing."
    forbidding = torch.tensor([[1.0, -math.inf, 0.0], [0.5, 2.0, -math.inf]])
    expect(normal(s, 2, 3), forbidding, 2.0, ruled_out)
    forbidding = normal(s, 3, 4)
    forbidding[torch.arange(3), torch.randint(4, (3,), generator=s.generator)] = -math.inf
    expect(normal(s, 3, 4), forbidding, 2.0, ruled_out)
    half = "bfloat16 logits are taken to float32 before anything else."
    expect(normal(s, 4, 8).bfloat16(), normal(s, 4, 8).bfloat16(), 2.0, half)
    by_library = "torch.distributions' kl_divergence gives this, times temperature²."
    expect(normal(s, 5, 7), normal(s, 5, 7), 3.0, by_library, library_loss)
    back = "The student learns through this loss: a gradient has to reach its logits."
    expect_gradient(2 * normal(s, 1, 3), 2 * normal(s, 1, 3), 1.0, back)
    expect_gradient(2 * normal(s, 4, 5), 2 * normal(s, 4, 5), 2.0, back)
    other = "Another vocabulary, or another number of tokens, can't be compared."
    for shape in ((3, 5), (1, 4), (3, 1)):
        s.distillation_loss.raises(ValueError, normal(s, 3, 4), normal(s, *shape), 2.0,
                                   because=other)  # fmt: skip
    nothing = "There is no token to take a mean of."
    s.distillation_loss.raises(ValueError, torch.zeros(0, 4), torch.zeros(0, 4), 2.0,
                               because=nothing)  # fmt: skip
    for temperature in (0.0, -1.0):
        s.distillation_loss.raises(ValueError, same, same, temperature,
                                   because="A temperature is more than 0.")  # fmt: skip


def refuse(student: Tensor, teacher: Tensor, temperature: float) -> None:
    if student.shape != teacher.shape or student.numel() == 0 or not temperature > 0:
        raise ValueError("shapes or temperature")


def kl(log_q: Tensor, p: Tensor) -> Tensor:
    """Summed over the vocabulary: (tokens,)."""
    return (torch.xlogy(p, p) - p * log_q).sum(-1)


def squared(t: float) -> float:
    return t * t


def loss_with(
    distance: Callable[[Tensor, Tensor], Tensor] = lambda q, p: kl(
        q.log_softmax(-1), p.softmax(-1)
    ),
    factor: Callable[[float], float] = squared,
    reduce: Callable[[Tensor, int], Tensor] = lambda each, words: each.mean(),
    soften: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]] = lambda q, p, t: (
        q / t, p / t
    ),
    kind: Callable[[Tensor], Tensor] = lambda x: x.float(),
) -> Callable[..., Any]:  # fmt: skip
    """A complete answer; `distance` gives one number for each token, of softened logits."""

    def distillation_loss(
        student_logits: Tensor, teacher_logits: Tensor, temperature: float
    ) -> Any:
        refuse(student_logits, teacher_logits, temperature)
        q, p = soften(kind(student_logits), kind(teacher_logits), temperature)
        return factor(temperature) * reduce(distance(q, p), q.shape[-1])

    return distillation_loss


def by_cross_entropy(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Another right answer: cross-entropy less the teacher's own entropy."""
    refuse(student_logits, teacher_logits, temperature)
    p = torch.softmax(teacher_logits.double() / temperature, 1)
    crossed = F.cross_entropy(student_logits.double() / temperature, p)
    own = torch.special.entr(p).sum(1).mean()
    return ((crossed - own) * temperature * temperature).float()


def by_token(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Another right answer: token by token with kl_div."""
    refuse(student_logits, teacher_logits, temperature)
    each = [
        F.kl_div((q / temperature).log_softmax(0), (p / temperature).softmax(0), reduction="sum")
        for q, p in zip(student_logits.float(), teacher_logits.float(), strict=True)
    ]
    return torch.stack(each).mean() * temperature**2


def shapes_unchecked(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Any:
    if temperature <= 0 or not len(student_logits):
        raise ValueError("temperature")
    q = (student_logits.float() / temperature).log_softmax(-1)
    p = (teacher_logits.float() / temperature).softmax(-1)
    return temperature**2 * kl(q, p).mean()


def empty_unchecked(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Any:
    if temperature <= 0 or student_logits.shape != teacher_logits.shape:
        raise ValueError("temperature or shapes")
    q = (student_logits.float() / temperature).log_softmax(-1)
    p = (teacher_logits.float() / temperature).softmax(-1)
    return temperature**2 * kl(q, p).mean()


def temperature_unchecked(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> Any:
    if student_logits.shape != teacher_logits.shape or not len(student_logits):
        raise ValueError("shapes")
    q = (student_logits.float() / temperature).log_softmax(-1)
    p = (teacher_logits.float() / temperature).softmax(-1)
    return temperature**2 * kl(q, p).mean()


def by_distributions(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Rounds the student's small probabilities to 0 and calls the distance infinite."""
    refuse(student_logits, teacher_logits, temperature)
    return library_loss(student_logits.float(), teacher_logits.float(), temperature)


def detached(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Right, and cut off from where it comes from."""
    return by_token(student_logits.detach(), teacher_logits, temperature)


def by_plain_sum(logits: Tensor) -> Tensor:
    """log softmax without a largest number taken off."""
    return logits - logits.exp().sum(-1, keepdim=True).log()


def by_plain_powers(logits: Tensor) -> Tensor:
    """softmax without a largest number taken off."""
    return logits.exp() / logits.exp().sum(-1, keepdim=True)


BOTH_SOFT = "Divide both by the temperature, then softmax."
DISTILLATION_MISTAKES = (
    Mistake(
        "no-t-squared",
        loss_with(factor=lambda t: 1.0),
        "You left out temperature². Softened distributions lie closer together, and the gradient "
        "shrinks by that factor: beside the loss on the data, distillation would not count.",
        "Multiply by temperature ** 2.",
    ),
    Mistake(
        "t-once",
        loss_with(factor=lambda t: t),
        "You multiplied by the temperature once. The gradient shrinks twice: through the division "
        "and through distributions that have come closer.",
        "Multiply by temperature ** 2.",
    ),
    Mistake(
        "divided-by-t-squared",
        loss_with(factor=lambda t: t**-2),
        "You divided by temperature².",
        "Multiply by temperature ** 2.",
    ),
    Mistake(
        "reversed",
        loss_with(lambda q, p: kl(p.log_softmax(-1), q.softmax(-1))),
        "You have KL(student || teacher). It lets the student leave out what the teacher holds "
        "possible; distillation weighs by the teacher's probabilities.",
        "F.kl_div takes the student's logarithms first and the teacher's probabilities second.",
    ),
    Mistake(
        "student-not-softened",
        loss_with(soften=lambda q, p, t: (q, p / t)),
        "You softened the teacher only: a student that agrees with it would have to be as soft.",
        BOTH_SOFT,
    ),
    Mistake(
        "teacher-not-softened",
        loss_with(soften=lambda q, p, t: (q / t, p)),
        "You softened the student only.",
        BOTH_SOFT,
    ),
    Mistake(
        "multiplied",
        loss_with(soften=lambda q, p, t: (q * t, p * t)),
        "You multiplied the logits by the temperature: a high one then sharpens.",
        BOTH_SOFT,
    ),
    Mistake(
        "mean-over-vocabulary",
        loss_with(reduce=lambda each, words: each.mean() / words),
        "You took the mean over the vocabulary as well (kl_div's own reduction, 'mean'). KL is a "
        "sum over it; with a vocabulary of 32,000 the loss would all but vanish.",
        "reduction='batchmean', or .sum(-1).mean()",
    ),
    Mistake(
        "summed",
        loss_with(reduce=lambda each, words: each.sum()),
        "You summed over the tokens: a longer batch would teach harder.",
        "reduction='batchmean', or .sum(-1).mean()",
    ),
    Mistake(
        "cross-entropy",
        loss_with(lambda q, p: -(p.softmax(-1) * q.log_softmax(-1)).sum(-1)),
        "You have the cross-entropy. It is KL plus the teacher's entropy: a student that agrees "
        "with its teacher does not get 0. (The gradients are the same.)",
        "The sum of p · (log p - log q).",
    ),
    Mistake(
        "hard-labels",
        loss_with(lambda q, p: -q.log_softmax(-1).gather(1, p.argmax(-1, keepdim=True))[:, 0]),
        "You took the teacher's likeliest token as the label. What it holds of all others is what "
        "distillation is about.",
        "Use the whole distribution of the teacher.",
    ),
    Mistake(
        "squares-of-logits",
        loss_with(lambda q, p: (q - p).square().sum(-1)),
        "You compared logits. Adding 1 to all of them changes no probability.",
        "KL of the two softmax distributions.",
    ),
    Mistake(
        "log-of-softmax",
        loss_with(lambda q, p: kl(q.softmax(-1).log(), p.softmax(-1))),
        "You took the logarithm of a softmax. A small probability is rounded to 0 and its "
        "logarithm is -inf: one token makes the loss infinite.",
        "F.log_softmax does both in one step, safely.",
    ),
    Mistake(
        "infinite-where-rounded-to-zero",
        by_distributions,
        "Your distance is infinite where the student's probability is too small for float32 and is "
        "rounded to 0, though its logarithm is known: torch.distributions' kl_divergence does "
        "that. One token makes the loss infinite.",
        "Take the logarithms straight from the logits: F.log_softmax.",
    ),
    Mistake(
        "exp-overflows",
        loss_with(lambda q, p: kl(by_plain_sum(q), p.softmax(-1))),
        "You add up plain exponentials. exp(300) is more than float32 can hold, so the sum is "
        "infinite.",
        "F.log_softmax (or torch.logsumexp) takes the largest logit off first.",
    ),
    Mistake(
        "softmax-of-plain-exponentials",
        loss_with(lambda q, p: kl(by_plain_powers(q).log(), p.softmax(-1))),
        "You divide plain exponentials. exp(300) is more than float32 can hold, and infinite / "
        "infinite is NaN; exp(-300) is rounded to 0, whose logarithm is -inf.",
        "F.log_softmax takes the largest logit off first, and never leaves the logarithms.",
    ),
    Mistake(
        "no-gradient",
        detached,
        "The number is right, but no gradient leads from it back to student_logits: no student "
        "could learn from it.",
        "float(), .item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way "
        "off: stay with operations on tensors.",
    ),
    Mistake(
        "student-without-log",
        loss_with(lambda q, p: kl(q.softmax(-1), p.softmax(-1))),
        "You took the student's probabilities where their logarithms belong. (F.kl_div wants "
        "logarithms for its first argument.)",
        "F.log_softmax for the student.",
    ),
    Mistake(
        "teacher-as-logarithms",
        loss_with(lambda q, p: kl(q.log_softmax(-1), p.log_softmax(-1))),
        "All that you return is NaN. F.kl_div does that to a teacher given as logarithms: unless "
        "log_target=True it wants probabilities, and takes the logarithm itself.",
        "F.softmax for the teacher.",
    ),
    Mistake(
        "ruled-out-is-nan",
        loss_with(lambda q, p: (p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum(-1)),
        "Where the teacher rules a token out you compute 0 · (-inf), which is NaN. By the "
        "definition such a token adds 0.",
        "F.kl_div with the teacher's probabilities, or torch.xlogy(p, p), has it right.",
    ),
    Mistake(
        "softmax-over-tokens",
        loss_with(lambda q, p: kl(q.log_softmax(0), p.softmax(0))),
        "Your softmax runs over the tokens.",
        "dim=-1: over the vocabulary.",
    ),
    Mistake(
        "in-the-logits-dtype",
        loss_with(kind=lambda x: x),
        "You computed in bfloat16, whose numbers have three digits at best: a difference of "
        "logarithms is all rounding.",
        "student_logits.float() and teacher_logits.float() first.",
    ),
    Mistake(
        "shapes-unchecked",
        shapes_unchecked,
        "You compare whatever torch can stretch. A teacher with another vocabulary means other "
        "tokens by the same numbers.",
        "if student_logits.shape != teacher_logits.shape: raise ValueError(...)",
    ),
    Mistake(
        "empty-unchecked",
        empty_unchecked,
        "Of no token you make NaN, which would spoil every weight at the next step.",
        "raise ValueError for a batch without a token.",
    ),
    Mistake(
        "temperature-unchecked",
        temperature_unchecked,
        "You accept a temperature of 0 or below.",
        "if temperature <= 0: raise ValueError(...)",
    ),
)

DISTILLATION_HINTS = (
    "Two distributions for each token, both softened in the same way; how many nats does one lose "
    "who believes the student while the teacher is right?",
    "Take one token first, at temperature 1. KL is a sum over the vocabulary: which of the two "
    "gives the weights, and which logarithm is taken from which? What becomes of many tokens and "
    "of the temperature stands in the docstring. F.kl_div does a part: what is its first argument?",
    "Teacher [0.5, 0.5], student [0.25, 0.75], T 1: 0.5 · log(0.5 / 0.25) + 0.5 · log(0.5 / 0.75) "
    "= 0.3466 - 0.2027 = 0.1438.",
)


# ------------------------------------------------------------------------------------------------
# pareto_frontier


def true_frontier(models: Models) -> list[str]:
    """By a sweep from the fastest: kept is what is better than all before it, and its equals."""
    order = list(models)
    swept = sorted(order, key=lambda name: (models[name][0], -models[name][1], order.index(name)))
    kept: list[str] = []
    for name in swept:
        if not kept or models[name][1] > models[kept[-1]][1] or models[name] == models[kept[-1]]:
            kept.append(name)
    return kept


def check_pareto_frontier(s: Submission) -> None:
    """Nobody is as fast and as good, and better in one; fastest first."""

    def expect(models: Models, because: str) -> None:
        s.pareto_frontier(models).equals(true_frontier(models), because=because)

    rule = "On the frontier are those that no other model beats."
    expect({"only": (30.0, 0.5)}, rule)
    expect({"large": (90.0, 0.8), "small": (20.0, 0.7), "old": (40.0, 0.6)}, rule)
    expect({"a": (50.0, 0.9), "b": (10.0, 0.3), "c": (20.0, 0.5), "d": (60.0, 0.8)}, rule)
    below = "A model below the line from one neighbour to the other is still a choice."
    expect({"a": (10.0, 0.1), "b": (50.0, 0.2), "c": (90.0, 0.9)}, below)
    hidden = "It has to be better than every faster one, not only than the next."
    expect({"a": (10.0, 0.8), "b": (20.0, 0.4), "c": (30.0, 0.6), "d": (40.0, 0.9)}, hidden)
    tied = "As fast and better, or as good and faster, is better."
    expect({"a": (10.0, 0.5), "b": (10.0, 0.7)}, tied)
    expect({"a": (30.0, 0.7), "b": (10.0, 0.7)}, tied)
    expect({"a": (30.0, 0.7), "b": (10.0, 0.7), "c": (10.0, 0.6), "d": (40.0, 0.8)}, tied)
    equal = "Equals don't beat each other: both are on the frontier, or neither."
    expect({"b": (10.0, 0.7), "a": (10.0, 0.7)}, equal)
    expect({"x": (20.0, 0.8), "b": (10.0, 0.7), "y": (20.0, 0.8), "a": (10.0, 0.7)}, equal)
    expect({"b": (10.0, 0.7), "a": (10.0, 0.7), "best": (5.0, 0.9)}, equal)
    numbers = drawn_numbers(s, 5)
    expect(numbered([*numbers, *numbers[draw(s, 5) :], *numbers]), equal)
    for size in (6, 12):
        expect(numbered(drawn_numbers(s, size)), rule)
    expect({}, "Of no model there is no frontier.")
    unknown = "What was not measured (NaN) can't be compared."
    for pair in ((math.nan, 0.5), (10.0, math.nan)):
        numbers = drawn_numbers(s, 6)
        numbers[draw(s, 6)] = pair
        s.pareto_frontier.raises(ValueError, numbered(numbers), because=unknown)
        s.pareto_frontier.raises(ValueError, {"a": (20.0, 0.4), "b": pair}, because=unknown)
        s.pareto_frontier.raises(ValueError, {"b": pair, "a": (20.0, 0.4)}, because=unknown)


def drawn_numbers(s: Submission, size: int) -> list[tuple[float, float]]:
    """Pairs of few milliseconds and tenths, so that some are alike."""
    drawn = torch.randint(1, 10, (size, 2), generator=s.generator).tolist()
    return [(float(ms), quality / 10) for ms, quality in drawn]


def numbered(pairs: list[tuple[float, float]]) -> Models:
    """Models called m0, m1, …"""
    return {f"m{number}": pair for number, pair in enumerate(pairs)}


def measured(models: Models) -> None:
    if any(number != number for pair in models.values() for number in pair):
        raise ValueError("NaN")


def by_time(models: Models) -> list[str]:
    """Fastest first, the better of equally fast ones first, otherwise as given."""
    return sorted(models, key=lambda name: (models[name][0], -models[name][1]))


def unbeaten_by(
    beats: Callable[[tuple[float, float], tuple[float, float]], bool],
    order: Callable[[Models], list[str]] = by_time,
) -> Callable[[Models], list[str]]:
    """A complete answer: `beats` says whether one of two models rules the other out."""

    def pareto_frontier(models: Models) -> list[str]:
        measured(models)
        return [
            name
            for name in order(models)
            if not any(beats(models[o], models[name]) for o in models if o != name)
        ]

    return pareto_frontier


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """As fast and as good, and better in one."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def picked_by(pick: Callable[[Models, list[str]], list[str]]) -> Callable[[Models], list[str]]:
    """A complete answer; `pick` gets the names by time."""

    def pareto_frontier(models: Models) -> list[str]:
        measured(models)
        return pick(models, by_time(models))

    return pareto_frontier


def by_best_so_far(models: Models, names: list[str]) -> list[str]:
    """Another right answer: the best quality among those at most as slow."""
    return [
        name
        for name in names
        if all(
            models[n][1] < models[name][1] or models[n] == models[name]
            for n in names[: names.index(name)]
        )
    ]


def best_only(models: Models, names: list[str]) -> list[str]:
    top = max((models[n][1] for n in names), default=0.0)
    first = next((n for n in names if models[n][1] == top), None)
    return [n for n in names if first and models[n] == models[first]]


def fastest_only(models: Models, names: list[str]) -> list[str]:
    return [n for n in names if models[n] == models[names[0]]]


def both_ends(models: Models, names: list[str]) -> list[str]:
    return list(dict.fromkeys([*fastest_only(models, names), *best_only(models, names)]))


def best_ratio(models: Models, names: list[str]) -> list[str]:
    ratio = {n: models[n][1] / models[n][0] for n in names}
    return [n for n in names if ratio[n] == max(ratio.values())]


def next_only(models: Models, names: list[str]) -> list[str]:
    pairs = [(-math.inf, -math.inf), *(models[n] for n in names)]
    return [
        n
        for n, before in zip(names, pairs, strict=False)
        if models[n][1] > before[1] or models[n] == before
    ]


def first_of_equals(models: Models, names: list[str]) -> list[str]:
    kept: list[str] = []
    for name in names:
        if not kept or models[name][1] > models[kept[-1]][1]:
            kept.append(name)
    return kept


def hull(models: Models, names: list[str]) -> list[str]:
    kept = by_best_so_far(models, names)

    def under(a: str, b: str, c: str) -> bool:
        (x0, y0), (x1, y1), (x2, y2) = (models[n] for n in (a, b, c))
        return (y1 - y0) * (x2 - x0) < (y2 - y0) * (x1 - x0) - 1e-12

    return [
        name
        for name in kept
        if not any(
            under(a, name, c)
            for a in kept
            for c in kept
            if models[a][0] < models[name][0] < models[c][0]
        )
    ]


def frontier_of_nan(models: Models) -> list[str]:
    return [n for n in by_time(models) if not any(beats(o, models[n]) for o in models.values())]


FRONTIER_MISTAKES = (
    Mistake(
        "best-only",
        picked_by(best_only),
        "You kept the best model. One that is faster and nearly as good is a choice too.",
        "Keep every model that no other one beats.",
    ),
    Mistake(
        "fastest-only",
        picked_by(fastest_only),
        "You kept the fastest model. One that is slower and better is a choice too.",
        "Keep every model that no other one beats.",
    ),
    Mistake(
        "both-ends-only",
        picked_by(both_ends),
        "You kept the fastest and the best. Between them there are choices too.",
        "Keep every model that no other one beats.",
    ),
    Mistake(
        "best-ratio",
        picked_by(best_ratio),
        "You kept the most quality per millisecond. How much quality a millisecond is worth is the "
        "user's affair: the frontier leaves that open.",
        "Compare both numbers, without a ratio.",
    ),
    Mistake(
        "better-in-both",
        unbeaten_by(lambda one, other: one[0] < other[0] and one[1] > other[1]),
        "You drop a model only where another one is better in both. One that is as fast, and "
        "better, beats it as well.",
        "As good in both, and better in one: <= and >=, and not the same pair.",
    ),
    Mistake(
        "equals-beat-each-other",
        unbeaten_by(lambda one, other: one[0] <= other[0] and one[1] >= other[1]),
        "Two models with the same two numbers throw each other out, and both are lost.",
        "To beat means better in one of the two at least.",
    ),
    Mistake(
        "first-of-equals",
        picked_by(first_of_equals),
        "Of two models with the same numbers you kept the first. Which of them to take is not for "
        "the order of a table to say.",
        "Keep both.",
    ),
    Mistake(
        "next-only",
        picked_by(next_only),
        "You compared each model with the next faster one. The one that beats it may be faster "
        "still.",
        "Remember the best quality so far.",
    ),
    Mistake(
        "on-the-hull-only",
        picked_by(hull),
        "You kept the corners of the convex hull. A model below the line between two others is "
        "still the best within its time: one can't run half of each.",
        "Compare models with models, not with lines.",
    ),
    Mistake(
        "slow-is-good",
        unbeaten_by(lambda one, other: one[0] >= other[0] and one[1] >= other[1] and one != other),
        "You took many milliseconds for good.",
        "Fewer milliseconds, more quality.",
    ),
    Mistake(
        "poor-is-good",
        unbeaten_by(lambda one, other: one[0] <= other[0] and one[1] <= other[1] and one != other),
        "You took little quality for good, as if it were a loss.",
        "Fewer milliseconds, more quality.",
    ),
    Mistake(
        "as-given",
        unbeaten_by(beats, order=list),
        "Your models stand in the order of the input. The fastest comes first.",
        "Sort by milliseconds.",
    ),
    Mistake(
        "slowest-first",
        unbeaten_by(
            beats, order=lambda models: sorted(models, key=lambda n: models[n][0], reverse=True)
        ),
        "Your slowest model comes first.",
        "Sort by milliseconds, fewest first.",
    ),
    Mistake(
        "nan-unchecked",
        frontier_of_nan,
        "A model without a measurement is on your frontier: NaN is neither more nor less than any "
        "number, so nobody beats it.",
        "if math.isnan(...) of any number: raise ValueError(...)",
    ),
)

FRONTIER_HINTS = (
    "When would nobody ever take a model, whatever a millisecond is worth to them?",
    "Write down when one pair beats another. Try your rule on two models with the same time, then "
    "with the same time and the same quality. Which models does no pair beat?",
    "large (90, 0.8), small (20, 0.7), old (40, 0.6): small is faster than old and better, so old "
    "is out. large is better than small: it stays. small, large.",
)


# ------------------------------------------------------------------------------------------------
# memory_fit

LLAMA_2_7B = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
              "num_key_value_heads": 32}  # fmt: skip
LLAMA_3_2_3B = {"num_hidden_layers": 28, "hidden_size": 3072, "num_attention_heads": 24,
                "num_key_value_heads": 8, "head_dim": 128}  # fmt: skip
NEMO = {"num_hidden_layers": 40, "hidden_size": 5120, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128}  # fmt: skip
TINY = {"num_hidden_layers": 2, "hidden_size": 12, "num_attention_heads": 3,
        "num_key_value_heads": 1}  # fmt: skip


def true_fit(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    """Layer by layer and head by head."""
    size = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    vectors = [2 * size] * config["num_key_value_heads"] * config["num_hidden_layers"]
    cache = sum(2 * numbers for numbers in vectors) * tokens
    weights = parameters / 8 * bits
    left = memory_gib * GIB - overhead_gib * GIB - weights - cache
    return {"weights": weights, "cache": cache, "fits": left >= 0}


def check_memory_fit(s: Submission) -> None:
    """Weights at so many bits, the cache and the overhead against the memory."""

    def expect(because: str, *arguments: Any) -> None:
        answer = s.memory_fit(*arguments)
        answer.close_to(true_fit(*arguments), because=because, rtol=0.0, atol=1.0)

    weights = "The weights take parameters · bits / 8 bytes."
    expect(weights, TINY, 2**33, 16, 0, 20, 1)
    expect(weights, TINY, 2**33, 4, 0, 20, 1)
    expect(weights, *drawn_model(s), 8, 0, draw(s, 32), 1)
    scales = "A quantization's scales make it 4.5 bits: not a whole number."
    expect(scales, TINY, 2**33, 4.5, 0, 20, 1)
    expect(scales, *drawn_model(s), 2.5 + draw(s, 6), 0, draw(s, 32), 1)
    expect("One bit is the least that a whole weight can have.", TINY, 2**33, 1, 0, 20, 1)
    cache = "A key and a value of two bytes a number, for each token, layer and key-value head."
    expect(cache, TINY, 1000, 8, 100, 1, 0)
    expect(cache, LLAMA_2_7B, 6_738_415_616, 16, 1, 24, 1)
    expect(cache, LLAMA_2_7B, 6_738_415_616, 4.5, 4096, 8, 1)
    for _ in range(2):
        expect(cache, *drawn_model(s), 4.5, 1 + draw(s, 100_000), draw(s, 32), 1)
    own = "head_dim counts where the config gives it."
    expect(own, NEMO, 12_247_782_400, 4.5, 1000, 8, 1)
    expect(own, LLAMA_3_2_3B, 3_212_749_824, 4.5, 131_072, 24, 1)
    for _ in range(2):
        config, parameters = drawn_model(s)
        config["head_dim"] = sizes_of(config)[2] + 8 + 8 * draw(s, 8)
        expect(own, config, parameters, 4.5, 1 + draw(s, 100_000), draw(s, 32), 1)
    edge = "It fits where all three together are no more than the memory."
    gib = 2**30
    expect(edge, TINY, 8 * gib, 8, 0, 9, 1)
    expect(edge, TINY, 8 * gib, 8, 0, 8.5, 1)
    expect(edge, TINY, 8 * gib, 8, 0, 8.5, 0.5)
    expect(edge, TINY, 8 * gib, 8, 1, 9, 1)
    expect(edge, LLAMA_2_7B, 4 * gib, 8, 4096, 7, 1)
    expect(edge, LLAMA_2_7B, 4 * gib, 8, 4097, 7, 1)
    for bits, spare_mib in ((8, 0), (4, 0), (8, -1), (16, -1)):
        (config, parameters), tokens = drawn_model(s), 10_000 + draw(s, 90_000)
        true = true_fit(config, parameters, bits, tokens, 0, 0)
        needed = true["weights"] + true["cache"]
        overhead = (1 + draw(s, 12)) / 4
        memory = needed / GIB + overhead + spare_mib / 1024
        expect(edge, config, parameters, bits, tokens, memory, overhead)
    expect("A GiB has 2**30 bytes.", TINY, 8 * 10**9, 8, 0, 7.5, 0)
    expect("A GiB has 2**30 bytes.", TINY, 6 * 10**9, 8, 0, 7.6, 2)
    for bits in (0, -4):
        s.memory_fit.raises(ValueError, *drawn_model(s), bits, 10, 100, 0,
                            because="A weight takes more than 0 bits.")  # fmt: skip


def drawn_model(s: Submission) -> tuple[dict[str, Any], int]:
    """A config without head_dim, and a number of parameters that 16 divides."""
    key_value_heads = 1 + draw(s, 8)
    heads = key_value_heads * (2 + draw(s, 4))
    config = {"num_hidden_layers": 2 + draw(s, 60), "hidden_size": heads * 8 * (1 + draw(s, 20)),
              "num_attention_heads": heads, "num_key_value_heads": key_value_heads}  # fmt: skip
    return config, 16 * (10**8 + draw(s, 10**9))


def sizes_of(config: dict[str, Any]) -> tuple[int, int, int]:
    """Layers, key-value heads, head_dim."""
    own = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return config["num_hidden_layers"], config["num_key_value_heads"], own


def weights_by_bits(parameters: int, bits: float) -> float:
    return parameters * bits / 8


def right_cache(config: dict[str, Any], tokens: int, bits: float) -> float:
    layers, heads, size = sizes_of(config)
    return layers * heads * size * tokens * 4


def within(weights: float, cache: float, memory: float, overhead: float) -> bool:
    return weights + cache + overhead <= memory


def fit_with(
    weigh: Callable[[int, float], float] = weights_by_bits,
    keep: Callable[[dict[str, Any], int, float], float] = right_cache,
    fits: Callable[[float, float, float, float], bool] = within,
    gib: int = GIB,
) -> Callable[..., Any]:
    """A complete answer, each part of which can be another."""

    def memory_fit(
        config: dict[str, Any], parameters: int, bits: float, tokens: int,
        memory_gib: float, overhead_gib: float,
    ) -> Any:  # fmt: skip
        if bits <= 0:
            raise ValueError("bits")
        weights, cache = weigh(parameters, bits), keep(config, tokens, bits)
        enough = fits(weights, cache, memory_gib * gib, overhead_gib * gib)
        return {"weights": weights, "cache": cache, "fits": enough}

    return memory_fit


def in_whole_bytes(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    """Another right answer: weights rounded up, and what is left compared."""
    if not bits > 0:
        raise ValueError("bits")
    weights, cache = math.ceil(parameters * bits / 8), int(right_cache(config, tokens, bits))
    left = (memory_gib - overhead_gib) * GIB - cache
    return {"weights": weights, "cache": cache, "fits": weights <= left}


def bits_unchecked(
    config: dict[str, Any], parameters: int, bits: float, tokens: int,
    memory_gib: float, overhead_gib: float,
) -> Fit:  # fmt: skip
    weights, cache = weights_by_bits(parameters, bits), right_cache(config, tokens, bits)
    fits = within(weights, cache, memory_gib * GIB, overhead_gib * GIB)
    return {"weights": weights, "cache": cache, "fits": fits}


def cache_by(change: Callable[[float, dict[str, Any], int, float], float]) -> Any:
    """The cache's bytes, changed."""
    return fit_with(keep=lambda c, tokens, bits: change(right_cache(c, tokens, bits), c, tokens,
                                                        bits))  # fmt: skip


FIT_MISTAKES = (
    Mistake(
        "bits-as-bytes",
        fit_with(lambda parameters, bits: parameters * bits),
        "You took bits for bytes: eight times too much.",
        "parameters * bits / 8",
    ),
    Mistake(
        "bits-floored",
        fit_with(lambda parameters, bits: parameters * (bits // 8)),
        "You rounded the bytes of one weight down: 4 bits became 0 bytes.",
        "parameters * bits / 8, without rounding before.",
    ),
    Mistake(
        "whole-bits",
        fit_with(lambda parameters, bits: parameters * int(bits) / 8),
        "You cut the bits to a whole number. 4.5 means 4 bits and the scales that go with them.",
        "parameters * bits / 8",
    ),
    Mistake(
        "gb-for-gib",
        fit_with(gib=10**9),
        "You took a GiB for 10**9 bytes. It has 2**30: 7 % more.",
        "memory_gib * 2**30",
    ),
    Mistake(
        "half-the-cache",
        cache_by(lambda cache, c, tokens, bits: cache / 2),
        "Your cache is half of what it is. A layer keeps keys and values, and each of their "
        "numbers takes two bytes: one of the two factors of 2 is missing.",
        "2 (key, value) · layers · key-value heads · head_dim · tokens · 2 bytes",
    ),
    Mistake(
        "twice-the-cache",
        cache_by(lambda cache, c, tokens, bits: cache * 2),
        "Your cache is twice what it is. A key and a value of two bytes for each number: a factor "
        "of 2 is there once too often.",
        "2 (key, value) · layers · key-value heads · head_dim · tokens · 2 bytes",
    ),
    Mistake(
        "cache-in-the-weights-bits",
        cache_by(lambda cache, c, tokens, bits: cache / 16 * bits),
        "You gave the cache the weights' bits. Quantized weights leave it as it is: two bytes a "
        "number.",
        "2 bytes for each number of the cache, whatever the weights have.",
    ),
    Mistake(
        "query-heads",
        cache_by(
            lambda cache, c, tokens, bits: (
                cache / c["num_key_value_heads"] * c["num_attention_heads"]
            )
        ),
        "You counted query heads. Only key-value heads are kept.",
        "config['num_key_value_heads']",
    ),
    Mistake(
        "hidden-size-cached",
        cache_by(
            lambda cache, c, tokens, bits: c["num_hidden_layers"] * c["hidden_size"] * tokens * 4
        ),
        "You counted hidden_size numbers for a key, and as many for a value. Only the key-value "
        "heads are kept, with head_dim numbers each.",
        "num_key_value_heads * head_dim in the place of hidden_size.",
    ),
    Mistake(
        "head-dim-of-key-value-heads",
        cache_by(
            lambda cache, c, tokens, bits: (
                cache if "head_dim" in c else c["num_hidden_layers"] * c["hidden_size"] * tokens * 4
            )
        ),
        "You divided hidden_size by the key-value heads. The attention heads share it; a "
        "key-value head is as long as one of those.",
        "hidden_size // num_attention_heads",
    ),
    Mistake(
        "head-dim-computed",
        cache_by(
            lambda cache, c, tokens, bits: (
                cache / sizes_of(c)[2] * (c["hidden_size"] // c["num_attention_heads"])
            )
        ),
        "You computed head_dim where the config gives it.",
        "config.get('head_dim') or hidden_size // num_attention_heads",
    ),
    Mistake(
        "one-layer",
        cache_by(lambda cache, c, tokens, bits: cache / c["num_hidden_layers"]),
        "You counted the cache of one layer.",
        "Multiply by num_hidden_layers.",
    ),
    Mistake(
        "cache-of-one-token",
        cache_by(lambda cache, c, tokens, bits: cache / tokens if tokens else 0.0),
        "You counted the cache of one token.",
        "Multiply by tokens.",
    ),
    Mistake(
        "cache-not-added",
        fit_with(fits=lambda weights, cache, memory, overhead: weights + overhead <= memory),
        "You did not add the cache to what is needed: with a long context it is what breaks.",
        "weights + cache + overhead <= memory",
    ),
    Mistake(
        "overhead-forgotten",
        fit_with(fits=lambda weights, cache, memory, overhead: weights + cache <= memory),
        "You forgot the overhead: the system and the program need some of the memory too.",
        "weights + cache + overhead <= memory",
    ),
    Mistake(
        "exact-fit-refused",
        fit_with(fits=lambda weights, cache, memory, over: weights + cache + over < memory),
        "You refuse what fits exactly.",
        "Compare with <=.",
    ),
    Mistake(
        "turned-round",
        fit_with(fits=lambda weights, cache, memory, over: weights + cache + over > memory),
        "Your 'fits' is True where it does not.",
        "needed <= memory",
    ),
    Mistake(
        "bits-unchecked",
        bits_unchecked,
        "You accept 0 bits, or fewer: any model would fit anywhere.",
        "if bits <= 0: raise ValueError(...)",
    ),
)

FIT_HINTS = (
    "Three things share the memory. One depends on the bits, one on the tokens, one on neither.",
    "For the cache, start small: how many bytes does one token leave in one key-value head of one "
    "layer? Then count how many such there are. Last, all three must be in the same unit.",
    "Llama-2-7B, 4.5 bits, 4,096 tokens: 6.738e9 * 4.5 / 8 = 3.79e9 bytes (3.53 GiB); 2 · 32 · 32 "
    "· 128 · 2 = 524,288 bytes a token, 2 GiB; with 1 GiB of overhead 6.53 GiB: fits into 8.",
)


CHALLENGES = (
    Challenge(
        name="distillation_loss",
        title="Learn from a teacher's distribution",
        points=4,
        check=check_distillation_loss,
        mistakes=DISTILLATION_MISTAKES,
        alternatives=(loss_with(), by_cross_entropy, by_token),
        hints=DISTILLATION_HINTS,
    ),
    Challenge(
        name="pareto_frontier",
        title="The frontier of quality and time",
        points=3,
        check=check_pareto_frontier,
        mistakes=FRONTIER_MISTAKES,
        alternatives=(unbeaten_by(beats), picked_by(by_best_so_far)),
        hints=FRONTIER_HINTS,
    ),
    Challenge(
        name="memory_fit",
        title="Does it fit?",
        points=2,
        check=check_memory_fit,
        mistakes=FIT_MISTAKES,
        alternatives=(fit_with(), in_whole_bytes),
        hints=FIT_HINTS,
    ),
)

# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
TWO = "Logits have two dimensions: the last is number 1."
PAIR = "A pair has two items: the last is number 1."
BEATS = (
    "pareto_frontier: 1->-1 | pair[0] <= mine[0] and pair[1] >= mine[1] and pair != mine "
    "for pair in models.values()"
)
SORTED = (
    "pareto_frontier: {} | return [name for name in sorted(models, key=lambda n: models[n][0]) "
    "if not beaten(models[name])]"
)
ALONG = "On the frontier more quality takes more time: by quality the order is the same."
EQUIVALENT = {
    "distillation_loss: student_logits->teacher_logits | if student_logits.shape != "
    "teacher_logits.shape or not len(student_logits): #2": "There both have the same shape.",
    "distillation_loss: -1->1 | "
    "student = (student_logits.float() / temperature).log_softmax(-1)": TWO,
    "distillation_loss: -1->1 | teacher = (teacher_logits.float() / temperature).softmax(-1)": TWO,
    BEATS: PAIR,
    f"{BEATS} #2": PAIR,
    SORTED.format("0->1"): ALONG,
    SORTED.format("0->-1"): ALONG,
    "memory_fit: 2->-2 | GIB = 2**30": "An even power has no sign.",
    'memory_fit: FloorDiv->Div | head_dim = config.get("head_dim") or config["hidden_size"] // '
    "heads": "The heads share hidden_size without a remainder.",
    "memory_fit: Div->FloorDiv | weights, cache = parameters * bits / 8, 2 * numbers * tokens": (
        "Less than one byte is lost, and a byte has no parts."
    ),
}
