"""A sampler: temperature, top-k, top-p, min-p, then one token for each draw from [0, 1).

Checked by chi-square on 10,000 draws: against the filters in float64 NumPy, and against the
probabilities from which transformers samples. A token is to depend on its own draw alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from labkit.challenges.temperature.drawing import clear_logits
from labkit.challenges.temperature.min_p_filter import by_gap
from labkit.challenges.temperature.top_p_filter import without_sorting
from labkit.challenges.temperature.transformers_filters import WARPERS
from labkit.challenges.temperature.truths import true_min_p, true_softmax, true_top_k, true_top_p
from labkit.estimates import chi_square_p_value
from labkit.grading import Challenge, Result, Submission
from labkit.grading.answers.comparison import difference
from labkit.grading.checks.diagnosis import same_values
from labkit.grading.source.spoiling import spoiled
from labkit.grading.transports.transport import Reply, Returned
from labkit.instruments.sampling import next_token_probabilities

DRAWS = 10_000
UNLIKELY = 1e-9  # in one of 10^8 runs a right sampler comes as low: nobody chooses a run's seed
EIGHT = torch.tensor([0.5, 2.0, -1.0, 1.5, 0.0, 1.0, -2.0, 1.8])


def true_sampling(
    logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:
    """The probability of each token after temperature, top-k, top-p and min-p, in that order."""
    if temperature == 0:
        return true_softmax(logits, 0.0)
    kept = true_top_k(logits.double() / temperature, top_k)
    return true_softmax(true_min_p(true_top_p(kept, top_p), min_p))


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
    def tokens_for(logits: Tensor, uniform: Tensor, *settings: float) -> Result:
        tokens = s.sample_next(logits, uniform, *settings)
        return tokens.is_tensor(shape=uniform.shape, dtype=torch.int64)

    uniform = torch.rand(DRAWS, generator=s.generator)
    plain = "With temperature 1 and no filter, the defaults, tokens come as often as softmax says."
    tokens_for(EIGHT, uniform).holds(follows(true_softmax(EIGHT)), because=plain)
    for settings, because in SAMPLING.items():
        tokens = tokens_for(EIGHT, uniform, *settings)
        tokens.holds(follows(true_sampling(EIGHT, *settings)), because=because)

    logits = clear_logits(
        s, 40, top_p=0.95, min_p=0.02, before=lambda logits: true_top_k(logits.double() / 0.9, 20)
    )
    tokens = tokens_for(logits, uniform, 0.9, 20, 0.95, 0.02)
    theirs = next_token_probabilities(logits.double(), 0.9, 20, 0.95, 0.02)
    tokens.holds(follows(theirs), because="Tokens come as often as transformers' processors say.")
    own = "The draw alone decides on the token: turn the draws round and the tokens turn round."
    backwards = tokens_for(logits, uniform.flip(0), 0.9, 20, 0.95, 0.02)
    backwards.holds(is_reverse_of(tokens.value), because=own)

    greedy = "At temperature 0 every draw gives the largest logit, the first of equals."
    few = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.9])  # one more than there are tokens
    for settings in ((0.0, 0, 1.0, 0.0), (0.0, 2, 0.5, 0.1)):
        tokens = tokens_for(torch.tensor([1.0, 3.0, 3.0, 0.0]), few, *settings)
        tokens.equals(torch.tensor([1, 1, 1, 1, 1]), because=greedy)

    more = "A top_k above the size of the vocabulary keeps every token."
    tokens_for(torch.zeros(3), few, 1.0, 5, 1.0, 0.0).holds(are_among({0, 1, 2}), because=more)
    zero = "A draw of exactly 0 must not give a token that was filtered out."
    tokens = tokens_for(torch.tensor([-3.0, 1.0, 0.5]), torch.zeros(1), 1.0, 2, 1.0, 0.0)
    tokens.holds(are_among({1, 2}), because=zero)
    last = "The largest draw below 1 must still give a token of the vocabulary."
    tokens = tokens_for(torch.zeros(41), torch.tensor([1 - 2**-24]), 1.0, 0, 1.0, 0.0)
    tokens.holds(are_among(set(range(41))), because=last)


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
    if isinstance(left, Returned) and isinstance(right, Returned):
        ours, theirs = left.value, right.value
        if is_tokens(ours) and is_tokens(theirs) and len(ours) == len(theirs):
            apart = Counter(ours.tolist())
            apart.subtract(theirs.tolist())
            return sum(map(abs, apart.values())) / 2 <= 0.03 * len(ours)
    return same_values(left, right)


def is_tokens(value: Any) -> bool:
    return type(value) is Tensor and value.dtype is torch.int64 and value.dim() == 1


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
    not_allowed=WARPERS,
)

PICK = "torch.searchsorted(cumulative, uniform, right=True)"
DISTRIBUTION = "kept.softmax(dim=-1)"
ENDS_AT_ONE = "cumulative / cumulative[-1]"


# ---- the temperature -----------------------------------------------------------------------------

challenge.mistake(
    "temperature-ignored",
    "The temperature changes nothing in your sampler.",
    hint="Begin with scaled = logits / temperature, and use scaled from there on.",
    answer=spoiled("logits / temperature", "logits"),
)

challenge.mistake(
    "temperature-multiplied",
    "You multiplied the logits by the temperature.",
    hint="Divide: below 1 the distribution must get sharper.",
    answer=spoiled("logits / temperature", "logits * temperature"),
)

challenge.mistake(
    "never-greedy",
    "At temperature 0 you divide by zero. Greedy decoding takes the largest logit every time.",
    hint="Handle temperature 0 first: logits.argmax(), once per draw.",
    answer=spoiled("return logits.argmax().repeat(len(uniform))", "pass"),
)

challenge.mistake(
    "always-the-largest",
    "You always return the most probable token. That is greedy decoding, and right only at "
    "temperature 0.",
    hint="Let the draw decide: the token whose slice of [0, 1) it falls in, by cumsum and "
    "torch.searchsorted.",
    answer=spoiled(PICK, "kept.argmax().repeat(len(uniform))"),
)

# ---- the filters, and their order ----------------------------------------------------------------

challenge.mistake(
    "temperature-after-the-filters",
    "You filtered first and applied the temperature after, as llama.cpp does by default. Here "
    "the order is transformers', the other way round: at a high temperature more tokens then "
    "fit into the nucleus.",
    hint="Divide by the temperature first, and give the divided logits to the filters.",
    answer=spoiled(
        "logits / temperature", "logits", "kept.softmax", "(kept / temperature).softmax"
    ),
)

challenge.mistake(
    "top-p-before-top-k",
    "You applied top-p before top-k. The nucleus is to be found among the top_k tokens, with "
    "their probabilities summing to 1.",
    hint="The order is temperature, top-k, top-p, min-p.",
    answer=spoiled(
        "top_p_filter(scaled, top_p)",
        "scaled",
        "logits / temperature",
        "top_p_filter(logits / temperature, top_p)",
    ),
)

challenge.mistake(
    "min-p-before-top-p",
    "You applied min-p before top-p: the nucleus is then found among fewer tokens, and comes "
    "out smaller.",
    hint="The order is temperature, top-k, top-p, min-p.",
    answer=spoiled(
        "min_p_filter(top_p_filter(scaled, top_p), min_p)",
        "top_p_filter(min_p_filter(scaled, min_p), top_p)",
    ),
)

challenge.mistake(
    "filters-ignored",
    "You sample from the unfiltered distribution: tokens come up that top-k, top-p or min-p "
    "took out.",
    hint="Use what the filters return: kept = top_p_filter(scaled, top_p), and so on.",
    answer=spoiled(DISTRIBUTION, "(logits / temperature).softmax(dim=-1)"),
)

challenge.mistake(
    "not-renormalised",
    "After filtering, your probabilities no longer sum to 1; the draws above their sum all go "
    "to the last token.",
    hint="Take the softmax after filtering the logits, or divide the cumulative sum by its last "
    "value.",
    answer=spoiled(
        DISTRIBUTION,
        "((logits / temperature).softmax(dim=-1) * kept.isfinite())",
        ENDS_AT_ONE,
        "cumulative",
        PICK,
        f"{PICK}.clamp(max=len(logits) - 1)",
    ),
)

# ---- one token for each draw ---------------------------------------------------------------------

challenge.mistake(
    "draws-of-its-own",
    "The distribution is right, but a token must depend on its own draw in `uniform` and on "
    "nothing else. Do you make draws of your own (multinomial, rand), or sort the tokens?",
    hint="One token per draw, in the order of the draws: "
    "torch.searchsorted(cumulative, uniform, right=True).",
    answer=spoiled(
        PICK,
        f"torch.multinomial({DISTRIBUTION}, len(uniform), replacement=True, "
        f"generator=torch.Generator().manual_seed(0))",
    ),
)

challenge.mistake(
    "first-draw-for-all",
    "You used one draw for all: every result is the same token.",
    hint="torch.searchsorted(cumulative, uniform) takes all the draws at once.",
    answer=spoiled("uniform, right=True)", "uniform[:1], right=True).repeat(len(uniform))"),
)

challenge.mistake(
    "every-token-alike",
    "Every token that is left comes up equally often. Likelier tokens must come up more.",
    hint="Don't turn the draw into an index: compare it with the cumulative probabilities.",
    answer=spoiled(DISTRIBUTION, "kept.isfinite().double()"),
)

challenge.mistake(
    "ranks-for-tokens",
    "You returned places in the sorted order instead of token ids.",
    hint="If you sort, bring the result back: order[place]. Or don't sort; the draw does not mind.",
    answer=spoiled(DISTRIBUTION, f"{DISTRIBUTION}.sort(descending=True).values"),
)

challenge.mistake(
    "one-token-too-far",
    "Your tokens are one place too far.",
    hint="searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
    "token's index already; add nothing.",
    answer=spoiled(PICK, f"({PICK} + 1).clamp(max=len(logits) - 1)"),
)

challenge.mistake(
    "one-token-too-near",
    "Your tokens are one place too low.",
    hint="searchsorted(..., right=True) is the number of cumulative sums passed, and that is the "
    "token's index already; subtract nothing.",
    answer=spoiled(PICK, f"({PICK} - 1).clamp(min=0)"),
)

challenge.mistake(
    "zero-draw-filtered",
    "A draw of exactly 0 gives the first token even when it is filtered out.",
    hint="searchsorted with right=True finds the first cumulative sum above the draw, and steps "
    "over tokens of probability 0.",
    answer=spoiled("right=True", "right=False"),
)

challenge.mistake(
    "falls-off-the-end",
    "In float32 your cumulative sum can end just below 1, and a draw above it gives a token id "
    "past the vocabulary. It happens once in millions of draws, and then it crashes.",
    hint="Divide the cumulative sum by its last value: it then ends at exactly 1.",
    answer=spoiled(ENDS_AT_ONE, "cumulative"),
)


@challenge.alternative
def sorted_once(
    logits: Tensor, uniform: Tensor,
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """From the most probable token down, each filter leaves a beginning of what there is."""
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    ordered, order = (logits.double() / temperature).sort(descending=True)
    kept = ordered[: top_k or None].softmax(-1)
    kept = kept[: max(1, int((kept.cumsum(-1) - kept < top_p).sum()))]
    ends = kept[kept >= min_p * kept[0]].cumsum(-1)
    return order[torch.searchsorted(ends / ends[-1], uniform.double(), right=True)]


def left_over(logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float) -> Tensor:
    """The filters once more, by ranks, by pairs and by gaps."""
    scaled = logits / temperature
    rank = scaled.argsort(descending=True).argsort()
    kept = torch.where(rank < (top_k or len(scaled)), scaled, -torch.inf)
    return by_gap(without_sorting(kept, top_p), min_p)


@challenge.alternative
def by_counting(
    logits: Tensor, uniform: Tensor,
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """How many tokens' pieces end before a draw, each draw compared with each end."""
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    ends = left_over(logits, temperature, top_k, top_p, min_p).double().softmax(-1).cumsum(-1)
    return (uniform[:, None] >= ends / ends[-1]).sum(dim=1)


@challenge.alternative
def by_alias(
    logits: Tensor, uniform: Tensor,
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """Walker's alias method: a column of height 1 for each token, filled up from a likelier one."""
    if temperature == 0:
        return logits.argmax().repeat(len(uniform))
    heights = left_over(logits, temperature, top_k, top_p, min_p).double().softmax(-1) * len(logits)
    alias, unfilled = torch.arange(len(logits)), set(range(len(logits)))
    while len(unfilled) > 1:
        low, high = (choose(unfilled, key=heights.__getitem__) for choose in (min, max))
        alias[low] = high
        heights[high] -= 1 - heights[low]
        unfilled.remove(low)
    column = (uniform.double() * len(logits)).long()
    above = uniform.double() * len(logits) - column >= heights[column]
    return torch.where(above, alias[column], column)


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
    f"dim=-1->0 | cumulative = {DISTRIBUTION}.cumsum(dim=-1)",
    f"dim=-1->0 | cumulative = {DISTRIBUTION}.cumsum(dim=-1) #2",
    because="The logits have one dimension: the last is the first.",
)
