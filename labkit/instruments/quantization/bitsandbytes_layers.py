"""Lesson 12 beside bitsandbytes itself: its code books, bytes and LLM.int8, and its one fault."""

from __future__ import annotations

import tempfile
import warnings

import torch
from bitsandbytes.functional import get_4bit_type, has_avx512bf16, quantize_4bit
from torch import Tensor
from transformers import PreTrainedModel

from labkit.instruments.quantization.bench import Bench, Int8Product, with_int8_products
from labkit.models.quantization.stored import load_quantized, quantized_layers
from labkit.models.zoo import quiet_transformers


def library_levels(kind: str) -> Tensor:
    """The code book of "nf4" or "fp4", by its codes, (16,) float32."""
    return get_4bit_type(kind, device="cpu")


def bytes_apart(stored: tuple[Tensor, Tensor], weight: Tensor, block_size: int) -> tuple[int, int]:
    """How many bytes of packed codes and scales differ from what bitsandbytes stores of the weight
    as NF4, and how many there are. A scale counts as differing from a millionth of it on."""
    packed, absmax = stored
    theirs, state = quantize_4bit(weight, blocksize=block_size, quant_type="nf4")
    other_codes = int((packed != theirs.flatten()).sum())
    other_scales = int((~torch.isclose(absmax, state.absmax, rtol=1e-6, atol=0)).sum())
    return other_codes + 4 * other_scales, packed.nbytes + absmax.nbytes


def in_llm_int8(model: PreTrainedModel, threshold: float) -> PreTrainedModel:
    """The model with its linear layers in bitsandbytes' LLM.int8, by way of a folder."""
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        model.save_pretrained(folder)
        return load_quantized(folder, "int8", threshold=threshold)


def split_shares(model: PreTrainedModel, bench: Bench, threshold: float) -> dict[str, float]:
    """The share of the features that LLM.int8 multiplies in float while the last batch of texts is
    read, by kind of layer: the mean over the blocks."""
    written_out = with_int8_products(model, threshold)
    bench.loss(written_out)
    found: dict[str, list[float]] = {}
    for name, layer in written_out.named_modules():
        if isinstance(layer, Int8Product):
            found.setdefault(name.rpartition(".")[2], []).append(layer.split_share)
    return {name: sum(shares) / len(shares) for name, shares in found.items()}


def packing_happens_here() -> bool:
    """Whether this processor has AVX512_BF16, where bitsandbytes packs 4-bit layers anew."""
    return bool(has_avx512bf16())


def packed_by_the_library(model: PreTrainedModel) -> PreTrainedModel:
    """Lets bitsandbytes pack the layers where it would by itself. In place; undoes what
    `load_quantized` switches off, to show why it does."""
    for layer in quantized_layers(model).values():
        layer.support_avx512bf16_for_cpu = packing_happens_here()
    return model


def gradient_through(model: PreTrainedModel) -> tuple[float, float]:
    """The mean magnitude of the gradient that comes through the first MLP to its input: at once,
    and after it has been used once without gradients."""
    mlp = model.model.layers[0].mlp
    numbers = torch.randn(
        1, 16, model.config.hidden_size, generator=torch.Generator().manual_seed(0)
    )
    found = []
    for _ in range(2):
        x = numbers.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on an operator without a backward pass
            mlp(x).sum().backward()
        found.append(0.0 if x.grad is None else float(x.grad.abs().mean()))
        with torch.no_grad():
            mlp(x)
    return found[0], found[1]
