"""Whether an answer in free words says the right name, as a reader would judge it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SENTENCE = re.compile(r"[!?\n]|\.(?=\s|$)")


def says(text: str, forms: Iterable[str], others: Iterable[str] = ()) -> bool:
    """Whether the first sentence of a text names one of `forms`, and none of `others` before it.

    "Paris", "It's Paris, on the Seine." and "Paris is the capital of France." say Paris; "Lyon, not
    Paris" doesn't where Lyon is among the others. Accents, capitals and hyphens don't matter.
    """
    said = plain(SENTENCE.split(text.strip(), maxsplit=1)[0])
    found = [place for form in forms if (place := place_of(form, said)) >= 0]
    wrong = [place for other in others if (place := place_of(other, said)) >= 0]
    return bool(found) and min(found) <= min(wrong, default=len(said))


def place_of(name: str, said: str) -> int:
    """Where a name begins in a plain text, as whole words; -1 where it does not stand."""
    found = re.search(rf"\b{re.escape(plain(name))}\b", said)
    return found.start() if found else -1


def plain(text: str) -> str:
    """Lower case without accents; anything but letters and digits is one space."""
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", " ", bare.replace("'", "").casefold()).strip()
