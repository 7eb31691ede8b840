"""Lessons 08 and 09 in a real model: tickets by all weights and by adapters, and what is forgotten.

Rates are chosen by validation tickets, figures are of test tickets. What the model knew before is
asked in two ways: with the answer begun ("The capital of France is"), and as an open question.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from transformers import PreTrainedModel

from labkit.estimates import difference, mean_of_few
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import (
    MODEL,
    columns,
    hits,
    loaded,
    losses_before,
    with_interval,
)
from labkit.instruments.real.capitals import capital_items
from labkit.instruments.real.prose import mean_losses
from labkit.instruments.real.tickets import ANSWER_TOKENS, found_in, ticket_question
from labkit.models import complete, complete_after
from labkit.models.training.tuning import Settings, fine_tune, lora_config
from labkit.models.world import tickets as world
from labkit.models.world.tickets import Ticket

EXAMPLES = 400  # to tune on
ROWS = 4  # of a step
TESTED, VALIDATION, CAPITALS = 100, 40, 60
SETS, ASKED = 8, 12  # sets of solved tickets, and tickets asked after each
TURN = "<|im_start|>user"  # a turn of the user begins so, by SmolLM2's chat template


def tuned(rank: int, learning_rate: float, steps: int, seed: int) -> PreTrainedModel:
    """A copy of the model after so many steps on tickets, itself after none; rank 0 trains all
    weights."""
    model, tokenizer = loaded()
    if not steps:
        return model
    shown = [ticket_question(tokenizer, t) for t in world.examples(EXAMPLES, "train", 0)]
    lora = lora_config(rank) if rank else None
    settings = Settings(learning_rate, steps=steps, rows=ROWS, lora=lora, seed=seed)
    return fine_tune(model, tokenizer, shown, settings, end="", progress=False).model


def after_tuning(
    rank: int, learning_rate: float, steps: int, seed: int, items: int = TESTED
) -> dict[str, float]:
    """Tickets, and what is left of what the model knew, after a tuning."""
    model = tuned(rank, learning_rate, steps, seed)
    asked = world.examples(max(4, items * VALIDATION // TESTED), "validation", 0)
    chosen_by = with_interval("validation", exact(model, asked)[1])["validation"]
    return {"validation": chosen_by} | measured(model, items)


def in_the_prompt(examples: int, sets: int = SETS, items: int = ASKED) -> dict[str, float]:
    """The model as it came, after so many solved tickets: means and intervals over sets of them."""
    asked = world.examples(sets * items, "test", 0)
    found = [
        after_solved(asked[i * items : (i + 1) * items], world.examples(examples, "train", 1 + i))
        for i in range(sets)
    ]
    valid, right = ([fmean(hit) for hit in column] for column in zip(*found, strict=True))
    return (
        columns(mean_of_few("valid", valid))
        | columns(mean_of_few("exact", right))
        | {"worst_set": min(right), "best_set": max(right)}
    )


def after_solved(asked: Sequence[Ticket], shown: Sequence[Ticket]) -> tuple[list[bool], list[bool]]:
    """As `exact`, with solved tickets as earlier turns, which are read once."""
    tokenizer = loaded()[1]
    prompts = [ticket_question(tokenizer, ticket, shown).prompt for ticket in asked]
    before = prompts[0][: prompts[0].rindex(TURN)]
    endings = [prompt.removeprefix(before) for prompt in prompts]
    (texts,) = complete_after(
        *loaded(), [before], [endings], max_new_tokens=ANSWER_TOKENS, stop=None
    )
    return judged(texts, asked)


def measured(model: PreTrainedModel, items: int) -> dict[str, float]:
    """Test tickets, capitals in both forms, and the rise of the loss on prose in nats a token."""
    valid, right = exact(model, world.examples(items, "test", 0))
    countries = max(4, items * CAPITALS // TESTED)
    rise = difference("rise", mean_losses(model, loaded()[1]), losses_before(), "nats")
    return (
        with_interval("valid", valid)
        | with_interval("exact", right)
        | capitals(model, countries)
        | columns(rise)
    )


def capitals(model: PreTrainedModel, countries: int) -> dict[str, float]:
    """Capitals named where the answer is begun, and where the question is all there is."""
    begun, asked = (
        hits(model, capital_items(loaded()[1], countries, begun=form), 16) for form in (True, False)
    )
    return with_interval("begun", begun) | with_interval("open", asked)


def exact(model: PreTrainedModel, tickets: Sequence[Ticket]) -> tuple[list[bool], list[bool]]:
    """For each ticket whether the answer holds JSON of the four fields, and whether all are right.

    A fence around it, or words, are no mistake.
    """
    prompts = [ticket_question(loaded()[1], ticket).prompt for ticket in tickets]
    texts = complete(model, loaded()[1], prompts, max_new_tokens=ANSWER_TOKENS, stop=None)
    return judged([text for (text,) in texts], tickets)


def judged(texts: Sequence[str], tickets: Sequence[Ticket]) -> tuple[list[bool], list[bool]]:
    found = [found_in(text) for text in texts]
    right = [fields == t.fields for fields, t in zip(found, tickets, strict=True)]
    return [fields is not None for fields in found], right


FIGURES = tuple(
    f"{figure}{end}"
    for figure in ("valid", "exact", "begun", "open", "rise")
    for end in ("", "_low", "_high")
)
EXPERIMENTS = (
    Experiment(
        "real-tickets",
        "tickets to JSON by SmolLM2-135M-Instruct, tuned in full and by LoRA, and what it forgets",
        (
            *grid(rank=(0,), learning_rate=(0.0,), steps=(0,), seed=(0,)),
            *grid(rank=(0,), learning_rate=(1e-4, 5e-5, 2e-4), steps=(50,), seed=(0,)),
            *grid(rank=(8, 32), learning_rate=(2e-3, 1e-3, 4e-3), steps=(50,), seed=(0,)),
            *grid(rank=(0,), learning_rate=(1e-4,), steps=(50,), seed=(1, 2)),
            *grid(rank=(8,), learning_rate=(4e-3,), steps=(50,), seed=(1, 2)),
            *grid(rank=(32,), learning_rate=(2e-3,), steps=(50,), seed=(1, 2)),
            *grid(rank=(32,), learning_rate=(1e-3,), steps=(150,), seed=(0,)),
        ),
        after_tuning,
        minutes=60,
        cheap={"rank": 8, "learning_rate": 2e-3, "steps": 2, "seed": 0, "items": 6},
        within={"validation": 0.35} | dict.fromkeys(FIGURES, 0.35),
        model=MODEL,
    ),
    Experiment(
        "real-ticket-shots",
        "tickets to JSON by SmolLM2-135M-Instruct after solved ones in the prompt",
        grid(examples=(1, 3, 8)),
        in_the_prompt,
        minutes=5,
        cheap={"examples": 1, "sets": 2, "items": 4},
        within=dict.fromkeys(FIGURES[:6], 1.0) | {"worst_set": 0.5, "best_set": 0.5},
        model=MODEL,
    ),
)
