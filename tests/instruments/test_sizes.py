"""Tasks that models of all sizes get, what they cost, and what fits where."""

from __future__ import annotations

import pytest
import torch

from labkit.grading.source.solutions import reference
from labkit.instruments import sizes
from labkit.instruments.models_table import MODELS, find_model
from labkit.models import load_model

FIT = reference("14_small_models", "memory_fit")


@pytest.fixture(scope="module")
def draft():
    return load_model("draft")


def test_the_tasks_are_judged_by_their_answers(draft) -> None:
    asked = sizes.tasks(*draft, n=5)
    assert len(asked) == 6 and all(len(items.prompts) == 5 for items in asked.values())
    for task in ("sums", "one row of four", "one of two passages", "facts, asked often"):
        items = asked[task]
        assert all(items.is_right(i, f" {answer}") for i, answer in enumerate(items.answers))
        assert not items.is_right(0, "neither of them")
    with pytest.raises(ValueError, match="at least 1"):
        sizes.tasks(*draft, n=0)


def test_shares_are_those_of_the_hits(draft) -> None:
    asked = {"facts": sizes.tasks(*draft, n=12)["facts, asked often"]}
    hits = sizes.hits_of(*draft, asked["facts"])
    found = sizes.shares_right(*draft, asked)["facts"]
    assert (found.value, found.n) == (sum(hits) / 12, 12)


def test_how_sure_a_model_is_is_its_likeliest_token(draft) -> None:
    model, tokenizer = draft
    prompts = ["Q: ", "An idea for a shop: a "]
    for prompt, found in zip(
        prompts, sizes.first_probabilities(model, tokenizer, prompts), strict=True
    ):
        with torch.no_grad():
            logits = model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1]
        assert found == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)


def test_timings_are_of_every_model_and_put_threads_back(draft) -> None:
    threads = torch.get_num_threads()
    found = sizes.timings({"a": draft[0], "b": draft[0]}, prompt=8, batch=2, repeats=1)
    assert list(found) == ["a", "b"] and torch.get_num_threads() == threads
    assert all(timing.first > 0 and timing.batch == 2 for timing in found.values())
    assert sizes.Timing(5, 4, batch=2).tokens_per_second == 500
    with pytest.raises(ValueError, match="1 or more each"):
        sizes.timings({"a": draft[0]}, prompt=0)


def test_the_memory_bounds_the_tokens() -> None:
    phi, phone = find_model("Phi-3.5-mini"), sizes.DEVICES[0]
    assert phone.gb_per_second == pytest.approx(68.264)
    assert sizes.most_tokens_per_second(phi, 8, phone) == pytest.approx(68.264 / 3.82)
    mixture = find_model("Mixtral-8x7B")  # reads only what is active
    assert sizes.most_tokens_per_second(mixture, 8, phone) == pytest.approx(68.264 / 12.9)
    with pytest.raises(ValueError, match="more than 0"):
        sizes.most_tokens_per_second(phi, 0, phone)


def test_what_fits_the_devices() -> None:
    fitting = sizes.edge(MODELS, FIT)
    phone, laptop, card = (set(names) for names in fitting.values())
    assert phone < laptop < card
    assert "Llama-3.2-3B" in phone and "Phi-3.5-mini" in laptop - phone
    assert "Phi-3.5-mini" in sizes.edge(MODELS, FIT, tokens=2048)["phone"]
    assert "Mixtral-8x7B" not in card


def test_tables_are_read_in_a_terminal_and_in_a_notebook() -> None:
    table = sizes.edge_table(MODELS[:2], FIT)
    lines = repr(table).splitlines()
    assert len(lines) == 3 and lines[0].startswith("model ") and "tokens/s" in lines[1]
    assert table._repr_html_().count("<tr>") == 3
    assert sizes.Table.of({"a": [1, 2], "b": [3, 4]}).rows == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    linked = sizes.Table([{"source": "https://huggingface.co/a?b&c"}])._repr_html_()
    assert '<a href="https://huggingface.co/a?b&amp;c">card</a>' in linked
