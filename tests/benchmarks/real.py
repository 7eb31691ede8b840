"""SmolLM2-135M-Instruct: a point of sixty questions, and a token by torch and by llama.cpp, on one
thread and on all. Without the model (`labkit models fetch smollm2`) there is nothing to measure."""

from __future__ import annotations

import time

import torch

from labkit.fetched import MODELS
from labkit.instruments.real.capitals import capital_items
from labkit.models import complete, load_model
from labkit.models.llama_cpp import LlamaCpp
from labkit.sharing import prepare_process, processors
from tests.benchmarks.figures import Figure, show

MODEL = MODELS["smollm2"]
STORY, TOKENS = "Once upon a time there was a small town by the sea.", 48


def measure() -> list[Figure]:
    """The point, then a token in both, with as many threads each."""
    if not MODEL.is_there:
        raise SystemExit(f"{MODEL.name} is not on this machine: {MODEL.command}")
    prepare_process()
    model, tokenizer = load_model(MODEL.name)
    items = capital_items(tokenizer, 60)
    began = time.perf_counter()
    complete(model, tokenizer, items.prompts, temperature=1.0, samples=4, max_new_tokens=8)
    figures = [Figure("60 questions, 4 answers each", time.perf_counter() - began, "s", 30)]
    for threads in sorted({1, len(processors())}):
        figures += tokens_written(model, tokenizer, threads)
    return figures


def tokens_written(model, tokenizer, threads: int) -> list[Figure]:
    """Milliseconds for a token of one text, greedily."""
    torch.set_num_threads(threads)
    began = time.perf_counter()
    complete(model, tokenizer, [STORY], max_new_tokens=TOKENS, stop=None)
    by_torch = 1000 * (time.perf_counter() - began) / TOKENS
    with LlamaCpp(MODEL.gguf, threads=threads) as llama:
        by_llama = llama.complete(STORY, max_new_tokens=TOKENS).ms_to_write
    return [
        Figure(f"a token by torch in float32, {threads} threads", by_torch, "ms"),
        Figure(f"a token by llama.cpp in Q4_1, {threads} threads", by_llama, "ms"),
        Figure(f"torch / llama.cpp, {threads} threads", by_torch / by_llama, "x"),
    ]


if __name__ == "__main__":
    show(measure)
