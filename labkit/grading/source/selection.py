"""Which statements of a notebook are run to grade a function of it.

First a narrow choice for each function: its last definition and what that needs, with the values
that names had where the function was checked in the lesson. No scratch cell costs its minute then.
What a program does to its own state can't always be read off it (`exec`, `globals()`, a library's
registry), so an answer that fails is tried once more in the wide choice: everything that the
learner wrote, in order.

The lesson's own statements are run where something needs a name of theirs, and never in place of a
learner's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labkit.grading.source.cells import Program
from labkit.grading.source.slices import (
    Definition,
    binders_of,
    bound_by,
    by_name,
    changed_by,
    root,
    set_by_calls,
    touched_by,
    used_by,
)

# Calls that leave what they are given as it is.
LOOKING = frozenset(
    "abs all any bool dict display enumerate float help id int isinstance len list max min print "
    "range repr reversed round set sorted str sum tuple type zip".split()
)
SESSION = "lab"
HOLDERS = ast.Name | ast.Attribute | ast.Subscript | ast.Starred | ast.IfExp
LISTS = ast.Tuple | ast.List | ast.Set | ast.Dict


@dataclass
class Group:
    """Functions that can be run in one namespace: to none of them a name means something else."""

    names: list[str] = field(default_factory=list)
    chosen: dict[str, frozenset[int]] = field(default_factory=dict)

    @property
    def indices(self) -> list[int]:
        """Of the statements to run, in order."""
        return sorted(frozenset().union(*self.chosen.values()))

    def fits(self, chosen: dict[str, frozenset[int]]) -> bool:
        """Whether a further function takes each name from the same statements."""
        return all(self.chosen.get(name, found) == found for name, found in chosen.items())


class Selection:
    """The choices for one program, and what is read off its statements for them."""

    def __init__(self, program: Program, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.statements = program.statements
        self.lessons = program.lessons
        self.learners = [i for i in range(len(self.statements)) if i not in self.lessons]
        self.binders = binders_of(self.statements)
        self.changers = by_name(self.statements, changed_by)
        self.reached: dict[int, frozenset[str]] = {}

    # ---- the narrow choice

    def narrow(self) -> list[Group]:
        """The functions in as few groups as can be, each with the statements to run."""
        groups: list[Group] = []
        for name in self.names:
            chosen = self.needed_for(name)
            group = next((group for group in groups if group.fits(chosen)), None)
            if group is None:
                groups.append(group := Group())
            group.names.append(name)
            group.chosen |= chosen
        return groups

    def needed_for(self, function: str) -> dict[str, frozenset[int]]:
        """For every name behind a function the statements that give it its value."""
        checked = self.checked_at(function)
        chosen: dict[str, frozenset[int]] = {}
        waiting = [function]
        while waiting:
            name = waiting.pop()
            if name in chosen:
                continue
            is_answer = name in self.names  # trying out an answer does not change it
            giving = self.last(name) if name == function else self.in_force(name, checked)
            changing = [] if is_answer else self.may_change(name, checked)
            chosen[name] = frozenset([*giving, *changing])
            for index in chosen[name]:
                waiting += used_by(self.statements[index])
            for index in changing:
                waiting += bound_by(self.statements[index])
        if self.kept_under_another_name(function, chosen):  # `old = f`, and then another f
            chosen[function] |= frozenset(self.of_learner(self.binders[function]))
        return chosen

    def kept_under_another_name(self, function: str, chosen: dict[str, frozenset[int]]) -> bool:
        """Whether something that is run looks the function up before its last definition."""
        last = min(chosen[function], default=0)
        run = frozenset().union(*chosen.values())
        return any(i < last and function in touched_by(self.statements[i]) for i in run)

    def checked_at(self, function: str) -> int:
        """Where a function was checked first after its definition; else the end."""
        defined = max(self.last(function), default=-1)
        behind = range(defined + 1, len(self.statements))
        checks = (i for i in behind if function in checked_in(self.statements[i]))
        return next(checks, len(self.statements))

    def last(self, function: str) -> list[int]:
        """The last definition of a function, and what is set on it after that. One that is made of
        an earlier one brings all of them."""
        binders = self.of_learner(self.binders[function])
        if not binders:
            return []
        changers = [i for i in self.changers[function] if i > binders[-1]]
        own_use = function in touched_by(self.statements[binders[-1]])
        return [*(binders if own_use else binders[-1:]), *changers]

    def in_force(self, name: str, checked: int) -> list[int]:
        """The statements that give a name its value at a place; if none stands above, those below.
        The lesson's own count where the learner has not bound the name."""
        binders = self.of_learner(self.binders[name])
        every = sorted({*binders, *self.of_learner(self.changers[name])})
        if any(index in self.lessons for index in binders):
            every = sorted({*every, *self.changers[name]})
        return [index for index in every if index < checked] or every

    def of_learner(self, indices: Sequence[int]) -> list[int]:
        """Those of the learner's own, if there are any; else the lesson's."""
        return [i for i in indices if i not in self.lessons] or list(indices)

    def may_change(self, name: str, checked: int) -> list[int]:
        """The learner's statements above a place that may change a name's value by a call, through
        another name, or in a function of theirs."""
        if all(defines(self.statements[index], name) for index in self.binders[name]):
            return []
        return [i for i in self.learners if i < checked and name in self.reached_by(i)]

    def reached_by(self, index: int) -> frozenset[str]:
        """The names whose values a statement may change, through the functions it calls."""
        if index not in self.reached:
            found: set[str] = set()
            waiting = list(may_touch(self.statements[index]))
            while waiting:
                name = waiting.pop()
                if name not in found:
                    found.add(name)
                    waiting += self.used_in(name)
            self.reached[index] = frozenset(found)
        return self.reached[index]

    def used_in(self, name: str) -> Iterator[str]:
        """The names that a function or class of this name uses, or binds as `global`."""
        for index in self.binders[name]:
            if defines(self.statements[index], name):
                yield from used_by(self.statements[index])
                yield from set_by_calls(self.statements[index])

    # ---- the wide choice

    def wide(self) -> list[Group]:
        """One group: all of the learner's statements, and of the lesson's what those need."""
        chosen = set(self.learners)
        bound = {name for index in self.learners for name in bound_by(self.statements[index])}
        waiting = [*self.last_of_lesson(), *self.learners]
        while waiting:
            index = waiting.pop()
            above = range(self.next_check(index))
            for name in used_by(self.statements[index]) - bound:
                giving = {*self.binders[name], *self.changers[name]}
                fresh = {each for each in giving if each in above} - chosen
                chosen |= fresh
                waiting += fresh
        chosen.update(self.last_of_lesson())
        return [Group(list(self.names), {"": frozenset(chosen)})]

    def last_of_lesson(self) -> list[int]:
        """The lesson's own definitions of functions that the learner has not defined: stubs."""
        last = [self.binders[name][-1] for name in self.names if self.binders[name]]
        mine = {name for index in self.learners for name in bound_by(self.statements[index])}
        return [i for i in last if not mine & bound_by(self.statements[i])]

    def next_check(self, index: int) -> int:
        """Where something is checked next after a place: what stands below was not there yet."""
        below = range(index + 1, len(self.statements))
        return next((i for i in below if any(checked_in(self.statements[i]))), len(self.statements))


