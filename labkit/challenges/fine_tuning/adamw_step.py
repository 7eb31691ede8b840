"""One step of AdamW: Adam's moving means and their correction, and weight decay apart from them.

Checked against algorithm 2 of the paper (arXiv:1711.05101) in float64 NumPy, and against
torch.optim.AdamW with the same numbers in its state.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from labkit.grading import Challenge, Submission
from labkit.grading.source.spoiling import spoiled

State = dict[str, Tensor]


def true_step(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, rate: float,
    decay: float = 0.01, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Algorithm 2 of the paper in float64."""
    w, g, m, v = (t.double().numpy() for t in (weight, gradient, first, second))
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    w = w - rate * (m_hat / (np.sqrt(v_hat) + eps) + decay * w)
    found = {"weight": w, "first": m, "second": v}
    return {name: torch.from_numpy(value).float() for name, value in found.items()}


def torchs_step(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, rate: float,
    decay: float, betas: tuple[float, float], eps: float,
) -> State:  # fmt: skip
    """torch.optim.AdamW with the same numbers in its state."""
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([parameter], rate, betas, eps, decay)
    parameter.grad = gradient.clone()
    means = {"exp_avg": first.clone(), "exp_avg_sq": second.clone()}
    optimizer.state[parameter] = {"step": torch.tensor(float(step - 1)), **means}
    optimizer.step()
    state = optimizer.state[parameter]
    return {"weight": parameter.detach(), "first": state["exp_avg"], "second": state["exp_avg_sq"]}


def check_adamw_step(s: Submission) -> None:
    def expect(
        shape: tuple[int, ...], step: int, rate: float, because: str, *,
        decay: float = 0.01, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        fresh: bool = False, scale: float = 1.0,
        truth: Callable[..., State] = true_step,
    ) -> None:  # fmt: skip
        weight, gradient, first, second = (
            torch.randn(shape, generator=s.generator) for _ in range(4)
        )
        gradient, first, second = scale * gradient, scale * first, (scale * second) ** 2 + scale**2
        if fresh:
            first, second = torch.zeros(shape), torch.zeros(shape)
        settings = (step, rate, decay, betas, eps)
        answer = s.adamw_step(weight, gradient, first, second, *settings)
        expected = truth(weight, gradient, first, second, *settings)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-6 * min(1.0, scale))

    one, zero = torch.tensor, torch.zeros(1)
    start = "The first step moves each weight by the learning rate, against the gradient's sign."
    settings = (1, 0.1, 0.0, (0.9, 0.999), 1e-8)
    s.adamw_step(one([1.0]), one([0.5]), zero, zero, *settings).close_to(
        {"weight": one([0.9]), "first": one([0.05]), "second": one([0.00025])}, because=start
    )
    expect((4,), 1, 0.1, start, decay=0.0, fresh=True)
    rule = "weight - learning rate * corrected first mean / (root of corrected second mean + eps)."
    expect((3,), 2, 0.1, rule, decay=0.0)
    expect((2, 3), 5, 0.5, rule, decay=0.0, betas=(0.8, 0.95))
    expect((5,), 1000, 0.1, rule, decay=0.0, betas=(0.5, 0.9))
    apart = "The decay takes learning_rate * weight_decay of the old weight, apart from the rest."
    expect((4,), 1, 0.5, apart, decay=0.4, fresh=True)
    expect((3, 2), 7, 0.3, apart, decay=0.5, betas=(0.7, 0.9))
    still = "Where the gradient was always zero, only the decay is left."
    s.adamw_step(one([2.0]), zero, zero, zero, 3, 0.5, 0.1, (0.9, 0.999), 1e-8).close_to(
        {"weight": one([1.9]), "first": zero, "second": zero}, because=still
    )
    place = "eps is added after the root has been taken of the corrected second mean."
    expect((4,), 3, 0.1, place, decay=0.0, eps=0.5)
    expect((4,), 2, 0.1, place, decay=0.0, eps=0.01, scale=0.02)
    usual = "The usual settings."
    weight, gradient = (torch.randn(6, generator=s.generator) for _ in range(2))
    fresh = (weight, gradient, torch.zeros(6), torch.zeros(6), 1, 0.1)
    s.adamw_step(*fresh).close_to(true_step(*fresh), because=usual)
    tiny = (torch.ones(3), torch.full((3,), 1e-6), torch.zeros(3), torch.zeros(3), 1, 0.1, 0.4)
    expected = true_step(*tiny)
    s.adamw_step(*tiny).close_to(expected, because=usual, atol=1e-9, rtol=1e-5)
    same = "torch.optim.AdamW does this with the same numbers."
    expect((2, 3, 2), 4, 0.2, same, decay=0.3, betas=(0.85, 0.95), truth=torchs_step)


