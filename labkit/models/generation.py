"""Completions in batches, at one temperature or at many.

A prompt is read once, its cache is shared by all samples at all temperatures, and a row that has
ended leaves the batch. For the many short answers of a lesson this is several times quicker than a
`generate` call for each temperature, to which the tests prove it equal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    MinPLogitsWarper,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from labkit.models.knowing import knows_region

MAX_ROWS = 512  # rows decoded together: bounds the memory of their caches
MAX_CHARACTERS = 100_000  # of their prompts together, for the same reason
MAX_CACHE = 500e6  # bytes; the bundled models stay below that, at up to 70 new tokens
CHARACTERS = 4  # of a token, about


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    samples: int = 1,
    max_new_tokens: int = 32,
    stop: str | None = "\n",
    seed: int = 0,
) -> list[list[str]]:
    """`samples` completions of each prompt, cut before `stop`; temperature 0 is greedy decoding.

    The filters are off when None. The draws depend on `seed` and on the batch; the global random
    state is neither used nor changed. Raises ValueError for a temperature below 0, and where
    samples or max_new_tokens are below 1.
    """
    check_temperatures([temperature])
    check_counts(samples=samples, max_new_tokens=max_new_tokens)
    generator = torch.Generator(model.device).manual_seed(seed)
    sampler = Sampler(filters(top_k, top_p, min_p), generator)
    temperatures = [temperature] * samples
    return _complete(model, tokenizer, prompts, temperatures, sampler, max_new_tokens, stop)


def complete_grid(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    temperatures: Sequence[float],
    *,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    samples: int = 1,
    max_new_tokens: int = 32,
    stop: str | None = "\n",
    seed: int = 0,
) -> dict[float, list[list[str]]]:
    """As `complete`, at several temperatures; greedy rows come once, not `samples` times.

    Raises ValueError as `complete` does, and for a temperature that is given twice.
    """
    check_temperatures(temperatures)
    check_counts(samples=samples, max_new_tokens=max_new_tokens)
    generator = torch.Generator(model.device).manual_seed(seed)
    sampler = Sampler(filters(top_k, top_p, min_p), generator)
    columns = [t for t in temperatures for _ in range(samples if t else 1)]
    texts = _complete(model, tokenizer, prompts, columns, sampler, max_new_tokens, stop)
    return {
        t: [[text for text, c in zip(row, columns, strict=True) if c == t] for row in texts]
        for t in temperatures
    }


def complete_after(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    beginnings: Sequence[str],
    endings: Sequence[Sequence[str]],
    *,
    max_new_tokens: int = 12,
    stop: str | None = "\n",
) -> list[list[str]]:
    """Greedy completions of `beginnings[i]` + each of `endings[i]`; a beginning is read only once.

    What servers call prefix caching: many questions about one long text cost little more than one.
    The same texts come back as from `complete` where no token spans the seam, as after a line end.
    """
    if len(beginnings) != len(endings) or not all(endings):
        raise ValueError(
            f"{len(beginnings)} beginnings and {len(endings)} lists of endings were given; each "
            f"beginning needs a list of one ending or more"
        )
    if not all(beginnings):
        raise ValueError("a beginning is empty; give `complete` what has none")
    ends = stop_tokens(tokenizer, stop)
    texts: list[list[str]] = [[] for _ in beginnings]
    most = max(map(len, endings), default=1)
    copies = 2 * most  # the caches are copied: twice the memory
    for chunk in _chunks(beginnings, copies, max_new_tokens, bytes_a_token(model)):
        asked = [endings[i] for i in chunk]
        rows = _decode_after(
            model, tokenizer, [beginnings[i] for i in chunk], asked, max_new_tokens, ends
        )
        decoded = iter(tokenizer.batch_decode(rows, skip_special_tokens=True))
        for i in chunk:
            texts[i] = [next(decoded).split(stop)[0] if stop else next(decoded) for _ in endings[i]]
    return texts


def check_temperatures(temperatures: Sequence[float]) -> None:
    """ValueError unless each is a number from 0 on, and given once."""
    times = Counter(temperatures)
    for temperature, count in times.items():
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"a temperature of {temperature:g} was given, expected 0 (greedy decoding) or more"
            )
        if count > 1:
            raise ValueError(
                f"the temperature {temperature:g} was given {count} times, expected each once; "
                "for more texts at a temperature give a larger `samples`"
            )
    if not times:
        raise ValueError("no temperatures were given, expected one or more, such as (0.0, 1.0)")


def check_counts(**counts: int) -> None:
    """ValueError, with the argument's name, for one below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count} was given, expected 1 or more")


def filters(
    top_k: int | None = None, top_p: float | None = None, min_p: float | None = None
) -> LogitsProcessorList:
    """transformers' processors in the order in which `generate` applies them; None is off."""
    found = LogitsProcessorList()
    if top_k:
        found.append(TopKLogitsWarper(top_k))
    if top_p is not None:
        found.append(TopPLogitsWarper(top_p))
    if min_p is not None:
        found.append(MinPLogitsWarper(min_p))
    return found


@dataclass(frozen=True)
class Sampler:
    """Draws next tokens: temperature row by row, then transformers' filters, then one draw."""

    filters: LogitsProcessorList
    generator: torch.Generator

    def next_tokens(self, logits: Tensor, temperatures: Tensor) -> Tensor:
        """Token ids (rows,) for logits (rows, vocab) and temperatures (rows,)."""
        greedy = logits.argmax(-1)
        if not temperatures.any():
            return greedy
        warm = temperatures > 0
        scaled = logits[warm].float() / temperatures[warm, None]
        ids = torch.empty((len(scaled), 0), dtype=torch.long, device=logits.device)
        probabilities = self.filters(ids, scaled).softmax(-1)
        greedy[warm] = torch.multinomial(probabilities, 1, generator=self.generator)[:, 0]
        return greedy


