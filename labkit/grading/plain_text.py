"""Text of strangers made fit to be shown: in a terminal, a table, on a page, to other people.

Names, exceptions and source may hold codes that a terminal obeys, marks that turn the text after
them around, and halves of characters, which can't be written to a file at all.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from contextlib import suppress

from labkit.paths import PACKAGE

REPLACED = "\N{REPLACEMENT CHARACTER}"
TAB = 4  # spaces


def plain_line(text: str) -> str:
    """One line of printable characters: each other one is a space, if it is a kind of one, or �."""
    return "".join(map(printable, text.expandtabs(TAB)))


def plain_lines(text: str) -> str:
    """The same, line by line, whatever ends the lines."""
    return "\n".join(map(plain_line, text.splitlines()))


def printable(sign: str) -> str:
    """The character, or what stands for it."""
    if sign.isprintable():
        return sign
    return " " if unicodedata.category(sign) == "Zs" else REPLACED


def without_places(text: str) -> str:
    """The text without the paths that tell whose machine this is: …/torch/__init__.py."""
    either = "|".join(map(re.escape, places()))
    return re.sub(rf"(?<!\w)(?:{either})(?![\w.-])", "…", text) if either else text


def places() -> list[str]:
    """The home, the current folder, this Python's environment and labkit's; the longest first."""
    known = {os.path.expanduser("~"), sys.prefix, str(PACKAGE.parent)}
    with suppress(OSError):  # the current folder may be gone
        known.add(os.getcwd())
    known |= set(map(os.path.realpath, known))
    return sorted((path for path in known if len(path) > len("C:\\")), key=len, reverse=True)
