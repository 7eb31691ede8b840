"""softmax(logits / T) along the last dimension, for any T from 0 up and logits of any size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.challenges.temperature.shared import INF, TRANSFORMERS, random_logits, true_softmax
from labkit.grading import Challenge, Submission


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
    not_allowed=TRANSFORMERS,
)


@challenge.alternative
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


def spoiled_softmax(formula: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A complete wrong answer: right at 0 and below, wrong by this formula above."""

    def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
        if temperature <= 0:
            return softmax_with(logits, temperature)
        return formula(logits.float(), temperature)

    return apply_temperature


challenge.mistake(
    "divided-after-softmax",
    "You divided by the temperature after the softmax: the results no longer sum to 1.",
    hint="Divide the logits first and take the softmax of the result: softmax(logits / T).",
    answer=spoiled_softmax(lambda logits, t: logits.softmax(-1) / t),
)


challenge.mistake(
    "renormalised-after-softmax",
    "You took the softmax twice: once of the logits, and again after dividing by T.",
    hint="One softmax is enough. Divide the logits by T, then take the softmax once.",
    answer=spoiled_softmax(lambda logits, t: (logits.softmax(-1) / t).softmax(-1)),
)


challenge.mistake(
    "multiplied",
    "You multiplied the logits by the temperature. A temperature of 0.5 must sharpen the "
    "distribution, and yours flattens it.",
    hint="Divide: logits 2 and 1 at T=0.5 become 4 and 2, further apart than before.",
    answer=spoiled_softmax(lambda logits, t: (logits * t).softmax(-1)),
)


challenge.mistake(
    "temperature-ignored",
    "Your probabilities are the same at every temperature. (Adding it to the logits does that "
    "too: softmax doesn't see a constant.)",
    hint="Divide the logits by `temperature` before the softmax.",
    answer=spoiled_softmax(lambda logits, t: logits.softmax(-1)),
)


def exp_over_sum(scaled: Tensor) -> Tensor:
    weights = torch.exp(scaled)
    return weights / weights.sum(dim=-1, keepdim=True)


challenge.mistake(
    "overflow",
    "exp overflows: exp(10000) is inf in float32, and inf / inf is NaN. Your formula is right "
    "for small logits only.",
    hint="Subtract the row's largest logit first. exp(a - m) / sum(exp(b - m)) is the same number, "
    "and no exponent is above 0.",
    answer=spoiled_softmax(lambda logits, t: exp_over_sum(logits / t)),
)


challenge.mistake(
    "wrong-dimension",
    "You took the softmax over dimension 0, so in a batch the columns sum to 1 and the rows "
    "do not.",
    hint="The vocabulary is the last dimension whatever the shape: dim=-1.",
    answer=spoiled_softmax(lambda logits, t: (logits / t).softmax(0)),
)


def softmax_of_everything(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.flatten() / temperature, dim=0).reshape(logits.shape)


challenge.mistake(
    "flattened",
    "You took the softmax (its sum, or its largest logit) over the whole tensor, so that the "
    "rows of a batch share one distribution.",
    hint="Work along the last dimension and keep it: dim=-1, keepdim=True.",
    answer=spoiled_softmax(softmax_of_everything),
)


@challenge.mistake(
    "zero-division",
    "At temperature 0 you divide by zero, and get NaN. As T goes to 0 the softmax goes to "
    "argmax: all the probability on the largest logit.",
    hint="Handle 0 before the division: find argmax along the last dimension and put a 1 there.",
)
def zero_division(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits.float() / temperature, dim=-1)


@challenge.mistake(
    "every-tied-maximum",
    "At temperature 0 you gave probability 1 to every logit that equals the largest: with "
    "ties the row sums to more than 1.",
    hint="argmax gives one position, the first. Compare positions and not values.",
)
def every_tied_maximum(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return (logits == logits.amax(dim=-1, keepdim=True)).float()
    return softmax_with(logits, temperature)


@challenge.mistake(
    "ties-shared",
    "At temperature 0 you share the probability between equal logits (a tiny number in place "
    "of 0 does that). Greedy decoding takes one token: the first of them.",
    hint="Treat 0 as a case of its own, with argmax.",
)
def tiny_instead_of_zero(logits: Tensor, temperature: float) -> Tensor:
    return softmax_with(logits, temperature if temperature else 1e-8)


challenge.mistake(
    "log-probabilities",
    "You returned log-probabilities: they are below 0 and don't sum to 1.",
    hint="Use softmax, or take exp of what you have.",
    answer=spoiled_softmax(lambda logits, t: (logits / t).log_softmax(-1)),
)


challenge.mistake(
    "no-softmax",
    "You returned the divided logits. They are not probabilities yet.",
    hint="Take the softmax of the divided logits along the last dimension.",
    answer=spoiled_softmax(lambda logits, t: logits / t),
)


@challenge.mistake(
    "changed-in-place",
    "You divided the caller's logits in place: they are changed after the call, and a second "
    "call gives another answer.",
    hint="`logits /= T` writes into the caller's tensor. Write `scaled = logits / T`.",
)
def divided_in_place(logits: Tensor, temperature: float) -> Tensor:
    if temperature <= 0:
        return softmax_with(logits, temperature)
    logits /= temperature
    return torch.softmax(logits.float(), dim=-1)


@challenge.mistake(
    "negative-allowed",
    "You accept a temperature below 0, which would make the least likely token the most "
    "likely one.",
    hint='Begin with: if temperature < 0: raise ValueError("temperature must be 0 or more").',
)
def negative_allowed(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return one_hot_argmax(logits)
    return torch.softmax(logits.float() / temperature, dim=-1)


@challenge.alternative
def softmax_in_logs(logits: Tensor, temperature: float) -> Tensor:
    """Another right answer: in logs, by logsumexp."""
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        rows = torch.arange(logits.shape[-1])
        return (rows == logits.argmax(dim=-1)[..., None]).to(torch.float32)
    scaled = logits.to(torch.float64) / temperature
    return (scaled - scaled.logsumexp(dim=-1, keepdim=True)).exp().to(torch.float32)


challenge.equivalent(
    "Eq->LtE | if temperature == 0:",
    because="A temperature below 0 has been refused two lines above.",
)
