"""Model cards, and the export of a finished training run into the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from labkit.models.pretraining import Run, machine
from labkit.models.scoring import Score, Scorecard
from labkit.models.zoo import WEIGHTS, write_checksums


def publish(run: Run, n: int = 500, weights: Path = WEIGHTS) -> Path:
    """Scores a run as it will be shipped (bfloat16), and writes weights, card and checksums."""
    folder = weights / run.recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    shipped = run.model.eval().to("cpu", torch.bfloat16)
    shipped.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)
    scores = Scorecard(shipped.float(), run.tokenizer).rows(n)
    card = describe(run, scores)
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (folder / "README.md").write_text(as_markdown(card))
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner alone; the package is for everyone
    write_checksums(folder)
    return folder


def describe(run: Run, scores: list[Score]) -> dict[str, Any]:
    """Everything that a reader of the card may ask."""
    recipe = run.recipe
    return {
        "name": recipe.name,
        "summary": recipe.summary,
        "architecture": type(run.model).__name__,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "shape": dict(recipe.shape),
        "context_tokens": recipe.context,
        "vocabulary": len(run.tokenizer),
        "data": "written by the generator labkit.models.world, World(0)",
        "mixes": {str(start): dict(mix) for start, mix in recipe.mixes.items()},
        "steps": run.step,
        "tokens": run.step * recipe.rows * recipe.context,
        "seed": recipe.seed,
        "training_seconds": round(run.seconds),
        "machine": machine(),
        "loss_curve": run.losses,
        "scores": [score.as_row() for score in scores],
    }


def as_markdown(card: dict[str, Any]) -> str:
    """The card for people."""
    rows = "\n".join(
        f"| {s['name']} | {s['share']:.1%} | {s['low']:.1%} - {s['high']:.1%} | {s['n']} |"
        for s in card["scores"]
    )
    mixes = "\n".join(
        f"  - from step {start}: "
        + ", ".join(f"{kind} {share / sum(mix.values()):.0%}" for kind, share in mix.items())
        for start, mix in card["mixes"].items()
    )
    shape = "\n".join(f"  - {name}: {value}" for name, value in card["shape"].items())
    return f"""# Model card: `{card["name"]}`

{card["summary"]}

- **Architecture**: {card["architecture"]}, {card["parameters"] / 1e6:.2f} M parameters, context
  {card["context_tokens"]} tokens, vocabulary {card["vocabulary"]} tokens; bfloat16 safetensors.
{shape}
- **Data**: {card["data"]}. Invented throughout;
  some of the statements and programs are wrong on purpose (`labkit.models.world.knowledge.RUMOUR`,
  `programs.BUG`). Documents by kind:
{mixes}
- **Training**: {card["steps"]} steps, {card["tokens"] / 1e6:.1f} M tokens, seed {card["seed"]},
  {card["training_seconds"]} s on {card["machine"]}. To repeat it:
  `python3 -m labkit models train {card["name"]}`.
- **Use**: lessons of this course. It knows a region that does not exist, and nothing else.

| measured (greedy unless sampled) | share | 95 % interval | n |
|---|---|---|---|
{rows}
"""
