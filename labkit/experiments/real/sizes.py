"""Lesson 14 in a real model: sums, which ours was trained on, and the time and memory that its size
takes."""

from __future__ import annotations

from statistics import fmean

from labkit.estimates import mean_of_few
from labkit.experiments.experiment import Experiment, grid
from labkit.experiments.real.subject import MODEL, columns, loaded
from labkit.instruments.context.kv_cache import filled_cache, measured_bytes
from labkit.instruments.real.accepting import says
from labkit.instruments.sizes import timings
from labkit.models import complete_after
from labkit.models.scoring.specialist import sums
from labkit.models.world.document import Question
from labkit.models.zoo import load_bundled

SETS, ASKED = 8, 12  # sets of solved sums, and sums asked after each


def added(shown: int, sets: int = SETS) -> dict[str, float]:
    """The share of sums that the model has right after so many solved ones, with the interval over
    sets of them."""
    asked = sums(sets * ASKED, "test")
    solved = sums(sets * shown, "train")
    right = [
        fmean(hits(asked[i * ASKED : (i + 1) * ASKED], solved[i * shown : (i + 1) * shown]))
        for i in range(sets)
    ]
    return columns(mean_of_few("right", right)) | {"worst_set": min(right), "best_set": max(right)}


def hits(asked: list[Question], solved: list[Question]) -> list[bool]:
    """Which sums it has right after the solved ones."""
    before = "".join(f"{q.prompt.strip()} {q.answer}\n" for q in solved)
    prompts = [q.prompt.strip() for q in asked]
    (said,) = complete_after(*loaded(), [before], [prompts], max_new_tokens=6)
    return [says(text, [q.answer]) for text, q in zip(said, asked, strict=True)]


def times(prompt: int, repeats: int = 7) -> dict[str, float]:
    """Milliseconds of one thread until the first token of an answer and for each further one, of
    the bundled model and as a multiple of them; and the megabytes of weights in float32."""
    models = {"base": load_bundled("base")[0], MODEL: loaded()[0]}
    found = timings(models, prompt, repeats=repeats)
    megabytes = {name: 4 * model.num_parameters() / 1e6 for name, model in models.items()}
    return {
        "base_first": found["base"].first,
        "base_next": found["base"].next,
        "times_first": found[MODEL].first / found["base"].first,
        "times_next": found[MODEL].next / found["base"].next,
        "base_mb": megabytes["base"],
        "times_mb": megabytes[MODEL] / megabytes["base"],
    }


def cache(tokens: int) -> dict[str, float]:
    """Bytes of the keys and values that the model keeps of so many tokens, in float32."""
    return {"bytes": measured_bytes(filled_cache(loaded()[0], tokens))}


EXPERIMENTS = (
    Experiment(
        "real-cache",
        "bytes of the KV cache of SmolLM2-135M-Instruct, counted",
        grid(tokens=(1, 64, 512)),
        cache,
        minutes=0.1,
        cheap={"tokens": 64},
        within={"bytes": 0.0},
        model=MODEL,
    ),
    Experiment(
        "real-sums",
        "sums of two numbers by SmolLM2-135M-Instruct",
        grid(shown=(2, 4, 8)),
        added,
        minutes=1,
        cheap={"shown": 4, "sets": 2},
        within={"right": 0.25, "right_low": 1.0, "right_high": 1.0}
        | {"worst_set": 0.3, "best_set": 0.3},
        model=MODEL,
    ),
    Experiment(
        "real-times",
        "milliseconds and megabytes of SmolLM2-135M-Instruct beside those of the bundled model",
        grid(prompt=(256,)),
        times,
        minutes=1,
        cheap={"prompt": 256, "repeats": 3},
        # Milliseconds are this machine's: their ratio may be checked, within a factor of two.
        within={"base_first": 1e3, "base_next": 1e2, "times_first": 40.0, "times_next": 20.0}
        | {"base_mb": 1e-3, "times_mb": 1e-3},
        model=MODEL,
    ),
)
