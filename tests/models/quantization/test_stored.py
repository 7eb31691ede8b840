"""Models in bitsandbytes: bytes counted, errors said, and gradients everywhere after generate()."""

from __future__ import annotations

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from peft import prepare_model_for_kbit_training
from transformers import LlamaConfig, LlamaForCausalLM

from labkit.models.quantization.stored import (
    keep_gradients,
    load_quantized,
    quantized_layers,
    stored_bits,
)
from labkit.models.training.tuning import lora_config


@pytest.fixture(scope="module")
def nf4() -> LlamaForCausalLM:
    return load_quantized("base", "nf4", double_quantization=True)


def test_all_adapters_get_gradients_after_a_generate() -> None:
    model = load_quantized("base", "nf4")
    ids = torch.arange(3, 19)[None]
    with torch.no_grad():
        model.generate(ids, max_new_tokens=2, do_sample=False, pad_token_id=0)
    prepared = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    prepared.add_adapter(lora_config())
    prepared.train()
    prepared(input_ids=ids, labels=ids).loss.backward()
    matrices = {n: p for n, p in prepared.named_parameters() if "lora_B" in n}
    assert len(matrices) == 28
    without = [n for n, p in matrices.items() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_flag_is_off_in_every_layer(nf4: LlamaForCausalLM) -> None:
    layers = quantized_layers(nf4)
    assert len(layers) == 28
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers.values())
    fresh = Linear4bit(256, 256)
    fresh.support_avx512bf16_for_cpu = True
    assert keep_gradients(torch.nn.Sequential(fresh))[0].support_avx512bf16_for_cpu is False


def test_bits_are_counted_with_their_scales(nf4: LlamaForCausalLM) -> None:
    assert stored_bits(nf4) == pytest.approx(4.127, abs=0.001)
    assert stored_bits(load_quantized("base", "nf4")) == 4.5
    assert stored_bits(load_quantized("base", "int8")) == pytest.approx(8.1, abs=0.05)


def test_other_kinds_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="nf4, fp4, int8"):
        load_quantized("base", "int4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 or more"):
        load_quantized("base", "int8", threshold=-1)
    with pytest.raises(LookupError):
        load_quantized("bass")


def test_a_model_with_odd_sizes_is_refused(tmp_path) -> None:
    config = LlamaConfig(vocab_size=32, hidden_size=64, intermediate_size=96, num_hidden_layers=1,
                         num_attention_heads=1)  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="multiples of 256"):
        load_quantized(str(tmp_path))


def test_no_quantized_layer_has_no_bits() -> None:
    with pytest.raises(ValueError, match="load_quantized"):
        stored_bits(torch.nn.Linear(2, 2))
