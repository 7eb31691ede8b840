"""Prompt, rounding, training: what each does to weights and answers of the bundled model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from labkit import load_model
from labkit.instruments import adaptation
from labkit.instruments.items import fact_items, strangers
from labkit.models.training.tuning import fine_tune
from tests.models.tiny import other_model, other_tokenizer


@pytest.fixture(scope="module")
def base():
    return load_model("base")


def test_a_stranger_is_in_no_training_text_but_in_the_passage() -> None:
    some = strangers(20)
    assert some == strangers(20) and len({one.passage for one in some}) > 15
    for one in some:
        assert one.question.endswith("?") and "\n" not in one.question
        assert one.answer.lower() in one.passage.lower()


def test_rounding_and_training_leave_the_model_itself_alone(base) -> None:
    model, tokenizer = base
    before = {name: w.clone() for name, w in adaptation.weights_of(model).items()}
    rounded = adaptation.weights_of(adaptation.in_8_bits(model))
    short = strangers(8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "TUNING", adaptation.Settings(5e-4, steps=2))
        trained = adaptation.trained_on(model, tokenizer, short, progress=False)
    after = adaptation.weights_of(trained)
    assert all(torch.equal(before[n], w) for n, w in adaptation.weights_of(model).items())
    changed = {n for n, w in rounded.items() if not torch.equal(before[n], w)}
    assert changed == {f"{n}.weight" for n in adaptation.rounded_weights(model)}
    assert all(not torch.equal(before[n], w) for n, w in after.items() if n.endswith("proj.weight"))


def test_compare_counts_both_sets(base) -> None:
    model, tokenizer = base
    facts, some = fact_items(6), strangers(5)
    ways = {"alone": (model, [q.prompt for q in adaptation.questions(some)])}
    found = adaptation.compare(ways, tokenizer, [one.answer for one in some], facts)["alone"]
    assert found["strangers"].n == 5 and found["the region"].hits == 6
    assert list(facts.answers) == adaptation.answers(model, tokenizer, facts.prompts)


def test_tokens_read_are_those_of_the_card_and_of_the_steps(base) -> None:
    found = adaptation.tokens_read(base[1], strangers(10))
    assert found["pre-training"] > 10**7
    assert 60 * 8 * 8 < found["training on the strangers"] < 60 * 8 * 40


def test_others_are_trained_by_an_adapter_that_is_added_to_the_weights(capsys) -> None:
    read: list[str] = []

    def tuned(model, tokenizer, asked, settings, progress):  # type: ignore[no-untyped-def]
        read.extend(f"{one.prompt}|{one.answer}" for one in asked)
        return fine_tune(model, tokenizer, asked, replace(settings, steps=2), progress=progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "fine_tune", tuned)
        some = [one for one in strangers(8) if len(one.question) < 40]
        trained = adaptation.trained_on(other_model(), other_tokenizer(), some, progress=False)
    before, after = map(adaptation.weights_of, (other_model(), trained))
    assert after.keys() == before.keys() and "an adapter" in capsys.readouterr().out
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.endswith("proj.weight")}
    assert read == [f"Q: {one.question}\nA:| {one.answer}" for one in some] and read
    assert adaptation.tuning_of(other_tokenizer()) == adaptation.OTHERS


def test_a_rounded_copy_shares_the_embeddings_that_nothing_rounds(base) -> None:
    model, _ = base
    rounded = adaptation.in_8_bits(model)
    assert rounded.get_input_embeddings() is model.get_input_embeddings()
    assert rounded.get_output_embeddings().weight is model.get_input_embeddings().weight
