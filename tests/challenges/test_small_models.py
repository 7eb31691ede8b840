"""The reference answers of lesson 14 against definitions and libraries, on random numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from labkit.challenges.small_models import distillation_loss, memory_fit, pareto_frontier
from labkit.grading.source.solutions import names, reference
from labkit.instruments.context import kv_cache
from labkit.instruments.models_table import MODELS, RealModel
from labkit.models import load_model

LESSON = "14_small_models"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
some = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 999)
measured = st.tuples(st.sampled_from([1.0, 2.0, 5.0, 9.0]), st.sampled_from([0.1, 0.5, 0.8]))
tables = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), measured, max_size=12)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@some
@given(st.integers(1, 6), st.integers(1, 9), st.floats(0.25, 20), seeds)
def test_the_loss_is_kl_by_definition_and_by_the_libraries(
    tokens: int, words: int, temperature: float, seed: int
) -> None:
    student, teacher = 3 * drawn(seed, tokens, words), 3 * drawn(seed + 1, tokens, words)
    ours = REFERENCE["distillation_loss"](student, teacher, temperature)
    for truth in (distillation_loss.true_loss, distillation_loss.library_loss):
        expected = truth(student, teacher, temperature).float()
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * temperature**2)
    assert ours >= -1e-4 * temperature**2
    same = REFERENCE["distillation_loss"](teacher, teacher, temperature)
    assert same.abs() < 1e-4 * (1 + temperature**2)


def test_t_squared_keeps_the_gradient_at_high_temperature() -> None:
    """Hinton et al. 2015 (arXiv:1503.02531): then it is that of the squares of centred logits."""
    student, teacher = drawn(0, 4, 6).requires_grad_(), drawn(1, 4, 6)
    loss = REFERENCE["distillation_loss"](student, teacher, 1000.0)
    (gradient,) = torch.autograd.grad(loss, student)
    centred = [x - x.mean(-1, keepdim=True) for x in (student.detach(), teacher)]
    torch.testing.assert_close(gradient, (centred[0] - centred[1]) / (4 * 6), rtol=1e-2, atol=1e-4)


def test_the_gradient_is_that_of_cross_entropy_with_soft_labels() -> None:
    student, teacher = drawn(0, 4, 6).requires_grad_(), drawn(1, 4, 6)
    ours = REFERENCE["distillation_loss"](student, teacher, 2.0)
    crossed = 4 * F.cross_entropy(student / 2, (teacher / 2).softmax(-1))
    torch.testing.assert_close(
        torch.autograd.grad(ours, student), torch.autograd.grad(crossed, student)
    )


@some
@given(st.integers(1, 6), st.integers(2, 9), st.floats(0.25, 20), seeds)
def test_the_checks_gradient_is_that_of_the_library(
    tokens: int, words: int, temperature: float, seed: int
) -> None:
    student = (3 * drawn(seed, tokens, words)).double().requires_grad_()
    teacher = 3 * drawn(seed + 1, tokens, words)
    theirs = distillation_loss.library_loss(student, teacher.double(), temperature)
    (expected,) = torch.autograd.grad(theirs, student)
    ours = distillation_loss.true_gradient(student, teacher, temperature)
    torch.testing.assert_close(ours, expected.float(), rtol=1e-4, atol=1e-5)


@some
@given(tables)
def test_the_frontier_is_what_nobody_beats(models: dict[str, tuple[float, float]]) -> None:
    found = REFERENCE["pareto_frontier"](models)
    assert found == pareto_frontier.true_frontier(models)
    for name, (ms, quality) in models.items():
        as_good = {other for other in models.values() if other[0] <= ms and other[1] >= quality}
        assert (name in found) == (as_good == {models[name]})
    assert found == sorted(found, key=lambda name: models[name][0])


@some
@given(
    st.sampled_from(MODELS), st.sampled_from([16, 8, 4.5, 4, 1.58]), st.integers(0, 200_000),
    st.integers(1, 80),
)  # fmt: skip
def test_what_fits_is_what_the_weights_leave(
    model: RealModel, bits: float, tokens: int, memory: int
) -> None:
    parameters, room = int(model.parameters), memory * kv_cache.GIB
    found = REFERENCE["memory_fit"](model.config, parameters, bits, tokens, memory, 0)
    assert found["weights"] == pytest.approx(model.weight_bytes(bits))
    assert found["cache"] == model.cache_bytes(tokens)
    most = kv_cache.tokens_that_fit(room, found["weights"], model.cache_bytes(1))
    assert found["fits"] == (tokens <= most and found["weights"] <= room)
    arguments = (model.config, parameters, bits, tokens, memory, 0.5)
    assert REFERENCE["memory_fit"](*arguments) == pytest.approx(memory_fit.true_fit(*arguments))


def test_the_cache_is_that_of_a_real_model() -> None:
    model, _ = load_model("base")
    cache = kv_cache.measured_bytes(kv_cache.filled_cache(model, 9))  # float32
    found = REFERENCE["memory_fit"](model.config.to_dict(), model.num_parameters(), 32, 9, 1, 0)
    assert found["cache"] * 2 == cache
    assert found["weights"] == sum(p.nbytes for p in model.parameters())


def test_what_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"\[2, 5\] and \[2, 6\]"):
        REFERENCE["distillation_loss"](torch.zeros(2, 5), torch.zeros(2, 6), 1.0)
    with pytest.raises(ValueError, match="temperature is 0"):
        REFERENCE["distillation_loss"](torch.zeros(2, 5), torch.zeros(2, 5), 0)
    with pytest.raises(ValueError, match="NaN"):
        REFERENCE["pareto_frontier"]({"a": (math.nan, 0.5)})
    with pytest.raises(ValueError, match="bits is 0"):
        REFERENCE["memory_fit"](memory_fit.TINY, 1, 0, 1, 1, 1)
