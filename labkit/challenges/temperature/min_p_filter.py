"""Min-p: tokens at least min_p times as probable as the best one, and -inf for the others.

Nguyen et al. 2024, arXiv:2407.01082. Checked against the odds in float64 NumPy, and against
transformers' MinPLogitsWarper.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.challenges.temperature.drawing import clear_logits, log_of
from labkit.challenges.temperature.top_p_filter import from_the_bottom
from labkit.challenges.temperature.transformers_filters import WARPERS, filtered
from labkit.challenges.temperature.truths import INF, true_min_p
from labkit.grading import Challenge, Submission
from labkit.grading.source.spoiling import spoiled


def check_min_p_filter(s: Submission) -> None:
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
    answer.equals(filtered(logits, min_p=0.1), because=equal)


challenge = Challenge(
    name="min_p_filter",
    title="Min-p: a threshold that follows the best token",
    check=check_min_p_filter,
    points=2,
    hints=(
        "min-p asks of each token: how probable is it beside the best one? What number does that "
        "make the threshold for a row?",
        "Each row has a threshold of its own, made from its largest probability (amax with "
        "keepdim=True keeps it broadcastable). On which side of it is a token that is just as "
        "probable?",
        "Probabilities 0.6, 0.3, 0.1 and min_p=0.4: the threshold is 0.4 × 0.6 = 0.24. 0.6 and "
        "0.3 are not below it and stay; 0.1 is, so the third logit becomes -inf.",
    ),
    not_allowed=WARPERS,
)

LARGEST = "probabilities.amax(dim=-1, keepdim=True)"
BELOW = "probabilities < threshold"
ANSWER = f"logits.masked_fill({BELOW}, -torch.inf)"


# ---- the threshold -------------------------------------------------------------------------------

challenge.mistake(
    "absolute-threshold",
    "You compared each probability with min_p itself. The threshold is min_p times the "
    "largest probability, so that it falls when the model is unsure.",
    hint="threshold = min_p * probabilities.amax(dim=-1, keepdim=True).",
    answer=spoiled(f"min_p * {LARGEST}", "min_p"),
)

challenge.mistake(
    "subtracted",
    "Your threshold is the largest probability minus min_p. It is a product: min_p times it.",
    hint="With the largest at 0.6 and min_p=0.4 the threshold is 0.24.",
    answer=spoiled(f"min_p * {LARGEST}", f"{LARGEST} - min_p"),
)

challenge.mistake(
    "largest-of-the-batch",
    "You took the largest probability of the whole batch. Each row has its own.",
    hint="amax(dim=-1, keepdim=True) gives one per row, in a shape that broadcasts.",
    answer=spoiled(LARGEST, "probabilities.max()"),
)

challenge.mistake(
    "compared-logits",
    "You compared logits with min_p times the largest logit. Logits have no zero point: add 7 "
    "to all of them and the softmax is the same, but your answer changes.",
    hint="Take the softmax first, and compare probabilities with min_p times the largest of them.",
    answer=spoiled("logits.softmax(dim=-1)", "logits"),
)

challenge.mistake(
    "largest-logit-as-probability",
    "Your threshold is min_p times the largest logit, and you compare probabilities with it.",
    hint="Take the largest of the probabilities: probabilities.amax(dim=-1, keepdim=True).",
    answer=spoiled("probabilities.amax", "logits.amax"),
)

challenge.mistake(
    "edge-dropped",
    "You dropped tokens that lie exactly at the threshold: with min_p=1 nothing is left.",
    hint="Out are those strictly below: probabilities < threshold.",
    answer=spoiled(BELOW, "probabilities <= threshold"),
)

challenge.mistake(
    "nucleus-instead",
    "You kept a nucleus, as top-p does. min-p looks at each token alone, without any sum.",
    hint="No sorting and no cumsum: one threshold per row, min_p times its largest probability.",
    answer=from_the_bottom,
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
    "Your mask is the wrong way round: you removed the probable tokens and kept the others.",
    hint="masked_fill writes where the mask is True. Make the mask say who is below the threshold.",
    answer=spoiled(BELOW, "probabilities >= threshold"),
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
    "You filled the tokens below the threshold with 0. A logit of 0 still has probability: "
    "exp(0) is 1.",
    hint="Fill with -torch.inf: exp(-inf) is 0.",
    answer=spoiled("-torch.inf", "0.0"),
)


@challenge.alternative
def by_odds(logits: Tensor, min_p: float) -> Tensor:
    """How probable a token is beside the best one, without a sum."""
    odds = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return logits.masked_fill(odds < min_p, -INF)


@challenge.alternative
def by_gap(logits: Tensor, min_p: float) -> Tensor:
    """Without probabilities: p >= min_p p_max is the same as l >= l_max + log(min_p)."""
    lowest = logits.amax(dim=-1, keepdim=True) + torch.tensor(min_p).log()
    return torch.where(logits >= lowest, logits, -INF)
