"""The vision model: its processor, its batches and loss, and its answers.

A training row is a picture and a chat of several questions about it in any order; only the answers
count (visual instruction tuning, arXiv:2304.08485).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    AddedToken,
    CLIPImageProcessorPil,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)

from labkit.models.training.architectures import IMAGE
from labkit.models.training.recipes import Recipe
from labkit.models.world import pictures

IGNORED = -100
NAMING = 0.5  # weight of the patches' names in the loss
TURNS = 6  # questions about one training picture
PIECES = 3  # of a turn: the user's mark, the question, the answer
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{{ '" + IMAGE + "' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endif %}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureBatch:
    """`input_ids` and `labels` (rows, tokens) int64; `pixel_values` (rows, 3, size, size);
    `names` (rows, patches, 2) the tokens of the colour and the shape that a patch shows."""

    input_ids: Tensor
    labels: Tensor
    pixel_values: Tensor
    names: Tensor

    def to(self, device: torch.device) -> PictureBatch:
        moved = (getattr(self, field.name).to(device) for field in fields(self))
        return PictureBatch(*moved)


def make_processor(tokenizer: PreTrainedTokenizerBase, patch_size: int) -> LlavaProcessor:
    """Pictures to pixels and prompts to tokens; gives the tokenizer its image token."""
    _add_tokens(tokenizer)
    side = {"height": pictures.SIZE, "width": pictures.SIZE}
    image_processor = CLIPImageProcessorPil(
        size=side, crop_size=side, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    return LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",  # the patches, without the class token
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )


def _add_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    """The image token, and the pictures' words that would cost several tokens each."""
    tokenizer.add_special_tokens(
        {"extra_special_tokens": [IMAGE]}, replace_extra_special_tokens=False
    )
    long = [word for word in pictures.words() if len(word) > 3]
    spelled = [word for word in long if len(tokenizer(word)["input_ids"]) > 1]
    tokenizer.add_tokens([AddedToken(w, single_word=True, normalized=False) for w in spelled])


def prompt_of(question: str) -> str:
    """The chat prompt of one question about one picture."""
    return f"<|user|>{IMAGE}{question}<|end|><|assistant|>"


def to_pixel_values(shown: Sequence[Pixels], processor: LlavaProcessor) -> Tensor:
    """What the processor makes of pictures of the right size, without its detours."""
    images = processor.image_processor
    values = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 255
    mean, spread = (torch.tensor(s)[:, None, None] for s in (images.image_mean, images.image_std))
    return (values - mean) / spread


def picture_batch(recipe: Recipe, processor: LlavaProcessor, step: int) -> PictureBatch:
    """The batch of one step, the same whenever it is asked for."""
    first = (recipe.seed * 1_000_000 + step) * recipe.rows
    shown = [pictures.picture("train", first + row) for row in range(recipe.rows)]
    rows = [_chat(p, processor, random.Random(f"chat {first} {i}")) for i, p in enumerate(shown)]
    length = max(len(ids) for ids, _ in rows)
    pad = processor.tokenizer.pad_token_id
    return PictureBatch(
        torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in rows]),
        torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in rows]),
        to_pixel_values([p.pixels for p in shown], processor),
        torch.stack([_names(p, processor) for p in shown]),
    )


def _names(shown: pictures.Picture, processor: LlavaProcessor) -> Tensor:
    """Colour and shape that each patch shows, as tokens, (patches, 2); the end of a text is the
    name of a patch that shows nothing."""
    tokenizer = processor.tokenizer
    nothing = tokenizer.eos_token_id
    words = (*pictures.COLOURS, *pictures.SHAPES)
    token = dict(zip(words, (ids[0] for ids in tokenizer(list(words))["input_ids"]), strict=True))
    return torch.tensor([
        [token[thing.colour], token[thing.shape]] if thing else [nothing, nothing]
        for thing in shown.seen_in_patches(processor.patch_size)
    ])  # fmt: skip


def _chat(
    shown: pictures.Picture, processor: LlavaProcessor, rng: random.Random
) -> tuple[list[int], list[int]]:
    """Token ids and labels of up to `TURNS` questions about a picture with their answers."""
    turns = shown.questions()
    turns = rng.sample(turns, min(TURNS, len(turns)))
    image = IMAGE * count_image_tokens(processor)
    pieces = []
    for place, turn in enumerate(turns):
        opening = "<|user|>" if place else f"<|user|>{image}"
        pieces += [opening, f"{turn.question}<|end|><|assistant|>", f"{turn.answer}<|end|>"]
    ids: list[int] = []
    labels: list[int] = []
    for place, piece in enumerate(processor.tokenizer(pieces)["input_ids"]):
        ids += piece
        labels += piece if place % PIECES == 2 else [IGNORED] * len(piece)
    return ids, labels


def count_image_tokens(processor: LlavaProcessor) -> int:
    """Tokens that a picture takes up in the prompt: one for each patch."""
    return int((pictures.SIZE // processor.patch_size) ** 2)


def picture_loss(model: LlavaForConditionalGeneration, items: PictureBatch) -> Tensor:
    """Mean next-token loss of the answers in nats, and that of the patches' names.

    An encoder that starts from nothing learns colours from the answers alone, and no shapes. So
    each patch, as the language model is shown it, has to be near the names of what it shows: what
    a pre-trained encoder brings along (CLIP, arXiv:2103.00020), learned on the way.
    """
    output = model.model(
        input_ids=items.input_ids, pixel_values=items.pixel_values, use_cache=False
    )
    wanted = items.labels[:, 1:]
    asked = wanted != IGNORED
    logits = model.lm_head(output.last_hidden_state[:, :-1][asked])
    seen = model.lm_head(output.image_hidden_states).float()  # (rows x patches, vocab)
    naming = [F.cross_entropy(seen, names) for names in items.names.flatten(0, 1).T]
    return F.cross_entropy(logits.float(), wanted[asked]) + NAMING * sum(naming)


@torch.inference_mode()
def answers(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    shown: Sequence[Pixels],
    questions: Sequence[str],
    max_new_tokens: int = 8,
    at_once: int = 64,
) -> list[str]:
    """What the model says to each question about its picture, greedily.

    `shown` are uint8 pictures (height, width, 3) of any size; the processor makes them fit.
    """
    texts: list[str] = []
    for first in range(0, len(questions), at_once):
        some = slice(first, first + at_once)
        inputs = processor(
            images=list(shown[some]),
            text=[prompt_of(question) for question in questions[some]],
            return_tensors="pt",
            padding=True,
        ).to(model.device)
        made = model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
        fresh = made[:, inputs["input_ids"].shape[1] :]
        texts += processor.batch_decode(fresh, skip_special_tokens=True)
    return [text.strip() for text in texts]
