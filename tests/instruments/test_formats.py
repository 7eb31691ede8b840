"""Records in eight formats: what can be read back is read back; bad records are refused."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from labkit.estimates import share_of
from labkit.grading.source.solutions import reference
from labkit.instruments import costs, formats, languages, quantity_plots, tokens
from labkit.models import load_model
from labkit.models.world import tables as world_tables

TABLE = reference("03_token_optimization", "write_table")
ORDERS = formats.orders(5)


@pytest.mark.parametrize("name", ["pretty JSON", "JSON", "compact JSON"])
def test_json_is_json(name: str) -> None:
    assert json.loads(formats.write(ORDERS, name, TABLE)) == ORDERS


def test_yaml_and_xml_can_be_read() -> None:
    assert yaml.safe_load(formats.write(ORDERS, "YAML", TABLE)) == ORDERS
    root = ElementTree.fromstring(formats.write([{"a b": [1, None], "9": "<x>"}], "XML", TABLE))
    assert [item.text for item in root.iter("item")] == ["1", "null"]
    assert root.findtext("record/_9") == "<x>"


def test_formats_that_the_model_was_trained_on_are_written_as_it_knows_them() -> None:
    records = formats.table_questions(3, 4)[0].records
    for ours, theirs in {
        "CSV": "csv", "Markdown": "markdown", "JSON": "json", "key-value lines": "key_value",
    }.items():  # fmt: skip
        assert formats.write(records, ours, TABLE) == world_tables.FORMATS[theirs](records)


def test_windows_line_ends_of_a_learners_table_do_not_count() -> None:
    assert formats.write([{"a": 1}], "CSV", lambda records, form: "a\r\n1\r\n") == "a\n1"


@pytest.mark.parametrize(
    ("records", "kind", "said"),
    [
        ([], ValueError, "no records"),
        ({"a": 1}, TypeError, "list of dicts"),
        ('[{"a": 1}]', TypeError, "json.loads"),
        ([1], TypeError, "list of dicts"),
    ],
)
def test_what_are_no_records_is_refused(records: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        formats.write(records, "CSV", TABLE)


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="YAML"):
        formats.write([{"a": 1}], "YML", TABLE)


@pytest.mark.parametrize("make", [formats.employees, formats.catalogue, formats.orders])
def test_records_are_the_same_every_time_and_at_least_one(make: Any) -> None:
    assert make(4) == make(4) != make(4, seed=1)
    with pytest.raises(ValueError, match="1 or more"):
        make(0)


def test_an_item_a_line_repeats_the_order() -> None:
    lines = formats.line_items(ORDERS)
    assert len(lines) == sum(len(order["items"]) for order in ORDERS)
    assert lines[0]["order"] == ORDERS[0]["order"]
    assert lines[0]["customer_city"] == ORDERS[0]["customer"]["city"]


def test_token_counts_are_those_of_the_readers() -> None:
    readers = {"mine": tokens.Reader("mine", 1, lambda text: [tokens.Token(0, text.encode())])}
    counted = formats.token_counts([{"a": "é"}], TABLE, readers)
    assert set(counted) == set(formats.FORMATS)
    assert counted["CSV"] == {"mine": 1, "bytes": 4}


def test_the_model_finds_more_in_a_format_that_it_knows() -> None:
    model, tokenizer = load_model("base")
    questions = formats.table_questions(24, 4)
    found = formats.look_up(model, tokenizer, questions, TABLE, ["CSV", "XML"])
    assert found["CSV"].right.hits > 18 > 12 > found["XML"].right.hits
    assert found["CSV"].tokens < found["XML"].tokens


# ---- costs, languages, figures -------------------------------------------------------------------


def test_a_bill_is_tokens_times_rate() -> None:
    card = costs.RateCard("mine", "2026-11-01", 2.0, 0.2, 6.0)
    assert card.bill(1_000_000, 500_000, 400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.2 + 3)
    assert "as of 2026-11-01" in str(costs.EXAMPLE) and "made up" in str(costs.EXAMPLE)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (("", "2026-11-01", 1, 1, 1), "name and a date"),
        (("x", " ", 1, 1, 1), "name and a date"),
        (("x", "2026-11-01", -1, 1, 1), "input rate is -1"),
        (("x", "2026-11-01", 1, float("nan"), 1), "cached rate"),
        (("x", "2026-11-01", 1, 1, "6"), "output rate is '6'"),
    ],
)
def test_a_card_without_prices_or_date_is_refused(card: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        costs.RateCard(*card)


@pytest.mark.parametrize("counts", [(-1, 0, 0), (1, -1, 0), (1, 0, 2)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="part of the input"):
        costs.EXAMPLE.bill(*counts)


def test_each_request_finds_the_one_before_it() -> None:
    price = reference("03_token_optimization", "request_cost")
    card = costs.RateCard("mine", "2026-11-01", 2.0, 0.2, 6.0)
    first, second = costs.in_a_row([[1, 2, 3], [1, 2, 4]], 0, card, price, 2)
    assert (first, second) == (pytest.approx(6e-6), pytest.approx(2.4e-6))
    with pytest.raises(ValueError, match="no prompts"):
        costs.in_a_row([], 0, card, price)


def test_the_notice_is_there_in_many_languages_and_scripts() -> None:
    assert len(languages.NOTICE) >= 8
    counted = languages.tokens_of_notice({"t": tokens.reader("sentencepiece")})
    assert counted["Greek"]["t"] > 4 * counted["English"]["t"]
    assert languages.fertility("Greek", tokens.reader("sentencepiece")) > 5
    with pytest.raises(ValueError, match="without spaces"):
        languages.fertility("Chinese", tokens.reader("course"))
    with pytest.raises(LookupError, match="Greek"):
        languages.fertility("Greeek", tokens.reader("course"))


def test_figures_hold_their_numbers_and_words() -> None:
    bars = quantity_plots.amounts(
        {"CSV": {"a": 3, "b": 4}, "XML": {"a": 9}}, x_label="tokens", alt="Bars."
    )
    assert bars.alt == "Bars." and bars.table == {"": ["CSV", "XML"], "a": [3, 9], "b": [4, ""]}
    points = quantity_plots.trade_off(
        {"CSV": (49.6, share_of("CSV", 9, 10))}, x_label="tokens", y_label="right", chance=0.25,
        alt="Points.",
    )  # fmt: skip
    assert points.table["tokens"] == ["50"] and points.table["right"] == ["0.900"]
    assert points.png.startswith(b"\x89PNG") and "Points." in points._repr_html_()
