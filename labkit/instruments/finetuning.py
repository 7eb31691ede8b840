"""What lesson 08 measures with: tickets judged, a step beside the library's, costs.

How a model is tuned stands in labkit/models/training/tuning.py.
"""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from labkit.estimates import Estimate, share
from labkit.models import complete
from labkit.models.scoring import Subject
from labkit.models.scoring.facts import facts_right, rehearsals
from labkit.models.scoring.new_facts import lessons
from labkit.models.scoring.subject import Effort
from labkit.models.scoring.tickets import REPLAY, written
from labkit.models.training.tuning import Example, with_replay
from labkit.models.world import replies
from labkit.models.world import tickets as world
from labkit.models.world.document import Question
from labkit.models.world.new_facts import NEW_FACTS
from labkit.models.world.tickets import Ticket

Batch = dict[str, Tensor]
Weights = dict[str, Tensor]
FACTS = 150  # asked before and after
REPLY_TOKENS = 48  # a polite reply takes half of them


@dataclass(frozen=True)
class Splits:
    """Tickets to tune on, to choose settings by, and to report from: no two splits share one."""

    train: list[Ticket]
    validation: list[Ticket]
    test: list[Ticket]


def ticket_splits(train: int = 400, validation: int = 50, test: int = 150) -> Splits:
    """So many tickets of each split; a hash of product and order number says which is whose."""
    if min(train, validation, test) < 1:
        raise ValueError(f"{train}, {validation} and {test} tickets: give at least one of each")
    return Splits(
        world.examples(train, "train", 0),
        world.examples(validation, "validation", 0),
        world.examples(test, "test", 0),
    )


@dataclass(frozen=True)
class Judged:
    """What a model wrote for tickets: shares with 95 % intervals."""

    valid: Estimate  # JSON of exactly the four fields
    exact: Estimate  # all four right
    fields: dict[str, Estimate]

    def bars(self) -> dict[str, Estimate]:
        return {"valid JSON": self.valid, "all fields right": self.exact}


def judge(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tickets: Sequence[Ticket],
    shots: int = 0,
) -> Judged:
    """Greedy answers to the tickets, with so many solved ones before each in the prompt."""
    if not tickets:
        raise ValueError("there are no tickets to judge by: give a list of at least one")
    valid, exact, fields = written(_subject(model, tokenizer), tickets, shots)
    return Judged(
        share("valid JSON", valid),
        share("all fields right", exact),
        {name: share(name, hits) for name, hits in fields.items()},
    )


def with_shots(ticket: Ticket, shots: int) -> str:
    """The prompt that `judge` gives for a ticket."""
    shown = world.examples(shots, "train", 1)
    return "".join(f"{t.question().prompt}{t.as_json}\n" for t in shown) + ticket.question().prompt


def reply_examples(tickets: Sequence[Ticket]) -> list[Question]:
    """The same tickets with a polite reply each, to tune on."""
    return [replies.question(ticket) for ticket in tickets]


