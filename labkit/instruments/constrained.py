"""Constrained decoding: a model that may say only what fits a pattern.

At each step the tokens after which the text could no longer become a match are masked, and one of
the others is taken. Production libraries do the same from a grammar, with an automaton in place of
our trying each token: llguidance, to which the mask is compared, XGrammar (arXiv:2411.15100),
Outlines (arXiv:2307.09702).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import llguidance.numpy
import numpy as np
import regex
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

# The JSON of a support ticket (labkit.models.world.tickets): four fields, two of them from a list.
TICKET_JSON = (
    r'\{"product": "[A-Z][a-z]{2,9}", "order": "[0-9]{5}", "urgency": "(low|high)", '
    r'"wants": "(refund|repair|replacement)"\}'
)


def can_become(text: str, pattern: str) -> bool:
    """Whether a text matches a pattern, or is the beginning of something that does."""
    return regex.fullmatch(pattern, text, partial=True) is not None


def may_follow(token: str, so_far: str, pattern: str) -> bool:
    """Whether a match is possible after a token; one without text leads nowhere."""
    return bool(token) and can_become(so_far + token, pattern)


def allowed_tokens(pattern: str, so_far: str, token_texts: Sequence[str]) -> Tensor:
    """Which tokens may come next, shape (vocab,), bool: those after which a match is possible.

    so_far       what has been written
    token_texts  every token as text, by id; one without text, as the end of a text, is never
                 allowed
    """
    return torch.tensor([may_follow(token, so_far, pattern) for token in token_texts])


@torch.inference_mode()
def complete_within(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    pattern: str,
    token_texts: Sequence[str],
    max_new_tokens: int = 60,
) -> str:
    """The greedy completion that fits a pattern: at each step the likeliest token that is allowed.

    It ends where the text is a match that nothing can be added to. Raises ValueError where no
    token fits, as with a pattern that the vocabulary can't spell.
    """
    written, cache = "", DynamicCache(config=model.config)
    ids = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False).input_ids
    for _ in range(max_new_tokens):
        logits = model(input_ids=ids.to(model.device), past_key_values=cache).logits[0, -1]
        best_first = logits[: len(token_texts)].argsort(descending=True).tolist()
        fits = (i for i in best_first if may_follow(token_texts[i], written, pattern))
        token = next(fits, None)
        if token is None:
            break
        written += token_texts[token]
        ids = torch.tensor([[token]])
    if not written:
        raise ValueError(f"no token of the vocabulary can begin a match of {pattern!r}")
    return written


def library_mask(pattern: str, so_far: str, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """The same mask from llguidance, shape (vocab,), bool. Where only one text can follow it allows
    but the token that the tokenizer makes of that, and we whatever begins it."""
    library = _library_tokenizer(tokenizer)
    matcher = LLMatcher(library, LLMatcher.grammar_from_regex(pattern))
    for token in tokenizer(so_far, add_special_tokens=False).input_ids:
        matcher.consume_token(token)
    bits = llguidance.numpy.allocate_token_bitmask(1, library.vocab_size)
    llguidance.numpy.fill_next_token_bitmask(matcher, bits)
    allowed = np.unpackbits(bits[0].view(np.uint8), bitorder="little")[: len(tokenizer)]
    mask = torch.from_numpy(allowed).bool()
    mask[tokenizer.eos_token_id] = False
    return mask


@lru_cache
def _library_tokenizer(tokenizer: PreTrainedTokenizerBase) -> LLTokenizer:
    return from_tokenizer(tokenizer)
