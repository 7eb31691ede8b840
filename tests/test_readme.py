"""What the README says of lessons, commands and the fetched model is what these say themselves."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.cli import COMMANDS
from labkit.cli.run import BUDGET_MB
from labkit.course.catalog import lessons
from labkit.fetched import MODELS

TEXT = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"\| \[(?P<number>\d\d) (?P<title>[^\]]+)\]\((?P<path>[^)]+)\): (?P<summary>[^|]+) "
    r"\| (?P<minutes>\d+) min \| (?P<seconds>\d+) s \| (?P<avx2>\d+) s \| (?P<mb>\d+) MB \|"
)


def test_the_table_of_lessons_is_the_catalogs() -> None:
    found = [row.groupdict() for row in ROW.finditer(TEXT)]
    assert [(row["number"], row["title"], row["path"]) for row in found] == [
        (lesson.number, lesson.title, f"lessons/{lesson.notebook.name}") for lesson in lessons()
    ]
    for row, lesson in zip(found, lessons(), strict=True):
        assert int(row["minutes"]) == lesson.minutes, lesson.id
        assert row["summary"].casefold() == lesson.summary.rstrip(".").casefold(), lesson.id
        assert max(int(row["seconds"]), int(row["avx2"])) <= lesson.budget_seconds, lesson.id
        assert int(row["mb"]) <= BUDGET_MB, lesson.id


def test_its_commands_are_there() -> None:
    named = set(re.findall(r"python3 -m labkit (\w+)", TEXT))
    assert named and named <= COMMANDS.keys()


def test_the_real_model_takes_what_is_said() -> None:
    model = MODELS["smollm2"]
    for said in (f"{model.download} MB", f"{model.disk} MB", f"{model.memory / 1000:g} GB"):
        assert said in TEXT, said
    original = MODELS["smollm2-original"]
    assert f"`{original.name}` ({original.download} MB" in TEXT
