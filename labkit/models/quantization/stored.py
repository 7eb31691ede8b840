"""Models whose weights bitsandbytes really keeps in 4 or 8 bits.

Every such model of the course is loaded here, because of a fault: on CPUs with AVX512_BF16 a
`Linear4bit` in eval mode packs its weights anew, in place, at its first forward pass without
gradients. From then on nothing below it gets a gradient, and QLoRA after a `generate()` trains a
part of its adapters only, without a word. Switching the flag off keeps the layer as it is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from labkit.models.zoo import folder_of, quiet_transformers

Kind = Literal["nf4", "fp4", "int8"]
KINDS = ("nf4", "fp4", "int8")
EVEN = 256  # bitsandbytes' CPU kernels want sizes that this divides


def load_quantized(
    name: str = "base",
    kind: Kind = "nf4",
    *,
    double_quantization: bool = False,
    threshold: float = 6.0,
) -> PreTrainedModel:
    """A bundled model, or one in a folder, with its linear layers quantized; eval mode, on the CPU.

    `kind` nf4 or fp4 are 4 bits in blocks of 64, with the scales in 8 bits if
    `double_quantization` (Dettmers et al. 2023, arXiv:2305.14314). int8 is LLM.int8 (Dettmers et
    al. 2022, arXiv:2208.07339): activations above `threshold` are multiplied in float; 0 takes all
    in int8. Embeddings, norms and the output head stay float32.

    Raises ValueError for another kind, a threshold below 0, or a model with sizes that 256 does not
    divide (bitsandbytes fails on some CPUs then); LookupError for an unknown name.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}: give one of {', '.join(KINDS)}.")
    if threshold < 0:
        raise ValueError(f"The threshold is a magnitude, 0 or more, not {threshold}.")
    config = BitsAndBytesConfig(
        load_in_8bit=kind == "int8",
        load_in_4bit=kind != "int8",
        llm_int8_threshold=threshold,
        bnb_4bit_quant_type=kind if kind != "int8" else "nf4",
        bnb_4bit_use_double_quant=double_quantization,
        bnb_4bit_compute_dtype=torch.float32,
    )
    with quiet_transformers(), quiet_bitsandbytes():
        model = AutoModelForCausalLM.from_pretrained(
            str(folder_of(name)), dtype=torch.float32, device_map="cpu",
            quantization_config=config, local_files_only=True, use_safetensors=True,
        )  # fmt: skip
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # a line for each layer and pass
    _refuse_odd_sizes(model)
    return keep_gradients(model).eval()


def keep_gradients(model: nn.Module) -> nn.Module:
    """Switches off the packing that cuts gradients (see above), in place; returns the model."""
    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
    return model


def quantized_layers(model: nn.Module) -> dict[str, Linear4bit | Linear8bitLt]:
    """The layers that bitsandbytes has taken over, by name."""
    kinds = (Linear4bit, Linear8bitLt)
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, kinds)}


def stored_bits(model: nn.Module) -> float:
    """Bits that a weight of the quantized layers takes, scales included: counted from the tensors,
    since `get_memory_footprint()` leaves the scales out. Raises ValueError if there are none."""
    layers = quantized_layers(model).values()
    if not layers:
        raise ValueError("No layer of this model is quantized: load it with load_quantized.")
    weights = sum(layer.in_features * layer.out_features for layer in layers)
    return 8 * sum(_bytes_of(layer) for layer in layers) / weights


def _bytes_of(layer: Linear4bit | Linear8bitLt) -> int:
    """Codes and scales; the few values that all layers share (code books) are left out."""
    weight: Any = layer.weight  # a tensor with the scales beside it
    if isinstance(layer, Linear8bitLt):
        return int(weight.nbytes + weight.SCB.nbytes)
    state = weight.quant_state
    second = state.state2.absmax.nbytes if state.nested else 0
    return int(weight.nbytes + state.absmax.nbytes + second)


def _refuse_odd_sizes(model: nn.Module) -> None:
    for name, layer in quantized_layers(model).items():
        if layer.in_features % EVEN or layer.out_features % EVEN:
            raise ValueError(
                f"{name} is {layer.out_features} x {layer.in_features}; bitsandbytes' CPU kernels "
                f"want multiples of {EVEN}. Take a model with such sizes."
            )


@contextmanager
def quiet_bitsandbytes() -> Iterator[None]:
    """Without the lines that bitsandbytes writes while it loads."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
