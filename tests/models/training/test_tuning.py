"""Fine-tuning: what is learned and what is not, against transformers' own loss and by results."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.models import complete, load_model
from labkit.models.training import tuning
from labkit.models.training.tuning import IGNORED, Settings, fine_tune, lora_config
from labkit.models.world.document import Question, plain
from tests.models.tiny import save_tiny_model

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
QUESTIONS = [Question(f"Q: {word}?\nA: ", answer) for word, answer in (
    ("red", "lamps"), ("blue", "boots"), ("green", "clocks"), ("black", "kites and bells"),
)]  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    return load_model(str(folder))


def test_only_the_answer_and_its_end_are_learned(tiny: Loaded) -> None:
    ids, labels = tuning.encode(QUESTIONS[0], tiny[1])
    learned = [i for i in labels if i != IGNORED]
    assert tiny[1].decode(learned) == "lamps\n<|endoftext|>"
    assert tiny[1].decode(ids[: -len(learned)]) == QUESTIONS[0].prompt
    ids, labels = tuning.encode(plain("story", "Once upon a time"), tiny[1])
    assert ids == labels


def test_the_loss_is_that_of_transformers_and_padding_is_nothing(tiny: Loaded) -> None:
    model, tokenizer = tiny
    rows = [tuning.encode(question, tokenizer) for question in QUESTIONS]
    alone = []
    for ids, labels in rows:
        found = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.detach()
        alone.append((float(found) * (n := sum(i != IGNORED for i in labels)), n))
    batch = tuning.collate(rows, tokenizer.pad_token_id)
    together = float(tuning.answer_loss(model, batch).detach())
    assert together == pytest.approx(sum(loss for loss, _ in alone) / sum(n for _, n in alone))
    measured = tuning.losses_of(model, tokenizer, QUESTIONS, rows=3)
    assert [n for _, n in measured] == [n for _, n in alone]
    assert [loss for loss, _ in measured] == pytest.approx([loss for loss, _ in alone], rel=1e-4)


def test_of_a_document_every_token_but_the_first_counts(tiny: Loaded) -> None:
    model, tokenizer = tiny
    batch = tuning.collate([tuning.encode(plain("story", "Once upon a time"), tokenizer)], 0)
    with torch.inference_mode():
        theirs = model(**batch).loss
        assert float(tuning.answer_loss(model, batch)) == pytest.approx(float(theirs))


def learned(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [t[0] for t in complete(model, tokenizer, [q.prompt for q in QUESTIONS])]


def test_it_learns_the_answers_and_leaves_the_model_alone(tiny: Loaded) -> None:
    """All weights first; then other answers to the same questions by an adapter on top of them."""
    model, tokenizer = tiny
    before = {name: p.clone() for name, p in model.named_parameters()}
    state = torch.random.get_rng_state()
    full = fine_tune(model, tokenizer, QUESTIONS, Settings(0.01, 150, rows=4), progress=False)
    assert full.losses[-1] < 0.05 < full.losses[0] and not full.model.training
    assert learned(full.model, tokenizer) == [q.answer for q in QUESTIONS]
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert torch.equal(torch.random.get_rng_state(), state)

    moved = [Question(q.prompt, QUESTIONS[i - 1].answer) for i, q in enumerate(QUESTIONS)]
    settings = Settings(0.03, 150, rows=4, lora=lora_config(8))
    lora = fine_tune(full.model, tokenizer, moved, settings, progress=False)
    assert learned(lora.model, tokenizer) == [q.answer for q in moved]
    assert learned(full.model, tokenizer) == [q.answer for q in QUESTIONS]


def test_lora_trains_the_adapter_alone_which_at_first_changes_nothing(tiny: Loaded) -> None:
    model, tokenizer = tiny
    tuned = fine_tune(
        model, tokenizer, QUESTIONS, Settings(0.0, steps=1, lora=lora_config(2)), progress=False
    )
    ids = torch.tensor([tuning.encode(QUESTIONS[3], tokenizer)[0]])
    with torch.inference_mode():
        torch.testing.assert_close(tuned.model(ids).logits, model(ids).logits)
    shapes = [p.shape for n, p in tuned.model.named_parameters() if "lora_" in n]
    assert tuned.trainable == sum(shape.numel() for shape in shapes)
    assert len(shapes) == 2 * 7 * model.config.num_hidden_layers
    assert tuned.total == model.num_parameters() + tuned.trainable
    assert fine_tune(
        model, tokenizer, QUESTIONS, Settings(0.0, steps=1), progress=False
    ).trainable_share == 1  # fmt: skip


def test_a_seed_gives_the_same_losses_and_another_does_not(tiny: Loaded) -> None:
    def losses(seed: int) -> list[float]:
        settings = Settings(0.01, steps=5, rows=2, seed=seed, lora=lora_config(2))
        return fine_tune(*tiny, QUESTIONS, settings, progress=False).losses

    assert losses(1) == losses(1) != losses(2)


def test_a_pull_keeps_the_weights_near_their_start(tiny: Loaded) -> None:
    model, tokenizer = tiny

    def moved(pull: float) -> float:
        settings = Settings(0.01, steps=6, rows=4, pull=pull)
        tuned = fine_tune(model, tokenizer, QUESTIONS, settings, progress=False).model
        pairs = zip(tuned.parameters(), model.parameters(), strict=True)
        return sum(float((p - q).detach().abs().sum()) for p, q in pairs)

    assert moved(0.0) > moved(30.0) > moved(1e9) == 0.0


@given(st.integers(2, 500), st.floats(0, 0.9))
def test_the_rate_rises_to_its_value_once_and_falls(steps: int, share: float) -> None:
    rates = [Settings(2.0, steps, warmup_share=share).learning_rate_at(s) for s in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(2.0) and min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_every_example_comes_once_a_round(tiny: Loaded) -> None:
    encoded = [([i], [i]) for i in range(10)]
    batches = tuning.batches(encoded, Settings(0.1, rows=5), tiny[1])
    for _ in range(3):
        seen = [int(i) for _ in range(2) for i in next(batches)["input_ids"]]
        assert sorted(seen) == list(range(10))


@given(st.integers(1, 200), st.floats(0, 0.5))
def test_replay_makes_up_its_share(count: int, share: float) -> None:
    mixed = tuning.with_replay(QUESTIONS[:1] * count, QUESTIONS[1:2] * 300, share)
    replayed = len(mixed) - count
    assert replayed / len(mixed) == pytest.approx(share, abs=1 / len(mixed))
    assert mixed[:count] == QUESTIONS[:1] * count


def test_replay_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="4 examples to rehearse are needed, and 1 given"):
        tuning.with_replay(QUESTIONS, QUESTIONS[:1], 0.5)
    with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
        tuning.with_replay(QUESTIONS, QUESTIONS, 1.0)


def test_examples_that_cannot_be_tuned_on_are_refused(tiny: Loaded) -> None:
    with pytest.raises(ValueError, match="the list of examples is empty"):
        fine_tune(*tiny, [], Settings(0.1))
    with pytest.raises(ValueError, match=r"An example has \d+ tokens, and the model reads 64"):
        fine_tune(*tiny, [Question("word " * 100, "yes")], Settings(0.1))


def test_the_best_rate_is_the_one_that_scores_best() -> None:
    rate, tuned = tuning.best_rate((1.0, 2.0, 3.0), lambda rate: rate * 10, lambda t: -abs(t - 21))
    assert (rate, tuned) == (2.0, 20.0)


def test_bundled_context_is_respected(tiny: Loaded) -> None:
    """The longest example that fits is trained on."""
    model, tokenizer = tiny
    room = model.config.max_position_embeddings - len(
        tuning.encode(Question("", "x"), tokenizer)[0]
    )
    prompt = tokenizer.decode(tokenizer("\n" * room)["input_ids"])
    settings = Settings(0.001, steps=1)
    assert fine_tune(model, tokenizer, [Question(prompt, "x")], settings, progress=False).losses


def test_every_step_is_reported(tiny: Loaded) -> None:
    told: list[float] = []
    tuned = fine_tune(
        *tiny, QUESTIONS, Settings(1e-3, steps=3), progress=False, on_step=told.append
    )
    assert told == tuned.losses and len(told) == 3