challenge = Challenge(
    name="adamw_step",
    title="One step of AdamW",
    check=check_adamw_step,
    points=3,
    hints=(
        "Two running means say where to (the gradient) and how carefully (its square). Three "
        "steps: update the means, correct copies of them, move the weight. The decay stands "
        "beside.",
        "The updated means are what you return; the corrected ones only serve this step. The "
        "corrected first mean is divided by something made of the corrected second: in which "
        "order do the root and eps come? The decay asks for the old weight and nothing else.",
        "weight 1, gradient 0.5, step 1, rate 0.1: means 0.05 and 0.00025; corrected 0.5 and 0.25; "
        "0.5 / sqrt(0.25) = 1; the weight moves by 0.1 * 1 to 0.9.",
    ),
    not_allowed=("torch.optim.AdamW", "torch.optim.Adam", "torch.optim.adamw.adamw"),
)

BETAS = "beta_1, beta_2 = betas"
MOVED = "decayed - learning_rate * direction / size"


# ---- the decay -----------------------------------------------------------------------------------

DECAY = " - learning_rate * weight_decay * weight"

challenge.mistake(
    "decay-in-gradient",
    "You added the decay to the gradient. That is Adam with L2: the decay is then divided by "
    "the gradient's size too. AdamW keeps it apart, which is what the W says.",
    hint="weight - learning_rate * weight_decay * weight, beside Adam's step.",
    answer=spoiled(BETAS, f"{BETAS}\n    gradient = gradient + weight_decay * weight", DECAY, ""),
)

challenge.mistake(
    "decay-without-rate",
    "Your decay does not depend on the learning rate.",
    hint="It takes learning_rate * weight_decay of the weight.",
    answer=spoiled(DECAY, " - weight_decay * weight"),
)

challenge.mistake(
    "no-decay",
    "The weight decay is missing.",
    hint="weight - learning_rate * weight_decay * weight, beside Adam's step.",
    answer=spoiled(DECAY, ""),
)

challenge.mistake(
    "decay-after",
    "You let the new weight decay: a little of the step is lost with it.",
    hint="The decay is a share of the old weight.",
    answer=spoiled(DECAY, "", MOVED, f"({MOVED}) * (1 - learning_rate * weight_decay)"),
)


# ---- the correction ------------------------------------------------------------------------------

challenge.mistake(
    "not-corrected",
    "You did not correct the means. They start at zero and are too small in the first steps: "
    "with the usual betas the first step comes out about three times too large.",
    hint="Divide them by 1 - beta ** step before you use them.",
    answer=spoiled(" / (1 - beta_1**step)", "", " / (1 - beta_2**step)", ""),
)

challenge.mistake(
    "corrected-means-kept",
    "You keep the corrected means. In the next step they are corrected a second time.",
    hint="Return the means as they are; divide a copy.",
    answer=spoiled(
        '"first": first', '"first": direction',
        '"second": second', '"second": second / (1 - beta_2**step)',
    ),
)  # fmt: skip

challenge.mistake(
    "counted-from-zero",
    "You count the steps from 0: the correction is one step late.",
    hint="The first step is 1, so the exponent is `step` itself.",
    answer=spoiled(
        "1 - beta_1**step", "1 - beta_1 ** (step - 1) or 1",
        "1 - beta_2**step", "1 - beta_2 ** (step - 1) or 1",
    ),
)  # fmt: skip

challenge.mistake(
    "one-correction",
    "You correct both means by the first beta. The second mean has a beta of its own.",
    hint="1 - beta_1 ** step for the first, 1 - beta_2 ** step for the second.",
    answer=spoiled("beta_2**step", "beta_1**step"),
)


# ---- root and eps --------------------------------------------------------------------------------

challenge.mistake(
    "eps-in-root",
    "Your eps is under the root.",
    hint="second.sqrt() + eps",
    answer=spoiled(").sqrt() + eps", " + eps).sqrt()"),
)

