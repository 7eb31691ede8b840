"""Speculative decoding: transformers' own assisted generation, counted and timed.

The target's forward passes are counted by a hook; `assistant_model` is the draft, and
`prompt_lookup_num_tokens` is the control that costs nothing: n-grams of the text so far.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from labkit.estimates import Estimate, bootstrap, share
from labkit.models.scoring.rows import Row
from labkit.models.scoring.subject import Subject
from labkit.models.world.corpus import MAKERS

DRAFTED = 4  # tokens that the draft proposes at a time
NEW_TOKENS = 64
DOMAINS = ("story", "program", "biography", "table", "idea", "arithmetic")


@dataclass(frozen=True)
class Written:
    """One text: the new token ids, the target's forward passes, and the seconds it took."""

    tokens: tuple[int, ...]
    passes: int
    seconds: float


def draft(subject: Subject, drafter: Subject) -> list[Row]:
    """Identical output, tokens per pass of the target, and seconds, over several domains."""
    draft_model = drafter.model
    prompts = {kind: domain_prompts(subject, kind, subject.effort.timed) for kind in DOMAINS}
    with one_way_of_drafting(draft_model), only_errors():
        found = {
            kind: [three_ways(subject, draft_model, p) for p in prompts[kind]] for kind in DOMAINS
        }
    plain, drafted, looked_up = (
        {kind: [texts[i] for texts in found[kind]] for kind in DOMAINS} for i in range(3)
    )
    return [
        _identical(plain, drafted, looked_up),
        _tokens_per_pass(drafted, looked_up),
        *_wall_clock(plain, drafted, looked_up),
    ]


def domain_prompts(subject: Subject, kind: str, n: int) -> list[str]:
    """The first third of `n` new texts of a kind, to be gone on with."""
    rng = random.Random(f"prompts of {kind}")
    prompts = []
    for _ in range(n):
        text = "".join(MAKERS[kind](subject.world, rng).text for _ in range(2))
        ids = subject.tokenizer(text)["input_ids"]
        prompts.append(subject.tokenizer.decode(ids[: max(4, len(ids) // 3)][:128]))
    return prompts


def three_ways(
    subject: Subject, draft_model: PreTrainedModel, prompt: str
) -> tuple[Written, Written, Written]:
    """The same text plainly, with the draft, and by looking up n-grams; one after the other, so
    that a busy machine slows down all three."""
    return (
        write(subject, prompt),
        write(subject, prompt, assistant_model=draft_model),
        write(subject, prompt, prompt_lookup_num_tokens=DRAFTED),
    )


def write(subject: Subject, prompt: str, **assistance: object) -> Written:
    """Greedy generation by transformers, with or without assistance."""
    inputs = subject.tokenizer(prompt, return_tensors="pt").to(subject.model.device)
    with counted_passes(subject.model) as passes:
        started = time.perf_counter()
        ids = subject.model.generate(
            **inputs, do_sample=False, max_new_tokens=NEW_TOKENS, **assistance
        )
        seconds = time.perf_counter() - started
    new = ids[0, inputs["input_ids"].shape[1] :]
    return Written(tuple(new.tolist()), len(passes), seconds)


@contextmanager
def counted_passes(model: PreTrainedModel) -> Iterator[list[int]]:
    """A list that gets one entry, the number of new positions, for every forward pass."""
    passes: list[int] = []
    hook = model.register_forward_hook(lambda *args: passes.append(args[2].logits.shape[1]))
    try:
        yield passes
    finally:
        hook.remove()


@contextmanager
def one_way_of_drafting(model: PreTrainedModel) -> Iterator[None]:
    """Always `DRAFTED` tokens, however sure the draft is; its own settings come back after."""
    config = model.generation_config
    ours = {
        "num_assistant_tokens": DRAFTED,
        "num_assistant_tokens_schedule": "constant",
        "assistant_confidence_threshold": 0.0,
    }
    before = {name: getattr(config, name) for name in ours}
    for name, value in ours.items():
        setattr(config, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


@contextmanager
def only_errors() -> Iterator[None]:
    """transformers advises against its own way of calling the draft; nothing a reader can do."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with torch.inference_mode():
            yield
    finally:
        transformers_logging.set_verbosity(level)


Domains = dict[str, list[Written]]


def tokens_per_pass(name: str, texts: Sequence[Written]) -> Estimate:
    """New tokens for each forward pass of the target; plain decoding has 1."""
    return bootstrap(
        name, texts, lambda some: sum(len(t.tokens) for t in some) / sum(t.passes for t in some),
        "tokens per pass",
    )  # fmt: skip


def speed_up(name: str, plain: Sequence[Written], other: Sequence[Written]) -> Estimate:
    """Seconds of plain decoding over seconds with assistance, prompt by prompt."""
    pairs = list(zip(plain, other, strict=True))
    return bootstrap(
        name, pairs, lambda some: sum(a.seconds for a, _ in some) / sum(b.seconds for _, b in some),
        "times as fast",
    )  # fmt: skip


def _identical(plain: Domains, drafted: Domains, looked_up: Domains) -> Row:
    def same(name: str, other: Domains) -> Estimate:
        return share(
            name,
            [
                a.tokens == b.tokens
                for kind in DOMAINS
                for a, b in zip(plain[kind], other[kind], strict=True)
            ],
        )

    found = same("draft: greedy output identical", drafted)
    return Row(found, "100 %", found.value == 1.0, (same("with n-grams", looked_up),))


def _tokens_per_pass(drafted: Domains, looked_up: Domains) -> Row:
    """The figure is that of the second best domain, since two are to reach the mark."""
    figures = sorted(
        (tokens_per_pass(f"draft, {kind}", drafted[kind]) for kind in DOMAINS),
        key=lambda figure: -figure.value,
    )
    second = figures[1]
    name = f"tokens per target pass at k={DRAFTED}, second best domain ({second.name})"
    found = Estimate(name, second.value, second.n, second.low, second.high, second.unit)
    control = [*figures, *(tokens_per_pass(f"n-grams, {k}", looked_up[k]) for k in DOMAINS)]
    return Row(found, "≥ 2.5 on two domains", second.value >= 2.5, tuple(control))


def _wall_clock(plain: Domains, drafted: Domains, looked_up: Domains) -> list[Row]:
    """The best and the worst domain; the others and the n-grams beside them."""
    figures = {kind: speed_up(f"draft, {kind}", plain[kind], drafted[kind]) for kind in DOMAINS}
    n_grams = [speed_up(f"n-grams, {kind}", plain[kind], looked_up[kind]) for kind in DOMAINS]
    best, worst = (pick(DOMAINS, key=lambda kind: figures[kind].value) for pick in (max, min))
    control = (*figures.values(), *n_grams)
    rows = []
    for kind, what, wanted in ((best, "fastest", "above 1"), (worst, "slowest", "below 1")):
        found = speed_up(
            f"wall clock with the draft, {what} domain ({kind})", plain[kind], drafted[kind]
        )
        reached = found.low > 1 if what == "fastest" else found.high < 1
        rows.append(Row(found, wanted, reached, control))
    return rows
