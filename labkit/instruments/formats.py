"""The same records in eight formats: how many tokens each takes, and what a model finds in it.

CSV and Markdown are written by the function that the lesson builds; the other writers are PyYAML,
json and xml.etree. Records for counting are drawn here (flat, ragged, nested); the look-ups are the
scorecard's tables about people whom the bundled model has never met.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import yaml
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share_of
from labkit.instruments.asking import short_answers
from labkit.instruments.tokens import Reader
from labkit.models import exact_match
from labkit.models.world import World
from labkit.models.world import tables as world_tables
from labkit.paths import nearest

Records = list[dict[str, Any]]
Write = Callable[[Records], str]
Table = Callable[[Records, str], str]  # the lesson's write_table: records and form → text


def pretty_json(records: Records) -> str:
    return json.dumps(records, indent=2, ensure_ascii=False)


def spaced_json(records: Records) -> str:
    """JSON as Python's json.dumps writes it unless told otherwise: a space after , and :"""
    return json.dumps(records, ensure_ascii=False)


def compact_json(records: Records) -> str:
    return json.dumps(records, separators=(",", ":"), ensure_ascii=False)


def as_yaml(records: Records) -> str:
    return str(yaml.safe_dump(records, sort_keys=False, allow_unicode=True, width=10_000))


def as_xml(records: Records) -> str:
    """Elements named after keys; an item of a list is an <item>. What is no letter, digit, - or _
    in a key becomes _, because element names hold nothing else."""
    root = ElementTree.Element("records")
    for record in records:
        _add(ElementTree.SubElement(root, "record"), record)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _add(element: ElementTree.Element, value: Any) -> None:
    """A value inside an element: children for dicts and lists, else text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = re.sub(r"[^\w-]", "_", key)
            _add(ElementTree.SubElement(element, name if name[:1].isalpha() else f"_{name}"), inner)
    elif isinstance(value, list):
        for inner in value:
            _add(ElementTree.SubElement(element, "item"), inner)
    else:
        element.text = value if isinstance(value, str) else json.dumps(value)


def key_value(records: Records) -> str:
    """One line for each record, `key: value` with semicolons between."""
    return "\n".join(
        "; ".join(f"{key}: {_plain(value)}" for key, value in record.items()) for record in records
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


WRITERS: dict[str, Write] = {
    "XML": as_xml,
    "pretty JSON": pretty_json,
    "YAML": as_yaml,
    "JSON": spaced_json,
    "compact JSON": compact_json,
    "key-value lines": key_value,
}
TABLES = {"Markdown": "markdown", "CSV": "csv"}
FORMATS = (*WRITERS, *TABLES)
TOGETHER = 40  # prompts that the model reads in one batch


def write(records: Records, name: str, table: Table) -> str:
    """Records as text in a format of FORMATS, without a newline at the end.

    records  dicts, at least one
    table    writes "csv" and "markdown" (the lesson's write_table)

    Raises LookupError for an unknown format, ValueError for no records, TypeError for records that
    are no dicts.
    """
    checked(records)
    if name in TABLES:
        return table(records, TABLES[name]).replace("\r\n", "\n").rstrip("\n")
    if name not in WRITERS:
        raise LookupError(f"There is no format {name!r}: {nearest(name, FORMATS)}")
    return WRITERS[name](records).rstrip("\n")


def checked(records: Any) -> None:
    """Records are a list of one dict or more."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TypeError(
            f"records must be a list of dicts, {type(records).__name__} was given: "
            f"put one record into a list, and read JSON text with json.loads first"
        )
    if not records:
        raise ValueError("there are no records: give a list of at least one dict")


def token_counts(
    records: Records, table: Table, readers: Mapping[str, Reader]
) -> dict[str, dict[str, int]]:
    """Tokens of the records: format → tokenizer's name → tokens; and "bytes" in UTF-8."""
    texts = {name: write(records, name, table) for name in FORMATS}
    return {
        name: {label: reader.count(text) for label, reader in readers.items()}
        | {"bytes": len(text.encode("utf-8"))}
        for name, text in texts.items()
    }


# ---- records to count ----------------------------------------------------------------------------

