"""Runs in the process that holds a learner's code: loads the code and answers the grader's calls.

Everything here may be under the learner's control as soon as their first line has run. So it
knows nothing worth having, and nothing that it says is believed: it returns values, and the grader
judges.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch

from labkit.grading.answers.borrowing import borrowed
from labkit.grading.answers.lines import Line, LineFinder, definition_line, is_learners, line_at
from labkit.grading.answers.untouched import is_untouched
from labkit.grading.answers.values import NOT_OVER, Foreign, copy_value
from labkit.grading.source import slices
from labkit.grading.source.cells import CODE, Program, program_of
from labkit.grading.source.selection import Selection
from labkit.grading.source.whereabouts import why_missing
from labkit.grading.transports.transport import Arguments, Raised, Reply, call_once
from labkit.grading.transports.wire import Channel, Ended, Message, TooLarge, pack, unpack
from labkit.grading.transports.withheld import StandIn, withhold_labkit

PATIENCE = 20  # times its limit, at most, that a call may take because it waits for a processor
SOON = 0.01  # seconds that are not worth another look
CUT = 3  # exit status of a child that has reported the line where its time ran out


class Output(io.TextIOBase):
    """Takes what is printed: keeps the beginning, drops the rest, never blocks."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.parts: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> Output:
        return self

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For libraries that ask; it leads nowhere."""
        return 1

    def write(self, text: Any) -> int:
        """Take text, or bytes written to `.buffer`."""
        if not isinstance(text, str):
            text = bytes(text).decode("utf-8", "replace")
        if self.left > 0:
            self.parts.append(text[: self.left])
            self.left -= len(self.parts[-1])
        return len(text)

    def take(self) -> str:
        """What has come since the last call."""
        taken = "".join(self.parts)
        self.parts.clear()
        return taken


class Child:
    """One submission, loaded and ready to be called."""

    def __init__(self, channel: Channel, output: Output) -> None:
        self.channel = channel
        self.output = output
        self.modules: dict[str, ModuleType] = {}  # where each function lives
        self.notes: list[str] = []
        self.failed: dict[str, str] = {}  # why a name is not there
        self.waited = 0.0  # for a processor, until this call began (or nearly)

    # ---- loading

    def load(
        self, program: Program, names: Sequence[str], without: Sequence[int], wide: bool
    ) -> None:
        """Run what the names need, statement by statement, and say what came of it."""
        self.notes = program.notes
        selection = Selection(program, names)
        groups = selection.wide() if wide else selection.narrow()
        for group in groups:
            module = learners_module()
            self.modules |= dict.fromkeys(group.names, module)
            for index in group.indices:
                self.say({"kind": "at", "index": index})
                self.run(program, index, module, index in without)
        run = {index for group in groups for index in group.indices}
        states = {name: self.state(name) for name in names}
        reasons = {name: self.reason(name, program, names) for name in names}
        more = bool(set(selection.learners) - run)
        said = {"states": states, "reasons": reasons, "notes": self.notes, "more": more}
        self.say({"kind": "loaded", **said})

    def run(self, program: Program, index: int, module: ModuleType, left_out: bool) -> None:
        """Run one statement; what it raises is a note, and the next one is run all the same."""
        if left_out:
            self.miss(program, index, "was left out: it ended the process or its time")
            return
        try:
            tree = ast.Module([program.statements[index]], [])
            filename, flags = program.files[index], program.flags
            execute(compile(tree, filename, "exec", flags, dont_inherit=True), module)
        except BaseException as error:
            self.miss(program, index, f"raised {type(error).__name__}: {str(error)[:200]}")

    def miss(self, program: Program, index: int, what: str) -> None:
        """Note a statement that has not done its work; not for the lesson's own, which may want
        the course's models."""
        node = program.statements[index]
        why = f"{program.files[index]}, line {slices.first_line(node)} {what}"
        if index not in program.lessons:
            program.note(why)
        for name in slices.bound_by(node):
            self.failed.setdefault(name, why)

    def state(self, name: str) -> str:
        """ "there", "untouched", or "missing"."""
        if name not in self.modules[name].__dict__:
            return "missing"
        function = self.modules[name].__dict__[name]
        with suppress(Exception):
            return "untouched" if is_untouched(function) else "there"
        return "there"

    def reason(self, name: str, program: Program, names: Sequence[str]) -> str | None:
        """Why a function is not there, or where it stands instead."""
        return self.failed.get(name) or why_missing(program, name, names)

    # ---- answering

    def serve(self) -> None:
        """Answer until the grader hangs up."""
        while True:
            header, body = self.channel.receive()
            if header["do"] == "begin":
                seed_everything()
                self.waited = seconds_waited()
                continue
            handle = self.handle(header["id"])
            nodes = header["arguments"]
            self.answer(header, tuple(unpack(node, body, handle=handle) for node in nodes))

    def answer(self, header: dict[str, Any], arguments: Arguments) -> None:
        """One call, or one search for a line or for what is borrowed."""
        module = self.modules[header["name"]]
        function = module.__dict__.get(header["name"])
        sys.modules["__main__"] = module
        start_clock(header["seconds"], self.waited, lambda line: self.cut(header["id"], line))
        if header["do"] == "borrowed":
            name = find_borrowed(function, header["not_allowed"])
            stop_clock()
            self.say({"id": header["id"], "kind": "borrowed", "name": name or ""})
        elif header["do"] == "line":
            found = find_line(function, arguments, header["symptom"])
            stop_clock()
            self.say({"id": header["id"], "kind": "line", "line": written(found)})
        else:
            started = time.monotonic()
            reply = call(function, arguments, header["wrt"])
            stop_clock()
            if time.monotonic() - started > 0.05:
                self.waited = seconds_waited()
            self.reply(header["id"], reply)

    def reply(self, id: str, reply: Reply) -> None:
        """Send what came of a call; a value too large to cross by its size only."""
        blobs: list[bytes] = []
        said: dict[str, Any] = {"id": id, "out": self.output.take()}
        if isinstance(reply, Raised):
            said |= {"kind": "raised", "kinds": reply.kinds[:20], "text": reply.text}
            self.send(Message(said | {"line": written(reply.line)}))
            return
        try:
            packed = packed_reply(reply, blobs)
            self.send(Message(said | packed, blobs))
        except TooLarge:
            large = Foreign(NOT_OVER)
            packed = {"kind": "returned", "value": pack(large, []), "arguments": None}
            self.send(Message(said | packed))

    def handle(self, id: str) -> Callable[[int], Callable[..., Any]]:
        """Makes the stand-in for a callable of the grader's: each call asks the grader."""

        def stand_in(number: int) -> Callable[..., Any]:
            def model(*arguments: Any) -> Any:
                return self.call_back(id, number, arguments)

            return model

        return stand_in

    def call_back(self, id: str, number: int, arguments: Arguments) -> Any:
        """Have the grader call its function, in the middle of a call of ours."""
        blobs: list[bytes] = []
        nodes = [pack(copy_value(item), blobs) for item in arguments]
        said = {"id": id, "kind": "callback", "handle": number, "arguments": nodes}
        self.send(Message(said, blobs))
        header, body = self.channel.receive()
        if "raised" in header:
            kind = getattr(__import__("builtins"), header["raised"], RuntimeError)
            raise kind(header["text"])
        return unpack(header["value"], body)

    def cut(self, id: str, line: Line | None) -> None:
        """Time is up: say where, and end."""
        self.say({"id": id, "kind": "cut", "line": written(line), "out": self.output.take()})
        os._exit(CUT)

    def say(self, header: dict[str, Any]) -> None:
        self.send(Message(header))

    def send(self, message: Message) -> None:
        self.channel.send(message)


