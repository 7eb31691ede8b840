"""Readers of tokens against the libraries behind them; nothing is fetched from anywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.instruments import tokens
from labkit.models import load_model

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
tricky = st.text("a \n\t▁é東🦜<s>|", max_size=20)


@pytest.mark.parametrize("name", tokens.READERS)
@settings(max_examples=60, deadline=None)
@given(text=any_text | tricky)
def test_the_bytes_of_the_tokens_are_the_text(name: str, text: str) -> None:
    found = tokens.reader(name).tokens(text)
    assert b"".join(token.data for token in found) == text.encode("utf-8")


def test_ids_are_those_of_the_libraries() -> None:
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    text = "Die Fähre fährt um 7:30 Uhr ab.\n\n東京 🦜"
    for name, theirs in {
        "tekken": MistralTokenizer.v3(is_tekken=True),
        "sentencepiece": MistralTokenizer.v1(),
    }.items():
        library = theirs.instruct_tokenizer.tokenizer
        ids = [token.id for token in tokens.reader(name).tokens(text)]
        assert ids == library.encode(text, bos=False, eos=False)
        assert tokens.reader(name).vocabulary == library.n_words


def test_a_models_tokenizer_is_read_as_it_reads() -> None:
    _, tokenizer = load_model("base")
    text = "Q: What is the job of Finn?\nA: é<|end|>"
    assert [t.id for t in tokens.reader_of(tokenizer).tokens(text)] == tokenizer(text)["input_ids"]
    assert tokens.reader("course").count(text) == len(tokenizer(text)["input_ids"])


def test_production_tokenizers_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys; from labkit.instruments import tokens; "
        "print(sorted({'mistral_common', 'sentencepiece', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (b"bytes", TypeError, "decode them first"),
        (b"\xff\xfe", TypeError, "decode"),
        (12, TypeError, "int was given"),
        (None, TypeError, "NoneType"),
        ("half \ud800", ValueError, "surrogate pair at 5"),
    ],
)
def test_anything_but_a_text_is_refused(text: object, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        tokens.reader("sentencepiece").count(text)  # type: ignore[arg-type]


def test_an_unknown_tokenizer_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="tekken"):
        tokens.reader("teken")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install mistral-common"):
        tokens.bundled("tekken_240718.json")
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="brings other files"):
        tokens.bundled("no-such-file")


@pytest.mark.parametrize("words", [{"a b": 1}, {"": 1}, {"a": 0}])
def test_invalid_words_are_refused(words: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="hold no white space"):
        tokens.library_merges(words, 3)


def test_chips_read_as_text_and_as_html() -> None:
    chips = tokens.side_by_side({"course": tokens.reader("course")}, "a <b>\n")
    assert repr(chips).startswith("Course's own: a")
    assert "⏎" in repr(chips) and "&lt;" in chips._repr_html_()
    assert repr(tokens.Chips("x", [tokens.Token(1, b"")])) == "x: ∅"
    assert repr(tokens.Chips("x", [tokens.Token(1, b"\xc5")])) == "x: ‹c5›"
