"""The map of the field: which technique changes what, from a better prompt to another model.

The prompt stands on the left: it is tried in an afternoon, and tried first.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.instruments.plots import COLOURS, Figure, drawn


@dataclass(frozen=True)
class Technique:
    """A technique, the number of its lesson, and what it changes: one of `CHANGES`."""

    name: str
    lesson: str
    changes: str


CHANGES = {
    "the prompt": "weights stay",
    "how tokens are picked": "weights stay",
    "weights, by training": "weights learn",
    "weights, by rounding": "weights change, nothing is learned",
    "the model": "other weights",
}
TECHNIQUES = (
    Technique("prompting", "01", "the prompt"),
    Technique("context window", "02", "the prompt"),
    Technique("token optimization", "03", "the prompt"),
    Technique("retrieval (RAG)", "04", "the prompt"),
    Technique("temperature", "05", "how tokens are picked"),
    Technique("speculative decoding", "13", "how tokens are picked"),
    Technique("fine-tuning", "08", "weights, by training"),
    Technique("LoRA", "09", "weights, by training"),
    Technique("QLoRA, domains", "10", "weights, by training"),
    Technique("preference tuning", "11", "weights, by training"),
    Technique("quantization", "12", "weights, by rounding"),
    Technique("small models", "14", "the model"),
    Technique("mixture of experts", "15", "the model"),
    Technique("multimodality", "16", "the model"),
)
AROUND = ("06 evaluation", "07 datasets", "17 edge deployment", "18 model selection")


def field_map() -> Figure:
    """The techniques by what they change, and what goes around them all."""
    columns = {change: [t for t in TECHNIQUES if t.changes == change] for change in CHANGES}
    drawing, axes = drawn(width=10.5, height=3.7)
    axes.set(xlim=(0, len(columns)), ylim=(-0.9, 5.4))
    axes.axis("off")
    for x, (change, techniques) in enumerate(columns.items()):
        colour = COLOURS[x]
        axes.text(x + 0.5, 5.0, change, ha="center", weight="bold", color=colour)
        axes.text(x + 0.5, 4.6, CHANGES[change], ha="center", size=8.5)
        for y, technique in enumerate(techniques):
            axes.text(
                x + 0.5, 3.8 - y, f"{technique.lesson}  {technique.name}", ha="center", va="center",
                bbox={"boxstyle": "round,pad=0.35", "fc": "white", "ec": colour},
            )  # fmt: skip
    around = "around all of it:   " + "   ·   ".join(AROUND)
    axes.text(len(columns) / 2, -0.6, around, ha="center", color="#444444")
    return Figure.of(
        drawing,
        "Five columns. The prompt: prompting, context window, "
        "token optimization, retrieval. How tokens are picked: temperature, speculative decoding. "
        "Weights by training: fine-tuning, LoRA, QLoRA, preference tuning. Weights by rounding: "
        "quantization. The model: small models, mixture of experts, multimodality. Around all of "
        "it: evaluation, datasets, edge deployment, model selection.",
        {
            "technique": [t.name for t in TECHNIQUES],
            "lesson": [t.lesson for t in TECHNIQUES],
            "changes": [t.changes for t in TECHNIQUES],
            "so that": [CHANGES[t.changes] for t in TECHNIQUES],
        },
    )
