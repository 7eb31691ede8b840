"""What lesson 14 measures with: one set of tasks for models of every size, and what each costs.

Milliseconds are the processor's, of one thread, and the quickest of several goes in turns: other
work on the machine then disturbs them least. They are a matter of the machine; read them as ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share
from labkit.instruments.context.kv_cache import filled_cache
from labkit.instruments.items import fact_items, program_items
from labkit.instruments.judged import Items
from labkit.instruments.models_table import RealModel
from labkit.instruments.tables import as_html, as_text, linked
from labkit.instruments.threads import one_thread
from labkit.models import complete, exact_match
from labkit.models.scoring.reading import with_rivals
from labkit.models.scoring.specialist import sums
from labkit.models.scoring.subject import Effort, Subject
from labkit.models.scoring.tables import look_ups
from labkit.models.world import World
from labkit.models.world.document import Question

GIB = 2**30
Models = Mapping[str, PreTrainedModel]
Row = dict[str, object]


def _items(questions: Sequence[Question]) -> Items:
    return Items(
        [question.prompt for question in questions],
        lambda i, text: exact_match(text, questions[i].answer),
        tuple(question.answer for question in questions),
    )


def tasks(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, n: int = 100
) -> dict[str, Items]:
    """`n` items of each task, none of which a training text holds but the first two's facts."""
    if n < 1:
        raise ValueError(f"{n} items a task were asked for; at least 1 is needed")
    world, subject = World(), Subject(model, tokenizer, Effort(items=n))
    return {
        "facts, asked often": fact_items(n),
        "facts, read in passing": fact_items(n, asked=False),
        "programs": program_items(n),
        "one of two passages": _items(with_rivals(world, n, 2)),
        "one row of four": _items(look_ups(subject, 4, "csv", "test")),
        "sums": _items(sums(n, "test")),
    }


def shares_right(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Mapping[str, Items]
) -> dict[str, Estimate]:
    """For each task the share that the model has right, greedily, with its 95 % interval."""
    return {task: share(task, hits_of(model, tokenizer, items)) for task, items in asked.items()}


def hits_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Items,
    max_new_tokens: int = 48,
) -> list[bool]:
    """Which items the model has right."""
    texts = complete(model, tokenizer, items.prompts, max_new_tokens=max_new_tokens)
    return [items.is_right(i, text) for i, (text,) in enumerate(texts)]


@torch.inference_mode()
def first_probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[float]:
    """How sure the model is: for each prompt the probability of its likeliest next token."""
    found = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(model.device)
        logits = model(input_ids=ids, logits_to_keep=1, use_cache=False).logits[0, -1]
        found.append(float(logits.float().softmax(-1).max()))
    return found


# ---- time --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Milliseconds until the first token of an answer, and for each further token of a batch."""

    first: float
    next: float
    batch: int = 1

    @property
    def tokens_per_second(self) -> float:
        """Of the whole batch, once it writes."""
        return 1000 * self.batch / self.next


def timings(
    models: Models, prompt: int = 256, batch: int = 1, repeats: int = 7
) -> dict[str, Timing]:
    """Every model with `batch` prompts of `prompt` tokens.

    Raises ValueError where one of the numbers is below 1.
    """
    if min(prompt, batch, repeats) < 1:
        raise ValueError(f"{prompt} tokens, batch {batch}, {repeats} repeats: give 1 or more each")
    with one_thread():
        first = _quickest(
            {name: partial(filled_cache, m, prompt, batch) for name, m in models.items()},
            repeats,
        )
        following = _quickest(
            {name: _next_token(m, prompt, batch) for name, m in models.items()}, repeats
        )
    return {name: Timing(first[name], following[name], batch) for name in models}


def _next_token(model: PreTrainedModel, context: int, batch: int) -> Callable[[], object]:
    """One token more for each row, `context` tokens being in the cache (and those before it)."""
    cache = filled_cache(model, context, batch)
    ids = torch.ones((batch, 1), dtype=torch.long, device=model.device)

    @torch.inference_mode()
    def step() -> object:
        return model(input_ids=ids, past_key_values=cache).logits.argmax(-1).tolist()

    return step


def _quickest(goes: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Milliseconds of the quickest go of each, taken in turns after one to warm up."""
    found: dict[str, list[float]] = {name: [] for name in goes}
    for _ in range(repeats + 1):
        for name, go in goes.items():
            started = time.process_time()
            go()
            found[name].append(1000 * (time.process_time() - started))
    return {name: min(taken[1:]) for name, taken in found.items()}


# ---- the edge ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """A place to run a model: GiB of memory, GiB that others take of it, and GB that its memory
    can give in a second (bus width in bytes x transfers a second)."""

    name: str
    memory_gib: float
    taken_gib: float
    gb_per_second: float


DEVICES = (
    Device("phone", 8, 4, 8 * 8.533),  # LPDDR5X-8533, a bus of 64 bits
    Device("laptop, no GPU", 16, 6, 2 * 8 * 5.6),  # DDR5-5600, two channels of 64 bits
    Device("24 GB card", 24, 1.5, 48 * 21.0),  # GDDR6X at 21 GT/s, a bus of 384 bits
)


def most_tokens_per_second(model: RealModel, bits: float, device: Device) -> float:
    """What the memory allows when one request is answered: every active weight is read for every
    token. Real programs reach a part of it, and the cache is read besides."""
    if bits <= 0:
        raise ValueError(f"{bits} bits a weight were given; more than 0 are needed")
    return device.gb_per_second * 1e9 / (model.active * bits / 8)


Fit = Callable[..., Mapping[str, float | bool]]  # the lesson's memory_fit


def edge(
    models: Sequence[RealModel], fits: Fit, bits: float = 4.5, tokens: int = 8192
) -> dict[str, list[str]]:
    """For each device the names of the models that fit with a cache of so many tokens (or of their
    whole window where that is shorter)."""
    return {
        device.name: [
            m.name
            for m in models
            if fits(m.config, int(m.parameters), bits, min(tokens, m.window), device.memory_gib,
                    device.taken_gib)["fits"]
        ]
        for device in DEVICES
    }  # fmt: skip


def edge_table(
    models: Sequence[RealModel], fits: Fit, bits: float = 4.5, tokens: int = 8192
) -> Table:
    """GiB of weights and cache, and for each device the most tokens a second, or a dash where the
    model does not fit."""
    fitting = edge(models, fits, bits, tokens)
    rows = []
    for m in models:
        need = fits(m.config, int(m.parameters), bits, min(tokens, m.window), 1, 0)
        cells: Row = {
            "model": m.name,
            "weights (GiB)": f"{need['weights'] / GIB:.2f}",
            "cache (GiB)": f"{need['cache'] / GIB:.2f}",
        }
        for device in DEVICES:
            most = f"{most_tokens_per_second(m, bits, device):.0f} tokens/s"
            cells[device.name] = most if m.name in fitting[device.name] else "-"
        rows.append(cells)
    return Table(rows)


@dataclass(frozen=True)
class Table:
    """Rows as a table, in a notebook and in a terminal; all have the same columns."""

    rows: Sequence[Row]

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[object]]) -> Table:
        """From a list of cells for each column."""
        cells = zip(*columns.values(), strict=True)
        return cls([dict(zip(columns, row, strict=True)) for row in cells])

    def __repr__(self) -> str:
        return as_text(list(self.rows[0]), self._cells())

    def _repr_html_(self) -> str:
        return as_html(list(self.rows[0]), self._cells(), shown=linked)

    def _cells(self) -> list[list[object]]:
        return [list(row.values()) for row in self.rows]