def call(function: Any, arguments: Arguments, wrt: int | None) -> Reply:
    """Call a learner's function; a value that can't even be copied counts as raised."""
    try:
        return call_once(function, arguments, wrt)
    except BaseException as error:
        return Raised((type(error).__name__, "Exception"), "its result can't be read", None)


def packed_reply(reply: Any, blobs: list[bytes]) -> dict[str, Any]:
    """A returned value with the arguments as they were left; callables among them by number."""
    handles = [item for item in reply.arguments if callable(item)]
    value = pack(reply.value, blobs)
    arguments = [pack(item, blobs, handles) for item in reply.arguments]
    return {"kind": "returned", "value": value, "arguments": arguments}


def find_borrowed(function: Any, not_allowed: Sequence[str]) -> str | None:
    """What an answer uses and may not; objects of the learner's may make even looking fail."""
    try:
        return borrowed(function, not_allowed)
    except BaseException:
        return None


def find_line(function: Any, arguments: Arguments, symptom: str) -> Line | None:
    """The line after which a symptom shows, as LineFinder sees it."""
    originals = tuple(copy_value(item) if not callable(item) else item for item in arguments)
    try:
        return LineFinder(symptom, arguments, originals).run(function) or definition_line(function)
    except BaseException:
        return None


def written(line: Line | None) -> list[Any] | None:
    """A line as it crosses."""
    return None if line is None else [line.number, line.text[:200]]


