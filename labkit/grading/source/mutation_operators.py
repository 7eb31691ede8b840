"""What can be bent in a right answer: each operator offers changes to one node of its syntax tree.

The catalogue of cosmic-ray and mutmut (operators, comparisons, constants, conditions, loops), and
what goes wrong with tensors: axes, dtypes, sort direction, calls left out, the caller's tensor
changed in place. Written on the standard `ast`: cosmic-ray's operators know nothing of tensors,
and bring parso, aiohttp, sqlalchemy and ten more packages; mutmut needs a terminal program's.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A node with what an operator may need to know of its surroundings."""

    node: ast.AST
    parent: ast.AST
    parameters: Mapping[str, str]  # of the function around it, with their annotations
    modules: frozenset[str]


Change = tuple[str, ast.AST]  # what is said of it, and the node that comes in place of the old one
Operator = Callable[[Place], Iterator[Change]]

ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
ONE_SIDED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)  # a - b is not b - a
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
TWINS = """
    min/max amin/amax argmin/argmax minimum/maximum cummin/cummax any/all sum/mean cumsum/cumprod
    zeros/ones zeros_like/ones_like tril/triu floor/ceil softmax/log_softmax sin/cos
    clamp_min/clamp_max std/var log/log2 exp/exp2 append/extend rstrip/lstrip upper/lower
    float/double float32/float64 int32/int64
""".split()
RENAMED = {a: b for pair in TWINS for a, b in (pair.split("/"), pair.split("/")[::-1])}
BUILTIN_TWINS = {"min", "max", "any", "all"}
IN_PLACE = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_"}
WITH_TWIN_IN_PLACE = set(
    """
    masked_fill scatter clamp exp log sqrt abs neg add sub mul div pow index_fill index_copy
    index_add squeeze unsqueeze transpose cumsum tril triu round floor ceil sigmoid tanh relu
""".split()
)
DIRECTIONS = {
    "sort": ("descending", True),
    "argsort": ("descending", True),
    "sorted": ("reverse", True),
    "topk": ("largest", False),
}


def text(node: ast.AST) -> str:
    """A node as it would be typed, short enough for a name."""
    typed = ast.unparse(node)
    return typed if len(typed) <= 40 else typed[:39] + "…"


def name_of(kind: object) -> str:
    """Lt, Add, And: the class of an operator's node."""
    return type(kind).__name__


# ---- operators, comparisons, booleans ------------------------------------------------------------


def arithmetic(place: Place) -> Iterator[Change]:
    """Another operator, the operands swapped, or one of them left out."""
    node = place.node
    if not isinstance(node, ast.BinOp):
        return
    for kind in ARITHMETIC.get(type(node.op), ()):
        yield f"{name_of(node.op)}->{kind.__name__}", ast.BinOp(node.left, kind(), node.right)
    if isinstance(node.op, ONE_SIDED):
        yield f"{name_of(node.op)} swapped", ast.BinOp(node.right, node.op, node.left)
    yield f"{name_of(node.op)} left only", node.left
    yield f"{name_of(node.op)} right only", node.right


def augmented(place: Place) -> Iterator[Change]:
    """x += y with another operator, or as a plain assignment."""
    node = place.node
    if not isinstance(node, ast.AugAssign):
        return
    for kind in ARITHMETIC.get(type(node.op), ()):
        label = f"{name_of(node.op)}->{kind.__name__}"
        yield label, ast.AugAssign(node.target, kind(), node.value)
    yield f"{name_of(node.op)} not added up", ast.Assign([node.target], node.value, lineno=0)


def comparison(place: Place) -> Iterator[Change]:
    """The border moved, or the comparison turned round."""
    node = place.node
    if not isinstance(node, ast.Compare):
        return
    for index, old in enumerate(node.ops):
        for kind in COMPARISONS[type(old)]:
            changed = [*node.ops[:index], kind(), *node.ops[index + 1 :]]
            label = f"{name_of(old)}->{kind.__name__}"
            yield label, ast.Compare(node.left, changed, node.comparators)


def boolean(place: Place) -> Iterator[Change]:
    """and for or, one of the operands left out, a `not`, `-` or `~` left out."""
    node = place.node
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"{name_of(node.op)}->{name_of(other)}", ast.BoolOp(other, node.values)
        for index, value in enumerate(node.values):
            kept = [item for item in node.values if item is not value]
            label = f"{name_of(node.op)} without operand {index + 1}"
            yield label, kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
    if isinstance(node, ast.UnaryOp) and not is_negative_number(node):
        yield f"{name_of(node.op)} dropped", node.operand


