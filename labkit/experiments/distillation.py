"""Lesson 14: a student taught by the data or by a teacher's distributions, on the same texts."""

from __future__ import annotations

from functools import lru_cache
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.experiments.experiment import Experiment, grid
from labkit.models import load_model
from labkit.models.training import distilling
from labkit.models.training.distilling import LossOf, Teacher
from labkit.models.training.tuning import answer_loss

UNSEEN = 150  # texts that the loss is measured on
ALONE = "data"


@lru_cache(maxsize=4)
def loaded(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model(name)


def loss_by(name: str, temperature: float) -> LossOf:
    """The loss of the data, or that of a bundled model as the teacher."""
    if name == ALONE:
        return answer_loss
    return distilling.taught_by(Teacher(loaded(name)[0]), temperature)


def distil(taught_by: str, examples: int, temperature: float, seed: int) -> dict[str, float]:
    """A fresh student on so many ideas and stories, by the data or by a bundled model's
    distributions: its loss on texts that nobody has read, in nats a token."""
    _, tokenizer = loaded("base")
    loss_of = loss_by(taught_by, temperature)
    read = distilling.texts(examples, "train")
    student = distilling.train_student(tokenizer, read, seed, loss_of)
    losses = distilling.held_out_losses(student, tokenizer, distilling.texts(UNSEEN, "test"))
    return {"loss": fmean(losses)}


SEEDS = (0, 1, 2)
POINTS = (
    *grid(taught_by=(ALONE, "base"), examples=(20, 40, 80, 320), temperature=(1.0,),
          seed=SEEDS),
    *grid(taught_by=("base",), examples=(40,), temperature=(2.0, 4.0), seed=SEEDS),
    *grid(taught_by=("draft", "specialist"), examples=(40,), temperature=(1.0,), seed=SEEDS),
)  # fmt: skip
EXPERIMENTS = (
    Experiment(
        "distillation",
        "a student taught by the data or by a teacher: how many texts, which T, which teacher",
        POINTS,
        distil,
        minutes=6,
        cheap={"taught_by": ALONE, "examples": 20, "temperature": 1.0, "seed": 0},
        within={"loss": 0.15},
    ),
)
