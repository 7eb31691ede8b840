"""The data card says what the generator writes. Run as a program, this renews its examples."""

from __future__ import annotations

import random
import re
from pathlib import Path

from labkit.models import world
from labkit.models.world import World, jargon, languages, new_facts, registers, shots, tickets
from labkit.models.world.corpus import MAKERS

CARD = Path(world.__file__).with_name("README.md")
KEPT_OUT = {
    "tickets": lambda rng: tickets.question(rng, "train").document("tickets").text,
    "jargon": lambda rng: jargon.ruling(rng, "train"),
    "new-facts": lambda rng: "\n".join(f"{p}\n" for p in new_facts.passages(rng).values()),
}
LINES, WIDTH = 6, 240


def examples() -> str:
    """The card's section of examples: the beginning of a document of every kind."""
    texts = {kind: make(World(), random.Random(7)).text for kind, make in MAKERS.items()}
    texts |= {f"{kind} (kept out)": make(random.Random(7)) for kind, make in KEPT_OUT.items()}
    return "\n".join(f"### {kind}\n```\n{_beginning(text)}\n```\n" for kind, text in texts.items())


def _beginning(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    shown = [line if len(line) <= WIDTH else line[:WIDTH].rstrip() + " …" for line in lines]
    return "\n".join(shown[:LINES] + ["…"] * (len(lines) > LINES))


def renewed(card: str) -> str:
    """The card with the examples that the generator writes now."""
    return card.partition("\n### ")[0].rstrip("\n") + "\n\n" + examples()


def table_under(heading: str) -> list[str]:
    """The first cells of the first table after a heading, without backquotes."""
    section = CARD.read_text(encoding="utf-8").split(heading, 1)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    return [row.strip("`") for row in rows[1:]]


def test_the_table_names_every_kind_of_the_corpus() -> None:
    assert set(table_under("## Kinds of documents")) == set(MAKERS)
    assert set(table_under("## Kept out of pre-training")) == set(KEPT_OUT)
    assert not set(KEPT_OUT) & set(MAKERS)


def test_the_examples_are_what_the_generator_writes() -> None:
    assert CARD.read_text(encoding="utf-8") == renewed(CARD.read_text(encoding="utf-8"))


def test_the_numbers_are_right() -> None:
    rows = dict(re.findall(r"^\| ([a-zA-Z ,-]+?) \| (\d+) \|$", CARD.read_text(), re.MULTILINE))
    assert {name: int(number) for name, number in rows.items()} == {
        "entities": len(World().entities),
        "facts": len(World().facts),
        "facts of entities that are described but never asked about": len(World().prose_facts),
        "words of Tarvic": len(languages.TARVIC_WORDS),
        "words of Olune": len(languages.OLUNE_WORDS),
        "labels for few-shot episodes": len(shots.INVENTED_LABELS + shots.ORDINARY_LABELS),
        "terms of the jargon": len(jargon.TERMS),
        "new-facts": len(new_facts.NEW_FACTS),
        "facts of the registers": registers.FACTS,
    }


if __name__ == "__main__":
    CARD.write_text(renewed(CARD.read_text(encoding="utf-8")), encoding="utf-8")