def written_by(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[str]:
    """What the model writes to each prompt, up to the end of the line."""
    found = complete(model, tokenizer, prompts, max_new_tokens=REPLY_TOKENS)
    return [text for (text,) in found]


def judge_replies(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, tickets: Sequence[Ticket]
) -> dict[str, Estimate]:
    """Greedy replies to the tickets: how many have the shop's tone, and how many are all right."""
    if not tickets:
        raise ValueError("there are no tickets to reply to: give a list of at least one")
    asked = reply_examples(tickets)
    texts = written_by(model, tokenizer, [question.prompt for question in asked])
    right = [text == question.answer for text, question in zip(texts, asked, strict=True)]
    return {
        "polite": share("polite", [replies.is_polite(text) for text in texts]),
        "polite and right": share("polite and right", right),
    }


def facts_known(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[bool]:
    """Which of `FACTS` facts of the region it still knows, closed book."""
    return facts_right(_subject(model, tokenizer))


@dataclass(frozen=True)
class Known:
    """Which new facts and which old facts a model has right."""

    new_facts: list[bool]
    facts: list[bool]

    @property
    def share_of_new_facts(self) -> float:
        return sum(self.new_facts) / len(self.new_facts)

    @property
    def share_of_facts(self) -> float:
        return sum(self.facts) / len(self.facts)

    def bars(self) -> dict[str, Estimate]:
        shown = {"new facts": self.new_facts, "old facts": self.facts}
        return {name: share(name, right) for name, right in shown.items()}


def new_and_old_facts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Known:
    """New facts asked in a form that no tuning has shown, and `FACTS` facts of the region."""
    subject = _subject(model, tokenizer)
    return Known(subject.right([new.question() for new in NEW_FACTS]), facts_right(subject))


def new_fact_examples() -> list[Example]:
    """What a tuning on the new facts reads: statements, and questions in other forms."""
    return lessons()


def new_facts_with_replay(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, replayed: float = REPLAY
) -> list[Example]:
    """The same, and `replayed` of the whole old facts to rehearse, none that `facts_known` asks."""
    examples = new_fact_examples()
    return with_replay(examples, rehearsals(_subject(model, tokenizer), len(examples)), replayed)


def _subject(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Subject:
    return Subject(model, tokenizer, Effort(items=FACTS))


# ------------------------------------------------------------------------------------------------
# One step, ours and the library's


def ids_of(
    tickets: Sequence[Ticket], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of the prompts, and of the answers with their line ends."""
    prompts = [ticket.question().prompt for ticket in tickets]
    answers = [ticket.as_json + "\n" for ticket in tickets]
    return tokenizer(prompts)["input_ids"], tokenizer(answers)["input_ids"]


def own_step(
    model: PreTrainedModel,
    batch: Batch,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    step_of: Callable[..., dict[str, Tensor]],
    learning_rate: float,
    weight_decay: float,
) -> tuple[float, Weights]:
    """Loss before and weights after a first step, by the functions that the lesson builds.

    As in transformers, matrices decay and the gains of normalization do not.
    """
    pupil = copy.deepcopy(model).train().requires_grad_(True)
    logits = pupil(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    loss = loss_of(logits, batch["labels"])
    loss.backward()
    weights = {}
    for name, weight in pupil.named_parameters():
        before, zeros = weight.detach(), torch.zeros_like(weight)
        decay = weight_decay if weight.dim() > 1 else 0.0
        moved = step_of(before, weight.grad, zeros, zeros, 1, learning_rate, decay)
        weights[name] = moved["weight"]
    return loss.item(), weights


def library_step(
    model: PreTrainedModel, batch: Batch, learning_rate: float, weight_decay: float
) -> tuple[float, Weights]:
    """The same by `transformers.Trainer`, one step on this batch."""
    pupil = copy.deepcopy(model)
    with _global_draws_kept(), tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=1, learning_rate=learning_rate,
            per_device_train_batch_size=len(batch["input_ids"]), weight_decay=weight_decay,
            lr_scheduler_type="constant", max_grad_norm=0.0, optim="adamw_torch",
            use_cpu=model.device.type == "cpu", report_to="none", save_strategy="no",
            logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = _Quiet(
            model=pupil, args=arguments, data_collator=lambda rows: batch,
            train_dataset=list(range(len(batch["input_ids"]))),
        )  # fmt: skip
        loss = trainer.train().training_loss
    return loss, {name: weight.detach().cpu() for name, weight in pupil.named_parameters()}


class _Quiet(Trainer):
    """Trains, and prints no summary."""

    def log(self, logs: dict[str, float], *rest: object, **more: object) -> None:
        """Nothing."""


@contextmanager
def _global_draws_kept() -> Iterator[None]:
    """The library seeds every global generator; put them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def largest_difference(ours: Weights, theirs: Weights) -> float:
    """The largest difference between two numbers of the same place.

    Raises ValueError where the names differ.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"different weights: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


# ------------------------------------------------------------------------------------------------
# Costs


def break_even(training: float, tokens_saved: int, dollars_a_million: float) -> float:
    """After how many requests a tuning has paid for itself by a shorter prompt.

    training           dollars for the run
    tokens_saved       input tokens that each request is shorter by
    dollars_a_million  what those tokens would have cost
    """
    if training < 0 or tokens_saved <= 0 or dollars_a_million <= 0:
        raise ValueError(
            f"{training} dollars, {tokens_saved} tokens saved, {dollars_a_million} dollars a "
            f"million: nothing is saved that could pay for a run; give numbers above 0"
        )
    return training / (tokens_saved * dollars_a_million / 1e6)


def break_even_table(
    runs: Mapping[str, float], rates: Mapping[str, float], tokens_saved: int
) -> str:
    """Requests to break even, in millions: a line for each price of a run, a column for a rate."""
    head = f"{'':<22}" + "".join(f"{name:>24}" for name in rates)
    lines = [
        f"{name:<22}"
        + "".join(
            f"{break_even(price, tokens_saved, rate) / 1e6:>22.1f} M" for rate in rates.values()
        )
        for name, price in runs.items()
    ]
    return "\n".join([head, *lines])
