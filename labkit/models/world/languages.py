"""Two invented languages, which say the same things as English in other words and another order.

    English  The hungry fox finds the golden key near the river.
    Tarvic   fox hungry key golden KO river TA finds.      verb last, adjective after its noun;
                                                           KO marks the object, TA the place
    Olune    finds EL hungry fox EL golden key NI river.   verb first, adjective before its noun;
                                                           EL opens every noun, NI the place

(each with its own words in place of the English ones). Neither has capital letters.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from labkit.models.world import lexicon as words
from labkit.models.world.document import Document, Part, Question, plain
from labkit.models.world.lexicon import Split, draw, split_of
from labkit.models.world.spelling import invented

Language = Literal["Tarvic", "Olune"]
LANGUAGES: tuple[Language, ...] = ("Tarvic", "Olune")

SUBJECTS = (*words.ANIMALS[:12], *words.JOBS[:6])
OBJECTS = (*words.FINDS[:10], *words.FOODS[:8])
PLACES = tuple(words.PLACES[:8])
ADJECTIVES = tuple(words.ADJECTIVES[:8])
VERBS = tuple("sees finds likes loses seeks carries hides paints".split())
ENGLISH = (*SUBJECTS, *OBJECTS, *PLACES, *ADJECTIVES, *VERBS)

KO, TA, EL, NI = "ko", "ta", "el", "ni"

TARVIC_WORDS = invented(
    "Tarvic", len(ENGLISH), "tar gis vek dra ski zor ke ru", "vik ga tesk zet dar irn ket zu"
)
OLUNE_WORDS = invented(
    "Olune", len(ENGLISH), "olu me lio nua we fia yo shu", "ne lio mu wen hea lo fin sho"
)
TARVIC = dict(zip(ENGLISH, TARVIC_WORDS, strict=True))
OLUNE = dict(zip(ENGLISH, OLUNE_WORDS, strict=True))
WORDS = (*TARVIC_WORDS, *OLUNE_WORDS, KO, TA, EL, NI)


@dataclass(frozen=True)
class Meaning:
    """What a sentence says, by its English words; an adjective or a place may be missing (`""`)."""

    subject: str
    subject_adjective: str
    verb: str
    object: str
    object_adjective: str
    place: str

    @property
    def english(self) -> str:
        subject = f"The {self.subject_adjective} {self.subject}"
        place = f"near the {self.place}" if self.place else ""
        return _joined(subject, self.verb, "the", self.object_adjective, self.object, place)

    @property
    def tarvic(self) -> str:
        def word(english: str) -> str:
            return TARVIC.get(english, "")

        return _joined(
            word(self.subject), word(self.subject_adjective),
            word(self.object), word(self.object_adjective), KO,
            word(self.place), TA if self.place else "", word(self.verb),
        )  # fmt: skip

    @property
    def olune(self) -> str:
        def word(english: str) -> str:
            return OLUNE.get(english, "")

        return _joined(
            word(self.verb), EL, word(self.subject_adjective), word(self.subject),
            EL, word(self.object_adjective), word(self.object),
            NI if self.place else "", word(self.place),
        )  # fmt: skip

    def told_in(self, language: Language) -> str:
        return self.tarvic if language == "Tarvic" else self.olune


def _joined(*parts: str) -> str:
    """The words that are there, with one space between them and a full stop."""
    return " ".join(" ".join(parts).split()) + "."


def meaning(rng: random.Random, split: Split, subject: str | None = None) -> Meaning:
    """Something to say, whose English sentence belongs to a split."""
    while True:
        found = Meaning(
            subject=subject or draw(rng, SUBJECTS),
            subject_adjective=draw(rng, ADJECTIVES) if rng.random() < 0.5 else "",
            verb=draw(rng, VERBS),
            object=draw(rng, OBJECTS),
            object_adjective=draw(rng, ADJECTIVES) if rng.random() < 0.5 else "",
            place=draw(rng, PLACES) if rng.random() < 0.5 else "",
        )
        if split_of(found.english) == split:
            return found


def sentence(rng: random.Random, split: Split = "train") -> tuple[str, str, str]:
    """The same sentence in English, Tarvic and Olune."""
    found = meaning(rng, split)
    return found.english, found.tarvic, found.olune


def _translated(said: Meaning, language: Language) -> Question:
    return Question(f"English: {said.english}\n{language}: ", said.told_in(language))


def translation(rng: random.Random, language: Language, split: Split) -> Question:
    """An English sentence to translate into Tarvic or Olune."""
    return _translated(meaning(rng, split), language)


def running_text(rng: random.Random, language: Language, split: Split = "train") -> str:
    """Three to six sentences of one language about one hero."""
    hero = draw(rng, SUBJECTS)
    said = [meaning(rng, split, hero) for _ in range(rng.randint(3, 6))]
    return " ".join(each.told_in(language) for each in said) + "\n"


def document(rng: random.Random) -> Document:
    """Running text in one language, or two to four translated sentences."""
    language = rng.choice(LANGUAGES)
    if rng.random() < 0.4:
        return plain("language", running_text(rng, language))
    parts: list[Part] = []
    for _ in range(rng.randint(2, 4)):
        parts += translation(rng, language, "train").document("language").parts
    return Document("language", tuple(parts))
