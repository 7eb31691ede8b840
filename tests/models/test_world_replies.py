"""Polite replies: what a ticket asks for, in one form."""

from __future__ import annotations

from labkit.models.world import replies, tickets


def test_a_reply_names_the_product_and_does_what_is_asked() -> None:
    for ticket in tickets.examples(60, "test", 0):
        question = replies.question(ticket)
        assert question.prompt == f"Ticket: {ticket.text}\nReply: "
        assert ticket.fields["product"] in question.answer
        assert replies.is_polite(question.answer)
        assert not replies.is_polite(ticket.as_json)
        assert not replies.is_polite(question.answer.removesuffix("."))
    told = {replies.reply(t).split(". ")[1] for t in tickets.examples(60, "train", 0)}
    assert len(told) == 6


def test_an_example() -> None:
    fields = {"product": "Lorkix", "order": "48213", "urgency": "low", "wants": "refund"}
    assert replies.reply(tickets.Ticket("…", fields)) == (
        "Dear customer, we are sorry about your Lorkix. You will have your money back soon."
    )
