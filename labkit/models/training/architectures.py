"""From a recipe to an untrained model: which transformers class, and with which configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from labkit.models.training.recipes import Recipe
from labkit.models.world import pictures
from labkit.models.zoo import folder_of, quiet_transformers

IMAGE = "<|image|>"  # stands in a prompt where the picture's patches go


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A model with fresh weights, drawn from torch's global generator."""
    if recipe.architecture not in BUILDERS:
        raise LookupError(
            f"The recipe {recipe.name!r} has the architecture {recipe.architecture!r}; "
            f"known are {', '.join(BUILDERS)}."
        )
    if len(tokenizer) > recipe.vocab_size:
        raise ValueError(
            f"The recipe {recipe.name!r} has room for {recipe.vocab_size} tokens, "
            f"and the tokenizer has {len(tokenizer)}."
        )
    return BUILDERS[recipe.architecture](recipe, tokenizer)


def llama(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**text_settings(recipe, tokenizer), **recipe.shape))


def mixtral(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> MixtralForCausalLM:
    """Experts in one grouped product: on a CPU as quick as a loop, and 20 x quicker to train than
    `batched_mm`, which copies an expert's weights for every token."""
    settings = text_settings(recipe, tokenizer) | {"experts_implementation": "grouped_mm"}
    return MixtralForCausalLM(MixtralConfig(**settings, output_router_logits=True, **recipe.shape))


def llava(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> LlavaForConditionalGeneration:
    """A CLIP encoder of patches, a projector, and a Llama that reads them as tokens
    (LLaVA, arXiv:2304.08485); `shape` has the sizes of both under `vision` and `text`."""
    vision = CLIPVisionConfig(image_size=pictures.SIZE, **recipe.shape["vision"])
    text = LlamaConfig(**text_settings(recipe, tokenizer), **recipe.shape["text"])
    patches = (pictures.SIZE // vision.patch_size) ** 2
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=patches,
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration(config)
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|end|>")]
    model.generation_config.update(eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)
    return model


def reward(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> LlamaForSequenceClassification:
    """The Llama that the recipe starts from, with a head that reads one number at the last token
    in place of the one that predicts the next."""
    folder = folder_of(recipe.starts_from or "base")
    with quiet_transformers():  # it would say that the new head is untrained
        return LlamaForSequenceClassification.from_pretrained(
            folder, num_labels=1, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )


def text_settings(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What all language models of the course have in common."""
    return {
        "vocab_size": recipe.vocab_size,
        "max_position_embeddings": recipe.context,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


BUILDERS: dict[str, Callable[[Recipe, PreTrainedTokenizerBase], PreTrainedModel]] = {
    "llama": llama,
    "mixtral": mixtral,
    "llava": llava,
    "reward": reward,
}
