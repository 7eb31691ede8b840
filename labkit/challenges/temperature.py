"""Lesson 05, Temperature and sampling: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy and, once per challenge, from transformers' own logits
processors; never from the learner or from the reference solution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.comparison import difference
from labkit.grading.diagnosis import same_values
from labkit.grading.statistics import chi_square_p_value
from labkit.grading.transport import Reply, Returned

INF = float("inf")
DRAWS = 10_000
NO_IDS: Any = torch.empty(0, dtype=torch.long)  # transformers' processors want the prompt's ids
# A p-value that a right sampler reaches once in 10^8 runs: nobody chooses the seed of a run.
UNLIKELY = 1e-9
CLEAR = 1e-5  # many times what sums of float32 probabilities are off by


# ------------------------------------------------------------------------------------------------
# Truth: plain float64, token by token.


def true_softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities along the last dimension, float64; temperature 0 is argmax, first of ties."""
    rows = [row_softmax(row, temperature) for row in as_rows(logits)]
    return torch.from_numpy(np.stack(rows)).reshape(logits.shape)


def row_softmax(row: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of one row."""
    if temperature == 0:
        return np.eye(len(row))[np.argmax(row)]
    weights = np.exp((row - row.max()) / temperature)
    return weights / weights.sum()


def true_top_p(logits: Tensor, top_p: float) -> Tensor:
    """The logits with -inf outside the nucleus: take tokens from the top until they hold top_p."""
    return keep_by_row(logits, lambda row: nucleus(row_softmax(row, 1.0), top_p))


def nucleus(probabilities: np.ndarray, top_p: float) -> list[int]:
    """The token ids of the smallest set that holds at least top_p, and at least one token."""
    kept: list[int] = []
    for token in np.argsort(-probabilities, kind="stable"):
        if kept and top_p < 1 and probabilities[kept].sum() >= top_p:
            break
        kept.append(int(token))
    return kept


def true_min_p(logits: Tensor, min_p: float) -> Tensor:
    """The logits with -inf where the odds against the best token are longer than min_p."""
    return keep_by_row(logits, lambda row: np.exp(row - row.max()) >= min_p)


def true_top_k(logits: Tensor, top_k: int) -> Tensor:
    """The logits with -inf below the top_k largest; 0 keeps all."""
    return keep_by_row(logits, lambda row: np.argsort(-row)[: top_k or None])


def keep_by_row(logits: Tensor, choose: Callable[[np.ndarray], Any]) -> Tensor:
    """A copy of the logits with -inf where a row's choice does not fall."""
    rows = as_rows(logits)
    kept = np.full_like(rows, -INF)
    for row, out in zip(rows, kept, strict=True):
        chosen = choose(row)
        out[chosen] = row[chosen]
    return torch.from_numpy(kept).reshape(logits.shape)


def true_sampling(
    logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:
    """The probability of each token after temperature, top-k, top-p and min-p, in that order."""
    if temperature == 0:
        return true_softmax(logits, 0.0)
    kept = true_top_k(logits.double() / temperature, top_k)
    return true_softmax(true_min_p(true_top_p(kept, top_p), min_p))


def as_rows(logits: Tensor) -> np.ndarray:
    """(rows, vocab) float64, whatever the leading dimensions are."""
    return logits.double().reshape(-1, logits.shape[-1]).numpy()


def random_logits(s: Submission, *shape: int, spread: float = 2.0) -> Tensor:
    """Normal logits from the check's own generator."""
    return spread * torch.randn(*shape, generator=s.generator)


def clear_logits(
    s: Submission,
    *shape: int,
    top_p: float | None = None,
    min_p: float | None = None,
    before: Callable[[Tensor], Tensor] = Tensor.double,
) -> Tensor:
    """Random logits of which no rounding, and no choice among equals, decides what is kept.

    before  what happens to the logits before these thresholds are applied
    """
    while True:
        logits = random_logits(s, *shape)
        ordered = true_softmax(before(logits)).sort(dim=-1, descending=True).values
        sums, ratios = ordered.cumsum(-1), ordered / ordered[..., :1]
        gaps = logits.sort(dim=-1).values.diff(dim=-1)
        if far_from(0.0, gaps) and far_from(top_p, sums) and far_from(min_p, ratios):
            return logits


def far_from(threshold: float | None, values: Tensor) -> bool:
    """Whether float32 puts each of the values on the same side of a threshold as float64 does."""
    return threshold is None or bool(((values - threshold).abs() > CLEAR).all())


def log_of(*probabilities: float) -> Tensor:
    """Logits whose softmax is these probabilities."""
    return torch.tensor(probabilities).log()


# ------------------------------------------------------------------------------------------------
# apply_temperature


def check_apply_temperature(s: Submission) -> None:
    """softmax(logits / T) along the last dimension, for any T from 0 up and logits of any size."""

    def expect(logits: Tensor, temperature: float, because: str, rtol: float = 1e-4) -> None:
        answer = s.apply_temperature(logits, temperature)
        answer.is_tensor(shape=logits.shape, dtype=torch.float32)
        answer.close_to(true_softmax(logits, temperature), because=because, rtol=rtol)

    rule = "Probabilities are exp(logits / T), divided by their sum."
    for temperature in (1.0, 0.5, 2.0, 0.1, 10.0):
        expect(torch.tensor([2.0, 1.0, 0.0]), temperature, rule)
    expect(random_logits(s, 8), 0.7, rule)
    expect(torch.tensor([3.0]), 0.7, "One token has all the probability.")

    rows = "Every row along the last dimension is a distribution of its own."
    expect(torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 5.0]]), 0.5, rows)
    expect(random_logits(s, 4, 7), 1.5, rows)
    expect(random_logits(s, 2, 3, 5), 0.8, rows)

    zero = "At temperature 0 the largest logit has all the probability."
    expect(torch.tensor([1.0, 3.0, 2.0]), 0.0, zero)
    expect(torch.tensor([[1.0, 3.0, 2.0], [-1.0, -3.0, -2.0]]), 0.0, zero)
    tied = "At temperature 0 the first of several largest logits has all the probability."
    expect(torch.tensor([1.0, 3.0, 3.0]), 0.0, tied)

    large = "Large logits must not overflow: subtract the largest logit before exp."
    for logits in ([10_000.0, 9_999.0, 0.0], [-10_000.0, -10_001.0], [[1e4, 9e3], [1.0, 0.0]]):
        expect(torch.tensor(logits), 1.0, large, rtol=2e-3)  # float32 steps by 0.001 up there
    expect(torch.tensor([3.0, 2.0, 1.0]), 0.001, "A small temperature must not overflow.")
    expect(torch.tensor([2.0, -INF, 0.0]), 0.5, "A token filtered out with -inf has probability 0.")

    always = "The result is float32, whatever the dtype of the logits."
    expect(torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64), 0.5, always)
    expect(torch.tensor([2.0, 1.0, 0.5], dtype=torch.bfloat16), 0.5, always, rtol=2e-2)

    refuse = "A temperature below 0 makes no sense."
    s.apply_temperature.raises(ValueError, torch.tensor([2.0, 1.0, 0.0]), -1.0, because=refuse)


