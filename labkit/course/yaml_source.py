"""YAML that an author wrote, read so that every complaint names file, line and field.

PyYAML's safe loader gives the values and, through its node tree, the line on which each of them
stands; pydantic says what is wrong with a value; `validate` brings the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from labkit import paths

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[int | str]


class SourceError(ValueError):
    """What is wrong in a file of the course, one line per problem: file:line: field: problem."""


class Part(BaseModel):
    """A mapping in such a file: a field it doesn't know is refused, with the nearest it does."""

    model_config = {"extra": "forbid", "frozen": True}

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_fields(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name not in cls.model_fields:
                raise problem(f"unknown field; {paths.nearest(str(name), cls.model_fields)}", name)
        return values


def problem(message: str, *at: int | str) -> PydanticCustomError:
    """An error for a validator to raise; `at` leads from the validated model to what is wrong."""
    return PydanticCustomError("problem", "{message}", {"message": message, "at": at})


class YamlSource:
    """A YAML text that begins in line `first_line` of its file, and the line of every value."""

    def __init__(self, text: str, path: Path, first_line: int = 1) -> None:
        self.name = shown_path(path)
        self.first_line = first_line
        try:
            loader = yaml.SafeLoader(text)
            self.root = loader.get_single_node()
            self.refuse_duplicate_keys(self.root, seen=set())
            self.value = None if self.root is None else loader.construct_document(self.root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.error(mark.line if mark else 0, yaml_complaint(error)) from None
        except yaml.YAMLError as error:
            raise self.error(0, " ".join(str(error).split())) from None

    def error(self, line: int, message: str) -> SourceError:
        """One complaint about a line, counted from 0 as PyYAML does."""
        return SourceError(f"{self.name}:{self.first_line + line}: {message}")

    def refuse_duplicate_keys(self, node: yaml.Node | None, seen: set[int]) -> None:
        """PyYAML keeps only the last of two equal keys, which would lose what an author wrote."""
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            return
        seen.add(id(node))
        if not isinstance(node, yaml.MappingNode):
            for item in node.value:
                self.refuse_duplicate_keys(item, seen)
            return
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = scalar(key), key.start_mark.line
            if name in first_lines:
                first = self.first_line + first_lines[name]
                raise self.error(line, f"{name}: appears twice (first in line {first})")
            if name is not None:
                first_lines[name] = line
            self.refuse_duplicate_keys(value, seen)

    def validate(self, model: type[Model]) -> Model:
        """The value as a pydantic model, or a SourceError with every problem in it."""
        try:
            return model.model_validate({} if self.value is None else self.value)
        except ValidationError as error:
            problems = sorted(self.locate(details) for details in error.errors(include_url=False))
            raise SourceError("\n".join(self.line_of(*each) for each in problems)) from None

    def line_of(self, line: int, message: str) -> str:
        return str(self.error(line, message))

    def locate(self, details: ErrorDetails) -> tuple[int, str]:
        """The line (from 0) that one of pydantic's errors is about, and what to say of it."""
        at = (*details["loc"], *details.get("ctx", {}).get("at", ()))
        if details["type"].startswith("union_tag"):
            at = (*at, "type")
        line, field = self.walk(at)
        said = complaint(details)
        return line, f"{field}: {said}" if field else said

    def walk(self, at: Location) -> tuple[int, str]:
        """Follow a location as far as the file goes: its line, and the field as an author reads it.

        Pydantic names the type of a union's member in the location; that is no field, so it is left
        out.
        """
        node, line, field = self.root, 0, ""
        for before, part in zip(("", *at), at, strict=False):
            if isinstance(before, int) and part == scalar(child(node, "type")[1]):
                continue
            field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
            found_line, node = child(node, part)
            line = line if found_line is None else found_line
        return line, field


def child(node: yaml.Node | None, part: int | str) -> tuple[int | None, yaml.Node | None]:
    """One entry of a mapping or a sequence, and its line; None where there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if scalar(key) == str(part):
                return key.start_mark.line, value
    return None, None


def scalar(node: yaml.Node | None) -> str | None:
    return node.value if isinstance(node, yaml.ScalarNode) else None


def complaint(details: ErrorDetails) -> str:
    """One of pydantic's errors in an author's words."""
    given = details["input"]
    match details["type"]:
        case "missing":
            return "missing"
        case "string_type":
            return f"expected text, got {given!r}; put it in quotes"
        case "union_tag_not_found":
            return "missing"
        case "union_tag_invalid":
            tag = str(details["ctx"]["tag"])
            known = [name.strip(" '") for name in details["ctx"]["expected_tags"].split(",")]
            return f"unknown question type {tag!r}; {paths.nearest(tag, known)}"
        case "problem":
            return details["msg"]
    message = details["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, got {shortened(given)}"


def shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def yaml_complaint(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's complaint in one line; a tab for indentation is its most puzzling one."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "\\t" in said:
        return f"{said} (YAML is indented with spaces, not tabs)"
    return said


def read_text(path: Path) -> str:
    """The text of a course file, which is UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{shown_path(path)}:{line}: not UTF-8 text ({error.reason})") from None


def shown_path(path: Path) -> str:
    """A course file as an author names it: from the course's root where it lies below it."""
    try:
        return path.absolute().relative_to(paths.course_root()).as_posix()
    except ValueError:
        return path.as_posix()
