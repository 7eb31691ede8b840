"""Chi-square test of counts against known probabilities, with torch only."""

from __future__ import annotations

import torch

SMALLEST_EXPECTED = 5.0  # cells expected to hold fewer are pooled: the test needs that


def chi_square_p_value(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """How likely counts at least this far from n × probabilities are, if those are true.

    counts, probabilities   (cells,) each. A count where the probability is 0 gives 0.0.
    """
    observed, expected = counts.double(), probabilities.double() * counts.sum()
    if bool((observed[expected == 0] > 0).any()):
        return 0.0
    observed, expected = pool_small_cells(observed, expected)
    freedom = len(expected) - 1
    if freedom < 1:
        return 1.0
    statistic = ((observed - expected) ** 2 / expected).sum()
    half = torch.tensor(freedom / 2, dtype=torch.float64)
    return float(torch.special.gammaincc(half, statistic / 2))


def pool_small_cells(
    observed: torch.Tensor, expected: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Join all cells with a small expected count into one; drop those that expect nothing."""
    small = expected < SMALLEST_EXPECTED
    if not bool((small & (expected > 0)).any()):
        return observed[~small], expected[~small]
    pooled = [observed[small].sum(), expected[small].sum()]
    return (
        torch.cat([observed[~small], pooled[0].reshape(1)]),
        torch.cat([expected[~small], pooled[1].reshape(1)]),
    )
