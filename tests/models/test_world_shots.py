"""Few-shot episodes: only the shown lines tell the label, classes are balanced, splits apart."""

from __future__ import annotations

import random
from collections import Counter
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.models.world import messages, shots
from labkit.models.world.lexicon import GOODS, Split, split_of
from labkit.models.world.shots import CATEGORIES, INVENTED_LABELS, TOPICS, Labels

SEEDS = st.integers(0, 10_000)
LABELS: tuple[Labels, ...] = ("made_up", "natural", "flipped")
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
CATEGORY_OF = {word: category for category, members in CATEGORIES.items() for word in members} | {
    form.format(goods=goods): topic
    for topic, forms in messages.TOPICS.items()
    for form in forms
    for goods in GOODS
}


def lines_of(prompt: str) -> tuple[list[tuple[str, str]], str]:
    """The labelled (item, label) lines of a prompt, and the item that is asked about."""
    _, *lines, last = prompt.split("\n")
    shown = [cast(tuple[str, str], tuple(line.split(" -> "))) for line in lines]
    return shown, last.removesuffix(" -> ")


@given(SEEDS, st.integers(0, 16), st.sampled_from(LABELS), st.sampled_from(SPLITS))
def test_an_episode_is_consistent_balanced_and_asks_for_something_new(
    seed: int, count: int, labels: Labels, split: Split
) -> None:
    episode = shots.episode(random.Random(seed), count, labels, split)
    shown, asked = lines_of(episode.prompt)
    meaning = {CATEGORY_OF[item]: label for item, label in shown}
    assert len(shown) == count
    assert all(meaning[CATEGORY_OF[item]] == label for item, label in shown)
    assert len({item for item, _ in shown} | {asked}) == count + 1
    per_label = Counter(label for _, label in shown)
    assert episode.answer in episode.labels
    if count >= len(episode.labels):
        assert meaning[CATEGORY_OF[asked]] == episode.answer
        assert set(per_label) == set(episode.labels)
        assert max(per_label.values()) - min(per_label.values()) <= 1
    if labels == "natural":
        assert episode.answer == CATEGORY_OF[asked]
    if labels == "flipped":
        assert episode.answer != CATEGORY_OF[asked]
        assert set(episode.labels) <= {*CATEGORIES, *TOPICS}


@given(SEEDS)
def test_the_header_names_the_labels_in_an_order_that_tells_nothing(seed: int) -> None:
    episode = shots.episode(random.Random(seed), 4)
    header = episode.prompt.split("\n")[0].removeprefix("Labels: ").split(", ")
    assert sorted(header) == sorted(episode.labels)


def test_every_class_and_every_place_in_the_header_is_asked_for_alike() -> None:
    rng = random.Random(0)
    places: Counter[int] = Counter()
    for _ in range(1500):
        episode = shots.episode(rng, 4)
        if len(episode.labels) == 2:
            header = episode.prompt.split("\n")[0].removeprefix("Labels: ").split(", ")
            places[header.index(episode.answer)] += 1
    assert places[0] / places.total() == pytest.approx(0.5, abs=0.08)


def test_splits_share_no_set_of_categories_and_no_ordinary_label() -> None:
    families = {split: set(shots.families(split)) for split in SPLITS}
    labels = {split: set(shots.ordinary_labels(split)) for split in SPLITS}
    for parts in (families, labels):
        assert not parts["train"] & parts["test"]
        assert not parts["train"] & parts["validation"]
    assert min(len(labels[split]) for split in SPLITS) >= 4
    assert min(len(families[split]) for split in SPLITS) >= 30


def test_a_label_is_never_an_item_or_another_kind_of_label() -> None:
    items = {word for members in CATEGORIES.values() for word in members}
    assert sum(len(members) for members in CATEGORIES.values()) == len(items)
    assert not items & {*INVENTED_LABELS, *shots.ORDINARY_LABELS}
    assert not {*INVENTED_LABELS} & {*shots.ORDINARY_LABELS, *CATEGORIES, *TOPICS}


@given(SEEDS)
def test_a_document_asks_for_every_label_and_labels_a_class_alike(seed: int) -> None:
    document = shots.document(random.Random(seed))
    seen: dict[str, str] = {}
    for item, label in zip(document.parts[1::2], document.parts[2::2], strict=True):
        category = CATEGORY_OF[item.text.removesuffix(" -> ")]
        assert label.answer
        assert seen.setdefault(category, label.text) == label.text
    assert split_of("+".join(c for c in (*CATEGORIES, *TOPICS) if c in seen)) == "train"


def test_half_of_the_documents_bring_every_item_once() -> None:
    def all_new(seed: int) -> bool:
        items = [part.text for part in shots.document(random.Random(seed)).parts[1::2]]
        return len(set(items)) == len(items)

    assert sum(map(all_new, range(400))) / 400 == pytest.approx(0.5, abs=0.08)


def test_more_shots_than_there_are_items_are_refused() -> None:
    with pytest.raises(ValueError, match="17 shots"):
        shots.episode(random.Random(0), 17)
