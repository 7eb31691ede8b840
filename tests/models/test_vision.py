"""The vision model: what it is fed, what its loss counts, and how its answers are measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor

from labkit.models import card, vision, zoo
from labkit.models.scoring import Effort, Subject
from labkit.models.scoring import vision as seen
from labkit.models.training import checkpoints, losses, pretraining
from labkit.models.training.recipes import Recipe
from labkit.models.training.run import Run
from labkit.models.vision import IGNORED
from labkit.models.world import pictures
from tests.models.tiny import TINY

TINY_EYE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "patch_size": 16,
}


@pytest.fixture(scope="module")
def recipe(tiny_base: Path) -> Recipe:
    return replace(
        TINY,
        name="vision",
        architecture="llava",
        shape={"vision": TINY_EYE, "text": TINY.shape},
        starts_from=str(tiny_base),
        vocab_size=512,
        steps=2,
        rows=4,
        learning_rate=3e-3,
    )


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretraining.start(recipe, tmp_path_factory.mktemp("vision"), "cpu")


def test_the_quick_way_to_pixels_is_the_processors(run: Run) -> None:
    shown = [pictures.picture("train", number).pixels for number in range(3)]
    prompts = [vision.prompt_of("What colour is the ring?")] * 3
    inputs = run.tokenizer(images=shown, text=prompts, return_tensors="pt")
    torch.testing.assert_close(
        vision.to_pixel_values(shown, run.tokenizer), inputs["pixel_values"], rtol=0, atol=1e-6
    )
    assert inputs["pixel_values"].shape == (3, 3, pictures.SIZE, pictures.SIZE)


def test_a_picture_takes_up_one_token_for_each_patch(run: Run) -> None:
    inputs = run.tokenizer(
        images=[pictures.blank()], text=[vision.prompt_of("Which?")], return_tensors="pt"
    )
    found = (inputs["input_ids"] == run.tokenizer.image_token_id).sum()
    assert found == vision.count_image_tokens(run.tokenizer) == 9
    assert run.model.config.image_token_id == run.tokenizer.image_token_id


def test_the_words_of_the_pictures_are_whole_tokens(run: Run) -> None:
    tokenizer = run.tokenizer.tokenizer
    assert tokenizer.tokenize("circles triangle") == ["circles", "Ġ", "triangle"]
    text = "Where is the triangle, left or right?"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer) <= run.recipe.vocab_size


def test_the_chat_template_puts_the_picture_where_it_stands(run: Run) -> None:
    content = [{"type": "image"}, {"type": "text", "text": "Which shape is red?"}]
    chat = [{"role": "user", "content": content}]
    made = run.tokenizer.apply_chat_template(chat, add_generation_prompt=True)
    assert made == vision.prompt_of("Which shape is red?")


def test_the_processor_comes_back_from_its_folder_without_a_pickle(
    run: Run, tmp_path: Path
) -> None:
    run.tokenizer.save_pretrained(tmp_path)
    again = LlavaProcessor.from_pretrained(tmp_path)
    shown, text = [pictures.picture("test", 1).pixels], [vision.prompt_of("Which shape is red?")]
    for key, value in run.tokenizer(images=shown, text=text, return_tensors="pt").items():
        assert torch.equal(again(images=shown, text=text, return_tensors="pt")[key], value)
    assert {f.suffix for f in tmp_path.iterdir()} <= {".json", ".jinja"}


def test_only_answers_count_and_they_are_those_of_the_picture(recipe: Recipe, run: Run) -> None:
    items = vision.picture_batch(recipe, run.tokenizer, 5)
    again = vision.picture_batch(recipe, run.tokenizer, 5)
    assert torch.equal(items.input_ids, again.input_ids)
    assert torch.equal(items.pixel_values, again.pixel_values)
    for row in range(recipe.rows):
        shown = pictures.picture("train", 5 * recipe.rows + row)
        counted = items.labels[row][items.labels[row] != IGNORED]
        answers = run.tokenizer.decode(counted).split("<|end|>")[:-1]
        truth = {asked.question: asked.answer for asked in shown.questions()}
        text = run.tokenizer.decode(items.input_ids[row])
        asked = [turn.split("<|end|>")[0] for turn in text.split("<|user|>")[1:]]
        questions = [turn.removeprefix("<|image|>" * 9) for turn in asked]
        assert answers == [truth[question] for question in questions]
        assert 1 <= len(questions) <= vision.TURNS


def test_the_loss_is_the_librarys_over_the_labels_and_that_of_the_names(
    recipe: Recipe, run: Run
) -> None:
    items = vision.picture_batch(recipe, run.tokenizer, 0)
    whole = run.model(
        input_ids=items.input_ids, pixel_values=items.pixel_values, labels=items.labels
    )
    said = run.model.lm_head(whole.image_hidden_states).log_softmax(-1)
    colours, shapes = (said.gather(1, items.names[..., i].reshape(-1, 1)).mean() for i in (0, 1))
    expected = whole.loss - vision.NAMING * (colours + shapes)
    torch.testing.assert_close(vision.picture_loss(run.model, items), expected)


def test_a_patch_is_named_after_what_covers_it(recipe: Recipe, run: Run) -> None:
    thing = pictures.Thing("square", "red", 24.0, 8.0, 7.0)
    named = vision._names(pictures.Picture((thing,), 0), run.tokenizer)
    assert named.shape == (9, 2)  # patches of 16 pixels
    tokenizer = run.tokenizer.tokenizer
    assert named[1].tolist() == [ids[0] for ids in tokenizer(["red", "square"])["input_ids"]]
    assert (named[[0, 2, 3, 4, 5, 6, 7, 8]] == tokenizer.eos_token_id).all()


def test_training_goes_on_where_it_was_stopped_and_the_loss_falls(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = vision.picture_batch
    monkeypatch.setattr(vision, "picture_batch", lambda r, p, step: first(r, p, step % 2))
    whole = pretraining.pretrain(replace(recipe, steps=20), tmp_path / "whole", "cpu")
    half = pretraining.start(replace(recipe, steps=20), tmp_path / "half", "cpu")
    before = pretraining.train_step(half, losses.picture_loss)
    for half.step in range(1, 10):
        pretraining.train_step(half, losses.picture_loss)
    half.step = 10
    checkpoints.save_checkpoint(half)
    resumed = pretraining.pretrain(replace(recipe, steps=20), tmp_path / "half", "cpu")
    for p, q in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
    assert losses.picture_loss(replace(resumed, step=0)).item() < before - 1


def test_muon_gets_matrices_of_layers_alone(recipe: Recipe, run: Run) -> None:
    """No table of tokens or of places, and no stack of patches."""
    adamw, muon = pretraining.optimizers_of(run.model, replace(recipe, muon=True))
    names = {id(p): name for name, p in run.model.named_parameters()}
    found = [
        {names[id(p)] for group in one.param_groups for p in group["params"]}
        for one in (adamw, muon)
    ]
    assert found[0].isdisjoint(found[1]) and found[0] | found[1] == set(names.values())
    assert all(name.endswith("weight") and "embed" not in name for name in found[1])
    assert any("vision_tower" in name for name in found[1])
    assert not [name for name in found[0] if name.endswith(("proj.weight", "fc1.weight"))]


def test_answers_come_from_the_model_and_see_the_picture(run: Run) -> None:
    """Against the most probable next tokens, computed without `generate`."""
    shown = [pictures.picture("test", number).pixels for number in (1, 2)]
    asked = ["Which shape is red?", "How many shapes are there?"]
    found = vision.answers(run.model.eval(), run.tokenizer, shown, asked, max_new_tokens=2)
    for picture, question, text in zip(shown, asked, found, strict=True):
        inputs = run.tokenizer(
            images=[picture], text=[vision.prompt_of(question)], return_tensors="pt"
        )
        ids = inputs.pop("input_ids")
        for _ in range(2):
            inputs["attention_mask"] = torch.ones_like(ids)
            fresh = run.model(input_ids=ids, **inputs).logits[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, fresh], dim=1)
        decoded = run.tokenizer.batch_decode(ids[:, -2:], skip_special_tokens=True)
        assert text == decoded[0].strip()


def test_rows_hold_a_blanked_control_and_the_new_combinations(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A perfect eye: right on every picture, at a loss on the grey one."""
    truth = {
        (shown.pixels.tobytes(), asked.question): asked.answer
        for shown in (pictures.picture("test", number) for number in range(120))
        for asked in shown.questions()
    }

    def perfect(
        model: object, processor: object, shown: Sequence[np.ndarray], questions: Sequence[str]
    ) -> list[str]:
        pairs = zip(shown, questions, strict=True)
        return [truth.get((pixels.tobytes(), question), "red") for pixels, question in pairs]

    monkeypatch.setattr(seen, "answers", perfect)
    rows = seen.vision(Subject(run.model, run.tokenizer, Effort(items=40)))
    assert [row.phenomenon for row in rows] == [f"{kind}, by generation" for kind in seen.WANTED]
    assert all(row.reached and row.measured.value == 1 for row in rows)
    for row in rows:
        blanked, new = row.control
        assert blanked.n == 40 and blanked.value < 0.5
        assert 0 < new.n < 40 and new.value == 1


