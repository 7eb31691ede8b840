"""How many items a cell asks: all of them, or as many as the time of a cell has room for.

The bundled models answer all that a lesson asks within its minute. Another model under the same
lesson (`LABKIT_MODEL=smollm2`) may be thirty times as large. It is asked fewer items, which is
said, and an interval shows what that costs.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models.knowing import knows_region

VARIABLE = "LABKIT_SECONDS_A_CELL"
SECONDS_A_CELL = 20.0
LEAST = 8  # items: fewer say next to nothing
PROBE = (8, 8)  # rows and tokens of what a model reads to be timed
_measured: WeakKeyDictionary[PreTrainedModel, float] = WeakKeyDictionary()


def affordable(
    n: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    tokens: float,
    least: int = LEAST,
) -> int:
    """How many of `n` items to ask: all of a model that knows the region, of another as many as fit
    into the seconds of a cell, `least` at least.

    `tokens` are those that the cell reads and writes for an item, all texts together. What is left
    out is said in one line. ValueError where $LABKIT_SECONDS_A_CELL is no number above 0.
    """
    if knows_region(tokenizer):
        return n
    seconds = seconds_a_cell()
    fitting = int(seconds * tokens_a_second(model) / tokens)
    count = min(n, max(fitting, least))
    if count < n:
        name = Path(model.name_or_path).name or "this model"
        fit = "fit into" if count <= fitting else "are the least, which take more than"
        print(f"{name}: {count} of {n} items {fit} {seconds:g} s a cell; the intervals are wider")
    return count


def seconds_a_cell() -> float:
    """The seconds that a cell with another model may take: $LABKIT_SECONDS_A_CELL, or 20."""
    given = os.environ.get(VARIABLE) or SECONDS_A_CELL
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{VARIABLE}={given} was given, expected a number of seconds above 0")
    return seconds


def tokens_a_second(model: PreTrainedModel) -> float:
    """Tokens that a model computes in a second, many at a time; measured once for each model."""
    if model not in _measured:
        _measured[model] = _timed(model)
    return _measured[model]


@torch.inference_mode()
def _timed(model: PreTrainedModel) -> float:
    """The faster of two passes: at the first one the system is still finding memory."""
    ids = torch.arange(math.prod(PROBE), device=model.device).view(PROBE) % model.config.vocab_size
    taken = []
    for _ in range(2):
        began = _seconds_used(model)
        model(input_ids=ids, use_cache=False).logits.sum().item()  # waits for a GPU as well
        taken.append(_seconds_used(model) - began)
    return ids.numel() / max(min(taken), 1e-6)


def _seconds_used(model: PreTrainedModel) -> float:
    """Of the processors, not of the clock: what others do in this half a second says nothing of the
    next minutes. A GPU's are the clock's."""
    if model.device.type != "cpu":
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()
