"""Three ways to change what a model does, for the first lesson: a prompt, rounding, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.estimates import Estimate, share_of
from labkit.instruments.asking import fitted, short_answers
from labkit.instruments.items import Stranger
from labkit.instruments.judged import Items
from labkit.models import exact_match
from labkit.models.knowing import knows_region
from labkit.models.quantization.simulated import SCHEMES, fake_quantize, linear_layers
from labkit.models.training.tuning import Settings, fine_tune, lora_config
from labkit.models.world.document import Question
from labkit.models.zoo import card_of

TUNING = Settings(learning_rate=5e-4, steps=60)
OTHERS = Settings(learning_rate=3e-4, steps=60, rows=2, lora=lora_config(rank=16))
Way = tuple[PreTrainedModel, Sequence[str]]


def answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[str]:
    """What the model says to each prompt when it takes the likeliest token every time."""
    return short_answers(model, tokenizer, prompts)


def in_8_bits(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose linear layers were rounded to 8-bit integers, one scale for each channel."""
    return with_embeddings_of(model, fake_quantize(model, SCHEMES["int8"]))


def trained_on(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    strangers: Sequence[Stranger],
    progress: bool = True,
) -> PreTrainedModel:
    """A copy with all weights trained on the questions and answers, without the passages.

    A model of others is trained by an adapter (LoRA), which is then added to its weights, and that
    is said: with all of them trained, a model of 135 million takes more memory than 3 GB.
    """
    settings = tuning_of(tokenizer)
    asked = [replace(q, prompt=fitted(q.prompt, tokenizer)) for q in questions(strangers)]
    if settings.lora is not None:
        print("Trained by an adapter (LoRA), to save memory; it is then added to the weights.")
        asked = [replace(q, answer=f" {q.answer}") for q in asked]
    tuned = fine_tune(model, tokenizer, asked, settings, progress=progress).model
    if settings.lora is None:
        return tuned
    return with_embeddings_of(model, cast(PreTrainedModel, tuned.merge_and_unload()))


def with_embeddings_of(model: PreTrainedModel, copy: PreTrainedModel) -> PreTrainedModel:
    """A copy whose embeddings are as they were shares them with the model: they are a fifth of the
    weights of a small one."""
    copy.set_input_embeddings(model.get_input_embeddings())
    copy.tie_weights()
    return copy


def tuning_of(tokenizer: PreTrainedTokenizerBase) -> Settings:
    """How a model with this tokenizer is trained."""
    return TUNING if knows_region(tokenizer) else OTHERS


def questions(strangers: Sequence[Stranger]) -> list[Question]:
    return [Question(f"Q: {one.question}\nA: ", one.answer) for one in strangers]


def compare(
    ways: Mapping[str, Way],
    tokenizer: PreTrainedTokenizerBase,
    expected: Sequence[str],
    facts: Items,
) -> dict[str, dict[str, Estimate]]:
    """For each way the share of right answers to its prompts, and to those about the region."""
    found = {}
    for name, (model, prompts) in ways.items():
        said = answers(model, tokenizer, prompts)
        hits = sum(map(exact_match, said, expected))
        known = answers(model, tokenizer, facts.prompts)
        right = sum(facts.is_right(i, text) for i, text in enumerate(known))
        found[name] = {
            "strangers": share_of("strangers", hits, len(said)),
            "the region": share_of("the region", right, len(known)),
        }
    return found


def weights_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """The model's weights by name, each once (the embeddings are also the output head)."""
    return {name: weight.detach() for name, weight in model.named_parameters()}


def rounded_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights by name that `in_8_bits` rounds: no embeddings, no biases, no norms."""
    return {name: layer.weight.detach() for name, layer in linear_layers(model).items()}


def tokens_read(
    tokenizer: PreTrainedTokenizerBase, strangers: Sequence[Stranger]
) -> dict[str, int]:
    """Tokens that pre-training read, by the base model's card, and that `trained_on` reads."""
    texts = [f"{q.prompt}{q.answer}\n" for q in questions(strangers)]
    each = sum(len(ids) for ids in tokenizer(texts)["input_ids"]) / len(texts)
    tuning = tuning_of(tokenizer)
    read = round(tuning.steps * tuning.rows * each)
    return {"pre-training": card_of("base")["tokens"], "training on the strangers": read}