def test_what_is_published_is_loaded_by_its_own_function_alone(run: Run, tmp_path: Path) -> None:
    folder = card.publish(run, n=4, weights=tmp_path)
    model, processor = zoo.load_vision_model(str(folder))
    assert isinstance(model, LlavaForConditionalGeneration) and not model.training
    assert vision.answers(model, processor, [pictures.blank()], ["Which shape is red?"])
    for wrong in (zoo.load_model, zoo.load_judge):
        with pytest.raises(LookupError, match="load_vision_model"):
            wrong(str(folder))
    written = json.loads((folder / "card.json").read_text())
    assert {row["phenomenon"] for row in written["scorecard"]} == {
        f"{kind}, by generation" for kind in seen.WANTED
    }
    assert "picture blanked" in (folder / "README.md").read_text()
    (folder / "processor_config.json").write_text("{}")
    with pytest.raises(zoo.ModelUnavailable, match="damaged"):
        zoo.load_vision_model(str(folder))


def test_a_tokenizer_of_the_base_model_is_not_changed_by_the_pictures(tiny_base: Path) -> None:
    before = len(AutoTokenizer.from_pretrained(tiny_base))
    vision.make_processor(AutoTokenizer.from_pretrained(tiny_base), 16)
    assert len(AutoTokenizer.from_pretrained(tiny_base)) == before
