"""One model in eight ways of storing it, with real kernels: bytes, loss, facts and latency.

torch's own dynamic int8 and ONNX Runtime's stand beside bitsandbytes. Seconds are the processor's,
of one thread, and are a matter of the machine: read them as ratios, and only from a quiet one.
"""

from __future__ import annotations

import copy
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from transformers import PreTrainedModel

from labkit.instruments.tables import as_html, as_text
from labkit.instruments.threads import one_thread
from labkit.models.quantization.stored import Kind, load_quantized, quantized_layers, stored_bits

Forward = Callable[[Tensor], Tensor]  # ids (1, tokens) → logits (1, tokens, vocab)


@dataclass(frozen=True)
class Stored:
    """A way of storing the model: how it computes, and its bytes where they lie."""

    name: str
    forward: Forward
    bytes: int


def loss_of(stored: Stored, encoded: list[list[int]]) -> float:
    """Held-out loss in nats per token, text by text: ids begin with the first token."""
    if not encoded:
        raise ValueError("no texts were given; at least one is needed")
    total, count = 0.0, 0
    for row in encoded:
        ids = torch.tensor([row])
        logits = stored.forward(ids)[0, :-1].float()
        total += float(nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += len(row) - 1
    return total / count


def milliseconds(stored: Stored, ids: Tensor, repeats: int = 9) -> float:
    """The median of the processor's time for a forward pass, after two to warm up."""
    if repeats < 1:
        raise ValueError(f"{repeats} repeats were asked for; at least 1 is needed")
    taken = []
    with one_thread():
        for _ in range(2 + repeats):
            started = time.process_time()
            stored.forward(ids)
            taken.append(1e3 * (time.process_time() - started))
    return sorted(taken[2:])[repeats // 2]


@dataclass(frozen=True)
class Row:
    """What one way of storing was measured to take: bytes, loss (nats per token), and milliseconds
    for one token and for a prompt of many."""

    name: str
    bytes: int
    loss: float
    one: float
    many: float


@dataclass(frozen=True)
class KernelsTable:
    """The rows, times beside those of the first; a table in a notebook and in a terminal."""

    rows: Sequence[Row]
    many: int  # tokens of the prompt

    @classmethod
    def of(
        cls, ways: Sequence[Stored], encoded: list[list[int]], many: int = 128, repeats: int = 9
    ) -> KernelsTable:
        """Measures each way, one after the other."""
        if not ways:
            raise ValueError("no ways of storing were given; at least one is needed")
        one, prompt = (torch.arange(n)[None] + 3 for n in (1, many))
        rows = [
            Row(w.name, w.bytes, loss_of(w, encoded), milliseconds(w, one, 2 * repeats),
                milliseconds(w, prompt, repeats))
            for w in ways
        ]  # fmt: skip
        return cls(rows, many)

    def row(self, name: str) -> Row:
        """That of this name; LookupError if there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise LookupError(f"there is no row {name!r}; there are {[row.name for row in self.rows]}")

    def speed_up(self, name: str, over: str) -> float:
        """How many times as fast the prompt is read."""
        return self.row(over).many / self.row(name).many

    def columns(self) -> list[str]:
        """The headings, with the units."""
        many = f"{self.many} tokens (ms)"
        return ["stored as", "MB", "loss", "1 token (ms)", "", many, ""]

    def cells(self) -> list[list[str]]:
        """One line for each row; beside each time its ratio to the first row's."""
        first = self.rows[0]
        return [
            [
                row.name, f"{row.bytes / 1e6:.1f}", f"{row.loss:.3f}",
                f"{row.one:.1f}", f"x {row.one / first.one:.2f}",
                f"{row.many:.1f}", f"x {row.many / first.many:.2f}",
            ]
            for row in self.rows
        ]  # fmt: skip

    def __repr__(self) -> str:
        return as_text(self.columns(), self.cells())

    def _repr_html_(self) -> str:
        return as_html(self.columns(), self.cells())


def in_torch(name: str, model: PreTrainedModel, size: int) -> Stored:
    """A model that torch runs."""

    @torch.inference_mode()
    def forward(ids: Tensor) -> Tensor:
        return model(input_ids=ids, use_cache=False).logits

    return Stored(name, forward, size)


def dynamic_int8(model: PreTrainedModel) -> Stored:
    """torch's own: weights int8, activations rounded as they come. Deprecated in favour of
    torchao, and still the fastest int8 that torch has on a CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rounded = torch.ao.quantization.quantize_dynamic(
            copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8
        )
    stream = io.BytesIO()
    torch.save(rounded.state_dict(), stream)  # only to count the bytes; nothing is read back
    return in_torch("torch dynamic int8", rounded, len(stream.getvalue()))


def in_bfloat16(model: PreTrainedModel) -> Stored:
    """torch with all weights and products in bfloat16."""
    half = copy.deepcopy(model).to(torch.bfloat16)
    return in_torch("torch bf16", half, resident_bytes(half))


def in_bitsandbytes(name: str, kind: Kind) -> Stored:
    """The bundled model as bitsandbytes keeps and computes it."""
    model = load_quantized("base", kind)
    return in_torch(name, model, resident_bytes(model))


def resident_bytes(model: PreTrainedModel) -> int:
    """What the weights take in memory, scales of quantized layers included."""
    layers = quantized_layers(model)
    plain = [p for n, p in model.named_parameters() if n.removesuffix(".weight") not in layers]
    size = sum(p.nbytes for p in plain)
    if layers:
        weights = sum(layer.in_features * layer.out_features for layer in layers.values())
        size += round(stored_bits(model) * weights / 8)
    return size


class LogitsOnly(nn.Module):
    """What is exported: ids in, logits out, without a cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        mask = torch.ones_like(ids)
        return self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits


def in_onnx(model: PreTrainedModel) -> list[Stored]:
    """ONNX Runtime with one thread: float32, and int8 by its quantize_dynamic, one scale a
    channel, with weights of 7 bits and of 8. The bytes are those of the files.

    Processors without VNNI add two products in 16 bits, and cut off what does not fit: 255 · 127
    twice does not, 255 · 64 does. So its guide has `reduce_range`, which leaves weights 7 bits.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, seven, eight = (Path(folder) / f"{name}.onnx" for name in ("whole", "7", "8"))
        axes = {0: "rows", 1: "tokens"}
        with redirect_stdout(io.StringIO()):
            torch.onnx.export(
                LogitsOnly(model).eval(), (torch.ones(1, 16, dtype=torch.long),), str(whole),
                input_names=["ids"], output_names=["logits"], dynamo=False,
                dynamic_axes={"ids": axes, "logits": axes},
            )  # fmt: skip
        with quiet_logging():
            for rounded in (seven, eight):
                quantize_dynamic(
                    whole, rounded, weight_type=QuantType.QInt8, per_channel=True,
                    reduce_range=rounded == seven,
                )  # fmt: skip
        return [
            _session("ONNX Runtime fp32", whole),
            _session("ONNX Runtime int8", seven),
            _session("ONNX, all 8 bits", eight),
        ]


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Without the advice that onnxruntime writes to the root logger; as it was afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _session(name: str, path: Path) -> Stored:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )

    def forward(ids: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"ids": ids.numpy()})[0])

    return Stored(name, forward, path.stat().st_size)
