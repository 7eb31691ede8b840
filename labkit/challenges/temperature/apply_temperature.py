"""softmax(logits / T) along the last dimension, for any T from 0 up and logits of any size.

Checked against NumPy in float64, row by row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.challenges.temperature.drawing import random_logits
from labkit.challenges.temperature.transformers_filters import WARPERS
from labkit.challenges.temperature.truths import INF, true_softmax
from labkit.grading import Challenge, Submission
from labkit.grading.source.spoiling import spoiled


def check_apply_temperature(s: Submission) -> None:
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


challenge = Challenge(
    name="apply_temperature",
    title="Softmax with temperature",
    check=check_apply_temperature,
    points=2,
    hints=(
        "Temperature acts on the logits, before they become probabilities. Which operation makes "
        "the gaps between logits wider when T is below 1?",
        "A softmax sees nothing but the gaps between the logits of a row. At T=0.5 each gap is to "
        "be twice as wide, at T=2 half as wide. Three things stand around that: what happens "
        "below 0, what happens at exactly 0, and how large exp may get.",
        "Logits 2, 1, 0 at T=0.5: divided they are 4, 2, 0; minus the largest 0, -2, -4; exp gives "
        "1, 0.1353, 0.0183; their sum is 1.1536; the probabilities are 0.8668, 0.1173, 0.0159. The "
        "same at T=0: argmax, so 1, 0, 0.",
    ),
    not_allowed=WARPERS,
)

DIVIDED = "below_largest / temperature"
SUM = "weights.sum(dim=-1, keepdim=True)"
LARGEST = "logits.amax(dim=-1, keepdim=True)"
ONE_HOT = "torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()"


# ---- where the temperature goes ------------------------------------------------------------------

challenge.mistake(
    "divided-after-softmax",
    "You divided by the temperature after the softmax: the results no longer sum to 1.",
    hint="Divide the logits first and take the softmax of the result: softmax(logits / T).",
    answer=spoiled(DIVIDED, "below_largest", SUM, f"{SUM} / temperature"),
)

challenge.mistake(
    "renormalised-after-softmax",
    "You took the softmax twice: once of the logits, and again after dividing by T.",
    hint="One softmax is enough. Divide the logits by T, then take the softmax once.",
    answer=spoiled(
        DIVIDED, "below_largest", f"weights / {SUM}", f"(weights / {SUM} / temperature).softmax(-1)"
    ),
)

challenge.mistake(
    "multiplied",
    "You multiplied the logits by the temperature. A temperature of 0.5 must sharpen the "
    "distribution, and yours flattens it.",
    hint="Divide: logits 2 and 1 at T=0.5 become 4 and 2, further apart than before.",
    answer=spoiled(DIVIDED, "below_largest * temperature"),
)

challenge.mistake(
    "temperature-ignored",
    "Your probabilities are the same at every temperature. (Adding it to the logits does that "
    "too: softmax doesn't see a constant.)",
    hint="Divide the logits by `temperature` before the softmax.",
    answer=spoiled(DIVIDED, "below_largest"),
)


# ---- the softmax ---------------------------------------------------------------------------------

challenge.mistake(
    "overflow",
    "exp overflows: exp(10000) is inf in float32, and inf / inf is NaN. Your formula is right "
    "for small logits only.",
    hint="Subtract the row's largest logit first. exp(a - m) / sum(exp(b - m)) is the same number, "
    "and no exponent is above 0.",
    answer=spoiled(f"logits - {LARGEST}", "logits"),
)

challenge.mistake(
    "wrong-dimension",
    "You took the softmax over dimension 0, so in a batch the columns sum to 1 and the rows "
    "do not.",
    hint="The vocabulary is the last dimension whatever the shape: dim=-1.",
    answer=spoiled(LARGEST, "logits.amax(dim=0)", SUM, "weights.sum(dim=0)"),
)

challenge.mistake(
    "flattened",
    "You took the softmax (its sum, or its largest logit) over the whole tensor, so that the "
    "rows of a batch share one distribution.",
    hint="Work along the last dimension and keep it: dim=-1, keepdim=True.",
    answer=spoiled(LARGEST, "logits.max()", SUM, "weights.sum()"),
)

challenge.mistake(
    "log-probabilities",
    "You returned log-probabilities: they are below 0 and don't sum to 1.",
    hint="Use softmax, or take exp of what you have.",
    answer=spoiled(f"weights / {SUM}", f"({DIVIDED}).log_softmax(-1)"),
)

challenge.mistake(
    "no-softmax",
    "You returned the divided logits. They are not probabilities yet.",
    hint="Take the softmax of the divided logits along the last dimension.",
    answer=spoiled(f"weights / {SUM}", "logits / temperature"),
)


# ---- temperature 0, and below --------------------------------------------------------------------


@challenge.mistake(
    "zero-division",
    "At temperature 0 you divide by zero, and get NaN. As T goes to 0 the softmax goes to "
    "argmax: all the probability on the largest logit.",
    hint="Handle 0 before the division: find argmax along the last dimension and put a 1 there.",
)
def softmax_and_nothing_else(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.float() / temperature, dim=-1)


challenge.mistake(
    "every-tied-maximum",
    "At temperature 0 you gave probability 1 to every logit that equals the largest: with "
    "ties the row sums to more than 1.",
    hint="argmax gives one position, the first. Compare positions and not values.",
    answer=spoiled(ONE_HOT, f"(logits == {LARGEST}).float()"),
)

challenge.mistake(
    "ties-shared",
    "At temperature 0 you share the probability between equal logits (a tiny number in place "
    "of 0 does that). Greedy decoding takes one token: the first of them.",
    hint="Treat 0 as a case of its own, with argmax.",
    answer=spoiled(f"return {ONE_HOT}", "temperature = 1e-8"),
)

challenge.mistake(
    "negative-allowed",
    "You accept a temperature below 0, which would make the least likely token the most "
    "likely one.",
    hint='Begin with: if temperature < 0: raise ValueError("temperature must be 0 or more").',
    answer=spoiled('raise ValueError(f"temperature must be 0 or more, got {temperature}")', "pass"),
)


# ---- the caller's logits -------------------------------------------------------------------------

challenge.mistake(
    "changed-in-place",
    "You divided the caller's logits in place: they are changed after the call, and a second "
    "call gives another answer.",
    hint="`logits /= T` writes into the caller's tensor. Write `scaled = logits / T`.",
    answer=spoiled(
        f"logits - {LARGEST}", f"logits.div_(temperature) - {LARGEST}", DIVIDED, "below_largest"
    ),
)


@challenge.alternative
def by_softmax(logits: Tensor, temperature: float) -> Tensor:
    """torch's own softmax, and a 1 scattered to the largest logit."""
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}")
    if temperature == 0:
        largest = logits.argmax(dim=-1, keepdim=True)
        return torch.zeros(logits.shape).scatter(-1, largest, 1.0)
    return torch.softmax(logits.float() / temperature, dim=-1)


@challenge.alternative
def in_logs(logits: Tensor, temperature: float) -> Tensor:
    """By logsumexp, in float64."""
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        tokens = torch.arange(logits.shape[-1])
        return (tokens == logits.argmax(dim=-1)[..., None]).to(torch.float32)
    scaled = logits.to(torch.float64) / temperature
    return (scaled - scaled.logsumexp(dim=-1, keepdim=True)).exp().to(torch.float32)


challenge.equivalent(
    "Eq->LtE | if temperature == 0:",
    because="A temperature below 0 has been refused two lines above.",
)
