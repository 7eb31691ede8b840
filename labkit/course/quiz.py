"""A lesson's questions: what stands in quizzes/NN_topic.yaml, and what is refused there.

    lesson: 05_temperature            # the file's own name
    questions:
      - id: entropy-at-zero           # kebab-case, unique, never changed: progress is kept under it
        type: single                  # one of the eight below
        prompt: What is the entropy of softmax($z/T$) as $T \\to 0$?     # Markdown, maths in $...$
        points: 1                     # default 1
        concepts: [entropy, argmax]   # tags, kebab-case
        hints: [Which token is left?] # one to three, shown one at a time
        explanation: All mass is on the largest logit.     # shown after a right answer
        options: ...

Every question has the fields above; `prompt`, `id` and `type` must be there. What each type adds:

single       options: [{id, text, feedback, correct: true}, {id, text, feedback}, ...]
             Exactly one is correct. `feedback` says why the option is right or which mistake it is.
multiple     options: the same, one or more correct. Misses and extras both cost:
             score = max(0, (hits - extras) / correct); a pass only when all is right.
number       answer: 1.386 with tolerance: 0.01 (absolute) or relative: 0.02 (of the answer);
             unit: nats; mistakes: [{answer: 2, tolerance: 0.01, feedback: That is in bits.}]
             A mistake's tolerance is the question's own unless it is given.
predict      unit; minimum and maximum bound what may be typed; close: 0.1 is how near counts as
             close. There is no key: it is committed before a measurement and compared after it.
text         accept: [nucleus, top-p] (the accepted forms; upper and lower case are the same unless
             casefold: false); pattern: a regular expression that is accepted too (whole answer);
             mistakes: [{accept: [top-k], feedback: top-k keeps a fixed number.}]
order        items: [{id, text}, ...] in the right order (shown shuffled); feedback for a wrong one
match        pairs: [{id, left, right}, ...] (right sides shown shuffled); feedback for a wrong one
code-output  code: what is run; answer: what it prints (spaces and line ends don't matter);
             mistakes: [{answer, feedback}]

`json_schema()` gives the same as JSON Schema, for an editor that completes and checks while typing.
Marking stands in marking.py. A question goes to the browser as `public()`, which holds no key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from labkit import paths
from labkit.course.quantities import is_within
from labkit.course.yaml_source import Part, Prose, SourceError, YamlSource, problem, read_text

MOST_HINTS = 3


class QuizError(SourceError):
    """What is wrong in a quiz file, one line per problem: file:line: field: problem."""


def refuse_bool(value: Any) -> Any:
    """YAML reads yes and no as true and false, which Python would take for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("input should be a number")
    return value


Kebab = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Real = Annotated[float, BeforeValidator(refuse_bool), Field(allow_inf_nan=False)]
Tolerance = Annotated[Real, Field(ge=0)]


