"""Model cards, and the export of a finished training run into the package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from labkit.estimates import Estimate
from labkit.models import moe_family
from labkit.models.scoring import MEASURES, Effort, Row, Scorecard, Subject, measured
from labkit.models.scoring import as_markdown as rows_as_markdown
from labkit.models.training.checkpoints import machine
from labkit.models.training.run import Run
from labkit.models.zoo import WEIGHTS, kind_of, write_checksums
from labkit.whole_files import write_whole


def publish(run: Run, n: int = 500, weights: Path = WEIGHTS) -> Path:
    """Scores a run as it will be shipped (bfloat16), and writes weights, card and checksums."""
    folder = weights / run.recipe.name
    shipped = ship(run, folder)
    if name := kind_of(folder).measure:
        subject = Subject(shipped, run.tokenizer, Effort(items=n))
        return write_card(folder, describe(run), measured(name, subject))
    return write_card(folder, describe(run, Scorecard(shipped, run.tokenizer).rows(n)))


def publish_family(family: moe_family.Runs, weights: Path = WEIGHTS, texts: int = 32) -> Path:
    """The mixture of experts with what it was compared with: the first seed's weights of each, and
    the comparison of all seeds in the mixture's card."""
    rows, behind = moe_family.comparison(family, texts)
    for name, (run, *_) in family.items():
        ship(run, weights / name)
        if name == moe_family.MOE:
            write_card(weights / name, describe(run) | {"comparison": behind}, rows)
        else:
            write_card(weights / name, describe(run))
    return weights / moe_family.MOE


def ship(run: Run, folder: Path) -> PreTrainedModel:
    """Writes weights and tokenizer; returns the model as whoever loads it will have it."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = run.model.eval().to("cpu", torch.bfloat16)
    shipped.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)
    return shipped.float()


def write_card(folder: Path, card: dict[str, Any], rows: Sequence[Row] = ()) -> Path:
    """Writes the card for programs and for people, and then the checksums of all files."""
    card |= {"scorecard": [row.as_row() for row in rows]}
    write_whole(folder / "card.json", json.dumps(card, indent=1) + "\n")
    measured = rows_as_markdown(rows) if rows else scores_as_markdown(card["scores"])
    if rows and card["name"] not in {measure.of for measure in MEASURES.values()}:
        measured = f"What is wanted here is wanted of `base`.\n\n{measured}"
    write_whole(folder / "README.md", f"{as_markdown(card)}\n{measured}\n")
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner alone; the package is for everyone
    write_checksums(folder)
    return folder


def describe(run: Run, scores: Sequence[Estimate] = ()) -> dict[str, Any]:
    """Everything that a reader of the card may ask."""
    recipe = run.recipe
    return {
        "name": recipe.name,
        "summary": recipe.summary,
        "architecture": type(run.model).__name__,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "shape": dict(recipe.shape),
        "context_tokens": recipe.context,
        "vocabulary": len(getattr(run.tokenizer, "tokenizer", run.tokenizer)),
        "data": recipe.data,
        "mixes": {str(start): dict(mix) for start, mix in recipe.mixes.items()},
        "steps": run.step,
        "rows": None if recipe.mixes else run.step * recipe.rows,
        "tokens": run.step * recipe.rows * recipe.context if recipe.mixes else None,
        "seed": recipe.seed,
        "training_seconds": round(run.seconds),
        "machine": machine(),
        "loss_curve": run.losses,
        "scores": [score.as_row() for score in scores],
    }


def scores_as_markdown(scores: Sequence[dict[str, Any]]) -> str:
    rows = "\n".join(
        f"| {s['name']} | {s['value']:.1%} | {s['low']:.1%} - {s['high']:.1%} | {s['n']} |"
        for s in scores
    )
    return f"""| measured (greedy unless sampled) | share | 95 % interval | n |
|---|---|---|---|
{rows}"""


def as_markdown(card: dict[str, Any]) -> str:
    """The card for people."""
    mixes = "\n".join(
        f"  - from step {start}: "
        + ", ".join(f"{kind} {share / sum(mix.values()):.0%}" for kind, share in mix.items())
        for start, mix in card["mixes"].items()
    )
    shape = "\n".join(f"  - {name}: {value}" for name, value in card["shape"].items())
    amount = f"{card['tokens'] / 1e6:.1f} M tokens" if card["tokens"] else f"{card['rows']} rows"
    return f"""# Model card: `{card["name"]}`

{card["summary"]}

- **Architecture**: {card["architecture"]}, {card["parameters"] / 1e6:.2f} M parameters, context
  {card["context_tokens"]} tokens, vocabulary {card["vocabulary"]} tokens; bfloat16 safetensors.
{shape}
- **Data**: {card["data"]}. Invented throughout;
  some of the statements and programs are wrong on purpose (`labkit.models.world.knowledge.RUMOUR`,
  `programs.BUG`). Documents by kind:
{mixes}
- **Training**: {card["steps"]} steps, {amount}, seed {card["seed"]},
  {card["training_seconds"]} s on {card["machine"]}. To repeat it:
  `python3 -m labkit models train {card["name"]}`.
- **Use**: lessons of this course. It knows a region that does not exist, and nothing else.
"""
