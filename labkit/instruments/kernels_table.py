"""One model in seven ways of storing it, with real kernels: bytes, loss, facts and latency.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from transformers import PreTrainedModel

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
    """The median of the processor's time for a forward pass, after one to warm up."""
    if repeats < 1:
        raise ValueError(f"{repeats} repeats were asked for; at least 1 is needed")
    stored.forward(ids)
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        stored.forward(ids)
        taken.append(1e3 * (time.process_time() - started))
    return sorted(taken)[repeats // 2]


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
    channel. The bytes are those of the files."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, rounded = Path(folder) / "whole.onnx", Path(folder) / "int8.onnx"
        axes = {0: "rows", 1: "tokens"}
        with redirect_stdout(io.StringIO()):
            torch.onnx.export(
                LogitsOnly(model).eval(), (torch.ones(1, 16, dtype=torch.long),), str(whole),
                input_names=["ids"], output_names=["logits"], dynamo=False,
                dynamic_axes={"ids": axes, "logits": axes},
            )  # fmt: skip
        with quiet_logging():
            quantize_dynamic(whole, rounded, weight_type=QuantType.QInt8, per_channel=True)
        return [_session("ONNX Runtime fp32", whole), _session("ONNX Runtime int8", rounded)]


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