class Question(Part):
    """What all questions have in common."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: Kebab
    """Stable and unique in the file: progress is kept under it."""
    prompt: Prose
    """The question in Markdown, maths between dollar signs."""
    points: Annotated[Real, Field(gt=0)] = 1
    """What a right answer is worth."""
    concepts: tuple[Kebab, ...] = ()
    """Tags of what the question is about."""
    hints: Annotated[tuple[Prose, ...], Field(max_length=MOST_HINTS)] = ()
    """One to three, shown one at a time."""
    explanation: str = ""
    """Shown after a right answer."""

    def public(self) -> dict[str, Any]:
        """What the browser may know of the question: everything but the key."""
        return {
            "id": self.id,
            "type": getattr(self, "type"),  # noqa: B009 - each kind of question declares its own
            "prompt": self.prompt,
            "points": self.points,
            "concepts": list(self.concepts),
            "hints": len(self.hints),
            **self.public_details(),
        }

    def public_details(self) -> dict[str, Any]:
        """What this type of question adds to `public()`."""
        return {}

    def key(self) -> Any:
        """The right answer in the form in which the browser sends one; None where there is none."""
        raise NotImplementedError


class Option(Part):
    """One option of a choice."""

    id: Kebab
    text: Prose
    feedback: Prose
    """Why it is right, or which mistake it is."""
    correct: bool = False


class Choice(Question):
    """What single and multiple share."""

    options: Annotated[tuple[Option, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def options_differ(self) -> Choice:
        refuse_repeats("options", "id", [option.id for option in self.options])
        refuse_repeats("options", "text", [option.text for option in self.options])
        return self

    def correct_ids(self) -> list[str]:
        return [option.id for option in self.options if option.correct]

    def public_details(self) -> dict[str, Any]:
        return {"options": [{"id": option.id, "text": option.text} for option in self.options]}


class Single(Choice):
    """One of several options."""

    type: Literal["single"]

    @model_validator(mode="after")
    def exactly_one_is_correct(self) -> Single:
        if len(self.correct_ids()) != 1:
            count = len(self.correct_ids())
            raise problem(f"exactly one option must have correct: true, found {count}", "options")
        return self

    def key(self) -> str:
        return self.correct_ids()[0]


class Multiple(Choice):
    """Any number of several options."""

    type: Literal["multiple"]

    @model_validator(mode="after")
    def some_are_correct(self) -> Multiple:
        if not self.correct_ids():
            raise problem("at least one option must have correct: true", "options")
        return self

    def key(self) -> list[str]:
        return self.correct_ids()


class NumberMistake(Part):
    """A wrong number that has a name."""

    answer: Real
    tolerance: Tolerance | None = None
    feedback: Prose


class Number(Question):
    """A number, within a tolerance."""

    type: Literal["number"]
    answer: Real
    tolerance: Tolerance | None = None
    """Absolute, in the unit."""
    relative: Tolerance | None = None
    """As a share of the answer."""
    unit: str = ""
    mistakes: tuple[NumberMistake, ...] = ()

    @model_validator(mode="after")
    def one_tolerance(self) -> Number:
        if (self.tolerance is None) == (self.relative is None):
            raise problem("give either tolerance (absolute) or relative (of the answer)")
        if self.relative is not None and self.answer == 0:
            raise problem("a share of 0 is 0; give tolerance instead", "relative")
        return self

    @model_validator(mode="after")
    def mistakes_are_wrong(self) -> Number:
        for index, mistake in enumerate(self.mistakes):
            if is_within(mistake.answer, self.answer, self.margin()):
                raise problem("this number counts as right", "mistakes", index, "answer")
        return self

    def margin(self) -> float:
        """How far from the answer still counts, in the unit."""
        if self.tolerance is not None:
            return self.tolerance
        return abs(self.answer) * (self.relative or 0)

    def public_details(self) -> dict[str, Any]:
        return {"unit": self.unit}

    def key(self) -> str:
        return repr(self.answer)


class Predict(Question):
    """A number that is committed before a measurement and compared with it after."""

    type: Literal["predict"]
    close: Annotated[Real, Field(gt=0)]
    """How near to the measurement counts as close, in the unit."""
    minimum: Real | None = None
    maximum: Real | None = None
    unit: str = ""

    @model_validator(mode="after")
    def range_has_room(self) -> Predict:
        if None not in (self.minimum, self.maximum) and not self.minimum < self.maximum:  # type: ignore[operator]
            raise problem(f"must be above minimum, which is {self.minimum}", "maximum")
        return self

    def public_details(self) -> dict[str, Any]:
        return {"unit": self.unit, "minimum": self.minimum, "maximum": self.maximum}

    def key(self) -> None:
        return None


class TextMistake(Part):
    """Wrong words that have a name."""

    accept: Annotated[tuple[Prose, ...], Field(min_length=1)]
    feedback: Prose


class Text(Question):
    """A word or a few."""

    type: Literal["text"]
    accept: Annotated[tuple[Prose, ...], Field(min_length=1)]
    casefold: bool = True
    """Upper and lower case are the same."""
    pattern: str | None = None
    """A regular expression that is accepted too, for the whole answer."""
    mistakes: tuple[TextMistake, ...] = ()

    @model_validator(mode="after")
    def pattern_compiles(self) -> Text:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise problem(f"no regular expression: {error}", "pattern") from None
        return self

    def key(self) -> str:
        return self.accept[0]


class Item(Part):
    """One of the things to be put in order."""

    id: Kebab
    text: Prose


class Order(Question):
    """Things to be put in order; the file holds them in the right one."""

    type: Literal["order"]
    items: Annotated[tuple[Item, ...], Field(min_length=2)]
    feedback: Prose

    @model_validator(mode="after")
    def items_differ(self) -> Order:
        refuse_repeats("items", "id", [item.id for item in self.items])
        refuse_repeats("items", "text", [item.text for item in self.items])
        return self

    def public_details(self) -> dict[str, Any]:
        texts = dict(zip(self.key(), (item.text for item in self.items), strict=True))
        return {"items": [{"id": id, "text": texts[id]} for id in shuffled(self.key())]}

    def key(self) -> list[str]:
        return [opaque_id(self.id, item.id) for item in self.items]


class Pair(Part):
    """A left side and the right side that belongs to it."""

    id: Kebab
    left: Prose
    right: Prose


class Match(Question):
    """Right sides to be given to left sides."""

    type: Literal["match"]
    pairs: Annotated[tuple[Pair, ...], Field(min_length=2)]
    feedback: Prose

    @model_validator(mode="after")
    def pairs_differ(self) -> Match:
        for field in ("id", "left", "right"):
            refuse_repeats("pairs", field, [getattr(pair, field) for pair in self.pairs])
        return self

    def public_details(self) -> dict[str, Any]:
        key = self.key()
        texts = {key[pair.id]: pair.right for pair in self.pairs}
        return {
            "left": [{"id": pair.id, "text": pair.left} for pair in self.pairs],
            "right": [{"id": id, "text": texts[id]} for id in shuffled(list(key.values()))],
        }

    def key(self) -> dict[str, str]:
        return {pair.id: opaque_id(self.id, pair.id) for pair in self.pairs}


class OutputMistake(Part):
    """A wrong output that has a name."""

    answer: Prose
    feedback: Prose


class CodeOutput(Question):
    """What a piece of code prints."""

    type: Literal["code-output"]
    code: Annotated[str, StringConstraints(min_length=1)]
    answer: Prose
    mistakes: tuple[OutputMistake, ...] = ()

    def public_details(self) -> dict[str, Any]:
        return {"code": self.code.strip("\n")}

    def key(self) -> str:
        return self.answer


AnyQuestion = Annotated[
    Single | Multiple | Number | Predict | Text | Order | Match | CodeOutput,
    Field(discriminator="type"),
]


class Quiz(Part):
    """The questions of one lesson; `quiz["entropy-at-zero"]` is one of them."""

    lesson: str
    questions: Annotated[tuple[AnyQuestion, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def ids_differ(self) -> Quiz:
        refuse_repeats("questions", "id", [question.id for question in self.questions])
        return self

    def __getitem__(self, id: str) -> AnyQuestion:
        for question in self.questions:
            if question.id == id:
                return question
        known = paths.nearest(str(id), [question.id for question in self.questions])
        raise LookupError(f"{self.lesson} has no question {id!r}: {known}")


def load_quiz(path: Path | str) -> Quiz:
    """The quiz in a file, or a QuizError that names each problem's line and field."""
    path = Path(path)
    try:
        source = YamlSource(read_text(path), path)
        quiz = source.validate(Quiz)
    except FileNotFoundError:
        raise QuizError(f"{path}: there is no such file") from None
    except SourceError as error:
        raise QuizError(str(error)) from None
    if quiz.lesson != path.stem:
        line, _ = source.walk(["lesson"])
        said = f"lesson: expected {path.stem!r}, as the file is called, got {quiz.lesson!r}"
        raise QuizError(str(source.error(line, said)))
    return quiz


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a quiz file."""
    return Quiz.model_json_schema()


def refuse_repeats(list_name: str, field: str, values: Sequence[str]) -> None:
    """Two entries that a learner, or the progress log, could not tell apart."""
    repeated = {value for value, count in Counter(values).items() if count > 1}
    for index, value in enumerate(values):
        if value in repeated and value in values[:index]:
            raise problem(f"{value!r} appears twice", list_name, index, field)


def opaque_id(question_id: str, id: str) -> str:
    """An id for the browser that tells nothing of where its item belongs, the same every time."""
    return "i" + sha256(f"{question_id}/{id}".encode()).hexdigest()[:10]


def shuffled(opaque_ids: Iterable[str]) -> list[str]:
    """In the order of the ids' own digests, which is no order; never the one they came in."""
    given = list(opaque_ids)
    mixed = sorted(given)
    return mixed if mixed != given else mixed[::-1]
