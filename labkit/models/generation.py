"""Completions in batches, through transformers' own `generate`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@torch.inference_mode()
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
    batch_size: int = 256,
) -> list[list[str]]:
    """`samples` completions of each prompt, cut before `stop`.

    `temperature` 0 is greedy decoding; the filters are off when None. The global random state is
    left as it was: the draws depend on `seed` alone.
    """
    sampling: dict[str, object] = {"do_sample": False, "temperature": None}
    if temperature > 0:
        # transformers filters to 50 tokens unless told otherwise; 0 means off.
        sampling = {"do_sample": True, "temperature": temperature, "top_k": top_k or 0}
    options = sampling | {"top_p": top_p, "min_p": min_p, "num_return_sequences": samples}
    per_batch = max(1, batch_size // samples)
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        texts = [
            text
            for first in range(0, len(prompts), per_batch)
            for text in _batch(
                model, tokenizer, prompts[first : first + per_batch], max_new_tokens, stop, options
            )
        ]
    return [texts[i : i + samples] for i in range(0, len(texts), samples)]


def _batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    stop: str | None,
    options: dict[str, object],
) -> list[str]:
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    output = model.generate(  # type: ignore[operator]
        input_ids=inputs["input_ids"].to(model.device),
        attention_mask=inputs["attention_mask"].to(model.device),
        max_new_tokens=max_new_tokens,
        eos_token_id=stop_tokens(tokenizer, stop),
        pad_token_id=tokenizer.pad_token_id,
        **options,
    )
    width = inputs["input_ids"].shape[1]
    texts = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return [text.split(stop)[0] if stop else text for text in texts]


def stop_tokens(tokenizer: PreTrainedTokenizerBase, stop: str | None) -> list[int]:
    """The end-of-text token, and the token of `stop` where it is one."""
    ids = tokenizer(stop, add_special_tokens=False)["input_ids"] if stop else []
    return [tokenizer.eos_token_id, *(ids if len(ids) == 1 else [])]


def exact_match(text: str, answer: str) -> bool:
    """Whether a completion is the answer, apart from surrounding spaces."""
    return text.strip() == answer.strip()
