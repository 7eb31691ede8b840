"""Whether a model was trained on the texts of the course's region."""

from __future__ import annotations

from functools import cache
from weakref import WeakKeyDictionary

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from labkit.models.zoo import WEIGHTS

_known: WeakKeyDictionary[PreTrainedTokenizerBase, bool] = WeakKeyDictionary()  # asked every prompt


def knows_region(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer is that of the bundled models, which are all trained on those texts; a
    copy of one on a hub or in a folder has the same tokens, and may have others as well."""
    if tokenizer not in _known:
        own = own_vocabulary()
        _known[tokenizer] = own.items() <= tokenizer.get_vocab().items()
    return _known[tokenizer]


@cache
def own_tokenizer() -> PreTrainedTokenizerBase:
    """That of the bundled models."""
    return AutoTokenizer.from_pretrained(WEIGHTS / "base")


@cache
def own_vocabulary() -> dict[str, int]:
    """Its tokens with their ids."""
    return dict(own_tokenizer().get_vocab())