def execute(code: CodeType, module: ModuleType) -> None:
    """Run a statement's code at the top level of a module, where `await` is allowed."""
    result = eval(code, module.__dict__)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def learners_module() -> ModuleType:
    """A module `__main__` for learners' code; what a notebook has of itself is inert in it."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    for name in ("get_ipython", "display", "lab"):
        module.__dict__[name] = StandIn("notebook", name)
    return module


def seed_everything() -> None:
    """The same random numbers for a question whatever was asked before it."""
    random.seed(0)
    torch.default_generator.manual_seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


# ---- time ----------------------------------------------------------------------------------------


def start_clock(seconds: float, before: float, cut: Callable[[Line | None], None]) -> None:
    """Call cut with the learner's line when the time is up: the process's own time.

    That is what all its threads have computed, or else all that has passed but waits for a
    processor. `before` is how long the process had waited for one when the call began.
    """
    if not hasattr(signal, "setitimer"):
        return
    began, used = time.monotonic(), time.process_time()

    def up(_: int, frame: FrameType | None) -> None:
        passed = time.monotonic() - began
        own = max(time.process_time() - used, passed - (seconds_waited() - before))
        more = min(seconds - own, PATIENCE * seconds - passed)
        if more > SOON:
            signal.setitimer(signal.ITIMER_REAL, more)
        else:
            cut(learners_line(frame))

    signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))


def stop_clock() -> None:
    """The answer is there."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def seconds_waited() -> float:
    """How long this process has stood ready without a processor (Linux; 0 where it isn't told)."""
    try:
        with open("/proc/self/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def learners_line(frame: FrameType | None) -> Line | None:
    """The innermost line of the learner's below a frame."""
    while frame is not None:
        if is_learners(frame.f_code.co_filename):
            return line_at(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


# ---- start ---------------------------------------------------------------------------------------


def live(channel: Channel, output_kb: int, isolation: str) -> None:
    """The life of a child, from the moment when it is jailed."""
    output = Output(output_kb << 10)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = output  # type: ignore[misc,assignment]
    child = Child(channel, output)
    with suppress(Ended):
        child.say({"kind": "ready", "isolation": isolation})
        header, body = channel.receive()
        texts = [body.take(size).decode("utf-8", "replace") for size in header["sizes"]]
        kinds = header["kinds"]
        cells = [text for text, kind in zip(texts, kinds, strict=True) if kind == CODE]
        prose = [(kind, text) for text, kind in zip(texts, kinds, strict=True) if kind != CODE]
        program = program_of(cells, prose, frozenset(header["lessons"]))
        seed_everything()
        withhold_labkit()
        child.load(program, header["names"], header["without"], header["wide"])
        child.serve()
    os._exit(0)


def cold(way: Any, output_kb: int) -> None:
    """A child without a zygote and without a jail, in a new interpreter: for trusted work only."""
    share: Any = getattr(socket, "fromshare", None)  # Windows: no socket is a file descriptor
    connection = socket.socket(fileno=way) if isinstance(way, int) else share(way)
    torch.set_num_threads(1)
    live(Channel(connection), output_kb, "none")
