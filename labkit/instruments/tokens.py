"""Tokenizers side by side, all offline: what a text is cut into, how many tokens, and which bytes.

`reader("tekken")` and `reader("sentencepiece")` are production tokenizers of Mistral's models, from
the data inside the wheel of mistral-common (6.5 MB to download, 37 MB on disk); they are imported
when they are first asked for. `reader("course")` is the course's own. Each token knows its bytes,
so that two tokenizers can be compared place by place.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.paths import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
SPACE = "▁"  # how SentencePiece writes a space
INSTALL = "Install it with `pip install mistral-common sentencepiece`, or run `labkit doctor`."


@dataclass(frozen=True)
class Token:
    """One token: its id, and the bytes of the text that it stands for (UTF-8; maybe half a letter,
    and none for a mark that the tokenizer adds by itself)."""

    id: int
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as text; where they are no whole letters, as hexadecimal: ‹e296›."""
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return f"‹{self.data.hex()}›"


@dataclass(frozen=True)
class Reader:
    """A tokenizer that only reads: `name` for people, `vocabulary` in tokens, and the cut itself.

    Marks for the beginning and the end of a text are not added, and marks that stand in a text
    are read as the letters that they are written in, where the tokenizer allows that.
    """

    name: str
    vocabulary: int
    cut: Callable[[str], list[Token]]

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text; their bytes, joined, are the text in UTF-8.

        Raises TypeError for what is no text (bytes must be decoded first), and ValueError for
        text that UTF-8 cannot hold (half of a surrogate pair).
        """
        return self.cut(checked(text))

    def count(self, text: str) -> int:
        """How many tokens a text is."""
        return len(self.tokens(text))


def checked(text: object) -> str:
    """The text itself, if it is one that can be written in UTF-8."""
    if isinstance(text, bytes):
        raise TypeError(
            "bytes were given, and a tokenizer reads text: decode them first, with the encoding "
            "that they are in, as in data.decode('utf-8')"
        )
    if not isinstance(text, str):
        raise TypeError(f"a text was expected, {type(text).__name__} was given: use str(...)")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text holds half of a surrogate pair at {error.start}, which UTF-8 cannot hold; "
            f"it was decoded wrongly: read the file with encoding='utf-8'"
        ) from None
    return text


def reader(name: str) -> Reader:
    """A tokenizer by name: "course", "sentencepiece" (Mistral 7B, 2023) or "tekken" (Mistral NeMo,
    2024). Raises LookupError for another name."""
    if name not in READERS:
        raise LookupError(f"There is no tokenizer {name!r}: {nearest(name, READERS)}")
    return _made(name)


@lru_cache
def _made(name: str) -> Reader:
    return READERS[name]()


def course() -> Reader:
    """The tokenizer of the bundled models."""
    from transformers import AutoTokenizer

    from labkit.models.zoo import folder_of

    return reader_of(AutoTokenizer.from_pretrained(str(folder_of("base"))), "Course's own")


def reader_of(tokenizer: PreTrainedTokenizerBase, name: str = "this model's") -> Reader:
    """The byte-level tokenizer of a loaded model as a reader."""
    from tokenizers import pre_tokenizers

    alphabet = {letter: byte for byte, letter in _byte_letters().items()}
    if set(alphabet) != set(pre_tokenizers.ByteLevel.alphabet()):
        raise RuntimeError("the alphabet of byte-level tokenizers is not the one known here")
    backend = tokenizer.backend_tokenizer

    def cut(text: str) -> list[Token]:
        found = backend.encode(text, add_special_tokens=False)
        return [
            Token(i, _bytes_of(token, alphabet))
            for i, token in zip(found.ids, found.tokens, strict=True)
        ]

    return Reader(name, len(tokenizer), cut)


def _byte_letters() -> dict[int, str]:
    """GPT-2's table: the letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    others = [byte for byte in range(256) if byte not in letters]
    return letters | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _bytes_of(token: str, alphabet: dict[str, int]) -> bytes:
    """The bytes of a token of a byte-level vocabulary; special tokens are plain text."""
    if all(letter in alphabet for letter in token):
        return bytes(alphabet[letter] for letter in token)
    return token.encode("utf-8")


def sentencepiece() -> Reader:
    """Mistral 7B's tokenizer of 2023: SentencePiece, 32,000 tokens, single bytes for the rest."""
    from sentencepiece import SentencePieceProcessor

    model: Any = SentencePieceProcessor(model_file=str(bundled("tokenizer.model.v1")))

    def cut(text: str) -> list[Token]:
        ids = model.encode(text)
        pieces = [model.id_to_piece(i) for i in ids]
        spans = sentencepiece_bytes(pieces, text)
        return [Token(i, data) for i, data in zip(ids, spans, strict=True)]

    return Reader("SentencePiece (Mistral 7B)", int(model.vocab_size()), cut)


