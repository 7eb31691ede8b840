"""Muon: what makes it Muon, and that it is torch's rule in another precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.training.muon import Muon, orthogonalized


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 1000))
def test_singular_values_come_near_one_and_vectors_stay(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    ours = u.T @ orthogonalized(matrix) @ v.T
    well_conditioned = values > 0.05 * values[0]
    found = ours.diagonal()[well_conditioned]
    assert ((found > 0.5) & (found < 1.3)).all()
    assert (ours - ours.diagonal().diag()).abs().max() < 0.05


@pytest.mark.parametrize("shape", [(16, 16), (32, 8), (8, 32)])
def test_ten_steps_are_those_of_torch_muon(shape: tuple[int, int]) -> None:
    """Within what bfloat16 leaves of torch's directions."""
    torch.manual_seed(0)
    start, target = torch.randn(shape), torch.randn(shape)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = [
        Muon([ours], lr=0.05, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.05, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(10):
        for p, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (p - target).square().sum().backward()
            optimizer.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.05 * moved
