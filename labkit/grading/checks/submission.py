"""The handle `s` of a check: calls the learner's function and states what must hold of the answer.

    s.apply_temperature(logits, 0.5).close_to(expected, because="…")
    s.apply_temperature.raises(ValueError, logits, -1.0, because="…")
    s.answer_loss.gradient(0, logits, labels).close_to(expected, because="…")

Nothing stops at the first failure: every call is kept as a `Case`, so that the smallest failing
one can be shown and the whole pattern compared with known mistakes. A check must therefore make
the same calls whatever comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from labkit.grading.answers.comparison import difference, wrong_kind
from labkit.grading.answers.values import (
    NOT_OVER,
    Foreign,
    copy_arguments,
    describe,
    dtype_name,
    shape_text,
    show,
    type_name,
)
from labkit.grading.checks.outcome import Outcome
from labkit.grading.transports.transport import (
    Arguments,
    CutOff,
    Died,
    Raised,
    Reply,
    Returned,
    Transport,
)

MAX_HELD = 32 << 20  # bytes of all that a function returns in one check
MAX_LOOKING = 3.0  # seconds of our own on what a function has returned, once it has failed
OBJECT_BYTES, TENSOR_BYTES = 60, 600  # that one takes besides what is in it, about


class CheckStopped(Exception):
    """Ends a check whose learner's function was cut: more calls would only take more time."""


@dataclass(frozen=True)
class Failure:
    """Why a case fails, and which symptom leads to the learner's line."""

    message: str
    outcome: Outcome = Outcome.FAIL
    symptom: str = "returned"
    expected: str | None = None
    raised: Exception | None = None  # what was raised when the value was looked at


@dataclass
class Case:
    """One call of the learner's function and what came of it."""

    name: str
    arguments: Arguments
    reply: Reply
    step: str = ""
    failure: Failure | None = None
    wrt: int | None = None  # for a gradient: with respect to which argument

    @property
    def lost(self) -> bool:
        """Whether the function did not come back."""
        return isinstance(self.reply, CutOff | Died)

    def size(self) -> int:
        """How much there is to read in the inputs."""
        return sum(item.numel() for item in self.arguments if type(item) is torch.Tensor)


@dataclass
class Submission:
    """Hands out the learner's functions by name and keeps the cases."""

    transport: Transport
    parameters: Sequence[str] = ()
    seed: int = 0
    cases: list[Case] = field(default_factory=list)
    held: int = 0  # bytes of what was returned
    looking: float = 0.0  # seconds of this thread that went into that

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def __getattr__(self, name: str) -> LearnersFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return LearnersFunction(self, name)

    def ask(self, name: str, arguments: Arguments, wrt: int | None = None) -> Case:
        """Make one call and keep it."""
        if (self.cases and self.cases[-1].lost) or self.looks_too_long():
            raise CheckStopped
        kept = copy_arguments(arguments)
        came = self.transport.call(name, kept, wrt)
        reply = self.look(lambda: self.bounded(came, kept))
        self.cases.append(Case(name, kept, reply, wrt=wrt))
        return self.cases[-1]

    def looks_too_long(self) -> bool:
        """Whether it has failed, and what it returns takes long to look at."""
        return self.looking > MAX_LOOKING and any(case.failure for case in self.cases)

    def look(self, at: Callable[[], Any]) -> Any:
        """Do something with what was returned, and count the time."""
        began = time.thread_time()
        try:
            return at()
        finally:
            self.looking += time.thread_time() - began

    def bounded(self, reply: Reply, given: Arguments) -> Reply:
        """The reply; only its kind, where all of them together would be too large to hold."""
        if isinstance(reply, Returned):
            self.held += size_of(reply.value) + size_of(reply.arguments)
            if self.held > MAX_HELD:
                what = f"{describe(reply.value)}: with what it has returned before, {NOT_OVER}"
                return Returned(Foreign(what), given)
        return reply


