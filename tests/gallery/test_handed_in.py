"""`labkit grade` says what `lab.check` has said: answers of the gallery, handed in as notebooks.

Each stands in its lesson's notebook in the place of the stub, with the helpers that it needs. Of
every challenge a few are taken, right ones and wrong ones, the same each time.
"""

from __future__ import annotations

import ast
import re
import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from labkit.challenges import challenges_of, topics
from labkit.classroom.intake import read_notebook
from labkit.classroom.worker import WARM, statements_of
from labkit.course.catalog import lessons
from labkit.grading import check
from labkit.grading.source.slices import slice_for, used_by
from labkit.grading.transports.remote import Limits, Work, Zygote
from labkit.grading.tries import Tries
from tests.gallery.test_gallery import TOPICS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix sockets")
RIGHT, WRONG = 1, 2  # of each challenge
SEED = 1
LESSONS = [lesson for lesson in lessons() if lesson.topic in topics()]


@pytest.fixture(scope="module")
def zygote():
    with Zygote(trusted=True, imports=WARM) as warm:
        yield warm


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_a_hand_in_gets_the_verdict_of_the_lesson(zygote, lesson):
    challenges = challenges_of(lesson.topic)
    for answers in hand_ins(lesson.topic, challenges):
        for name, verdict in graded(zygote, lesson, answers).items():
            function, expression = answers[name]
            here = check(challenges[name], function, seed=SEED)
            assert told(verdict) == told(here), ast.unparse(expression)


def hand_ins(topic, challenges):
    """Learner by learner an answer to each challenge: the function, and how the gallery has it."""
    picked = {
        name: [
            *spread(answers_of(topic, "right", name), RIGHT),
            *spread(answers_of(topic, "wrong", name), WRONG),
        ]
        for name in challenges
    }
    for number in range(RIGHT + WRONG):
        yield {name: few[number] for name, few in picked.items() if number < len(few)}


def spread(items, count):
    """So many of them, from all parts of the list."""
    count = min(count, len(items))
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]


def graded(zygote, lesson, answers):
    """The verdict on each answer, all in one notebook."""
    challenges = challenges_of(lesson.topic)
    work = Work(notebook_with(lesson, answers), lessons=statements_of(lesson.id))
    limits = Limits(seconds=max(challenge.limit_seconds for challenge in challenges.values()))
    with closing(Tries(zygote, work, list(challenges), limits)) as tries:
        return {name: tries.verdict(challenges[name], SEED) for name in answers}


def told(verdict):
    """What a learner is told, in the jail's names."""
    message = verdict.message.replace("labkit.", "")
    return verdict.outcome, verdict.mistake, message


# ---- notebooks -----------------------------------------------------------------------------------


@cache
def source_of(topic):
    return Path(TOPICS[topic].__file__).read_text("utf-8")


def answers_of(topic, kind, challenge):
    """The answers of a kind in the gallery, each with the expression that stands for it."""
    functions = list(getattr(TOPICS[topic].gallery, f"{kind}_answers")[challenge])
    start = f"gallery.{kind}({challenge!r}"
    written = [
        expression
        for node in ast.parse(source_of(topic)).body
        for call, expression in registrations(node)
        if ast.unparse(call).startswith(start)
    ]
    return list(zip(functions, written, strict=True))


def registrations(node):
    """What a statement of a gallery registers: `gallery.right(…)` or another, and the answer."""
    if isinstance(node, ast.FunctionDef):
        for decorator in reversed(node.decorator_list):
            yield decorator, ast.copy_location(ast.Name(node.name, ast.Load()), decorator)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node.value.func, node.value.args[0]


def notebook_with(lesson, answers):
    """The lesson's code cells with these answers in the place of the stubs."""
    made = []
    for cell in read_notebook(lesson.notebook.read_bytes()).cells:
        for name in (name for name in answers if re.search(rf"^def {name}\(", cell, re.MULTILINE)):
            helpers, answer = written_as(source_of(lesson.topic), answers[name][1], name)
            made += helpers
            cell = without_stub(cell, name) + answer
        made.append(cell)
    return made


def without_stub(cell, name):
    """What a learner leaves standing above the function."""
    stub = next(n for n in ast.parse(cell).body if getattr(n, "name", "") == name)
    return "".join(line + "\n" for line in cell.splitlines()[: stub.lineno - 1])


def written_as(source, expression, challenge):
    """The cells of an answer's helpers, and the text that defines it by the challenge's name."""
    statements = [*map(unregistered, ast.parse(source).body), *ast.parse("wanted = 0").body]
    statements[-1].value = expression
    *kept, _ = (statements[index] for index in slice_for(["wanted"], statements))
    answer = f"{challenge} = {ast.unparse(expression)}"
    name = ast.unparse(expression)
    own = [node for node in kept if isinstance(node, ast.FunctionDef) and node.name == name]
    others = [node for node in kept if node not in own]
    if own and not any(name in used_by(node) for node in others) and not calls_itself(own[0]):
        answer = text_of(own[0], source).replace(f"def {name}(", f"def {challenge}(", 1)
        kept = others
    return [text_of(node, source) for node in kept], answer


def unregistered(node):
    """A statement without what registers it, which needs the gallery."""
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = [n for n in node.decorator_list if not of_gallery(n)]
    return node


def calls_itself(function):
    """Whether a function uses its own name, and so can't be given another without care."""
    return any(isinstance(n, ast.Name) and n.id == function.name for n in ast.walk(function))


def text_of(node, source):
    """A statement's own lines, without what the gallery says of it."""
    others = [n.lineno for n in getattr(node, "decorator_list", ()) if not of_gallery(n)]
    first = min([node.lineno, *others])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def of_gallery(decorator):
    return ast.unparse(decorator).startswith("gallery.")


def test_answers_are_written_as_a_learner_would_write_them():
    source = "import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef f(x):\n    return half(x)\n"
    expression = ast.parse("f", mode="eval").body

    assert written_as(source, expression, "halve") == (
        ["def half(x):\n    return x / 2"], "def halve(x):\n    return half(x)"
    )  # fmt: skip
    itself = source.replace("half(x)\n", "f(x)\n")
    assert written_as(itself, expression, "halve") == (["def f(x):\n    return f(x)"], "halve = f")
