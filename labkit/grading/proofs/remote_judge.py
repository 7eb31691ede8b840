"""Runs the known answers of a challenge as submissions are run, to prove that path as well.

What crosses to the child is source, as a learner's cells are: what an answer needs of the module
where it stands, and a line that gives it the challenge's name.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType

from labkit.grading.answers import untouched
from labkit.grading.checks.challenge import Challenge
from labkit.grading.checks.checking import check_through
from labkit.grading.checks.outcome import Verdict
from labkit.grading.proofs import cheats
from labkit.grading.proofs.verify import Answer, Judge
from labkit.grading.source.slices import slice_for
from labkit.grading.transports.remote import Limits, NotIsolated, RemoteTransport, Zygote


@contextmanager
def remote_judge() -> Iterator[Judge]:
    """A judge whose answers run in children of one warm process, which starts at the first."""
    with ExitStack() as stack:
        yield RemoteJudge(stack)


class RemoteJudge:
    """Opens an answer once for all its seeds, which come one after another."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.zygote: Zygote | None = None
        self.opened: tuple[Answer, RemoteTransport] | None = None
        stack.callback(self.close)

    @property
    def level(self) -> str:
        """What holds the answers, in words; "" before the first."""
        return self.zygote.isolation.level if self.zygote else ""

    def __call__(self, challenge: Challenge, answer: Answer, seed: int) -> Verdict:
        transport = self.transport(challenge, answer)
        transport.begin(challenge.name)
        return check_through(challenge, transport, seed=seed)

    def transport(self, challenge: Challenge, answer: Answer) -> RemoteTransport:
        """The answer's child."""
        if self.opened is None or self.opened[0] is not answer:
            self.close()
            limits = Limits(seconds=challenge.limit_seconds)
            opened = self.warm().open(cells_of(challenge, answer), [challenge.name], limits)
            self.opened = (answer, opened)
        return self.opened[1]

    def warm(self) -> Zygote:
        """The warm process: jailed where this machine can, as the answers are no strangers."""
        if self.zygote is None:
            try:
                self.zygote = Zygote()
            except NotIsolated:
                self.zygote = Zygote(trusted=True)
            self.stack.enter_context(self.zygote)
        return self.zygote

    def close(self) -> None:
        """Let go of the child that is open."""
        if self.opened is not None:
            self.opened[1].close()
            self.opened = None


def cells_of(challenge: Challenge, answer: Answer) -> list[str]:
    """An answer as cells that define a function of the challenge's name."""
    if answer.source is not None:
        return [answer.source]
    module = module_of(challenge, answer)
    expression = expression_for(module, answer.name)
    return [needed_by(module, expression), f"{challenge.name} = {expression}"]


def module_of(challenge: Challenge, answer: Answer) -> ModuleType:
    """Where an answer stands."""
    if answer.name.startswith("stub: "):
        return untouched
    if answer.name.startswith("cheat: "):
        return cheats
    module = inspect.getmodule(challenge.check)
    assert module is not None
    return module


def expression_for(module: ModuleType, answer: str) -> str:
    """How an answer is reached from its module's own names."""
    kind, _, name = answer.partition(": ")
    if kind == "stub":
        return name
    if kind == "cheat":
        return f"CHEATS[{name!r}]"
    if answer not in (known := registered(module)):
        raise LookupError(f"{module.__name__} registers no {answer!r} in a way that can be read")
    return known[answer]


@cache
def registered(module: ModuleType) -> dict[str, str]:
    """The answers that a challenge's module registers, and the expression for each."""
    found: dict[str, str] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        for call, expression in registrations(statement):
            if call == "alternative":
                call = f"alternative {sum(key.startswith('alternative') for key in found) + 1}"
            found[call] = expression
    return found


def registrations(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """What a statement registers, as "mistake: NAME" or "alternative", with its expression."""
    if isinstance(statement, ast.FunctionDef):
        for decorator in filter(of_challenge, statement.decorator_list):
            if isinstance(decorator, ast.Call):
                yield f"mistake: {name_in(decorator)}", statement.name
            else:
                yield "alternative", statement.name
    elif isinstance(statement, ast.Expr) and of_challenge(statement.value):
        call = statement.value
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        answers = [keyword.value for keyword in call.keywords if keyword.arg == "answer"]
        if call.func.attr == "mistake":
            yield f"mistake: {name_in(call)}", ast.unparse(answers[0])
        elif call.func.attr == "alternative":
            yield "alternative", ast.unparse(call.args[0])


def of_challenge(node: ast.expr) -> bool:
    """Whether it is `challenge.something`, called or not."""
    function = node.func if isinstance(node, ast.Call) else node
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) == "challenge"


def name_in(call: ast.Call) -> str:
    """The first argument, a mistake's name."""
    name: str = ast.literal_eval(call.args[0])
    return name


@cache
def needed_by(module: ModuleType, expression: str) -> str:
    """The part of a module's text that an expression needs. A child has no labkit.grading."""
    statements = [*flattened(module), *ast.parse(f"wanted = {expression}").body]
    *kept, _ = (statements[index] for index in slice_for(["wanted"], statements))
    texts = [ast.unparse(node) for node in kept if not imports_from(node, "labkit.grading")]
    return "\n\n".join(["from __future__ import annotations", *texts])


@cache
def flattened(module: ModuleType) -> tuple[ast.stmt, ...]:
    """A module's statements, those of its siblings in place of their imports, and nothing
    registered."""
    found: list[ast.stmt] = []
    for node in ast.parse(inspect.getsource(module)).body:
        if imports_from(node, "labkit.challenges"):
            assert isinstance(node, ast.ImportFrom) and node.module
            found += flattened(import_module(node.module))
        else:
            if isinstance(node, ast.FunctionDef):
                node.decorator_list = [d for d in node.decorator_list if not of_challenge(d)]
            found.append(node)
    return tuple(found)


def imports_from(node: ast.stmt, package: str) -> bool:
    """Whether a statement imports from a package of labkit."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package)