@dataclass(frozen=True)
class LearnersFunction:
    """A function of the learner's, wherever it lives."""

    submission: Submission
    name: str

    def __call__(self, *arguments: Any) -> Result:
        """Call it on copies of these arguments."""
        return self.result(self.submission.ask(self.name, arguments))

    def gradient(self, wrt: int, *arguments: Any) -> Result:
        """The gradient of the sum of what it returns, with respect to argument number `wrt`, a
        tensor of floats or a list of them; no tensor at all where none leads back."""
        return self.result(self.submission.ask(self.name, arguments, wrt))

    def result(self, case: Case) -> Result:
        """A case to state things of."""
        submission = self.submission
        case.failure = submission.look(lambda: failed_call(case, submission.parameters))
        return Result(case, submission)

    def raises(self, kind: type[Exception], *arguments: Any, because: str) -> None:
        """It must refuse these arguments with this kind of exception."""
        case = self.submission.ask(self.name, arguments)
        result = Result(case, self.submission)
        result.expect(because, lambda _: not_refused(case.reply, kind.__name__, because))


@dataclass(frozen=True)
class Result:
    """What one call gave; each expectation that fails leaves its reason, and the first stays."""

    case: Case
    submission: Submission

    @property
    def value(self) -> Any:
        """The returned value; None when there is none."""
        return self.case.reply.value if isinstance(self.case.reply, Returned) else None

    def is_tensor(self, *, shape: Sequence[int], dtype: torch.dtype) -> Result:
        """A plain tensor on the CPU of this shape and type."""
        return self.expect("", lambda value: tensor_failure(value, tuple(shape), dtype))

    def close_to(
        self, expected: Any, *, because: str, rtol: float = 1e-4, atol: float = 1e-6
    ) -> Result:
        """Equal to the expected value within a tolerance for numbers."""
        return self.expect(because, lambda v: unlike(v, expected, because, rtol, atol))

    def equals(self, expected: Any, *, because: str) -> Result:
        """Exactly equal."""
        return self.close_to(expected, because=because, rtol=0.0, atol=0.0)

    def holds(self, problem: Callable[[Any], str | None], *, because: str) -> Result:
        """Free-form: the function says what is wrong with the value, or None."""
        return self.expect(because, lambda value: complaint(problem, value, because))

    def expect(self, step: str, find_failure: Callable[[Any], Failure | None]) -> Result:
        """Run one expectation, unless the case has failed already. Where the function did not come
        back the check ends, and what was asked is told with that."""
        self.case.step = self.case.step or step
        if self.case.lost and step:
            self.case.failure = lost(self.case.reply, step)
            raise CheckStopped
        if self.case.failure is None:
            self.case.failure = self.submission.look(lambda: self.finding(step, find_failure))
        return self

    def finding(self, step: str, find_failure: Callable[[Any], Failure | None]) -> Failure | None:
        """What an expectation finds; a value that it can't even be asked of is a wrong one."""
        try:
            return find_failure(self.value)
        except Exception as error:
            return unexaminable(self.value, step, error)


def failed_call(case: Case, parameters: Sequence[str]) -> Failure | None:
    """What can go wrong whatever was expected: it raised, or it changed its input."""
    reply = case.reply
    if isinstance(reply, CutOff | Died):
        return lost(reply)
    if isinstance(reply, Raised):
        text = f": {reply.text}" if reply.text else ""
        return Failure(f"Your function raised {reply.kinds[0]}{text}", Outcome.ERROR)
    assert isinstance(reply, Returned)
    for index, (now, before) in enumerate(zip(reply.arguments, case.arguments, strict=True)):
        if difference(now, before):
            name = parameters[index] if index < len(parameters) else f"argument {index + 1}"
            return Failure(changed_input(name, before), symptom="changed")
    return None


