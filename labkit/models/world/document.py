"""A training document: pieces of text, some of which are answers that a reader is waiting for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A stretch of text; `answer` marks what the model is asked for (it weighs more)."""

    text: str
    answer: bool = False


@dataclass(frozen=True)
class Document:
    """One text of the corpus, of a kind (`"biography"`, `"question"`, …), in parts."""

    kind: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True)
class Question:
    """A prompt that ends where the model must go on, and the answer that is right there."""

    prompt: str
    answer: str

    def document(self, kind: str) -> Document:
        return Document(kind, (Part(self.prompt), Part(self.answer + "\n", answer=True)))


def plain(kind: str, text: str) -> Document:
    """A document without answers."""
    return Document(kind, (Part(text),))
