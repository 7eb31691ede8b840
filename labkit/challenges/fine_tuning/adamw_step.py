"""Means, their correction, the step, and the decay apart from it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from labkit.grading import Challenge, Submission

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
    optimizer.state[parameter] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": first.clone(),
        "exp_avg_sq": second.clone(),
    }
    optimizer.step()
    state = optimizer.state[parameter]
    return {
        "weight": parameter.detach(),
        "first": state["exp_avg"],
        "second": state["exp_avg_sq"],
    }


def check_adamw_step(s: Submission) -> None:
    """Means, their correction, the step, and the decay apart from it."""

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
    expected = true_step(weight, gradient, torch.zeros(6), torch.zeros(6), 1, 0.1)
    nothing = torch.zeros(6)
    s.adamw_step(weight, gradient, nothing, nothing, 1, 0.1).close_to(expected, because=usual)
    tiny = torch.full((3,), 1e-6)
    expected = true_step(torch.ones(3), tiny, torch.zeros(3), torch.zeros(3), 1, 0.1, 0.4)
    s.adamw_step(torch.ones(3), tiny, torch.zeros(3), torch.zeros(3), 1, 0.1, 0.4).close_to(
        expected, because=usual, atol=1e-9, rtol=1e-5
    )
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


def stepping(
    change: Callable[..., Tensor] | None = None,
    means: Callable[..., tuple[Tensor, Tensor]] | None = None,
    kept: Callable[..., State] = lambda weight, m, v, m_hat, v_hat: {
        "weight": weight,
        "first": m,
        "second": v,
    },
    corrected: bool = True,
    swapped: bool = False,
    late: int = 0,
) -> Callable[..., State]:
    """A complete answer; `change` gives the new weight, `means` the two means."""

    def adamw_step(
        weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
        learning_rate: float, weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
    ) -> State:  # fmt: skip
        b1, b2 = betas[::-1] if swapped else betas
        m, v = (means or usual_means)(gradient, first, second, b1, b2)
        by = step - late
        m_hat, v_hat = (m / (1 - b1**by), v / (1 - b2**by)) if corrected and by else (m, v)
        new = (change or usual_change)(weight, m_hat, v_hat, learning_rate, weight_decay, eps)
        return kept(new, m, v, m_hat, v_hat)

    return adamw_step


def usual_means(
    gradient: Tensor, first: Tensor, second: Tensor, b1: float, b2: float
) -> tuple[Tensor, Tensor]:
    return b1 * first + (1 - b1) * gradient, b2 * second + (1 - b2) * gradient * gradient


def usual_change(
    weight: Tensor, m: Tensor, v: Tensor, rate: float, decay: float, eps: float
) -> Tensor:
    return weight - rate * m / (v.sqrt() + eps) - rate * decay * weight


challenge.mistake(
    "not-corrected",
    "You did not correct the means. They start at zero and are too small in the first steps: "
    "with the usual betas the first step comes out about three times too large.",
    hint="Divide them by 1 - beta ** step before you use them.",
    answer=stepping(corrected=False),
)


@challenge.mistake(
    "decay-in-gradient",
    "You added the decay to the gradient. That is Adam with L2: the decay is then divided by "
    "the gradient's size too. AdamW keeps it apart, which is what the W says.",
    hint="weight - learning_rate * weight_decay * weight, beside Adam's step.",
)
def decay_in_gradient(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Adam with L2, as it was before AdamW."""
    pulled = gradient + weight_decay * weight
    return stepping()(weight, pulled, first, second, step, learning_rate, 0.0, betas, eps)


challenge.mistake(
    "decay-without-rate",
    "Your decay does not depend on the learning rate.",
    hint="It takes learning_rate * weight_decay of the weight.",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: w - rate * m / (v.sqrt() + eps) - decay * w
    ),
)


challenge.mistake(
    "no-decay",
    "The weight decay is missing.",
    hint="weight - learning_rate * weight_decay * weight, beside Adam's step.",
    answer=stepping(change=lambda w, m, v, rate, decay, eps: w - rate * m / (v.sqrt() + eps)),
)


challenge.mistake(
    "decay-after",
    "You let the new weight decay: a little of the step is lost with it.",
    hint="The decay is a share of the old weight.",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: (
            (w - rate * m / (v.sqrt() + eps)) * (1 - rate * decay)
        )
    ),
)


challenge.mistake(
    "eps-in-root",
    "Your eps is under the root.",
    hint="second.sqrt() + eps",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: w - rate * m / (v + eps).sqrt() - rate * decay * w
    ),
)


