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
from types import ModuleType

from labkit.grading import cheats, untouched
from labkit.grading.challenge import Challenge
from labkit.grading.checking import check_through
from labkit.grading.outcome import Verdict
from labkit.grading.remote import Limits, NotIsolated, RemoteTransport, Zygote
from labkit.grading.slices import slice_for
from labkit.grading.verify import Answer, Judge

STAND_IN = """from __future__ import annotations

class Mistake:
    def __init__(self, name, imitation, message, hint):
        self.imitation = imitation
"""


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
    table, item = place_of(module, challenge, answer)
    return [needed_by(module, table), f"{challenge.name} = {table}{item}"]


def module_of(challenge: Challenge, answer: Answer) -> ModuleType:
    """Where an answer stands."""
    if answer.name.startswith("stub: "):
        return untouched
    if answer.name.startswith("cheat: "):
        return cheats
    module = inspect.getmodule(challenge.check)
    assert module is not None
    return module


def place_of(module: ModuleType, challenge: Challenge, answer: Answer) -> tuple[str, str]:
    """How an answer is reached from its module's own names: the table, and the place in it."""
    kind, _, name = answer.name.partition(": ")
    if kind == "stub":
        return name, ""
    if kind == "cheat":
        return "CHEATS", f"[{name!r}]"
    if kind == "mistake":
        number = [mistake.name for mistake in challenge.mistakes].index(name)
        return argument_of(module, challenge.name, "mistakes"), f"[{number}].imitation"
    number = int(kind.removeprefix("alternative ")) - 1
    return argument_of(module, challenge.name, "alternatives"), f"[{number}]"


@cache
def argument_of(module: ModuleType, challenge: str, argument: str) -> str:
    """What stands for an argument of `Challenge(name="…", …)` in the module's text."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Challenge":
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if given.get("name") == repr(challenge):
                return f"({given[argument]})"
    raise LookupError(f"{module.__name__} has no Challenge(name={challenge!r}, {argument}=…)")


@cache
def needed_by(module: ModuleType, expression: str) -> str:
    """The part of a module's text that an expression needs. A child has no labkit.grading."""
    statements = ast.parse(f"{inspect.getsource(module)}\nwanted = {expression}\n").body
    *kept, _ = (statements[index] for index in slice_for(["wanted"], statements))
    texts = [ast.unparse(node) for node in kept if not of_grading(node)]
    return "\n\n".join([STAND_IN, *texts])


def of_grading(node: ast.stmt) -> bool:
    """Whether a statement imports from labkit.grading."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labkit.grading")