FIRST = "Anna Bruno Carla David Elena Felix Greta Hugo Iris Jonas Karin Leo Mira Nils Olga Paul"
LAST = "Abel Berger Conti Duval Eder Fischer Garcia Horvat Ivanov Jansen Keller Lopez Moreau Novak"
DEPARTMENTS = ("sales", "research", "support", "finance", "legal")
SIZES = "height width depth weight colour material finish voltage".split()
PLACES = "front rear left right inner".split()
CITIES = ("Lyon", "Graz", "Porto", "Turku", "Gdynia")


def employees(count: int, seed: int = 0) -> Records:
    """Flat records: everyone has the same six keys, as in the TOON project's benchmark."""
    rng, people = random.Random(seed), []
    for number in range(_positive(count)):
        first, last = rng.choice(FIRST.split()), rng.choice(LAST.split())
        people.append(
            {
                "id": 1001 + number,
                "name": f"{first} {last}",
                "email": f"{first}.{last}@example.com".lower(),
                "department": rng.choice(DEPARTMENTS),
                "salary": rng.randrange(30_000, 120_000, 500),
                "active": rng.random() < 0.9,
            }
        )
    return people


def catalogue(count: int, seed: int = 0) -> Records:
    """Ragged records: a part has three of forty measures, each part three others."""
    rng, parts = random.Random(seed), []
    measures = [f"{place}_{size}" for place in PLACES for size in SIZES]
    for number in range(_positive(count)):
        own = {measure: rng.randrange(10, 99) for measure in rng.sample(measures, 3)}
        parts.append({"sku": f"P{1000 + number}"} | own)
    return parts


def orders(count: int, seed: int = 0) -> Records:
    """Nested records: an order has a customer and one to nine items."""
    rng, found = random.Random(seed), []
    for number in range(_positive(count)):
        items = [
            {
                "sku": f"P{rng.randrange(1000, 1100)}",
                "count": rng.randrange(1, 5),
                "price": rng.randrange(100, 9000) / 100,
            }
            for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 9]))
        ]
        name = f"{rng.choice(FIRST.split())} {rng.choice(LAST.split())}"
        customer = {"name": name, "city": rng.choice(CITIES)}
        found.append({"order": 5000 + number, "customer": customer, "items": items})
    return found


def line_items(orders: Records) -> Records:
    """Orders as one flat record for each item: the order's own values are repeated."""
    return [
        {"order": order["order"], **_prefixed("customer", order["customer"]), **item}
        for order in orders
        for item in order["items"]
    ]


def _prefixed(outer: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{outer}_{key}": value for key, value in values.items()}


def _positive(count: int) -> int:
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}: no records make no table")
    return count


# ---- looking up ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LookUp:
    """What a format costs a model, and what it finds there: mean tokens of a prompt, in the model's
    own tokenizer, and the share of questions answered rightly."""

    tokens: float
    right: Estimate


@dataclass(frozen=True)
class TableQuestion:
    """A small table, a question about one of its cells, and the cell."""

    records: Records
    question: str
    answer: str


def table_questions(count: int, rows: int, seed: str = "lesson 03") -> list[TableQuestion]:
    """Tables of `rows` people whom no training text mentions, one question about each."""
    world, found = World(), []
    for i in range(_positive(count)):
        rng = random.Random(f"{seed} {i}")
        table = world_tables.rows(world, rng, rows, "test")
        asked = world_tables.cell_question(world, rng, table)
        found.append(TableQuestion([dict(row) for row in table], asked.prompt, asked.answer))
    return found


def look_up(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[TableQuestion],
    table: Table,
    names: Sequence[str] = FORMATS,
) -> dict[str, LookUp]:
    """The same questions with their tables in each format: exact answers, greedy."""
    found, answers = {}, [q.answer for q in questions]
    for name in names:
        prompts = [f"{write(q.records, name, table)}\n{q.question}" for q in questions]
        hits = sum(map(exact_match, _answers(model, tokenizer, prompts), answers))
        lengths = [len(ids) for ids in tokenizer(prompts)["input_ids"]]
        found[name] = LookUp(sum(lengths) / len(lengths), share_of(name, hits, len(questions)))
    return found


def _answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[str]:
    """What the model says to each prompt; a few dozen at a time, to bound the memory."""
    texts: list[str] = []
    for start in range(0, len(prompts), TOGETHER):
        some = prompts[start : start + TOGETHER]
        texts += short_answers(model, tokenizer, some, max_new_tokens=10)
    return texts
