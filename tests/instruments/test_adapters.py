"""Lesson 09's instruments: own adapters beside peft's, spectra, what is put on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit import load_model
from labkit.grading.source.solutions import reference
from labkit.instruments import adapters
from labkit.models.quantization.simulated import linear_layers
from labkit.models.training.tuning import Settings, fine_tune, lora_config, quiet_peft
from labkit.models.world.document import Question
from tests.models.tiny import save_tiny_model

TEXTS = ["Once upon a time", "Q: Where?\nA: "]
TARGETS = ["q_proj", "v_proj", "down_proj"]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    return load_model(str(folder))


@pytest.fixture
def own(tiny: Loaded) -> PreTrainedModel:
    start, run = (reference("09_lora", name) for name in ("start_adapter", "lora_linear"))
    return adapters.with_own_adapters(tiny[0], TARGETS, 3, 6, start, run)


def said(model: torch.nn.Module, tiny: Loaded) -> torch.Tensor:
    return adapters.log_probabilities(model, tiny[1], TEXTS)


def test_a_fresh_adapter_changes_nothing(tiny: Loaded, own: PreTrainedModel) -> None:
    state = torch.get_rng_state()
    fresh = adapters.injected(tiny[0], TARGETS, 3, 6)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(said(tiny[0], tiny), said(fresh, tiny))
    assert adapters.largest_difference(said(tiny[0], tiny), said(own, tiny)) < 1e-5
    assert list(adapters.own_layers(own)) == [n for n in linear_layers(tiny[0]) if n[-6:] in {
        target[-6:] for target in TARGETS
    }]  # fmt: skip
    with pytest.raises(LookupError, match="no linear layer is called c_attn"):
        adapters.with_own_adapters(tiny[0], ["c_attn"], 1, 1, None, None)


def test_ours_is_pefts_and_so_is_what_is_merged(tiny: Loaded, own: PreTrainedModel) -> None:
    moved = adapters.with_random_b(own, size=0.5)
    assert adapters.largest_difference(said(own, tiny), said(moved, tiny)) > 0.01
    theirs = adapters.in_peft(tiny[0], moved)
    assert adapters.largest_difference(said(moved, tiny), said(theirs, tiny)) < 1e-5
    assert adapters.layers_apart(tiny[0], moved) < 1e-5
    merged = adapters.merged_by(reference("09_lora", "merge_adapter"), moved)
    assert not adapters.own_layers(merged) and adapters.own_layers(moved)
    assert adapters.largest_difference(said(merged, tiny), said(moved, tiny)) < 1e-5
    assert adapters.weights_apart(merged, theirs.merge_and_unload()) < 1e-6
    assert adapters.weights_apart(tiny[0], merged) > 1e-3
    wrong = adapters.merged_by(lambda weight, a, b, alpha: weight + b @ a, moved)
    assert adapters.largest_difference(said(wrong, tiny), said(moved, tiny)) > 1e-3


def test_counts_are_pefts(tiny: Loaded) -> None:
    count = reference("09_lora", "trained_parameters")
    shapes = adapters.shapes_of(tiny[0])
    assert count(shapes, TARGETS, 2) == adapters.parameters_in_peft(tiny[0], TARGETS, 2)
    both = ["q_proj", "v_proj"]
    assert sum(count(adapters.GPT3, both, 1).values()) == 4_718_592  # as in the LoRA paper
    assert sum(count(adapters.GPT3, both, 4).values()) == 18_874_368


def test_a_low_rank_is_found_and_noise_has_none(tiny: Loaded) -> None:
    draws = torch.Generator().manual_seed(0)
    low = torch.randn(40, 2, generator=draws) @ torch.randn(2, 30, generator=draws)
    found = {"a": low, "b": torch.diag(torch.ones(10))}
    values = adapters.spectra(found)
    assert adapters.energy_within({"a": values["a"]}, 2) == pytest.approx(1.0)
    assert adapters.energy_within({"b": values["b"]}, 3) == pytest.approx(0.3)
    assert adapters.rank_for({"b": values["b"]}, 0.55) == 6
    assert adapters.rank_for(values, 0.999) == (2 + 10) / 2
    mixed = adapters.shuffled({"a": low})
    assert torch.equal(mixed["a"].flatten().sort().values, low.flatten().sort().values)
    assert adapters.energy_within(adapters.spectra(mixed), 2) < 0.5
    drawn = adapters.spectrum_figure({"one": values}, alt="What it shows.")
    assert drawn.alt == "What it shows." and drawn.table["one"][-1] == pytest.approx(1.0)


def test_an_update_is_cut_to_a_rank(tiny: Loaded) -> None:
    model = tiny[0]
    tuned = adapters.copy_of(model)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    assert adapters.weights_apart(adapters.cut_to(model, tuned, 64), tuned) < 1e-5
    none = adapters.cut_to(model, tuned, 0)
    assert adapters.weights_apart(none, model) == 0
    words = "model.embed_tokens.weight"
    assert torch.equal(none.get_parameter(words), tuned.get_parameter(words))
    mixed = adapters.linear_layers_only(model, tuned)
    assert adapters.weights_apart(mixed, tuned) == 0
    assert torch.equal(mixed.get_parameter(words), model.get_parameter(words))
    one = adapters.updates(model, adapters.cut_to(model, tuned, 1))
    assert all(adapters.rank_for({n: v}, 0.999) == 1 for n, v in adapters.spectra(one).items())


def test_two_adapters_on_one_base(tiny: Loaded, tmp_path: Path) -> None:
    model, tokenizer = tiny
    tasks = {name: [Question("Q: red?\nA: ", name)] for name in ("json", "polite")}
    for name, examples in tasks.items():
        settings = Settings(1e-2, steps=2, lora=lora_config(2))
        fine_tune(model, tokenizer, examples, settings, progress=False).model.save_pretrained(
            tmp_path / name
        )
    assert json.loads((tmp_path / "json" / "adapter_config.json").read_text())["r"] == 2
    sizes = adapters.bytes_in(tmp_path / "json")
    stored = load_file(tmp_path / "json" / "adapter_model.safetensors")
    assert sum(t.numel() * 4 for t in stored.values()) < sizes["adapter_model.safetensors"]
    with quiet_peft():
        copy = adapters.copy_of(model)
        served = PeftModel.from_pretrained(copy, tmp_path / "json", adapter_name="json")
        served.load_adapter(tmp_path / "polite", adapter_name="polite")
    one = said(served, tiny)
    served.set_adapter("polite")
    assert adapters.largest_difference(one, said(served, tiny)) > 1e-4
    assert adapters.seconds_to_swap(served, ["polite", "json"], times=3) > 0
    with served.disable_adapter():
        assert torch.equal(said(served, tiny), said(model, tiny))
    assert adapters.bytes_of_weights(model) == 4 * model.num_parameters()


def test_frozen_weights_need_no_gradient_of_their_own(tiny: Loaded) -> None:
    state = torch.get_rng_state()
    ids = torch.arange(12).view(2, 6) % tiny[0].config.vocab_size
    full, two, three = (
        adapters.flops_of_step(tiny[0], {"input_ids": ids, "labels": ids}, rank)
        for rank in (0, 2, 3)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert two < three < full
    assert all(p.grad is None for p in tiny[0].parameters())