def softmax_with(logits: Tensor, temperature: float) -> Tensor:
    """The right answer, which the mistakes below spoil in one place each."""
    if temperature < 0:
        raise ValueError(f"temperature must be 0 or more, got {temperature}")
    if temperature == 0:
        return one_hot_argmax(logits)
    return torch.softmax(logits.float() / temperature, dim=-1)


def one_hot_argmax(logits: Tensor) -> Tensor:
    """1 for the largest logit of each row, 0 for the others."""
    chosen = logits.argmax(dim=-1, keepdim=True)
    return torch.zeros(logits.shape).scatter(-1, chosen, 1.0)


def softmax_in_logs(logits: Tensor, temperature: float) -> Tensor:
    """Another right answer: in logs, by logsumexp."""
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        rows = torch.arange(logits.shape[-1])
        return (rows == logits.argmax(dim=-1)[..., None]).to(torch.float32)
    scaled = logits.to(torch.float64) / temperature
    return (scaled - scaled.logsumexp(dim=-1, keepdim=True)).exp().to(torch.float32)


def spoiled_softmax(formula: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A complete wrong answer: right at 0 and below, wrong by this formula above."""

    def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
        if temperature <= 0:
            return softmax_with(logits, temperature)
        return formula(logits.float(), temperature)

    return apply_temperature


def exp_over_sum(scaled: Tensor) -> Tensor:
    weights = torch.exp(scaled)
    return weights / weights.sum(dim=-1, keepdim=True)


def softmax_of_everything(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.flatten() / temperature, dim=0).reshape(logits.shape)


def zero_division(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.float() / temperature, dim=-1)


def every_tied_maximum(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return (logits == logits.amax(dim=-1, keepdim=True)).float()
    return softmax_with(logits, temperature)


def tiny_instead_of_zero(logits: Tensor, temperature: float) -> Tensor:
    return softmax_with(logits, temperature if temperature else 1e-8)


def negative_allowed(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return one_hot_argmax(logits)
    return torch.softmax(logits.float() / temperature, dim=-1)


def divided_in_place(logits: Tensor, temperature: float) -> Tensor:
    if temperature <= 0:
        return softmax_with(logits, temperature)
    logits /= temperature
    return torch.softmax(logits.float(), dim=-1)


TEMPERATURE_MISTAKES = (
    Mistake(
        "divided-after-softmax",
        spoiled_softmax(lambda logits, t: logits.softmax(-1) / t),
        "You divided by the temperature after the softmax: the results no longer sum to 1.",
        "Divide the logits first and take the softmax of the result: softmax(logits / T).",
    ),
    Mistake(
        "renormalised-after-softmax",
        spoiled_softmax(lambda logits, t: (logits.softmax(-1) / t).softmax(-1)),
        "You took the softmax twice: once of the logits, and again after dividing by T.",
        "One softmax is enough. Divide the logits by T, then take the softmax once.",
    ),
    Mistake(
        "multiplied",
        spoiled_softmax(lambda logits, t: (logits * t).softmax(-1)),
        "You multiplied the logits by the temperature. A temperature of 0.5 must sharpen the "
        "distribution, and yours flattens it.",
        "Divide: logits 2 and 1 at T=0.5 become 4 and 2, further apart than before.",
    ),
    Mistake(
        "temperature-ignored",
        spoiled_softmax(lambda logits, t: logits.softmax(-1)),
        "Your probabilities are the same at every temperature. (Adding it to the logits does that "
        "too: softmax doesn't see a constant.)",
        "Divide the logits by `temperature` before the softmax.",
    ),
    Mistake(
        "overflow",
        spoiled_softmax(lambda logits, t: exp_over_sum(logits / t)),
        "exp overflows: exp(10000) is inf in float32, and inf / inf is NaN. Your formula is right "
        "for small logits only.",
        "Subtract the row's largest logit first. exp(a - m) / sum(exp(b - m)) is the same number, "
        "and no exponent is above 0.",
    ),
    Mistake(
        "wrong-dimension",
        spoiled_softmax(lambda logits, t: (logits / t).softmax(0)),
        "You took the softmax over dimension 0, so in a batch the columns sum to 1 and the rows "
        "do not.",
        "The vocabulary is the last dimension whatever the shape: dim=-1.",
    ),
    Mistake(
        "flattened",
        spoiled_softmax(softmax_of_everything),
        "You took the softmax (its sum, or its largest logit) over the whole tensor, so that the "
        "rows of a batch share one distribution.",
        "Work along the last dimension and keep it: dim=-1, keepdim=True.",
    ),
    Mistake(
        "zero-division",
        zero_division,
        "At temperature 0 you divide by zero, and get NaN. As T goes to 0 the softmax goes to "
        "argmax: all the probability on the largest logit.",
        "Handle 0 before the division: find argmax along the last dimension and put a 1 there.",
    ),
    Mistake(
        "every-tied-maximum",
        every_tied_maximum,
        "At temperature 0 you gave probability 1 to every logit that equals the largest: with "
        "ties the row sums to more than 1.",
        "argmax gives one position, the first. Compare positions and not values.",
    ),
    Mistake(
        "ties-shared",
        tiny_instead_of_zero,
        "At temperature 0 you share the probability between equal logits (a tiny number in place "
        "of 0 does that). Greedy decoding takes one token: the first of them.",
        "Treat 0 as a case of its own, with argmax.",
    ),
    Mistake(
        "log-probabilities",
        spoiled_softmax(lambda logits, t: (logits / t).log_softmax(-1)),
        "You returned log-probabilities: they are below 0 and don't sum to 1.",
        "Use softmax, or take exp of what you have.",
    ),
    Mistake(
        "no-softmax",
        spoiled_softmax(lambda logits, t: logits / t),
        "You returned the divided logits. They are not probabilities yet.",
        "Take the softmax of the divided logits along the last dimension.",
    ),
    Mistake(
        "changed-in-place",
        divided_in_place,
        "You divided the caller's logits in place: they are changed after the call, and a second "
        "call gives another answer.",
        "`logits /= T` writes into the caller's tensor. Write `scaled = logits / T`.",
    ),
    Mistake(
        "negative-allowed",
        negative_allowed,
        "You accept a temperature below 0, which would make the least likely token the most "
        "likely one.",
        'Begin with: if temperature < 0: raise ValueError("temperature must be 0 or more").',
    ),
)

TEMPERATURE_HINTS = (
    "Temperature acts on the logits, before they become probabilities. Which operation makes the "
    "gaps between logits wider when T is below 1?",
    "A softmax sees nothing but the gaps between the logits of a row. At T=0.5 each gap is to be "
    "twice as wide, at T=2 half as wide. Three things stand around that: what happens below 0, "
    "what happens at exactly 0, and how large exp may get.",
    "Logits 2, 1, 0 at T=0.5: divided they are 4, 2, 0; minus the largest 0, -2, -4; exp gives "
    "1, 0.1353, 0.0183; their sum is 1.1536; the probabilities are 0.8668, 0.1173, 0.0159. The "
    "same at T=0: argmax, so 1, 0, 0.",
)


# ------------------------------------------------------------------------------------------------
# top_p_filter


def check_top_p_filter(s: Submission) -> None:
    """The smallest set of most probable tokens that holds top_p; -inf outside it."""

    def expect(logits: Tensor, top_p: float, because: str) -> None:
        answer = s.top_p_filter(logits, top_p).is_tensor(shape=logits.shape, dtype=torch.float32)
        answer.equals(true_top_p(logits, top_p), because=because)

    def expect_with_ties(logits: Tensor, top_p: float, because: str) -> None:
        answer = s.top_p_filter(logits, top_p).is_tensor(shape=logits.shape, dtype=torch.float32)
        answer.holds(same_up_to_ties(logits, true_top_p(logits, top_p)), because=because)

    rule = "The nucleus is the smallest set of most probable tokens that holds top_p in all."
    expect(log_of(0.5, 0.3, 0.15, 0.05), 0.7, rule)
    expect(log_of(0.15, 0.5, 0.05, 0.3), 0.7, rule)
    expect(log_of(0.05, 0.15, 0.3, 0.5), 0.9, rule)
    expect(log_of(0.1, 0.9), 0.5, "The token that crosses top_p is kept.")
    expect(clear_logits(s, 6, top_p=0.45), 0.45, rule)

    rows = "Every row along the last dimension has a nucleus of its own."
    expect(torch.stack([log_of(0.1, 0.9, 1e-3), log_of(0.4, 0.25, 0.35)]), 0.6, rows)
    expect(clear_logits(s, 2, 3, 5, top_p=0.8), 0.8, rows)
    expect(log_of(0.5, 0.0, 0.3, 0.2), 0.6, "A token that is -inf already stays so.")

    expect(log_of(0.2, 0.5, 0.3), 0.0, "At least one token is kept, even with top_p=0.")
    exact = "A set that holds exactly top_p is enough: nothing is added to it."
    tied = "Of equally probable tokens only as many are kept as top_p needs."
    expect_with_ties(torch.zeros(2), 0.5, exact)
    expect_with_ties(torch.zeros(4), 0.5, exact)
    expect_with_ties(torch.zeros(4), 0.6, tied)
    expect_with_ties(torch.tensor([[1.0, 3.0, 1.0, 1.0], [0.0, 0.0, 0.0, 9.0]]), 0.85, tied)

    whole = "top_p=1 keeps every token, however improbable."
    expect(log_of(0.2, 0.5, 0.3), 1.0, whole)
    expect(torch.tensor([-20.0, 0.0, -19.0]), 1.0, whole)

    logits = clear_logits(s, 8, 50, top_p=0.85)
    equal = "It keeps what transformers.TopPLogitsWarper keeps."
    answer = s.top_p_filter(logits, 0.85).is_tensor(shape=logits.shape, dtype=torch.float32)
    answer.equals(transformers_top_p(logits, 0.85), because=equal)


def transformers_top_p(logits: Tensor, top_p: float) -> Tensor:
    """The library's own answer, (rows, vocab)."""
    from transformers.generation.logits_process import TopPLogitsWarper

    return TopPLogitsWarper(top_p)(NO_IDS, logits)


def same_up_to_ties(logits: Tensor, expected: Tensor) -> Callable[[Tensor], str | None]:
    """Which of equal logits are kept is free; how many is not, and each stays in its place."""

    def problem(got: Tensor) -> str | None:
        kept = torch.isfinite(got)
        if difference(got[kept], logits[kept]):
            return f"kept logits must stay as they were; {tuple(got.tolist())} came back"
        if not bool((got[~kept] == -INF).all()):
            return "tokens outside the nucleus must be -inf"
        counts, wanted = kept.sum(-1), torch.isfinite(expected).sum(-1)
        if not torch.equal(counts, wanted):
            return f"kept {counts.tolist()} tokens, {wanted.tolist()} were expected"
        return difference(got.sort(dim=-1).values.double(), expected.sort(dim=-1).values)

    return problem


def cut_by_mass(
    logits: Tensor, outside: Callable[[Tensor], Tensor], at_least_one: bool = True
) -> Tensor:
    """Sort downwards, mark what is outside by its sorted probabilities, and put the marks back."""
    ordered, order = logits.sort(dim=-1, descending=True)
    marks = outside(ordered.double().softmax(-1))
    if at_least_one:
        marks[..., 0] = False
    return logits.masked_fill(marks.scatter(-1, order, marks), -INF)


def mass_before(probabilities: Tensor) -> Tensor:
    return probabilities.cumsum(-1) - probabilities


def top_p_from_the_bottom(logits: Tensor, top_p: float) -> Tensor:
    """A right answer: sorted upwards as transformers does, dropping the tail that holds 1 - p."""
    if top_p >= 1:
        return logits.clone()
    ordered, order = torch.sort(logits)
    tail = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    tail[..., -1] = False
    return logits.masked_fill(tail.gather(-1, order.argsort(-1)), -INF)


def top_p_by_hand(logits: Tensor, top_p: float) -> Tensor:
    """A right answer: row by row, token by token."""
    kept = torch.full_like(logits, -INF)
    rows = zip(logits.reshape(-1, logits.shape[-1]), kept.view(-1, logits.shape[-1]), strict=True)
    for row, out in rows:
        probabilities, total = torch.softmax(row, 0).tolist(), 0.0
        for token in sorted(range(len(row)), key=lambda i: -probabilities[i]):
            out[token] = row[token]
            total += probabilities[token]
            if total >= top_p and top_p < 1:
                break
    return kept


def crossing_dropped(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: p.cumsum(-1) > top_p, at_least_one=False)


def crossing_dropped_but_one(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: p.cumsum(-1) > top_p)


def nothing_filtered(logits: Tensor, threshold: float) -> Tensor:
    return logits.clone()


def one_too_many(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: mass_before(p) > top_p)


def right_top_p(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: mass_before(p) >= top_p)


def unsorted(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return logits.masked_fill(mass_before(logits.softmax(-1)) >= top_p, -INF)


def least_probable_first(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    ordered, order = logits.sort(dim=-1)
    outside = mass_before(ordered.softmax(-1)) >= top_p
    return logits.masked_fill(outside.scatter(-1, order, outside), -INF)


def left_sorted(logits: Tensor, top_p: float) -> Tensor:
    return right_top_p(logits.sort(dim=-1, descending=True).values, top_p)


def mask_not_moved_back(logits: Tensor, top_p: float) -> Tensor:
    ordered = logits.sort(dim=-1, descending=True).values
    return logits.masked_fill(right_top_p(ordered, top_p).isneginf(), -INF)


def first_row_for_all(logits: Tensor, top_p: float) -> Tensor:
    first = logits.reshape(-1, logits.shape[-1])[0]
    return logits.masked_fill(right_top_p(first, top_p).isneginf(), -INF)


def emptied_at_zero(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits.clone()
    return cut_by_mass(logits, lambda p: mass_before(p) >= top_p, at_least_one=False)


def all_ties_kept(logits: Tensor, top_p: float) -> Tensor:
    kept = right_top_p(logits, top_p)
    smallest = kept.masked_fill(kept.isneginf(), INF).amin(dim=-1, keepdim=True)
    return logits.masked_fill(logits < smallest, -INF)


def each_against_top_p(logits: Tensor, top_p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < top_p, -INF)


def tail_lost_at_one(logits: Tensor, top_p: float) -> Tensor:
    ordered, order = logits.sort(dim=-1, descending=True)
    outside = mass_before(ordered.softmax(-1)) >= top_p
    outside[..., 0] = False
    return logits.masked_fill(outside.scatter(-1, order, outside), -INF)


def top_p_inverted(logits: Tensor, top_p: float) -> Tensor:
    return logits.masked_fill(~right_top_p(logits, top_p).isneginf(), -INF)


def top_p_probabilities(logits: Tensor, top_p: float) -> Tensor:
    return right_top_p(logits, top_p).softmax(-1)


def top_p_zeros(logits: Tensor, top_p: float) -> Tensor:
    return logits.masked_fill(right_top_p(logits, top_p).isneginf(), 0.0)


TOP_P_MISTAKES = (
    Mistake(
        "crossing-token-dropped",
        crossing_dropped,
        "You dropped the token that crosses top_p. Without it the kept tokens hold less than "
        "top_p, and a first token above top_p leaves nothing at all.",
        "Decide by the mass before a token: cumsum - probability. It is outside when that mass "
        "has reached top_p already.",
    ),
    Mistake(
        "crossing-token-dropped-but-one",
        crossing_dropped_but_one,
        "You dropped the token that crosses top_p (unless it is the first). Without it the kept "
        "tokens hold less than top_p.",
        "Decide by the mass before a token: cumsum - probability. It is outside when that mass "
        "has reached top_p already.",
    ),
    Mistake(
        "nothing-filtered",
        nothing_filtered,
        "You return every logit as it came: nothing is filtered out.",
        "masked_fill gives a new tensor and leaves the old one: return what it gives.",
    ),
    Mistake(
        "one-too-many",
        one_too_many,
        "You kept one token too many where the set holds exactly top_p: the mass before a token "
        "was compared with > and needs >=.",
        "Two tokens of 0.5 and top_p=0.5: the first holds 0.5, that is enough. Outside is "
        "mass_before >= top_p.",
    ),
    Mistake(
        "not-sorted",
        unsorted,
        "You summed the probabilities in the order of the token ids. The nucleus takes the most "
        "probable tokens first.",
        "Sort first: logits.sort(dim=-1, descending=True), then cumsum.",
    ),
    Mistake(
        "least-probable-first",
        least_probable_first,
        "You sorted upwards, and so kept the least probable tokens.",
        "Sort with descending=True, or sum from the bottom and drop the tail that holds 1 - top_p.",
    ),
    Mistake(
        "left-in-sorted-order",
        left_sorted,
        "You returned the logits in sorted order. Each must stay at the place of its token.",
        "Sorting gives the order too: mask.scatter(-1, order, mask) brings the mask back to the "
        "token ids; then fill the original logits.",
    ),
    Mistake(
        "mask-in-sorted-order",
        mask_not_moved_back,
        "Your mask is still in sorted order when you put it on the unsorted logits: it hides the "
        "wrong tokens.",
        "Bring it back with mask.scatter(-1, order, mask), order being the indices from sort.",
    ),
    Mistake(
        "first-row-for-all",
        first_row_for_all,
        "You used the nucleus of the first row for the whole batch.",
        "Sort, sum and scatter along dim=-1 without picking a row; broadcasting does the rest.",
    ),
    Mistake(
        "emptied-at-zero",
        emptied_at_zero,
        "With top_p=0 you filtered out every token; sampling from nothing fails.",
        "Force the first token of the sorted order in: outside[..., 0] = False.",
    ),
    Mistake(
        "all-ties-kept",
        all_ties_kept,
        "You kept every token as probable as the last one needed. The nucleus is the smallest "
        "set: of equals it takes only as many as top_p needs.",
        "A threshold on values can't tell equals apart. Mask positions of the sorted order, and "
        "scatter the mask back.",
    ),
    Mistake(
        "each-against-top-p",
        each_against_top_p,
        "You compared each probability with top_p. It is the sum of the most probable ones that "
        "must reach top_p.",
        "Sort downwards and use cumsum along the last dimension.",
    ),
    Mistake(
        "tail-lost-at-one",
        tail_lost_at_one,
        "With top_p=1 very improbable tokens are lost: in float32 the sum before them is already "
        "exactly 1.",
        "top_p=1 means no filter: return a copy of the logits before any sum is taken.",
    ),
    Mistake(
        "inverted",
        top_p_inverted,
        "Your mask is the wrong way round: you removed the nucleus and kept the rest.",
        "masked_fill writes where the mask is True. Make the mask say who is outside.",
    ),
    Mistake(
        "probabilities-returned",
        top_p_probabilities,
        "You returned probabilities. A filter takes logits and gives logits, so that filters can "
        "be chained.",
        "Use the probabilities to decide who is out, and fill the logits themselves.",
    ),
    Mistake(
        "zeros-for-minus-infinity",
        top_p_zeros,
        "You filled the tokens outside with 0. A logit of 0 still has probability: exp(0) is 1.",
        "Fill with -torch.inf: exp(-inf) is 0.",
    ),
)

TOP_P_HINTS = (
    "Line the tokens up from the most probable down and add up probabilities until top_p is "
    "reached. Which tokens have you passed by then?",
    "Ask of each token in that line how much mass stands before it: that decides whether it is "
    "still needed. Nothing stands before the first. What you find out in the sorted order has to "
    "get back to the order of the token ids.",
    "Probabilities 0.15, 0.5, 0.05, 0.3 and top_p=0.7. Sorted: 0.5, 0.3, 0.15, 0.05; mass before "
    "each (cumsum minus its own): 0, 0.5, 0.8, 0.95; outside: no, no, yes, yes. In token order, by "
    "scatter: yes, no, yes, no, so tokens 1 and 3 are kept.",
)


# ------------------------------------------------------------------------------------------------
# min_p_filter


def check_min_p_filter(s: Submission) -> None:
    """Tokens at least min_p times as probable as the best one; -inf for the others."""

    def expect(logits: Tensor, min_p: float, because: str) -> None:
        answer = s.min_p_filter(logits, min_p).is_tensor(shape=logits.shape, dtype=torch.float32)
        answer.equals(true_min_p(logits, min_p), because=because)

    rule = "The threshold is min_p times the largest probability."
    expect(log_of(0.6, 0.3, 0.1), 0.4, rule)
    expect(log_of(0.1, 0.3, 0.6), 0.1, rule)
    expect(log_of(0.2, 0.3, 0.1, 0.4), 0.3, rule)
    expect(log_of(0.2, 0.3, 0.1, 0.4) + 7, 0.6, rule)
    expect(clear_logits(s, 8, min_p=0.2), 0.2, rule)
    expect(torch.tensor([3.0]), 0.9, "A single token is always kept.")

    rows = "Every row along the last dimension has its own largest probability."
    expect(torch.stack([log_of(0.9, 0.06, 0.04), log_of(0.3, 0.45, 0.25)]), 0.5, rows)
    expect(clear_logits(s, 2, 3, 5, min_p=0.3), 0.3, rows)
    expect(log_of(0.5, 0.0, 0.3, 0.2), 0.5, "A token that is -inf already stays so.")

    expect(torch.tensor([-9.0, 3.0, 0.0]), 0.0, "min_p=0 keeps every token.")
    edge = "A token exactly at the threshold is kept: with min_p=1 the best one and its equals."
    expect(torch.tensor([2.0, 1.0, 2.0]), 1.0, edge)
    expect(torch.tensor([[0.0, 0.0], [0.0, 1.0]]), 1.0, edge)

    logits = clear_logits(s, 8, 50, min_p=0.1)
    equal = "It keeps what transformers.MinPLogitsWarper keeps."
    answer = s.min_p_filter(logits, 0.1).is_tensor(shape=logits.shape, dtype=torch.float32)
    answer.equals(transformers_min_p(logits, 0.1), because=equal)


def transformers_min_p(logits: Tensor, min_p: float) -> Tensor:
    """The library's own answer, (rows, vocab)."""
    from transformers.generation.logits_process import MinPLogitsWarper

    return MinPLogitsWarper(min_p)(NO_IDS, logits)


def min_p_in_logits(logits: Tensor, min_p: float) -> Tensor:
    """A right answer without softmax: p >= min_p · p_max is the same as l >= l_max + log(min_p)."""
    lowest = logits.amax(dim=-1, keepdim=True) + torch.tensor(min_p).log()
    return torch.where(logits >= lowest, logits, -INF)


def right_min_p(logits: Tensor, min_p: float) -> Tensor:
    """A right answer by relative probability."""
    relative = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return logits.masked_fill(relative < min_p, -INF)


def absolute_threshold(logits: Tensor, min_p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < min_p, -INF)


def compared_logits(logits: Tensor, min_p: float) -> Tensor:
    return logits.masked_fill(logits < min_p * logits.amax(-1, keepdim=True), -INF)


def largest_logit_as_probability(logits: Tensor, min_p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < min_p * logits.amax(-1, keepdim=True), -INF)


def edge_dropped(logits: Tensor, min_p: float) -> Tensor:
    relative = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return logits.masked_fill(relative <= min_p, -INF)


def largest_of_the_batch(logits: Tensor, min_p: float) -> Tensor:
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < min_p * probabilities.max(), -INF)


def subtracted(logits: Tensor, min_p: float) -> Tensor:
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < probabilities.amax(-1, keepdim=True) - min_p, -INF)


def nucleus_instead(logits: Tensor, min_p: float) -> Tensor:
    return right_top_p(logits, min_p)


def min_p_inverted(logits: Tensor, min_p: float) -> Tensor:
    return logits.masked_fill(~right_min_p(logits, min_p).isneginf(), -INF)


def min_p_probabilities(logits: Tensor, min_p: float) -> Tensor:
    return right_min_p(logits, min_p).softmax(-1)


def min_p_zeros(logits: Tensor, min_p: float) -> Tensor:
    return logits.masked_fill(right_min_p(logits, min_p).isneginf(), 0.0)


MIN_P_MISTAKES = (
    Mistake(
        "absolute-threshold",
        absolute_threshold,
        "You compared each probability with min_p itself. The threshold is min_p times the "
        "largest probability, so that it falls when the model is unsure.",
        "threshold = min_p * probabilities.amax(dim=-1, keepdim=True).",
    ),
    Mistake(
        "nothing-filtered",
        nothing_filtered,
        "You return every logit as it came: nothing is filtered out.",
        "masked_fill gives a new tensor and leaves the old one: return what it gives.",
    ),
    Mistake(
        "compared-logits",
        compared_logits,
        "You compared logits with min_p times the largest logit. Logits have no zero point: add 7 "
        "to all of them and the softmax is the same, but your answer changes.",
        "Take the softmax first, and compare probabilities with min_p times the largest of them.",
    ),
    Mistake(
        "largest-logit-as-probability",
        largest_logit_as_probability,
        "Your threshold is min_p times the largest logit, and you compare probabilities with it.",
        "Take the largest of the probabilities: probabilities.amax(dim=-1, keepdim=True).",
    ),
    Mistake(
        "edge-dropped",
        edge_dropped,
        "You dropped tokens that lie exactly at the threshold: with min_p=1 nothing is left.",
        "Out are those strictly below: probabilities < threshold.",
    ),
    Mistake(
        "largest-of-the-batch",
        largest_of_the_batch,
        "You took the largest probability of the whole batch. Each row has its own.",
        "amax(dim=-1, keepdim=True) gives one per row, in a shape that broadcasts.",
    ),
    Mistake(
        "subtracted",
        subtracted,
        "Your threshold is the largest probability minus min_p. It is a product: min_p times it.",
        "With the largest at 0.6 and min_p=0.4 the threshold is 0.24.",
    ),
    Mistake(
        "nucleus-instead",
        nucleus_instead,
        "You kept a nucleus, as top-p does. min-p looks at each token alone, without any sum.",
        "No sorting and no cumsum: one threshold per row, min_p times its largest probability.",
    ),
    Mistake(
        "inverted",
        min_p_inverted,
        "Your mask is the wrong way round: you removed the probable tokens and kept the others.",
        "masked_fill writes where the mask is True. Make the mask say who is below the threshold.",
    ),
    Mistake(
        "probabilities-returned",
        min_p_probabilities,
        "You returned probabilities. A filter takes logits and gives logits, so that filters can "
        "be chained.",
        "Use the probabilities to decide who is out, and fill the logits themselves.",
    ),
    Mistake(
        "zeros-for-minus-infinity",
        min_p_zeros,
        "You filled the tokens below the threshold with 0. A logit of 0 still has probability: "
        "exp(0) is 1.",
        "Fill with -torch.inf: exp(-inf) is 0.",
    ),
)

MIN_P_HINTS = (
    "min-p asks of each token: how probable is it beside the best one? What number does that make "
    "the threshold for a row?",
    "Each row has a threshold of its own, made from its largest probability (amax with "
    "keepdim=True keeps it broadcastable). On which side of it is a token that is just as "
    "probable?",
    "Probabilities 0.6, 0.3, 0.1 and min_p=0.4: the threshold is 0.4 × 0.6 = 0.24. 0.6 and 0.3 are "
    "not below it and stay; 0.1 is, so the third logit becomes -inf.",
)


# ------------------------------------------------------------------------------------------------
# sample_next

EIGHT = torch.tensor([0.5, 2.0, -1.0, 1.5, 0.0, 1.0, -2.0, 1.8])
Settings = tuple[float, int, float, float]  # temperature, top_k, top_p, min_p

SAMPLING = {
    (0.5, 0, 1.0, 0.0): "Temperature divides the logits.",
    (1.0, 1, 1.0, 0.0): "top_k=1 leaves the largest logit only.",
    (1.0, 3, 1.0, 0.0): "top_k=3 leaves the three largest logits, and they share all the "
    "probability.",
    (0.5, 3, 1.0, 0.0): "top_k=3 leaves the three largest logits at any temperature.",
    (1.0, 0, 0.7, 0.0): "top_p=0.7 leaves the nucleus, and it shares all the probability.",
    (1.0, 0, 1.0, 0.3): "min_p=0.3 leaves what is at least 0.3 times as probable as the best.",
    (2.0, 0, 0.5, 0.0): "Temperature comes before the filters, as in transformers.",
    (1.0, 4, 0.6, 0.0): "top-k comes before top-p.",
    (1.0, 0, 0.7, 0.4): "top-p comes before min-p.",
    (0.8, 6, 0.9, 0.1): "Everything together, in the order temperature, top-k, top-p, min-p.",
}


def check_sample_next(s: Submission) -> None:
    """Tokens follow the filtered distribution (chi-square, 10,000 draws), one token per draw."""
    uniform = torch.rand(DRAWS, generator=s.generator)

    plain = "With temperature 1 and no filter, the defaults, tokens come as often as softmax says."
    tokens = s.sample_next(EIGHT, uniform).is_tensor(shape=(DRAWS,), dtype=torch.int64)
    tokens.holds(follows(true_softmax(EIGHT)), because=plain)

    for settings, because in SAMPLING.items():
        tokens = s.sample_next(EIGHT, uniform, *settings)
        tokens.is_tensor(shape=(DRAWS,), dtype=torch.int64)
        tokens.holds(follows(true_sampling(EIGHT, *settings)), because=because)

    logits = clear_logits(
        s, 40, top_p=0.95, min_p=0.02, before=lambda logits: true_top_k(logits.double() / 0.9, 20)
    )
    tokens = s.sample_next(logits, uniform, 0.9, 20, 0.95, 0.02)
    tokens.is_tensor(shape=(DRAWS,), dtype=torch.int64)
    equal = "Tokens come as often as transformers' processors say."
    tokens.holds(follows(transformers_sampling(logits, 0.9, 20, 0.95, 0.02)), because=equal)

    own = "The draw alone decides on the token: turn the draws round and the tokens turn round."
    backwards = s.sample_next(logits, uniform.flip(0), 0.9, 20, 0.95, 0.02)
    backwards.holds(is_reverse_of(tokens.value), because=own)

    greedy = "At temperature 0 every draw gives the largest logit, the first of equals."
    few = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.9])  # one more than there are tokens
    for settings in ((0.0, 0, 1.0, 0.0), (0.0, 2, 0.5, 0.1)):
        tokens = s.sample_next(torch.tensor([1.0, 3.0, 3.0, 0.0]), few, *settings)
        tokens.is_tensor(shape=(5,), dtype=torch.int64)
        tokens.equals(torch.tensor([1, 1, 1, 1, 1]), because=greedy)

    more = "A top_k above the size of the vocabulary keeps every token."
    tokens = s.sample_next(torch.zeros(3), few, 1.0, 5, 1.0, 0.0)
    tokens.holds(are_among({0, 1, 2}), because=more)

    zero = "A draw of exactly 0 must not give a token that was filtered out."
    tokens = s.sample_next(torch.tensor([-3.0, 1.0, 0.5]), torch.zeros(1), 1.0, 2, 1.0, 0.0)
    tokens.holds(are_among({1, 2}), because=zero)

    almost_one = torch.tensor([1 - 2**-24])
    tokens = s.sample_next(torch.zeros(41), almost_one, 1.0, 0, 1.0, 0.0)
    last = "The largest draw below 1 must still give a token of the vocabulary."
    tokens.is_tensor(shape=(1,), dtype=torch.int64).holds(are_among(set(range(41))), because=last)


