"""Polite answers to support tickets: a matter of style, for a second adapter beside the JSON.

    Ticket: My Lorkix from order 48213 is broken. I want my money back. There is no hurry.
    Reply: Dear customer, we are sorry about your Lorkix. You will have your money back soon.

The tickets and their splits are those of `tickets.py`; two fields of a ticket decide its reply.
"""

from __future__ import annotations

from labkit.models.world.document import Question
from labkit.models.world.tickets import Ticket

OPENING = "Dear customer, we are sorry about your {product}."
PROMISES = {
    "refund": "You will have your money back",
    "repair": "We will repair it",
    "replacement": "We will send you a new one",
}
WHEN = {"high": "today", "low": "soon"}


def reply(ticket: Ticket) -> str:
    """What the shop answers: an apology for the product, and what it will do, and when."""
    fields = ticket.fields
    opening = OPENING.format(product=fields["product"])
    return f"{opening} {PROMISES[fields['wants']]} {WHEN[fields['urgency']]}."


def question(ticket: Ticket) -> Question:
    return Question(f"Ticket: {ticket.text}\nReply: ", reply(ticket))


def is_polite(text: str) -> bool:
    """Whether a text has the form of a reply, whatever it says of the product."""
    begins, ends = OPENING.split("{product}")
    endings = tuple(f"{what} {when}." for what in PROMISES.values() for when in WHEN.values())
    return text.startswith(begins) and ends in text and text.endswith(endings)
