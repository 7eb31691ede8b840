"""Whether a model was trained on the texts of the course's region."""

from __future__ import annotations

from functools import cache

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from labkit.models.zoo import WEIGHTS


def knows_region(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer is that of the bundled models, which are all trained on those texts; a
    copy of one on a hub or in a folder has the same tokens, and may have others as well."""
    own = own_vocabulary()
    return len(tokenizer) >= len(own) and own.items() <= tokenizer.get_vocab().items()


@cache
def own_tokenizer() -> PreTrainedTokenizerBase:
    """That of the bundled models."""
    return AutoTokenizer.from_pretrained(WEIGHTS / "base")


@cache
def own_vocabulary() -> dict[str, int]:
    """Its tokens with their ids."""
    return dict(own_tokenizer().get_vocab())