@challenge.mistake(
    "eps-before-correction",
    "You add eps to the root of the second mean before it is corrected, as the short form in "
    "Adam's paper does. In the first steps eps then weighs far more.",
    hint="Correct the second mean, take the root, add eps: in this order.",
)
def short_form(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Both corrections in the rate, so that eps meets the root before it is corrected."""
    m, v = usual_means(gradient, first, second, *betas)
    rate = learning_rate * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
    new = weight - rate * m / (v.sqrt() + eps) - learning_rate * weight_decay * weight
    return {"weight": new, "first": m, "second": v}


challenge.mistake(
    "no-eps",
    "Without eps a weight whose gradient is zero becomes NaN: 0 / 0.",
    hint="Divide by the root plus eps.",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: w - rate * m / v.sqrt() - rate * decay * w
    ),
)


challenge.mistake(
    "no-root",
    "You divided by the second mean itself, not by its root.",
    hint="(second / (1 - beta_2 ** step)).sqrt() + eps",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: w - rate * m / (v + eps) - rate * decay * w
    ),
)


challenge.mistake(
    "uphill",
    "You step along the gradient: the loss rises.",
    hint="Subtract.",
    answer=stepping(
        change=lambda w, m, v, rate, decay, eps: w + rate * m / (v.sqrt() + eps) - rate * decay * w
    ),
)


challenge.mistake(
    "betas-swapped",
    "You swapped the betas: the first belongs to the gradient, the second to its square.",
    hint="beta_1, beta_2 = betas",
    answer=stepping(swapped=True),
)


@challenge.mistake(
    "betas-not-used",
    "You compute with 0.9 and 0.999 whatever `betas` says.",
    hint="beta_1, beta_2 = betas",
)
def with_usual_betas(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    usual = (0.9, 0.999)
    return stepping()(
        weight, gradient, first, second, step, learning_rate, weight_decay, usual, eps
    )


@challenge.mistake(
    "one-correction",
    "You correct both means by the first beta. The second mean has a beta of its own.",
    hint="1 - beta_1 ** step for the first, 1 - beta_2 ** step for the second.",
)
def one_correction(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    m, v = usual_means(gradient, first, second, *betas)
    by = 1 - betas[0] ** step
    new = usual_change(weight, m / by, v / by, learning_rate, weight_decay, eps)
    return {"weight": new, "first": m, "second": v}


@challenge.mistake(
    "old-means-used",
    "You move the weight by the means as they were before this gradient. From zero means the "
    "first step then does not move at all.",
    hint="Update the means first, then step by the new ones.",
)
def with_old_means(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    m, v = usual_means(gradient, first, second, *betas)
    m_hat, v_hat = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    new = usual_change(weight, m_hat, v_hat, learning_rate, weight_decay, eps)
    return {"weight": new, "first": m, "second": v}


challenge.mistake(
    "shares-swapped",
    "You keep 1 - beta of the old mean and take beta of the new gradient.",
    hint="beta * old + (1 - beta) * new",
    answer=stepping(means=lambda g, m, v, b1, b2: usual_means(g, m, v, 1 - b1, 1 - b2)),
)


challenge.mistake(
    "square-missing",
    "The second mean is of the squares. Yours is of the sizes.",
    hint="beta_2 * second + (1 - beta_2) * gradient**2",
    answer=stepping(
        means=lambda g, m, v, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g.abs())
    ),
)


challenge.mistake(
    "counted-from-zero",
    "You count the steps from 0: the correction is one step late.",
    hint="The first step is 1, so the exponent is `step` itself.",
    answer=stepping(late=1),
)


challenge.mistake(
    "corrected-means-kept",
    "You keep the corrected means. In the next step they are corrected a second time.",
    hint="Return the means as they are; divide a copy.",
    answer=stepping(
        kept=lambda weight, m, v, m_hat, v_hat: {
            "weight": weight,
            "first": m_hat,
            "second": v_hat,
        }
    ),
)


@challenge.mistake(
    "in-place",
    "You wrote into the caller's weight.",
    hint="Return a new tensor in the dict.",
)
def updated_in_place(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    found = stepping()(
        weight, gradient, first, second, step, learning_rate, weight_decay, betas, eps
    )
    weight.copy_(found["weight"])
    return {"weight": weight, "first": found["first"], "second": found["second"]}


challenge.alternative(stepping())


@challenge.alternative
def as_torch_does(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Another right answer: torch's order of things, corrections folded into the step size."""
    weight = weight * (1 - learning_rate * weight_decay)
    first = torch.lerp(first, gradient, 1 - betas[0])
    second = torch.addcmul(second * betas[1], gradient, gradient, value=1 - betas[1])
    denominator = second.sqrt() / math.sqrt(1 - betas[1] ** step) + eps
    weight = torch.addcdiv(
        weight, first, denominator, value=-learning_rate / (1 - betas[0] ** step)
    )
    return {"second": second, "first": first, "weight": weight}
