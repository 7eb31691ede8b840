"""Rounded weights: which facts survive, how much the loss rises, and what the grouping is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from labkit.estimates import Estimate, difference, known, share
from labkit.models.quantization.simulated import SCHEMES, Scheme, fake_quantize, linear_layers
from labkit.models.scoring.facts import facts_right
from labkit.models.scoring.rows import Row, at_most
from labkit.models.scoring.subject import Subject
from labkit.models.training.tuning import losses_of
from labkit.models.world import Document, documents

UNSEEN = -77  # a corpus that no training run has read


@dataclass(frozen=True)
class Damage:
    """One way of rounding, measured: facts that are left, and the loss of each text."""

    name: str
    kept: Estimate
    losses: list[float]  # nats per token
    cost: Estimate

    def rise(self, whole: list[float]) -> Estimate:
        name = f"{self.name}: rise of the loss"
        return difference(name, self.losses, whole, "nats per token")


def quantization(subject: Subject) -> list[Row]:
    """A row for each width, beside the model as it is; narrow ones beside other groupings too."""
    texts = list(islice(documents(subject.world, UNSEEN), min(subject.n, 150)))
    whole = share("float32: facts right", facts_right(subject))
    losses = document_losses(subject, texts)
    found = {name: damage(subject, scheme, texts) for name, scheme in SCHEMES.items()}

    def control(name: str, *others: str) -> tuple[Estimate, ...]:
        beside = [f for other in others for f in (found[other].kept, found[other].rise(losses))]
        return (whole, found[name].rise(losses), found[name].cost, *beside)

    i3, i2 = "int3-channel", "int2-channel"
    return [
        *(
            _within(found[name].kept, whole, control(name, *others))
            for name, others in (("int8", ()), ("int4-block", ("int4-tensor",)), ("NF4", ()))
        ),
        _dearer(found[i3], found["int4-block"], losses, control(i3, "int3-tensor", "int3-block")),
        at_most(0.1, found[i2].kept, *control(i2, "int2-tensor", "int2-block")),
        *(_grouping(found[f"int{b}-tensor"], found[f"int{b}-block"], losses) for b in (4, 3)),
    ]  # fmt: skip


def damage(subject: Subject, scheme: Scheme, texts: Sequence[Document]) -> Damage:
    """What is left of the subject when its weights are rounded by the scheme."""
    rounded = subject.with_model(fake_quantize(subject.model, scheme))
    kept = share(f"{scheme.name}: facts right", facts_right(rounded))
    return Damage(scheme.name, kept, document_losses(rounded, texts), cost(subject, scheme))


def document_losses(subject: Subject, texts: Sequence[Document]) -> list[float]:
    """The mean loss of each text, in nats per token."""
    found = losses_of(subject.model, subject.tokenizer, texts)
    return [loss / tokens for loss, tokens in found]


def cost(subject: Subject, scheme: Scheme) -> Estimate:
    """Averaged over the layers that are rounded, scales included."""
    weights = [layer.weight for layer in linear_layers(subject.model).values()]
    total = sum(scheme.bits_per_weight(w) * w.numel() for w in weights)
    return known(f"{scheme.name}: cost", total / sum(w.numel() for w in weights), "bits per weight")


def _within(kept: Estimate, whole: Estimate, control: tuple[Estimate, ...]) -> Row:
    return Row(kept, "within the interval of float32", kept.value >= whole.low, control)


def _dearer(narrow: Damage, wide: Damage, whole: list[float], control: tuple[Estimate, ...]) -> Row:
    """The loss shows what a share of right facts is too coarse for."""
    rise, before = narrow.rise(whole), wide.rise(whole)
    wanted = f"above that of {wide.name}"
    return Row(rise, wanted, rise.low > before.high, (before, narrow.kept, *control))


def _grouping(tensor: Damage, block: Damage, whole: list[float]) -> Row:
    """What one scale for a whole matrix costs against one for every 64 weights."""
    name = f"{tensor.name.split('-')[0]}: loss per tensor - loss per block"
    extra = difference(name, tensor.losses, block.losses, "nats per token")
    return Row(extra, "above 0", extra.low > 0, (tensor.rise(whole), block.rise(whole)))