def defines(node: ast.stmt, name: str) -> bool:
    """Whether a statement only says what a name is: a function, a class, an import."""
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Lambda)
    if isinstance(node, Definition):
        return node.name == name  # and not one that binds it as `global`
    return isinstance(node, ast.Import | ast.ImportFrom)


def checked_in(node: ast.stmt) -> Iterator[str]:
    """The functions that a statement hands to lab.check."""
    for part in ast.walk(node):
        match part:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="lab"), attr="check"), args=[ast.Name(id=name)]
            ):
                yield name


def may_touch(node: ast.stmt) -> set[str]:
    """The names whose values a statement may change or pass on under another name."""
    if isinstance(node, Definition):
        return touched_by(node)  # by its decorators
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    if calls_or_changes(node):
        return touched_by(node) | set_by_calls(node)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return set(held(node.value))
    return set()


def calls_or_changes(node: ast.stmt) -> bool:
    """Whether a statement calls something that may do anything, or has a line that changes."""
    if changed_by(node) or not isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign | ast.Assert):
        return bool(changed_by(node)) or any(isinstance(p, ast.Call) for p in ast.walk(node))
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call | ast.Await))
    return any(isinstance(call, ast.Await) or not only_looks(call) for call in calls)


def only_looks(call: ast.Call) -> bool:
    """Whether what is called is known to leave everything as it is."""
    if isinstance(call.func, ast.Name):
        return call.func.id in LOOKING
    return root(call.func) == SESSION


def held(value: ast.expr | None) -> Iterator[str]:
    """The names whose values are still the same objects in the value of an expression."""
    if isinstance(value, HOLDERS | LISTS):
        for part in ast.iter_child_nodes(value):
            if isinstance(part, ast.expr):
                yield from held(part)
    if isinstance(value, ast.Name):
        yield value.id
