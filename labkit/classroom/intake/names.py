"""What the name of a folder or a file says: somebody, a lesson, or nobody.

Jane Doe_123_assignsubmission_file_           Jane Doe (123)   (Moodle)
doejane_LATE_123_456_05_temperature.ipynb     doejane (123)    (Canvas)
Lab 5_jdoe_attempt_2026-11-20-10-00-00_…      jdoe             (Blackboard)
alice_05_temperature.ipynb                    alice
Copy_of_05_temperature (1).ipynb              nobody
section 2, week3, hand-ins, final             nobody
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from string import ascii_letters

from labkit.classroom.intake.lessons import beside, lesson_in_name
from labkit.grading import fingerprints

LMS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_\w+?(?:_.*)?",
        r"(?P<name>[^_]+)(?:_LATE)?_(?P<number>\d+)_\d+_.+",
        r".*?_(?P<name>[^_]+)_attempt_\d{4}(?:-\d\d){5}(?:_.*)?",
    )
)
# What a browser, Jupyter or Colab puts around the name of a copy.
COPIED = re.compile(r"(?:copy|kopie|copie|copia)[ _-]+(?:of|von|de)[ _-]+", re.IGNORECASE)
COPY = re.compile(r"(?:[ ._-]*(?:\(\d+\)|copy\d*|new|\d[\d-]*))+", re.IGNORECASE)
ENDINGS = (".ipynb", ".txt", ".json", ".zip", "-checkpoint")
# People of one name in two such folders are two people; in two others (weeks, say) they are one.
GROUPS = frozenset("section group class course tutorial cohort seminar team".split())
WORDS = GROUPS | frozenset(
    """
    all answer answers archive assignment assignments attempt backup checkpoint checkpoints
    classes code copy data day download downloads draft exercise exercises export figures file
    files final folder grades groups hand handed handin handins hands homework hw image images
    img in index ins ipynb json lab labs lecture lesson lessons license marks module new
    notebook notebooks notes old output outputs problem ps pset readme requirements sections
    session set solution solutions source src students submission submissions submitted task
    teams template term tmp todo unit untitled upload uploads v version week work zip
    """.split()
)
INNER = frozenset(
    """
    answer answers checkpoint checkpoints code copy draft exercise exercises files final homework hw
    ipynb notebook notebooks ps pset solution solutions src submission untitled version work
    """.split()
)
WITH_WORDS = frozenset("a an and for me mine my of the to".split())
OTHER_ARCHIVES = frozenset((".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz"))
# What is handed in instead of a notebook.
INSTEAD = frozenset((".doc", ".docx", ".htm", ".html", ".json", ".odt", ".pdf", ".py", ".txt", ""))
LITTER = frozenset(("thumbs.db", "desktop.ini"))
# Never a hand-in, unless a notebook is in it.
ASIDE = frozenset(
    "autograded data feedback figures images img output outputs pages release".split()
)
WORD = re.compile(r"[^\W\d_]+|\d+")
LONGEST = 80
FOR_STUDENTS = 5  # digits


def kind_of(file: str) -> str:
    """How a file's name ends, in small letters."""
    return PurePosixPath(file).suffix.casefold()


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that the system, Jupyter or an editor keeps for itself."""
    return name.startswith((".", "~$")) or name.casefold() in LITTER


def is_work(file: str) -> bool:
    """Whether a file is a notebook or an archive, which may hold one."""
    return not is_hidden(file) and kind_of(file) in {".ipynb", ".zip", *OTHER_ARCHIVES}


def is_instead(file: str) -> bool:
    """Whether a file is of a kind that is handed in by mistake."""
    return kind_of(file) in INSTEAD


def from_lms(name: str) -> str | None:
    """The learner in a name as Moodle, Canvas or Blackboard makes it, with their number there."""
    for pattern in LMS:
        if match := pattern.fullmatch(name):
            number = match.groupdict().get("number")
            return f"{match['name']} ({number})" if number else match["name"]
    return None


def names_nobody(name: str, lessons: Collection[str]) -> bool:
    """Whether a name is a lesson's or as folders and files are called, with a number or not."""
    lesson = lesson_in_name(name, lessons)
    sides = beside(name, lesson) if lesson else None
    return all(says_nothing(side) for side in sides) if sides else is_usual(name)


def is_usual(name: str) -> bool:
    """Whether a name is made of the words by which folders and files are called."""
    words = words_of(name)
    return bool(WORDS & set(words)) and says_nothing(" ".join(filter(str.isalpha, words)))


def says_nothing(name: str) -> bool:
    """Whether no word of a name can be somebody's; a long number can, since students have some."""
    known = WORDS | WITH_WORDS
    return all(
        word in known or (len(word) < FOR_STUDENTS and word.isdigit()) or word in ascii_letters
        for word in words_of(name)
    )


def words_of(name: str) -> list[str]:
    """The words and the numbers in a name."""
    return WORD.findall(name.casefold())


def is_group(name: str) -> bool:
    """Whether a name is that of a part of a class, such as section 2."""
    return bool(GROUPS & set(words_of(name)))


def in_file_name(file: str, lessons: Collection[str]) -> str | None:
    """The learner in a file's name; "" where it names a lesson only, None where not even that."""
    name = stem(file)
    if found := from_lms(name):
        return found
    lesson = lesson_in_name(name, lessons)
    sides = beside(name, lesson) if lesson else None
    if sides is None:
        return None
    before, behind = (side.strip(" ._-") for side in sides)
    behind = COPY.sub("", sides[1]).strip(" ._-")
    return next((side for side in (before, behind) if side and not says_nothing(side)), "")


def stem(file: str) -> str:
    """A file's name without its endings, and without what says that it is a copy of another."""
    name = PurePosixPath(file).stem if "." in file.lstrip(".") else file
    while ending := next((one for one in ENDINGS if name.casefold().endswith(one)), ""):
        name = name[: -len(ending)]
    return COPIED.sub("", name, count=1) if COPIED.match(name) else name


def name_of_root(path: Path, lessons: Collection[str]) -> str:
    """The learner whose folder, or the folder of whose folder, a path may be; "" for nobody's."""
    for name in (path.name, *(above.name for above in path.parents)):
        if not is_hidden(name) and not is_inner(name) and name not in lessons:
            return "" if names_nobody(name, lessons) else name
    return ""


def is_inner(name: str) -> bool:
    """Whether a folder is called as those that learners make in theirs."""
    return is_usual(name) and bool(INNER & set(words_of(name)))


# Names as they are shown


def readable_name(name: str) -> str:
    """A name that can be shown: no control characters, no reversed text, not too long."""
    name = unicodedata.normalize("NFC", as_text(name))
    shown = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in name)
    return " ".join("".join(shown).split())[:LONGEST].strip() or "unnamed"


def as_text(name: str) -> str:
    """A file's name as text; bytes that are no UTF-8 are taken as Windows' Western Europe."""
    raw = (
        bytes([ord(sign) - 0xDC00]).decode("cp1252", "replace") if is_raw(sign) else sign
        for sign in name
    )
    return "".join(raw).encode("utf-8", "replace").decode("utf-8")


def is_raw(sign: str) -> bool:
    """Whether a character stands for a byte that could not be read as text."""
    return "\udc80" <= sign <= "\udcff"


def told_apart(name: str) -> str:
    """A readable name that no other has: with the first digits of the whole name's fingerprint."""
    mark = fingerprints.of_bytes(name.encode("utf-8", "surrogatepass"))[:6]
    return f"{readable_name(name)[: LONGEST - 9]} ({mark})"