challenge.mistake(
    "eps-before-correction",
    "You add eps to the root of the second mean before it is corrected, as the short form in "
    "Adam's paper does. In the first steps eps then weighs far more.",
    hint="Correct the second mean, take the root, add eps: in this order.",
    answer=spoiled(
        "(second / (1 - beta_2**step)).sqrt() + eps",
        "(second.sqrt() + eps) / (1 - beta_2**step) ** 0.5",
    ),
)

challenge.mistake(
    "no-eps",
    "Without eps a weight whose gradient is zero becomes NaN: 0 / 0.",
    hint="Divide by the root plus eps.",
    answer=spoiled(" + eps", ""),
)

challenge.mistake(
    "no-root",
    "You divided by the second mean itself, not by its root.",
    hint="(second / (1 - beta_2 ** step)).sqrt() + eps",
    answer=spoiled(".sqrt()", ""),
)


# ---- the means -----------------------------------------------------------------------------------

challenge.mistake(
    "betas-swapped",
    "You swapped the betas: the first belongs to the gradient, the second to its square.",
    hint="beta_1, beta_2 = betas",
    answer=spoiled(BETAS, "beta_2, beta_1 = betas"),
)

challenge.mistake(
    "betas-not-used",
    "You compute with 0.9 and 0.999 whatever `betas` says.",
    hint="beta_1, beta_2 = betas",
    answer=spoiled(BETAS, "beta_1, beta_2 = 0.9, 0.999"),
)

challenge.mistake(
    "shares-swapped",
    "You keep 1 - beta of the old mean and take beta of the new gradient.",
    hint="beta * old + (1 - beta) * new",
    answer=spoiled(
        "beta_1 * first + (1 - beta_1) *", "(1 - beta_1) * first + beta_1 *",
        "beta_2 * second + (1 - beta_2) *", "(1 - beta_2) * second + beta_2 *",
    ),
)  # fmt: skip

challenge.mistake(
    "square-missing",
    "The second mean is of the squares. Yours is of the sizes.",
    hint="beta_2 * second + (1 - beta_2) * gradient**2",
    answer=spoiled("gradient**2", "gradient.abs()"),
)

challenge.mistake(
    "old-means-used",
    "You move the weight by the means as they were before this gradient. From zero means the "
    "first step then does not move at all.",
    hint="Update the means first, then step by the new ones.",
    answer=spoiled(
        " first = beta_1", " new_first = beta_1", '"first": first', '"first": new_first',
        " second = beta_2", " new_second = beta_2", '"second": second', '"second": new_second',
    ),
)  # fmt: skip


# ---- the step ------------------------------------------------------------------------------------

challenge.mistake(
    "uphill",
    "You step along the gradient: the loss rises.",
    hint="Subtract.",
    answer=spoiled(MOVED, "decayed + learning_rate * direction / size"),
)

challenge.mistake(
    "in-place",
    "You wrote into the caller's weight.",
    hint="Return a new tensor in the dict.",
    answer=spoiled(MOVED, f"weight.copy_(weight - learning_rate * direction / size{DECAY})"),
)


@challenge.alternative
def as_torch_does(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """In torch's order of things, with the first correction folded into the step size."""
    weight = weight * (1 - learning_rate * weight_decay)
    first = torch.lerp(first, gradient, 1 - betas[0])
    second = torch.addcmul(second * betas[1], gradient, gradient, value=1 - betas[1])
    denominator = second.sqrt() / math.sqrt(1 - betas[1] ** step) + eps
    weight = torch.addcdiv(
        weight, first, denominator, value=-learning_rate / (1 - betas[0] ** step)
    )
    return {"second": second, "first": first, "weight": weight}


@challenge.alternative
def as_the_short_form(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Both corrections in the rate, as at the end of section 2 of Adam's paper (arXiv:1412.6980);
    eps is made smaller by as much as the root below it."""
    root = (1 - betas[1] ** step) ** 0.5
    m = first - (1 - betas[0]) * (first - gradient)
    v = second - (1 - betas[1]) * (second - gradient.square())
    rate = learning_rate * root / (1 - betas[0] ** step)
    pull = learning_rate * weight_decay * weight
    return {"weight": weight - pull - rate * m / (v**0.5 + eps * root), "first": m, "second": v}