def sentencepiece_bytes(pieces: Sequence[str], text: str) -> Iterator[bytes]:
    """The bytes of `text` that each piece stands for. SentencePiece puts a space before the text,
    which belongs to the first piece and to no byte of the text."""
    rest, added = b" " + text.encode("utf-8"), 1
    for piece in pieces:
        data, byte = b"", BYTE_PIECE.fullmatch(piece)
        for letter in () if byte else piece:
            written = letter.encode("utf-8")
            after = rest[len(data) :]
            data += b" " if letter == SPACE and not after.startswith(written) else written
        data = bytes.fromhex(byte[1]) if byte else data
        rest = rest[len(data) :]
        yield data[added:]
        added = 0


def tekken() -> Reader:
    """Mistral NeMo's tokenizer of 2024: Tekken, byte-level BPE, 131,072 tokens."""
    file = bundled("tekken_240718.json")
    from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    model, keep = Tekkenizer.from_file(file), SpecialTokenPolicy.KEEP

    def cut(text: str) -> list[Token]:
        ids = model.encode(text, bos=False, eos=False)
        return [Token(i, model.id_to_byte_piece(i, keep)) for i in ids]

    return Reader("Tekken (Mistral NeMo)", model.n_words, cut)


def bundled(file: str) -> Path:
    """A file of tokenizer data inside mistral-common's wheel; found without importing it."""
    package = find_spec("mistral_common")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(f"mistral-common is not installed. {INSTALL}")
    path = Path(package.submodule_search_locations[0]) / "data" / file
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: this version of mistral-common brings other files. {INSTALL}"
        )
    return path


READERS: dict[str, Callable[[], Reader]] = {
    "course": course,
    "sentencepiece": sentencepiece,
    "tekken": tekken,
}


def library_merges(words: Mapping[str, int], count: int) -> list[tuple[str, str]]:
    """The first `count` merges that tokenizers' BpeTrainer learns from words and their numbers.

    Raises ValueError for a count below 0 and for a word that is empty, holds white space, or occurs
    less than once.
    """
    bad = [word for word, times in words.items() if times < 1 or word.split() != [word]]
    if count < 0 or bad:
        raise ValueError(
            f"count {count}, words {bad[:3]}: count is 0 or more; words hold no white space, and "
            f"each occurs once or more"
        )
    return list(_library_merges(tuple(words.items()))[:count])


@lru_cache(maxsize=256)
def _library_merges(words: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str], ...]:
    """All that there are to learn."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=100_000, min_frequency=0, show_progress=False)
    tokenizer.train_from_iterator((" ".join([word] * n) for word, n in words), trainer)
    return tuple((a, b) for a, b in json.loads(tokenizer.to_str())["model"]["merges"])


def spaces_shown(text: str) -> str:
    """A token's text with what cannot be seen made visible: · for a space, ⏎ and ⇥."""
    return text.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍") or "∅"


# Backgrounds of chips: pale, so that dark text on them has a contrast above 7 to 1.
TINTS = ("#d6e4ff", "#ffe3c2", "#d5f2dd", "#f6d9ea", "#f4ecb4", "#cdeef2", "#e3dbf7", "#e4e4de")
TURNS = 4  # so many of them, in turn, tell neighbours apart


def side_by_side(readers: Mapping[str, Reader], text: str) -> ChipRows:
    """What each reader makes of a text, one row of chips below the other."""
    return ChipRows([Chips(each.name, each.tokens(text)) for each in readers.values()])


@dataclass(frozen=True)
class Chips:
    """Tokens as a row of coloured chips; `title` says whose they are. `kinds` may give each token
    a colour by what it belongs to, instead of colours that only take turns."""

    title: str
    tokens: Sequence[Token]
    kinds: Sequence[int] | None = None

    def __repr__(self) -> str:
        return f"{self.title}: {'|'.join(spaces_shown(t.text) for t in self.tokens)}"

    def _repr_html_(self) -> str:
        kinds = self.kinds or range(len(self.tokens))
        chips = "".join(
            f'<span style="background:{TINTS[kind % TURNS]};color:#1f2328;'
            f"border-radius:3px;padding:0 2px;margin:1px;display:inline-block;"
            f'white-space:pre">{html.escape(spaces_shown(token.text))}</span>'
            for token, kind in zip(self.tokens, kinds, strict=True)
        )
        return (
            f"<div><strong>{html.escape(self.title)}</strong><br>"
            f'<code style="background:none;line-height:1.9">{chips}</code></div>'
        )


@dataclass(frozen=True)
class ChipRows:
    """Several rows of chips as one thing that a cell shows."""

    rows: Sequence[Chips]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.rows))

    def _repr_html_(self) -> str:
        return "".join(row._repr_html_() for row in self.rows)
