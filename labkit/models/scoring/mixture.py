"""The mixture of experts: the recorded comparison of all seeds, and the bundled seed live.

Only one seed of each model is bundled; what the others gave stands in the mixture's card, measured
when they were trained. The live row says whether the bundled weights still give the same.
"""

from __future__ import annotations

from labkit.estimates import Estimate, difference
from labkit.models import zoo
from labkit.models.domains import domain_losses, texts_by_domain
from labkit.models.scoring.rows import Row, row_of
from labkit.models.scoring.subject import Subject
from labkit.models.training.recipes import find_recipe


def mixture(subject: Subject, active: Subject, total: Subject) -> list[Row]:
    """Rows of the card, and the loss of the bundled mixture against its bundled twins."""
    live, beside = losses_below((subject, active, total))
    rows = [row_of(found) for found in zoo.card_of("moe")["scorecard"]]
    recorded = [row for row in rows if row.phenomenon != live.name]
    control = (beside, *(row.measured for row in recorded[:1]))
    return [*recorded, Row(live, "below 0", live.high < 0, control)]


def losses_below(models: tuple[Subject, Subject, Subject]) -> tuple[Estimate, Estimate]:
    """The mixture's held-out loss less each twin's, domain by domain."""
    rows = max(2, models[0].n // 20)
    texts = texts_by_domain(find_recipe("moe"), models[0].tokenizer, rows)
    losses = [list(domain_losses(s.model, texts).values()) for s in models]
    names = ("equal active parameters", "equal total parameters")
    active, total = (
        difference(f"bundled mixture less its twin with {name}, by domain", losses[0], twin, "nats")
        for name, twin in zip(names, losses[1:], strict=True)
    )
    return active, total
