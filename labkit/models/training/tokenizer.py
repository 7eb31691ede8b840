"""The course's own tokenizer: byte-level BPE in which a word keeps its token wherever it stands.

Most tokenizers glue the space to the word that follows, so that `sailor` after a space and
`sailor` after a comma or a quote are different tokens, and a small model has to learn to copy
each pair. Here the space belongs to the gap between two words, with the little words in it
(` of the ` is one token, as in SuperBPE, arXiv:2503.13423), or to the punctuation before it. The
marks `Q: ` and `?\nA: ` are one token each, as a chat template's are.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END_OF_TEXT, USER, ASSISTANT, END = SPECIAL_TOKENS = (
    "<|pad|>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>",
)  # fmt: skip
LITTLE_WORDS = "a|an|the|of|in|is|was|for|to|by|with|and|that|has|its|from|as|at|on|are"
PIECES = "|".join((
    r"\?\nA: |Q: ",  # the marks of a question and its answer
    r'"[:,{} ]+"',  # what stands between two strings of JSON
    r" *[^\s\p{L}\p{N}]+ ?",  # punctuation, with the spaces around it
    rf" (?:(?:{LITTLE_WORDS}) )*",  # the gap between two words
    r"\p{L}+",  # a word
    r"\p{N}",  # a digit
    r"\s",
))  # fmt: skip
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `vocab_size` tokens for `texts`, ready for transformers."""
    tokenizer = untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        additional_special_tokens=[USER, ASSISTANT, END],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )
