"""The support tickets of lesson 08 as turns of a chat: a task that no model has been trained on."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from labkit.models.world import tickets as world
from labkit.models.world.document import Question
from labkit.models.world.tickets import Ticket

ASKED = (
    "Answer with JSON: product, order, urgency (high or low) and wants (refund, repair or "
    "replacement).\n\n"
)
ANSWER_TOKENS = 64  # the longest right one takes 36 of SmolLM2's


def ticket_question(
    tokenizer: PreTrainedTokenizerBase, ticket: Ticket, shown: Sequence[Ticket] = ()
) -> Question:
    """What a customer wrote, in the model's chat template, after solved ones as earlier turns."""
    turns = []
    for one in shown:
        turns += [user(one), {"role": "assistant", "content": one.as_json}]
    prompt = tokenizer.apply_chat_template(
        [*turns, user(ticket)], tokenize=False, add_generation_prompt=True
    )
    return Question(str(prompt), ticket.as_json)


def user(ticket: Ticket) -> dict[str, str]:
    return {"role": "user", "content": ASKED + ticket.text}


def found_in(text: str) -> dict[str, str] | None:
    """The four fields of an answer, also of one in a code fence or with words around it."""
    begin, end = text.find("{"), text.rfind("}")
    return world.parse(text[begin : end + 1]) if 0 <= begin < end else None