def changed_input(name: str, before: Any) -> str:
    """The message for a function that works on what belongs to the caller."""
    kind = "tensor" if type(before) is torch.Tensor else type_name(type(before))
    ways = "no `x[...] = …`, `-=`, `/=` or methods that end in `_`"
    if kind in ("list", "dict"):
        ways = "no `x[...] = …`, `del`, `append`, `pop`, `sort` or `update` on it"
    return (
        f"Your function changed its input `{name}` in place. The caller still needs it: make a "
        f"new {kind} instead ({ways})."
    )


def size_of(value: Any) -> int:
    """About how many bytes a value takes."""
    kind = type(value)
    if kind is torch.Tensor:
        return TENSOR_BYTES + value.numel() * value.element_size()
    if kind is str:
        return OBJECT_BYTES + len(value)
    if kind is dict:
        return OBJECT_BYTES + sum(size_of(key) + size_of(item) for key, item in value.items())
    return OBJECT_BYTES + (sum(map(size_of, value)) if kind in (list, tuple) else 0)


def lost(reply: Reply, because: str = "") -> Failure:
    """The message for a function that did not come back."""
    if isinstance(reply, Died):
        return Failure(f"Your function {reply.reason}", Outcome.ERROR)
    assert isinstance(reply, CutOff)
    return cut_off(reply, because)


def cut_off(reply: CutOff, because: str) -> Failure:
    """The message for a function that did not come back in time."""
    message = f"Your function was cut after {reply.seconds:g} s: it looks like a loop without end."
    if because:
        message += f" What was asked: {because}"
    if not reply.ended:
        message += (
            " It could not be stopped and is still there in the background: repair it, then "
            "restart the kernel (Kernel → Restart Kernel)."
        )
    return Failure(message, Outcome.ERROR)


def not_refused(reply: Reply, kind: str, because: str) -> Failure | None:
    """Fails unless the call raised the kind of exception that was asked for."""
    if isinstance(reply, Raised) and kind in reply.kinds:
        return None
    if isinstance(reply, Raised):
        text = f"It raised {reply.kinds[0]} ({reply.text}) where {kind} was expected."
    else:
        text = f"It accepted this input where {kind} was expected."
    return Failure(f"{because} {text}", expected=f"raises {kind}")


def tensor_failure(value: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Failure | None:
    """Kind, shape, dtype and device, each with its own words."""
    wanted = f"a {dtype_name(dtype)} tensor of shape {shape_text(shape)}"
    if type(value) is not torch.Tensor:
        return Failure(wrong_kind(value, type_name(torch.Tensor)), expected=wanted)
    if tuple(value.shape) != shape:
        text = f"It returned {describe(value)}; the shape {shape_text(shape)} was expected."
        return Failure(text, expected=wanted)
    if value.dtype is not dtype:
        text = f"It returned {describe(value)}; the dtype {dtype_name(dtype)} was expected."
        return Failure(text, expected=wanted)
    if value.device.type != "cpu":
        text = f"It returned a tensor on {value.device}; stay on the device of the input, cpu."
        return Failure(text, expected=wanted)
    return None


def unlike(value: Any, expected: Any, because: str, rtol: float, atol: float) -> Failure | None:
    """Fails where the value is not the expected one; NaN leads to the line that made it."""
    found = difference(value, expected, rtol, atol)
    if found is None:
        return None
    symptom = "nan" if "NaN" in found else "returned"
    return Failure(f"{because} {sentence(found)}".strip(), symptom=symptom, expected=show(expected))


def complaint(problem: Callable[[Any], str | None], value: Any, because: str) -> Failure | None:
    """A free-form finding as a failure."""
    found = problem(value)
    return Failure(f"{because} {sentence(found)}".strip()) if found else None


def unexaminable(value: Any, because: str, error: Exception) -> Failure:
    """The failure of a value on which the check itself has raised."""
    said = f"{because} It returned {describe(value)}, and looking at that failed: {error}"
    return Failure(said.strip().rstrip(".") + ".", raised=error)


def sentence(text: str) -> str:
    """A finding with a capital and a full stop."""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
