"""The reference answers of lesson 03 against production libraries, on drawn inputs."""

from __future__ import annotations

import json

import mistune
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.challenges.token_optimization import (
    learn_merges,
    read_table,
    request_cost,
    truths,
    write_table,
)
from labkit.grading.source.solutions import names, reference
from labkit.instruments.tokens import library_merges

LESSON = "03_token_optimization"
REFERENCE = {name: reference(LESSON, name) for name in names(LESSON)}
quick = settings(max_examples=80, deadline=None)

words = st.dictionaries(st.text("abcé", min_size=1, max_size=7), st.integers(1, 5), max_size=6)
keys = st.text('ab.|\\," é', min_size=1, max_size=4).filter(lambda key: key == key.strip())
texts = st.text('a1.,|\\"\n\r\t \u2028\x85é0e-', max_size=6)
lookalikes = st.sampled_from(["007", "true", "null", "NaN", "1e5", "Infinity", "[1]", "{}", "-"])
numbers = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts | lookalikes
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=5,
)
some_records = st.lists(st.dictionaries(keys, values, max_size=3), min_size=1, max_size=4).filter(
    any
)
forms = st.sampled_from(["csv", "markdown"])
ids = st.lists(st.integers(0, 3), max_size=40)


@quick
@given(words, st.integers(0, 20))
def test_merges_equal_those_of_tokenizers(words, count):
    assert REFERENCE["learn_merges"](words, count) == library_merges(words, count)
    assert learn_merges.by_numbers(words, count) == library_merges(words, count)


@quick
@given(some_records, forms)
def test_what_is_written_comes_back(records, form):
    text = REFERENCE["write_table"](records, form)
    back = REFERENCE["read_table"](text, form)

    assert json.dumps(back, sort_keys=True) == json.dumps(records, sort_keys=True)


def plain_table(records, form):
    """The table in the one spelling that write_table may choose."""
    written = read_table.true_table(records, form)
    head, *lines = write_table.lines_of(write_table.cells_of(written, form), form)
    if form == "markdown":
        lines[0] = f"| {' | '.join(['---'] * len(truths.true_columns(records)))} |"
    return "".join(f"{line}\n" for line in [head, *lines])


@quick
@given(some_records, forms)
def test_the_checks_own_truth_is_the_reference(records, form):
    assert REFERENCE["write_table"](records, form) == plain_table(records, form)
    back = REFERENCE["read_table"](read_table.true_table(records, form), form)
    assert json.dumps(back, sort_keys=True) == json.dumps(records, sort_keys=True)


@quick
@given(some_records)
def test_a_markdown_reader_sees_as_many_rows_and_columns(records):
    text = REFERENCE["write_table"](records, "markdown")
    (table, *_), _ = mistune.create_markdown(renderer=None, plugins=["table"]).parse(text)
    head, body = table["children"][0], table["children"][1:]
    lines = body[0]["children"] if body else []

    assert table["type"] == "table"
    assert len(head["children"]) == len(truths.true_columns(records))
    assert len(lines) == len(records)


@quick
@given(ids, st.integers(0, 20), ids, st.integers(1, 5))
def test_a_bill_counted_by_blocks_is_the_same(prompt, output, cached, block):
    given = (prompt, output, request_cost.RATES, cached, block)

    assert abs(REFERENCE["request_cost"](*given) - request_cost.true_cost(*given)) < 1e-12
