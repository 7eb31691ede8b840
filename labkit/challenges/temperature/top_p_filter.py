"""The nucleus (top-p): the smallest set of most probable tokens that holds top_p, -inf outside.

Holtzman et al. 2020, arXiv:1904.09751. Checked against a count from the top in float64 NumPy, and
against transformers' TopPLogitsWarper.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.challenges.temperature.drawing import clear_logits, log_of
from labkit.challenges.temperature.transformers_filters import WARPERS, filtered
from labkit.challenges.temperature.truths import INF, true_top_p
from labkit.grading import Challenge, Submission
from labkit.grading.answers.comparison import difference
from labkit.grading.source.spoiling import spoiled


def check_top_p_filter(s: Submission) -> None:
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
    answer.equals(filtered(logits, top_p=0.85), because=equal)


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


challenge = Challenge(
    name="top_p_filter",
    title="Top-p: keep the nucleus",
    check=check_top_p_filter,
    points=3,
    hints=(
        "Line the tokens up from the most probable down and add up probabilities until top_p is "
        "reached. Which tokens have you passed by then?",
        "Ask of each token in that line how much mass stands before it: that decides whether it "
        "is still needed. Nothing stands before the first. What you find out in the sorted order "
        "has to get back to the order of the token ids.",
        "Probabilities 0.15, 0.5, 0.05, 0.3 and top_p=0.7. Sorted: 0.5, 0.3, 0.15, 0.05; mass "
        "before each (cumsum minus its own): 0, 0.5, 0.8, 0.95; outside: no, no, yes, yes. In "
        "token order, by scatter: yes, no, yes, no, so tokens 1 and 3 are kept.",
    ),
    not_allowed=WARPERS,
)

MASK = "outside.scatter(-1, order, outside)"
ANSWER = f"logits.masked_fill({MASK}, -torch.inf)"
FIRST_KEPT = "outside[..., 0] = False"
SORTED = "logits.sort(dim=-1, descending=True)"


# ---- which token is the last ---------------------------------------------------------------------

challenge.mistake(
    "crossing-token-dropped",
    "You dropped the token that crosses top_p. Without it the kept tokens hold less than "
    "top_p, and a first token above top_p leaves nothing at all.",
    hint="Decide by the mass before a token: cumsum - probability. It is outside when that mass "
    "has reached top_p already.",
    answer=spoiled("mass_before >= top_p", "probabilities.cumsum(dim=-1) > top_p", FIRST_KEPT, ""),
)

challenge.mistake(
    "crossing-token-dropped-but-one",
    "You dropped the token that crosses top_p (unless it is the first). Without it the kept "
    "tokens hold less than top_p.",
    hint="Decide by the mass before a token: cumsum - probability. It is outside when that mass "
    "has reached top_p already.",
    answer=spoiled("mass_before >= top_p", "probabilities.cumsum(dim=-1) > top_p"),
)

challenge.mistake(
    "one-too-many",
    "You kept one token too many where the set holds exactly top_p: the mass before a token "
    "was compared with > and needs >=.",
    hint="Two tokens of 0.5 and top_p=0.5: the first holds 0.5, that is enough. Outside is "
    "mass_before >= top_p.",
    answer=spoiled("mass_before >= top_p", "mass_before > top_p"),
)

challenge.mistake(
    "all-ties-kept",
    "You kept every token as probable as the last one needed. The nucleus is the smallest "
    "set: of equals it takes only as many as top_p needs.",
    hint="A threshold on values can't tell equals apart. Mask positions of the sorted order, and "
    "scatter the mask back.",
    answer=spoiled(MASK, "logits < ordered.masked_fill(outside, torch.inf).amin(-1, keepdim=True)"),
)

challenge.mistake(
    "emptied-at-zero",
    "With top_p=0 you filtered out every token; sampling from nothing fails.",
    hint="Force the first token of the sorted order in: outside[..., 0] = False.",
    answer=spoiled(FIRST_KEPT, ""),
)

challenge.mistake(
    "tail-lost-at-one",
    "With top_p=1 very improbable tokens are lost: in float32 the sum before them is already "
    "exactly 1.",
    hint="top_p=1 means no filter: return a copy of the logits before any sum is taken.",
    answer=spoiled("return logits.clone()", "pass"),
)

# ---- in which order they are added up ------------------------------------------------------------


@challenge.mistake(
    "each-against-top-p",
    "You compared each probability with top_p. It is the sum of the most probable ones that "
    "must reach top_p.",
    hint="Sort downwards and use cumsum along the last dimension.",
)
def each_against_top_p(logits: Tensor, top_p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < top_p, -INF)


challenge.mistake(
    "not-sorted",
    "You summed the probabilities in the order of the token ids. The nucleus takes the most "
    "probable tokens first.",
    hint="Sort first: logits.sort(dim=-1, descending=True), then cumsum.",
    answer=spoiled("ordered.softmax", "logits.softmax", MASK, "outside"),
)

challenge.mistake(
    "least-probable-first",
    "You sorted upwards, and so kept the least probable tokens.",
    hint="Sort with descending=True, or sum from the bottom and drop the tail that holds "
    "1 - top_p.",
    answer=spoiled("descending=True", "descending=False"),
)

challenge.mistake(
    "first-row-for-all",
    "You used the nucleus of the first row for the whole batch.",
    hint="Sort, sum and scatter along dim=-1 without picking a row; broadcasting does the rest.",
    answer=spoiled(MASK, f"{MASK}.reshape(-1, logits.shape[-1])[0]"),
)

# ---- the way back to the token ids ---------------------------------------------------------------

challenge.mistake(
    "left-in-sorted-order",
    "You returned the logits in sorted order. Each must stay at the place of its token.",
    hint="Sorting gives the order too: mask.scatter(-1, order, mask) brings the mask back to the "
    "token ids; then fill the original logits.",
    answer=spoiled(ANSWER, "ordered.masked_fill(outside, -torch.inf)"),
)

challenge.mistake(
    "mask-in-sorted-order",
    "Your mask is still in sorted order when you put it on the unsorted logits: it hides the "
    "wrong tokens.",
    hint="Bring it back with mask.scatter(-1, order, mask), order being the indices from sort.",
    answer=spoiled(MASK, "outside"),
)

# ---- what comes back -----------------------------------------------------------------------------

challenge.mistake(
    "nothing-filtered",
    "You return every logit as it came: nothing is filtered out.",
    hint="masked_fill gives a new tensor and leaves the old one: return what it gives.",
    answer=spoiled(ANSWER, "logits"),
)

challenge.mistake(
    "inverted",
    "Your mask is the wrong way round: you removed the nucleus and kept the rest.",
    hint="masked_fill writes where the mask is True. Make the mask say who is outside.",
    answer=spoiled(MASK, f"~{MASK}"),
)

challenge.mistake(
    "probabilities-returned",
    "You returned probabilities. A filter takes logits and gives logits, so that filters can "
    "be chained.",
    hint="Use the probabilities to decide who is out, and fill the logits themselves.",
    answer=spoiled(ANSWER, f"{ANSWER}.softmax(dim=-1)"),
)

challenge.mistake(
    "zeros-for-minus-infinity",
    "You filled the tokens outside with 0. A logit of 0 still has probability: exp(0) is 1.",
    hint="Fill with -torch.inf: exp(-inf) is 0.",
    answer=spoiled("-torch.inf", "0.0"),
)


@challenge.alternative
def from_the_bottom(logits: Tensor, top_p: float) -> Tensor:
    """Sorted upwards as transformers does, without the tail that holds 1 - top_p."""
    if top_p >= 1:
        return logits.clone()
    ordered, order = torch.sort(logits)
    tail = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    tail[..., -1] = False
    return logits.masked_fill(tail.gather(-1, order.argsort(-1)), -INF)


@challenge.alternative
def without_sorting(logits: Tensor, top_p: float) -> Tensor:
    """Each token is compared with every other: what do those before it hold?"""
    ours, theirs = logits[..., :, None], logits[..., None, :]
    earlier = torch.ones(logits.shape[-1], logits.shape[-1], dtype=torch.bool).tril(-1)
    before = (theirs > ours) | ((theirs == ours) & earlier)
    mass_before = (before * theirs.double().softmax(-1)).sum(-1)
    kept = (mass_before < top_p) | ~before.any(-1) | (top_p >= 1)
    return torch.where(kept, logits, -INF)


@challenge.alternative
def token_by_token(logits: Tensor, top_p: float) -> Tensor:
    """Row by row, from the most probable token down."""
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


challenge.equivalent(
    "clone() left out | return logits.clone()",
    because="With top_p=1 the logits are the answer. That it be a tensor of its own is nowhere "
    "asked for, and the caller's tensor stays as it was.",
)
challenge.equivalent(
    f"dim= dropped | ordered, order = {SORTED}",
    because="sort works along the last dimension by default.",
)
