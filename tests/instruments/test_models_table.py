"""The family table: parameters as the real classes count them, and complete rows."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from labkit.grading.source.solutions import reference
from labkit.instruments.context import kv_cache
from labkit.instruments.models_table import MODELS, RealModel, find_model, table


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_parameters_are_those_of_the_shape(model: RealModel) -> None:
    shape = {k: v for k, v in model.config.items() if k != "model_type"}
    config = AutoConfig.for_model(model.config["model_type"], pad_token_id=None, **shape)
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(config)
    assert built.num_parameters() == pytest.approx(model.parameters, rel=0.005)


def test_active_parameters_are_those_that_the_lesson_counts() -> None:
    count = reference("15_mixture_of_experts", "count_parameters")
    mixtures = [model for model in MODELS if "num_experts_per_tok" in model.config]
    assert {model.name for model in mixtures} == {m.name for m in MODELS if m.active_parameters}
    for model in mixtures:
        assert count(dict(model.config))["active"] == pytest.approx(model.active, rel=0.005)


def test_every_row_is_complete() -> None:
    assert len({model.name for model in MODELS}) == len(MODELS)
    for model in MODELS:
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", model.released)
        assert re.fullmatch(r"[\w-]+/[\w.-]+", model.repository)
        assert model.licence and model.tokenizer and model.made_for and model.window > 1000
    cells = table()
    assert {len(column) for column in cells.values()} == {len(MODELS)}
    assert table("Phi-3.5-mini")["GB at 4 bits"] == ["1.91"]


def test_lesson_02_reads_the_same_table() -> None:
    assert all(find_model(model.name) is model for model in kv_cache.REAL_MODELS)


def test_an_unknown_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match=r"Phi-3\.5-mini"):
        find_model("Phi-3.5-mimi")
