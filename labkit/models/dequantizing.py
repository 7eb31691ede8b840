"""A GGUF file as a model of transformers: every weight unpacked, rounded to bfloat16 and saved.

GGUF is llama.cpp's file format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Its
blocks are read by the `gguf` package, by way of transformers' `GgufConfig(dequantize=True)`: what
was rounded before is not won back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from labkit.models.fetched_card import write_card
from labkit.models.zoo import quiet_transformers, write_checksums

Tell = Callable[[str], None]
LIBRARIES = ("torch", "transformers", "gguf")


def dequantize(gguf: Path, folder: Path, card: Mapping[str, Any], tell: Tell = print) -> None:
    """Writes the model of a GGUF file to `folder` in transformers' layout, with its card.

    The folder appears when all of it is written, in the place of what was there. `tell` hears what
    is done now. Raises OSError where it can't be written; nothing is left behind then.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        write_model(gguf, part, tell)
        write_card(part, card, LIBRARIES)
        write_checksums(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def write_model(gguf: Path, folder: Path, tell: Tell) -> None:
    """Weights in bfloat16, configuration, tokenizer and chat template."""
    with quiet_transformers():
        tell("reading the tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tell("unpacking the weights")
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        ).to(torch.bfloat16)
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config  # they are plain weights now
        tell("saving")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
