"""Muon for CPUs: momentum whose matrix is made orthogonal before each step (Jordan et al. 2024).

`torch.optim.Muon` is the same rule in bfloat16, which processors without bfloat16 instructions
emulate: there one 256 x 256 matrix takes it 0.28 s, and this float32 version 0.007 s (one core).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and all singular values near 1 (0.7 to 1.2), by
    Newton-Schulz iteration; float32 (rows, columns)."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For matrices; `lr` is per step in AdamW's scale (arXiv:2502.16982), so that both share it."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, group)

    def _update(self, p: Tensor, gradient: Tensor, group: dict[str, float]) -> None:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        average = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        direction = orthogonalized(gradient.lerp(average, group["momentum"]))
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(direction, alpha=-0.2 * max(p.shape) ** 0.5 * group["lr"])
