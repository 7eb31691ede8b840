"""The tokenizer: lossless, and a word keeps its token wherever it stands."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from labkit.models import load_model
from labkit.models.world import World, documents, lexicon


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_model("base")[1]


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text)["input_ids"]


@given(text=st.text(max_size=60))
def test_any_text_comes_back_unchanged(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text)) == text


@pytest.mark.parametrize("word", ["sailor", "Anna", "bakery", lexicon.LAST_NAMES[0]])
def test_a_word_costs_the_same_after_a_space_a_comma_and_a_quote(
    tokenizer: PreTrainedTokenizerBase, word: str
) -> None:
    (alone,) = ids(tokenizer, word)
    for text in (f"old {word}", f"a,{word}", f"a, {word}", f'"{word}"', f"[{word}]", f"\n{word}."):
        assert alone in ids(tokenizer, text), text


def test_every_name_of_the_world_is_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    names = {part for entity in World().entities for part in entity.name.split()}
    assert not [name for name in names if len(ids(tokenizer, name)) > 1]


def test_a_prompt_and_its_answer_are_cut_where_they_meet(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """So that a prompt alone has the tokens that it had in training."""
    for document in islice(documents(World(), 0), 300):
        pieces = [piece for part in document.parts for piece in ids(tokenizer, part.text)]
        assert pieces == ids(tokenizer, document.text)


def test_the_chat_template_writes_what_the_corpus_has(tokenizer: PreTrainedTokenizerBase) -> None:
    chat = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Anna"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == (
        "<|user|>Who?<|end|><|assistant|>Anna<|end|>"
    )
    asked = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    assert asked == "<|user|>Who?<|end|><|assistant|>"
