"""Tokens follow the filtered distribution (chi-square, 10,000 draws), one token per draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.challenges.temperature.shared import (
    INF,
    NO_IDS,
    TRANSFORMERS,
    clear_logits,
    keep_by_row,
    right_min_p,
    right_top_p,
    true_min_p,
    true_softmax,
    true_top_p,
)
from labkit.estimates import chi_square_p_value
from labkit.grading import Challenge, Submission
from labkit.grading.comparison import difference
from labkit.grading.diagnosis import same_values
from labkit.grading.transport import Reply, Returned

DRAWS = 10_000


# A p-value that a right sampler reaches once in 10^8 runs: nobody chooses the seed of a run.
UNLIKELY = 1e-9


def true_top_k(logits: Tensor, top_k: int) -> Tensor:
    """The logits with -inf below the top_k largest; 0 keeps all."""
    return keep_by_row(logits, lambda row: np.argsort(-row)[: top_k or None])


def true_sampling(
    logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:
    """The probability of each token after temperature, top-k, top-p and min-p, in that order."""
    if temperature == 0:
        return true_softmax(logits, 0.0)
    kept = true_top_k(logits.double() / temperature, top_k)
    return true_softmax(true_min_p(true_top_p(kept, top_p), min_p))


EIGHT = torch.tensor([0.5, 2.0, -1.0, 1.5, 0.0, 1.0, -2.0, 1.8])


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
        p_value = chi_square_p_value(counts.tolist(), probabilities.tolist())
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


challenge = Challenge(
    name="sample_next",
    title="A sampler, proved by chi-square",
    check=check_sample_next,
    points=3,
    hints=(
        "Lay the probabilities end to end on the line from 0 to 1. A draw lands in one token's "
        "piece. How do you find whose?",
        "First the distribution: temperature, then the three filters in the order of the "
        "signature. Then the line: where does each token's piece end, and how many ends has a "
        "draw passed that lies in the piece of token 2? What must the last end be, so that no "
        "draw below 1 falls off?",
        "Probabilities 0.5, 0.3, 0.2: the ends (cumsum) are 0.5, 0.8, 1. The draw 0.65 has passed "
        "one of them, so it picks token 1; 0.1 has passed none: token 0; 0.95 two: token 2. "
        "torch.searchsorted counts that, and with right=True a draw of exactly 0.5 has passed its "
        "end; divide the ends by the last one.",
    ),
    alike=same_distribution,
    not_allowed=TRANSFORMERS,
)


Settings = tuple[float, int, float, float]  # temperature, top_k, top_p, min_p


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


def always_the_largest(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return probabilities.argmax().repeat(len(uniform))


challenge.mistake(
    "always-the-largest",
    "You always return the most probable token. That is greedy decoding, and right only at "
    "temperature 0.",
    hint="Let the draw decide: the token whose slice of [0, 1) it falls in, by cumsum and "
    "torch.searchsorted.",
    answer=sampler(in_order, always_the_largest),
)


def temperature_ignored(logits: Tensor, settings: Settings) -> Tensor:
    return filtered(logits, *settings[1:]).softmax(-1)


challenge.mistake(
    "temperature-ignored",
    "The temperature changes nothing in your sampler.",
    hint="Begin with scaled = logits / temperature, and use scaled from there on.",
    answer=sampler(temperature_ignored),
)


def temperature_multiplied(logits: Tensor, settings: Settings) -> Tensor:
    return filtered(logits * settings[0], *settings[1:]).softmax(-1)


challenge.mistake(
    "temperature-multiplied",
    "You multiplied the logits by the temperature.",
    hint="Divide: below 1 the distribution must get sharper.",
    answer=sampler(temperature_multiplied),
)


def temperature_last(logits: Tensor, settings: Settings) -> Tensor:
    return (filtered(logits, *settings[1:]) / settings[0]).softmax(-1)


challenge.mistake(
    "temperature-after-the-filters",
    "You filtered first and applied the temperature after, as llama.cpp does by default. Here "
    "the order is transformers', the other way round: at a high temperature more tokens then "
    "fit into the nucleus.",
    hint="Divide by the temperature first, and give the divided logits to the filters.",
    answer=sampler(temperature_last),
)


def top_p_before_top_k(logits: Tensor, settings: Settings) -> Tensor:
    temperature, top_k, top_p, min_p = settings
    kept = keep_top_k(right_top_p(logits / temperature, top_p), top_k)
    return right_min_p(kept, min_p).softmax(-1)


challenge.mistake(
    "top-p-before-top-k",
    "You applied top-p before top-k. The nucleus is to be found among the top_k tokens, with "
    "their probabilities summing to 1.",
    hint="The order is temperature, top-k, top-p, min-p.",
    answer=sampler(top_p_before_top_k),
)


def min_p_before_top_p(logits: Tensor, settings: Settings) -> Tensor:
    temperature, top_k, top_p, min_p = settings
    kept = right_min_p(keep_top_k(logits / temperature, top_k), min_p)
    return right_top_p(kept, top_p).softmax(-1)


challenge.mistake(
    "min-p-before-top-p",
    "You applied min-p before top-p: the nucleus is then found among fewer tokens, and comes "
    "out smaller.",
    hint="The order is temperature, top-k, top-p, min-p.",
    answer=sampler(min_p_before_top_p),
)


def filters_ignored(logits: Tensor, settings: Settings) -> Tensor:
    return (logits / settings[0]).softmax(-1)


challenge.mistake(
    "filters-ignored",
    "You sample from the unfiltered distribution: tokens come up that top-k, top-p or min-p "
    "took out.",
    hint="Use what the filters return: kept = top_p_filter(scaled, top_p), and so on.",
    answer=sampler(filters_ignored),
)


def not_renormalised(logits: Tensor, settings: Settings) -> Tensor:
    scaled = logits / settings[0]
    return scaled.softmax(-1) * torch.isfinite(filtered(scaled, *settings[1:]))


def pick_without_renormalising(probabilities: Tensor, uniform: Tensor) -> Tensor:
    cumulative = probabilities.double().cumsum(-1)
    if cumulative[-1] > 1 - 1e-6:
        return pick(probabilities, uniform)
    tokens = torch.searchsorted(cumulative, uniform.double(), right=True)
    return tokens.clamp(max=len(probabilities) - 1)


challenge.mistake(
    "not-renormalised",
    "After filtering, your probabilities no longer sum to 1; the draws above their sum all go "
    "to the last token.",
    hint="Take the softmax after filtering the logits, or divide the cumulative sum by its last "
    "value.",
    answer=sampler(not_renormalised, pick_without_renormalising),
)


def every_token_alike(probabilities: Tensor, uniform: Tensor) -> Tensor:
    kept = torch.nonzero(probabilities)[:, 0]
    return kept[(uniform.double() * len(kept)).long()]


challenge.mistake(
    "every-token-alike",
    "Every token that is left comes up equally often. Likelier tokens must come up more.",
    hint="Don't turn the draw into an index: compare it with the cumulative probabilities.",
    answer=sampler(in_order, every_token_alike),
)


def first_draw_for_all(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return pick(probabilities, uniform[:1]).repeat(len(uniform))


challenge.mistake(
    "first-draw-for-all",
    "You used one draw for all: every result is the same token.",
    hint="torch.searchsorted(cumulative, uniform) takes all the draws at once.",
    answer=sampler(in_order, first_draw_for_all),
)


def one_token_too_far(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return (pick(probabilities, uniform) + 1).clamp(max=len(probabilities) - 1)


challenge.mistake(
    "one-token-too-far",
    "Your tokens are one place too far.",
    hint="searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
    "token's index already; add nothing.",
    answer=sampler(in_order, one_token_too_far),
)


def one_token_too_near(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return (pick(probabilities, uniform) - 1).clamp(min=0)


challenge.mistake(
    "one-token-too-near",
    "Your tokens are one place too low.",
    hint="searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
    "token's index already; subtract nothing.",
    answer=sampler(in_order, one_token_too_near),
)


def ranks_for_tokens(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return pick(probabilities.sort(descending=True).values, uniform)


challenge.mistake(
    "ranks-for-tokens",
    "You returned places in the sorted order instead of token ids.",
    hint="If you sort, bring the result back: order[place]. Or don't sort; the draw does not mind.",
    answer=sampler(in_order, ranks_for_tokens),
)


def draws_of_its_own(probabilities: Tensor, uniform: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(probabilities, len(uniform), replacement=True, generator=generator)


challenge.mistake(
    "draws-of-its-own",
    "The distribution is right, but a token must depend on its own draw in `uniform` and on "
    "nothing else. Do you make draws of your own (multinomial, rand), or sort the tokens?",
    hint="One token per draw, in the order of the draws: "
    "torch.searchsorted(cumulative, uniform, right=True).",
    answer=sampler(in_order, draws_of_its_own),
)


@challenge.mistake(
    "never-greedy",
    "At temperature 0 you divide by zero. Greedy decoding takes the largest logit every time.",
    hint="Handle temperature 0 first: logits.argmax(), once per draw.",
)
def never_greedy(
    logits: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    return pick(in_order(logits, (temperature, top_k, top_p, min_p)), uniform)


def zero_draw_filtered(probabilities: Tensor, uniform: Tensor) -> Tensor:
    cumulative = probabilities.double().cumsum(-1)
    return torch.searchsorted(cumulative / cumulative[-1], uniform.double(), right=False)


challenge.mistake(
    "zero-draw-filtered",
    "A draw of exactly 0 gives the first token even when it is filtered out.",
    hint="searchsorted with right=True finds the first cumulative sum above the draw, and steps "
    "over tokens of probability 0.",
    answer=sampler(in_order, zero_draw_filtered),
)


def falls_off_the_end(probabilities: Tensor, uniform: Tensor) -> Tensor:
    return torch.searchsorted(probabilities.cumsum(-1), uniform, right=True)


challenge.mistake(
    "falls-off-the-end",
    "In float32 your cumulative sum can end just below 1, and a draw above it gives a token id "
    "past the vocabulary. It happens once in millions of draws, and then it crashes.",
    hint="Divide the cumulative sum by its last value: it then ends at exactly 1.",
    answer=sampler(in_order, falls_off_the_end),
)


challenge.alternative(sampler(in_order))


def pick_from_the_top(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """A right choice that goes through the tokens from the most probable down."""
    ordered, order = probabilities.sort(descending=True)
    return order[pick(ordered, uniform)]


challenge.alternative(sampler(in_order, pick_from_the_top))


def pick_by_counting(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """A right choice: count the cumulative probabilities that a draw has passed."""
    cumulative = probabilities.double().cumsum(0)
    passed = (uniform[:, None] >= (cumulative / cumulative[-1])[None, :]).sum(dim=1)
    return passed.clamp(max=len(probabilities) - 1)


challenge.alternative(sampler(in_order, pick_by_counting))


challenge.equivalent(
    "0->-1 | top_k: int = 0,",
    because="Only a top_k above 0 filters.",
)


challenge.equivalent(
    "1.0->2.0 | top_p: float = 1.0,",
    because="From 1 on, top_p_filter keeps every token.",
)


challenge.equivalent(
    "0.0->-1.0 | min_p: float = 0.0,",
    because="No probability is below a threshold of 0 or less: every token is kept.",
)


challenge.equivalent(
    "Eq->LtE | if temperature == 0:",
    because="The contract begins at temperature 0; nothing is said of one below.",
)


challenge.equivalent(
    "scaled->logits | smallest_kept = scaled.topk(min(top_k, len(scaled))).values[-1] #2",
    because="Logits and scaled logits have the same length.",
)


challenge.equivalent(
    "dim=-1->0 | cumulative = kept.softmax(dim=-1).cumsum(dim=-1)",
    "dim=-1->0 | cumulative = kept.softmax(dim=-1).cumsum(dim=-1) #2",
    because="The logits have one dimension: the last is the first.",
)