def transformers_sampling(
    logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:
    """The probabilities that the library samples from."""
    from transformers.generation.logits_process import (
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    scores = logits[None].double()
    for process in (
        TemperatureLogitsWarper(temperature),
        TopKLogitsWarper(top_k),
        TopPLogitsWarper(top_p),
        MinPLogitsWarper(min_p),
    ):
        scores = process(NO_IDS, scores)
    return scores[0].softmax(-1)


def follows(probabilities: Tensor) -> Callable[[Tensor], str | None]:
    """Whether tokens come as often as they should, by chi-square."""

    def problem(tokens: Tensor) -> str | None:
        stray = are_among(set(range(len(probabilities))))(tokens)
        if stray:
            return stray
        counts = torch.bincount(tokens, minlength=len(probabilities))
        p_value = chi_square_p_value(counts, probabilities)
        return None if p_value > UNLIKELY else worst_count(counts, probabilities, p_value)

    return problem


def worst_count(counts: Tensor, probabilities: Tensor, p_value: float) -> str:
    """The token whose count lies furthest off, in standard deviations."""
    expected = probabilities.double() * counts.sum()
    token = int(((counts - expected).abs() / (expected + 1e-3).sqrt()).argmax())
    if probabilities[token] == 0:
        return f"token {token} came up {counts[token]:,} times, though it is filtered out"
    return (
        f"token {token} came up {counts[token]:,} times in {int(counts.sum()):,} draws, about "
        f"{expected[token]:,.0f} were expected (chi-square: p = {p_value:.0e})"
    )


def is_reverse_of(first: Any) -> Callable[[Tensor], str | None]:
    """Whether the tokens for the reversed draws are the reversed tokens."""

    def problem(tokens: Tensor) -> str | None:
        if type(first) is not Tensor or difference(tokens, first.flip(0)) is None:
            return None
        return "the same draw gave another token the second time"

    return problem


def are_among(allowed: set[int]) -> Callable[[Tensor], str | None]:
    """Whether every token is one of these."""

    def problem(tokens: Tensor) -> str | None:
        stray = sorted(set(tokens.tolist()) - allowed)
        return f"token {stray[0]} came up, which can't be drawn" if stray else None

    return problem


def same_distribution(left: Reply, right: Reply) -> bool:
    """Samplers may share a mistake and go through the tokens in another order: compare counts."""
    if not (isinstance(left, Returned) and isinstance(right, Returned)):
        return same_values(left, right)
    ours, theirs = left.value, right.value
    if not (is_tokens(ours) and is_tokens(theirs)) or ours.shape != theirs.shape:
        return same_values(left, right)
    return total_variation(ours, theirs) < 0.03


def is_tokens(value: Any) -> bool:
    return type(value) is Tensor and value.dtype is torch.int64 and value.dim() == 1


def total_variation(left: Tensor, right: Tensor) -> float:
    """Half the summed difference between two relative frequencies."""
    both, where = torch.cat([left, right]).unique(return_inverse=True)
    ours = torch.bincount(where[: len(left)], minlength=len(both))
    theirs = torch.bincount(where[len(left) :], minlength=len(both))
    return float((ours - theirs).abs().sum()) / 2 / max(len(left), 1)


# A sampler in pieces: the mistakes below leave one out, swap two, or bend one.


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    if top_k <= 0:
        return logits
    return logits.masked_fill(logits < logits.topk(min(top_k, len(logits))).values[-1], -INF)


def pick(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Inverse CDF: the first token whose cumulative probability exceeds the draw."""
    cumulative = probabilities.double().cumsum(-1)
    return torch.searchsorted(cumulative / cumulative[-1], uniform.double(), right=True)


def filtered(logits: Tensor, top_k: int, top_p: float, min_p: float) -> Tensor:
    return right_min_p(right_top_p(keep_top_k(logits, top_k), top_p), min_p)


Sampler = Callable[..., Tensor]


def sampler(
    distribution: Callable[[Tensor, Settings], Tensor],
    choose: Callable[[Tensor, Tensor], Tensor] = pick,
) -> Sampler:
    """A complete sampler from a distribution and a way to choose from it; greedy at 0."""

    def sample_next(
        logits: Tensor,
        uniform: Tensor,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> Tensor:
        if temperature == 0:
            return logits.argmax().repeat(len(uniform))
        settings = (temperature, top_k, top_p, min_p)
        return choose(distribution(logits, settings), uniform)

    return sample_next


def in_order(logits: Tensor, settings: Settings) -> Tensor:
    """The right distribution."""
    temperature, top_k, top_p, min_p = settings
    return filtered(logits / temperature, top_k, top_p, min_p).softmax(-1)


def pick_from_the_top(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """A right choice that goes through the tokens from the most probable down."""
    ordered, order = probabilities.sort(descending=True)
    return order[pick(ordered, uniform)]


def pick_by_counting(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """A right choice: count the cumulative probabilities that a draw has passed."""
    cumulative = probabilities.double().cumsum(0)
    passed = (uniform[:, None] >= (cumulative / cumulative[-1])[None, :]).sum(dim=1)
    return passed.clamp(max=len(probabilities) - 1)


def always_the_largest(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return probabilities.argmax().repeat(len(uniform))


def temperature_ignored(logits: Tensor, settings: Settings) -> Tensor:
    return filtered(logits, *settings[1:]).softmax(-1)


def temperature_multiplied(logits: Tensor, settings: Settings) -> Tensor:
    return filtered(logits * settings[0], *settings[1:]).softmax(-1)


def temperature_last(logits: Tensor, settings: Settings) -> Tensor:
    return (filtered(logits, *settings[1:]) / settings[0]).softmax(-1)


def top_p_before_top_k(logits: Tensor, settings: Settings) -> Tensor:
    temperature, top_k, top_p, min_p = settings
    kept = keep_top_k(right_top_p(logits / temperature, top_p), top_k)
    return right_min_p(kept, min_p).softmax(-1)


def min_p_before_top_p(logits: Tensor, settings: Settings) -> Tensor:
    temperature, top_k, top_p, min_p = settings
    kept = right_min_p(keep_top_k(logits / temperature, top_k), min_p)
    return right_top_p(kept, top_p).softmax(-1)


def filters_ignored(logits: Tensor, settings: Settings) -> Tensor:
    return (logits / settings[0]).softmax(-1)


def not_renormalised(logits: Tensor, settings: Settings) -> Tensor:
    scaled = logits / settings[0]
    return scaled.softmax(-1) * torch.isfinite(filtered(scaled, *settings[1:]))


def pick_without_renormalising(probabilities: Tensor, uniform: Tensor) -> Tensor:
    cumulative = probabilities.double().cumsum(-1)
    if cumulative[-1] > 1 - 1e-6:
        return pick(probabilities, uniform)
    tokens = torch.searchsorted(cumulative, uniform.double(), right=True)
    return tokens.clamp(max=len(probabilities) - 1)


def draws_of_its_own(probabilities: Tensor, uniform: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(probabilities, len(uniform), replacement=True, generator=generator)


def first_draw_for_all(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return pick(probabilities, uniform[:1]).repeat(len(uniform))


def one_token_too_far(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return (pick(probabilities, uniform) + 1).clamp(max=len(probabilities) - 1)


def one_token_too_near(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return (pick(probabilities, uniform) - 1).clamp(min=0)


def ranks_for_tokens(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return pick(probabilities.sort(descending=True).values, uniform)


def every_token_alike(probabilities: Tensor, uniform: Tensor) -> Tensor:
    kept = torch.nonzero(probabilities)[:, 0]
    return kept[(uniform.double() * len(kept)).long()]


def zero_draw_filtered(probabilities: Tensor, uniform: Tensor) -> Tensor:
    cumulative = probabilities.double().cumsum(-1)
    return torch.searchsorted(cumulative / cumulative[-1], uniform.double(), right=False)


def falls_off_the_end(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return torch.searchsorted(probabilities.cumsum(-1), uniform, right=True)


def never_greedy(
    logits: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    return pick(in_order(logits, (temperature, top_k, top_p, min_p)), uniform)


SAMPLER_MISTAKES = (
    Mistake(
        "always-the-largest",
        sampler(in_order, always_the_largest),
        "You always return the most probable token. That is greedy decoding, and right only at "
        "temperature 0.",
        "Let the draw decide: the token whose slice of [0, 1) it falls in, by cumsum and "
        "torch.searchsorted.",
    ),
    Mistake(
        "temperature-ignored",
        sampler(temperature_ignored),
        "The temperature changes nothing in your sampler.",
        "Begin with scaled = logits / temperature, and use scaled from there on.",
    ),
    Mistake(
        "temperature-multiplied",
        sampler(temperature_multiplied),
        "You multiplied the logits by the temperature.",
        "Divide: below 1 the distribution must get sharper.",
    ),
    Mistake(
        "temperature-after-the-filters",
        sampler(temperature_last),
        "You filtered first and applied the temperature after, as llama.cpp does by default. Here "
        "the order is transformers', the other way round: at a high temperature more tokens then "
        "fit into the nucleus.",
        "Divide by the temperature first, and give the divided logits to the filters.",
    ),
    Mistake(
        "top-p-before-top-k",
        sampler(top_p_before_top_k),
        "You applied top-p before top-k. The nucleus is to be found among the top_k tokens, with "
        "their probabilities summing to 1.",
        "The order is temperature, top-k, top-p, min-p.",
    ),
    Mistake(
        "min-p-before-top-p",
        sampler(min_p_before_top_p),
        "You applied min-p before top-p: the nucleus is then found among fewer tokens, and comes "
        "out smaller.",
        "The order is temperature, top-k, top-p, min-p.",
    ),
    Mistake(
        "filters-ignored",
        sampler(filters_ignored),
        "You sample from the unfiltered distribution: tokens come up that top-k, top-p or min-p "
        "took out.",
        "Use what the filters return: kept = top_p_filter(scaled, top_p), and so on.",
    ),
    Mistake(
        "not-renormalised",
        sampler(not_renormalised, pick_without_renormalising),
        "After filtering, your probabilities no longer sum to 1; the draws above their sum all go "
        "to the last token.",
        "Take the softmax after filtering the logits, or divide the cumulative sum by its last "
        "value.",
    ),
    Mistake(
        "every-token-alike",
        sampler(in_order, every_token_alike),
        "Every token that is left comes up equally often. Likelier tokens must come up more.",
        "Don't turn the draw into an index: compare it with the cumulative probabilities.",
    ),
    Mistake(
        "first-draw-for-all",
        sampler(in_order, first_draw_for_all),
        "You used one draw for all: every result is the same token.",
        "torch.searchsorted(cumulative, uniform) takes all the draws at once.",
    ),
    Mistake(
        "one-token-too-far",
        sampler(in_order, one_token_too_far),
        "Your tokens are one place too far.",
        "searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
        "token's index already; add nothing.",
    ),
    Mistake(
        "one-token-too-near",
        sampler(in_order, one_token_too_near),
        "Your tokens are one place too low.",
        "searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
        "token's index already; subtract nothing.",
    ),
    Mistake(
        "ranks-for-tokens",
        sampler(in_order, ranks_for_tokens),
        "You returned places in the sorted order instead of token ids.",
        "If you sort, bring the result back: order[place]. Or don't sort; the draw does not mind.",
    ),
    Mistake(
        "draws-of-its-own",
        sampler(in_order, draws_of_its_own),
        "The distribution is right, but a token must depend on its own draw in `uniform` and on "
        "nothing else. Do you make draws of your own (multinomial, rand), or sort the tokens?",
        "One token per draw, in the order of the draws: "
        "torch.searchsorted(cumulative, uniform, right=True).",
    ),
    Mistake(
        "never-greedy",
        never_greedy,
        "At temperature 0 you divide by zero. Greedy decoding takes the largest logit every time.",
        "Handle temperature 0 first: logits.argmax(), once per draw.",
    ),
    Mistake(
        "zero-draw-filtered",
        sampler(in_order, zero_draw_filtered),
        "A draw of exactly 0 gives the first token even when it is filtered out.",
        "searchsorted with right=True finds the first cumulative sum above the draw, and steps "
        "over tokens of probability 0.",
    ),
    Mistake(
        "falls-off-the-end",
        sampler(in_order, falls_off_the_end),
        "In float32 your cumulative sum can end just below 1, and a draw above it gives a token id "
        "past the vocabulary. It happens once in millions of draws, and then it crashes.",
        "Divide the cumulative sum by its last value: it then ends at exactly 1.",
    ),
)

SAMPLER_HINTS = (
    "Lay the probabilities end to end on the line from 0 to 1. A draw lands in one token's piece. "
    "How do you find whose?",
    "First the distribution: temperature, then the three filters in the order of the signature. "
    "Then the line: where does each token's piece end, and how many ends has a draw passed that "
    "lies in the piece of token 2? What must the last end be, so that no draw below 1 falls off?",
    "Probabilities 0.5, 0.3, 0.2: the ends (cumsum) are 0.5, 0.8, 1. The draw 0.65 has passed one "
    "of them, so it picks token 1; 0.1 has passed none: token 0; 0.95 two: token 2. "
    "torch.searchsorted counts that, and with right=True a draw of exactly 0.5 has passed its end; "
    "divide the ends by the last one.",
)


# The library's own, to which the lesson proves the answers equal.
TRANSFORMERS = tuple(
    f"transformers.generation.logits_process.{name}"
    for name in (
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        "LogitsProcessorList",
    )
)

CHALLENGES = (
    Challenge(
        name="apply_temperature",
        title="Softmax with temperature",
        points=2,
        check=check_apply_temperature,
        mistakes=TEMPERATURE_MISTAKES,
        alternatives=(softmax_with, softmax_in_logs),
        hints=TEMPERATURE_HINTS,
        not_allowed=TRANSFORMERS,
    ),
    Challenge(
        name="top_p_filter",
        title="Top-p: keep the nucleus",
        points=3,
        check=check_top_p_filter,
        mistakes=TOP_P_MISTAKES,
        alternatives=(right_top_p, top_p_from_the_bottom, top_p_by_hand),
        hints=TOP_P_HINTS,
        not_allowed=TRANSFORMERS,
    ),
    Challenge(
        name="min_p_filter",
        title="Min-p: a threshold that follows the best token",
        points=2,
        check=check_min_p_filter,
        mistakes=MIN_P_MISTAKES,
        alternatives=(right_min_p, min_p_in_logits),
        hints=MIN_P_HINTS,
        not_allowed=TRANSFORMERS,
    ),
    Challenge(
        name="sample_next",
        title="A sampler, proved by chi-square",
        points=3,
        check=check_sample_next,
        mistakes=SAMPLER_MISTAKES,
        alternatives=(
            sampler(in_order),
            sampler(in_order, pick_from_the_top),
            sampler(in_order, pick_by_counting),
        ),
        hints=SAMPLER_HINTS,
        alike=same_distribution,
        not_allowed=TRANSFORMERS,
    ),
)


# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
EQUIVALENT = {
    "apply_temperature: Eq->LtE | if temperature == 0:": (
        "A temperature below 0 has been refused two lines above."
    ),
    "top_p_filter: clone() left out | return logits.clone()": (
        "With top_p=1 the logits are the answer. That it be a tensor of its own is nowhere asked "
        "for, and the caller's tensor stays as it was."
    ),
    "top_p_filter: dim= dropped | ordered, order = logits.sort(dim=-1, descending=True)": (
        "sort works along the last dimension by default."
    ),
    "sample_next: 0->-1 | top_k: int = 0,": "Only a top_k above 0 filters.",
    "sample_next: 1.0->2.0 | top_p: float = 1.0,": "From 1 on, top_p_filter keeps every token.",
    "sample_next: 0.0->-1.0 | min_p: float = 0.0,": (
        "No probability is below a threshold of 0 or less: every token is kept."
    ),
    "sample_next: Eq->LtE | if temperature == 0:": (
        "The contract begins at temperature 0; nothing is said of one below."
    ),
    "sample_next: scaled->logits | smallest_kept = scaled.topk(min(top_k, len(scaled))).values[-1] "
    "#2": "Logits and scaled logits have the same length.",
    "sample_next: dim=-1->0 | cumulative = kept.softmax(dim=-1).cumsum(dim=-1)": (
        "The logits have one dimension: the last is the first."
    ),
    "sample_next: dim=-1->0 | cumulative = kept.softmax(dim=-1).cumsum(dim=-1) #2": (
        "The logits have one dimension: the last is the first."
    ),
}