def condition(place: Place) -> Iterator[Change]:
    """A condition that always holds, or never."""
    node, parent = place.node, place.parent
    if isinstance(parent, ast.If | ast.IfExp) and node is parent.test:
        yield "if True", ast.Constant(True)
    if isinstance(parent, ast.If | ast.IfExp | ast.While) and node is parent.test:
        yield "if False", ast.Constant(False)
    if isinstance(node, ast.comprehension) and node.ifs:
        everything = ast.comprehension(node.target, node.iter, [], node.is_async)
        yield "comprehension without if", everything


# ---- constants -----------------------------------------------------------------------------------


def constant(place: Place) -> Iterator[Change]:
    """A number one up, one down, 0 or negated; True for False."""
    given = number_in(place.node)
    if isinstance(given, bool):
        yield labelled(place, str(not given)), ast.Constant(not given)
    elif given is not None:
        for other in dict.fromkeys((given + 1, given - 1, type(given)(0), -given)):
            if other != given:
                yield labelled(place, repr(other)), literal(other)


def number_in(node: ast.AST) -> int | float | None:
    """The number or truth value that a node is, with its sign."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if is_negative_number(node):
        return -node.operand.value  # type: ignore[attr-defined]
    return None


def is_negative_number(node: ast.AST) -> bool:
    """Whether a node is a number with a minus, which counts as one constant."""
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and type(node.operand.value) in (int, float)
    )


def literal(number: int | float) -> ast.expr:
    """A number as Python's own parser gives it."""
    return ast.parse(repr(number), mode="eval").body


def labelled(place: Place, new: str) -> str:
    """dim=-1->0 for an argument with a name, 1->2 elsewhere."""
    argument = place.parent.arg if isinstance(place.parent, ast.keyword) else None
    return f"{argument}={text(place.node)}->{new}" if argument else f"{text(place.node)}->{new}"


# ---- calls ---------------------------------------------------------------------------------------


def call(place: Place) -> Iterator[Change]:
    """A call left out, an argument with a name left out, a sort the other way round."""
    node = place.node
    if not isinstance(node, ast.Call):
        return
    subject = subject_of(node, place.modules)
    if subject is not None and not isinstance(place.parent, ast.Expr):
        yield f"{called(node)}() left out", subject
    for keyword in node.keywords:
        kept = [item for item in node.keywords if item is not keyword]
        yield f"{keyword.arg}= dropped", ast.Call(node.func, node.args, kept)
    direction, value = DIRECTIONS.get(called(node), ("", False))
    if direction and direction not in {keyword.arg for keyword in node.keywords}:
        turned = ast.keyword(direction, ast.Constant(value))
        label = f"{called(node)} {direction}={value}"
        yield label, ast.Call(node.func, node.args, [*node.keywords, turned])


def called(node: ast.Call) -> str:
    """softmax, for x.softmax(…) and torch.softmax(x) alike."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else text(function)


def subject_of(node: ast.Call, modules: frozenset[str]) -> ast.expr | None:
    """What a call works on: the receiver of a method, the first argument of a function."""
    function = node.func
    if isinstance(function, ast.Attribute) and root_of(function) not in modules:
        return function.value
    if node.args and not isinstance(node.args[0], ast.Starred):
        return node.args[0]
    return None


def root_of(node: ast.expr) -> str:
    """torch, for torch.nn.functional.one_hot."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def twin(place: Place) -> Iterator[Change]:
    """min for max, ones for zeros, double for float: the function or dtype beside it."""
    node, parent = place.node, place.parent
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in RENAMED:
        renamed = RENAMED[node.attr]
        yield f"{node.attr}->{renamed}", ast.Attribute(node.value, renamed, ast.Load())
    is_called = isinstance(parent, ast.Call) and node is parent.func
    if is_called and isinstance(node, ast.Name) and node.id in BUILTIN_TWINS:
        renamed = RENAMED[node.id]
        yield f"{node.id}->{renamed}", ast.Name(renamed, ast.Load())


