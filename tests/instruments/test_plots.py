"""Figures: an alternative text, the data as a table, and the same bytes every time."""

from __future__ import annotations

from labkit.estimates import Estimate, share_of
from labkit.instruments import plots
from labkit.instruments.sampling import NextToken

CURVE = {"facts <b>": {t: Estimate("facts", 0.9, 100, 0.85, 0.95) for t in (0.0, 1.0)}}


def test_a_figure_has_alt_text_and_its_data_as_a_table() -> None:
    shown = plots.curves(CURVE, y_label="share", alt='falls from "0.9"')._repr_html_()
    assert 'alt="falls from &quot;0.9&quot;"' in shown
    assert "facts &lt;b&gt;" in shown and "<b>" not in shown
    assert "<td>0.900</td><td>0.850 - 0.950</td>" in shown
    assert shown.count('scope="col"') == 5


def test_curves_need_not_share_their_temperatures() -> None:
    other = {"ideas": {0.5: Estimate("ideas", 1.0, 10, 1.0, 1.0)}}
    table = plots.curves(CURVE | other, y_label="share", alt="x").table
    assert table["curve"] == ["facts <b>", "facts <b>", "ideas"]
    assert table["temperature"] == [0.0, 1.0, 0.5]


def test_the_same_figure_is_the_same_bytes() -> None:
    first, second = (plots.curves(CURVE, y_label="share", alt="x", advice=True) for _ in range(2))
    assert first.png == second.png
    assert first.png.startswith(b"\x89PNG")


def test_a_figure_reads_as_its_alt_text() -> None:
    tokens = {"cold": [NextToken("bakery", 0.7), NextToken("\n", 0.3)]}
    figure = plots.next_tokens(tokens, alt="Bars.")
    assert repr(figure) == "Figure: Bars."
    assert figure.table["cold"][0] == "bakery 0.700"


def test_lines_on_a_logarithmic_scale() -> None:
    figure = plots.lines([1, 2], {"a": [1.0, 10.0]}, x_label="x", y_label="y", alt="Up.", log=True)
    assert figure.table == {"x": [1, 2], "a": [1.0, 10.0]}


def test_bars_show_what_was_counted() -> None:
    groups = {"told, here": {"facts": share_of("facts", 9, 10), "new": share_of("new", 5, 10)}}
    groups["not told"] = {"facts": share_of("facts", 10, 10)}
    figure = plots.bars(groups, y_label="share right", alt="Three bars.")
    assert figure.table["series"] == ["facts", "new", "facts"]
    assert figure.table["share"] == ["0.900", "0.500", "1.000"]
    assert figure.table["95 % interval"][1] == "0.237 - 0.763"


def test_shares_are_drawn_with_their_intervals() -> None:
    series = {
        "one": {1: share_of("a", 9, 10), 4: share_of("b", 5, 10)},
        "other": {2: Estimate("c", 0.5, 40, 0.4, 0.6)},
    }
    figure = plots.shares(series, x_label="passages", y_label="right", alt="x", marks={"end": 3})
    assert figure.png.startswith(b"\x89PNG")
    assert figure.table["passages"] == [1, 4, 2]
    assert figure.table["95 % interval"][2] == "0.400 - 0.600"
    assert figure.table["n"] == [10, 10, 40]