def _complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    temperatures: Sequence[float],
    sampler: Sampler,
    max_new_tokens: int,
    stop: str | None,
) -> list[list[str]]:
    """For each prompt one text for each of `temperatures`; prompts of like length go together."""
    texts: list[list[str]] = [[] for _ in prompts]
    chunks = list(_chunks(prompts, len(temperatures), max_new_tokens, bytes_a_token(model)))
    quiet = len(chunks) < 2 or knows_region(tokenizer)
    for chunk in tqdm(chunks, delay=3, leave=False, disable=quiet):
        rows = _decode(
            model, tokenizer, [prompts[i] for i in chunk], temperatures, sampler,
            max_new_tokens, stop_tokens(tokenizer, stop),
        )  # fmt: skip
        decoded = tokenizer.batch_decode(rows, skip_special_tokens=True)
        cut = [text.split(stop)[0] if stop else text for text in decoded]
        for place, i in enumerate(chunk):
            texts[i] = cut[place * len(temperatures) : (place + 1) * len(temperatures)]
    return texts


def _chunks(
    prompts: Sequence[str], copies: int, new_tokens: int, token_bytes: int
) -> Iterator[list[int]]:
    """Indices of prompts of like length, as many as may be decoded together."""
    chunk: list[int] = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        rows, characters = copies * (len(chunk) + 1), len(prompts[i])
        cache = rows * (characters / CHARACTERS + new_tokens) * token_bytes
        if chunk and (rows > MAX_ROWS or rows * characters > MAX_CHARACTERS or cache > MAX_CACHE):
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def bytes_a_token(model: PreTrainedModel) -> int:
    """What the cache takes for a token: a key and a value of each key-value head and layer."""
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)


@torch.inference_mode()
def _decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    temperatures: Sequence[float],
    sampler: Sampler,
    max_new_tokens: int,
    ends: list[int],
) -> list[list[int]]:
    """New token ids of every prompt × temperature, in that order."""
    copies = [len(temperatures)] * len(prompts)
    logits, cache, mask = _prefill(model, tokenizer, prompts, copies)
    heat = torch.tensor(temperatures, device=model.device).repeat(len(prompts))
    return _go_on(model, logits, cache, mask, heat, sampler, max_new_tokens, ends)


def _go_on(
    model: PreTrainedModel,
    logits: Tensor,
    cache: DynamicCache,
    mask: Tensor,
    heat: Tensor,
    sampler: Sampler,
    max_new_tokens: int,
    ends: list[int],
) -> list[list[int]]:
    """New token ids of every row of `logits`, whose prompts are in the cache."""
    rows: list[list[int]] = [[] for _ in range(len(heat))]
    alive = torch.arange(len(heat), device=model.device)
    for step in range(max_new_tokens):
        tokens = sampler.next_tokens(logits, heat[alive])
        for row, token in zip(alive.tolist(), tokens.tolist(), strict=True):
            rows[row].append(token)
        going = ~torch.isin(tokens, torch.tensor(ends, device=model.device))
        if step == max_new_tokens - 1 or not going.any():
            break
        if not going.all():
            kept = going.nonzero()[:, 0]
            cache.batch_select_indices(kept)
            alive, tokens, mask = alive[kept], tokens[kept], mask[kept]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=mask.sum(1, keepdim=True) - 1,
            past_key_values=cache,
        ).logits[:, -1]
    return rows


@torch.inference_mode()
def _decode_after(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    beginnings: Sequence[str],
    endings: Sequence[Sequence[str]],
    max_new_tokens: int,
    ends: list[int],
) -> list[list[int]]:
    """New token ids after every beginning + ending, in that order, greedily."""
    counts = [len(some) for some in endings]
    _, cache, mask = _prefill(model, tokenizer, beginnings, counts)
    texts = [ending for some in endings for ending in some]
    inputs = tokenizer(
        texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
    ).to(model.device)
    own = inputs["attention_mask"]
    positions = mask.sum(1, keepdim=True) + (own.cumsum(1) - 1).clamp(min=0)
    mask = torch.cat([mask, own], dim=1)
    logits = model(
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        logits_to_keep=1,
    ).logits[:, -1]
    cold = torch.zeros(len(texts), device=model.device)
    sampler = Sampler(filters(), torch.Generator(model.device))
    return _go_on(model, logits, cache, mask, cold, sampler, max_new_tokens, ends)


def _prefill(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    copies: Sequence[int],
) -> tuple[Tensor, DynamicCache, Tensor]:
    """Reads each prompt once; logits (rows, vocab), cache and mask for `copies[i]` of the i-th."""
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    mask = inputs["attention_mask"].to(model.device)
    cache = DynamicCache(config=model.config)
    logits = model(
        input_ids=inputs["input_ids"].to(model.device),
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        past_key_values=cache,
        logits_to_keep=1,
    ).logits[:, -1]
    rows = torch.arange(len(mask), device=model.device)
    rows = rows.repeat_interleave(torch.tensor(copies, device=model.device))
    cache.batch_select_indices(rows)
    return logits[rows], cache, mask[rows]


def stop_tokens(tokenizer: PreTrainedTokenizerBase, stop: str | None) -> list[int]:
    """The end-of-text token, and the token of `stop` where it is one."""
    ids = tokenizer(stop, add_special_tokens=False)["input_ids"] if stop else []
    return [tokenizer.eos_token_id, *(ids if len(ids) == 1 else [])]


def exact_match(text: str, answer: str) -> bool:
    """Whether a completion is the answer, apart from surrounding spaces."""
    return text.strip() == answer.strip()
