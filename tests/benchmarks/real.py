"""SmolLM2-135M-Instruct: a point of sixty questions, a token by torch and by llama.cpp, on one
thread and on all, and every lesson that can have it under it. Without the model (`labkit models
fetch smollm2`) there is nothing to measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import torch

from labkit import paths
from labkit.course.catalog import lessons
from labkit.fetched import MODELS
from labkit.instruments.real.capitals import capital_items
from labkit.models import complete, load_model
from labkit.models.llama_cpp import LlamaCpp
from labkit.sharing import prepare_process, processors
from tests.benchmarks.figures import Figure, show

MODEL = MODELS["smollm2"]
LESSON_SECONDS, LESSON_MB = 300, 3000
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
    del model
    can = [lesson for lesson in lessons() if MODEL.name not in lesson.without]
    return figures + [figure for lesson in can for figure in whole_lesson(lesson.id)]


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


def whole_lesson(lesson: str) -> list[Figure]:
    """Seconds and memory of a lesson with the model under it, against five minutes and 3 GB."""
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "run", lesson, "--json"],
        env=os.environ | {"LABKIT_MODEL": MODEL.name},
        capture_output=True,
        text=True,
        cwd=paths.PACKAGE.parent,
    )
    if done.returncode:
        raise SystemExit(f"{lesson} did not run on {MODEL.name}:\n{done.stderr}")
    found = json.loads(done.stdout)
    return [
        Figure(f"{lesson} on {MODEL.name}", found["seconds"], "s", LESSON_SECONDS),
        Figure(f"{lesson} on {MODEL.name}: peak memory", found["peak_rss_mb"], "MB", LESSON_MB),
    ]


if __name__ == "__main__":
    show(measure)