def in_place(place: Place) -> Iterator[Change]:
    """A parameter changed in place where a new tensor was made."""
    node = place.node
    if isinstance(node, ast.BinOp) and is_parameter(node.left, place):
        method = IN_PLACE.get(type(node.op))
        if method:
            changed = ast.Attribute(node.left, method, ast.Load())
            yield f".{method}()", ast.Call(changed, [node.right], [])
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return
    receiver, method = node.func.value, node.func.attr
    if is_parameter(receiver, place) and method in WITH_TWIN_IN_PLACE:
        changed = ast.Attribute(receiver, f"{method}_", ast.Load())
        yield f".{method}_()", ast.Call(changed, node.args, node.keywords)


def is_parameter(node: ast.expr, place: Place) -> bool:
    """Whether an expression is just a parameter that can hold a tensor."""
    return isinstance(node, ast.Name) and node.id in tensors(place)


def tensors(place: Place) -> list[str]:
    """The parameters that can hold a tensor: annotated as one, or not at all."""
    known = place.parameters.items()
    return [name for name, annotation in known if not annotation or "Tensor" in annotation]


def variable(place: Place) -> Iterator[Change]:
    """A parameter mistaken for another of its type; a result for the tensor that came in."""
    node, parent = place.node, place.parent
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
        return
    if node.id in place.modules or (isinstance(parent, ast.Call) and node is parent.func):
        return
    others = tensors(place)
    if node.id in place.parameters:
        own = place.parameters[node.id]
        others = [name for name, annotation in place.parameters.items() if annotation == own]
    for other in others:
        if other != node.id:
            yield f"{node.id}->{other}", ast.Name(other, ast.Load())


# ---- slices, loops, statements -------------------------------------------------------------------


def bounds(place: Place) -> Iterator[Change]:
    """A slice or a range one too long, one too short, or without one of its bounds."""
    node = place.node
    if isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            yield from moved_bound(node, part)
    if isinstance(node, ast.Call) and called(node) == "range":
        for index, old in enumerate(node.args):
            for label, new in one_off(old):
                given = [*node.args[:index], new, *node.args[index + 1 :]]
                yield f"range {label}", ast.Call(node.func, given, node.keywords)


def moved_bound(node: ast.Slice, part: str) -> Iterator[Change]:
    """One bound of a slice left out, or moved by one."""
    old = getattr(node, part)
    if old is None:
        return
    yield f"slice without {part}", with_bound(node, part, None)
    for label, new in one_off(old):
        yield f"slice {part} {label}", with_bound(node, part, new)


def with_bound(node: ast.Slice, part: str, new: ast.expr | None) -> ast.Slice:
    """A copy of a slice with another bound."""
    changed = ast.Slice(node.lower, node.upper, node.step)
    setattr(changed, part, new)
    return changed


def one_off(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """n + 1 and n - 1; a plain number is the business of `constant`."""
    if number_in(node) is None:
        yield "+1", ast.BinOp(node, ast.Add(), ast.Constant(1))
        yield "-1", ast.BinOp(node, ast.Sub(), ast.Constant(1))


def loop(place: Place) -> Iterator[Change]:
    """A loop that leaves out its first item, its last, or all; break for continue."""
    node, parent = place.node, place.parent
    if isinstance(parent, ast.For | ast.comprehension) and node is parent.iter:
        items = ast.unparse(node)
        for label, change in (
            ("no item", "()"),
            ("without first item", f"list({items})[1:]"),
            ("without last item", f"list({items})[:-1]"),
        ):
            yield f"loop {label}", ast.parse(change, mode="eval").body
    if isinstance(node, ast.Break):
        yield "break->continue", ast.Continue()
    if isinstance(node, ast.Continue):
        yield "continue->break", ast.Break()


def statement(place: Place) -> Iterator[Change]:
    """A statement left out, another exception raised, an else left out."""
    node = place.node
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        other = ast.Call(ast.Name("RuntimeError", ast.Load()), node.exc.args, node.exc.keywords)
        yield "raises RuntimeError", ast.Raise(other, node.cause)
    if isinstance(node, ast.If) and node.orelse:
        yield "else dropped", ast.If(node.test, node.body, [])
    if isinstance(
        node, ast.Assign | ast.AugAssign | ast.Expr | ast.Raise | ast.Return | ast.Assert
    ):
        yield "line dropped", ast.Pass()


OPERATORS: tuple[Operator, ...] = (
    arithmetic,
    augmented,
    comparison,
    boolean,
    condition,
    constant,
    call,
    twin,
    in_place,
    variable,
    bounds,
    loop,
    statement,
)
