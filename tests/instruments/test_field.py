"""The map of the field: every technique once, in a column that is drawn."""

from __future__ import annotations

from labkit.instruments.field import CHANGES, TECHNIQUES, field_map


def test_every_technique_stands_in_the_table_and_in_the_words() -> None:
    figure = field_map()
    assert figure.table["technique"] == [t.name for t in TECHNIQUES]
    assert {t.changes for t in TECHNIQUES} == set(CHANGES)
    assert len({t.lesson for t in TECHNIQUES}) == len(TECHNIQUES)
    for technique in TECHNIQUES:
        assert technique.name.split()[0].rstrip(",").lower() in figure.alt.lower()
