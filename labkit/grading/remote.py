"""The grader's side of a jailed child: starts the warm process, opens submissions, asks questions.

    with Zygote() as zygote:
        transport = zygote.open(cells, ["apply_temperature"], Limits())
        transport.begin("apply_temperature")
        verdict = check_through(challenge, transport)

What comes from a child is hostile until it has been decoded. A reply that is forged, late, doubled
or malformed loses the child and costs the question that was asked: the next one gets a new child.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labkit.grading.jail import Isolation
from labkit.grading.lines import Line
from labkit.grading.transport import Arguments, CutOff, Died, Raised, Reply, Returned
from labkit.grading.values import CALLABLES, copy_value
from labkit.grading.wire import (
    Body,
    Channel,
    Ended,
    Late,
    Malformed,
    Message,
    pack,
    unpack,
    words,
)

START_SECONDS = 180.0  # for a zygote: it imports torch on a machine that may be busy
ENTER_SECONDS = 20.0  # for a child, until it stands in the jail
GRACE = 0.5  # a child reports by itself where its time ran out; if not, it is cut this much later
PATIENCE = 3  # times the limit, at most, that a child may take because it waits for a processor
MAX_CODE = 8 << 20
MAX_CALLBACKS = 1000  # of one call
MAX_LOADS_LOST = 3  # times that loading a submission may end its child
MAX_STATEMENTS = 20_000
MAX_NOTES = 60


@dataclass(frozen=True)
class Limits:
    """What one question may use: seconds of wall time, MB above what the zygote has, and so on."""

    seconds: float = 5.0
    memory_mb: int = 1024
    output_kb: int = 64
    file_mb: int = 16
    processes: int = 32


class ZygoteError(RuntimeError):
    """The warm process could not be started."""


class NotIsolated(ZygoteError):
    """This machine can't hold hostile code, and the caller has not said that it trusts it."""


def probe_isolation() -> Isolation:
    """What this machine can hold; asks a process of its own, and runs nothing of anybody's."""
    root = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys, json; sys.path.insert(0, {root!r}); from dataclasses import asdict; "
        "from labkit.grading.jail.probe import report; print(json.dumps(asdict(report())))"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, env=clean_environment(), timeout=60)
    found = json.loads(done.stdout or "{}")
    if not found:
        return Isolation("none", False, ("the probe ended without a word",))
    return Isolation(found["level"], found["hostile_ready"], tuple(found["missing"]))


# ---- the zygote ----------------------------------------------------------------------------------


class Zygote:
    """The warm process. May be shared by processes that are forked from the one that made it."""

    def __init__(
        self, *, trusted: bool = False, imports: Sequence[str] = ("torch", "transformers")
    ) -> None:
        self.trusted = trusted
        self.imports = tuple(imports)
        self.owner = os.getpid()
        self.isolation = self.start()
        if not (trusted or self.isolation.hostile_ready):
            self.close()
            raise NotIsolated(refusal(self.isolation))

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Isolation:
        """Start the process and wait until it is warm."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if can_fork():
                self.process: Forked | Fresh = Forked(
                    self.control, theirs, self.imports, self.trusted
                )
            else:
                self.process = Fresh(theirs, self.imports, self.trusted)
        self.control.settimeout(START_SECONDS)
        try:
            said = json.loads(self.control.recv(1 << 16) or "{}")
        except OSError as error:
            said = {"failed": str(error)}
        if "isolation" not in said:
            self.close()
            raise ZygoteError(f"the warm process did not start: {said.get('failed')}")
        found = said["isolation"]
        return Isolation(found["level"], found["hostile_ready"], tuple(found["missing"]))

    def open(
        self, cells: Sequence[str], names: Sequence[str], limits: Limits = Limits()
    ) -> RemoteTransport:
        """A submission, by its code cells and the functions that will be asked for."""
        return RemoteTransport(self.start_child, cells, names, limits)

    def start_child(self, limits: Limits) -> Link:
        """Order a child. It is entering the jail when this returns."""
        data, its_data = socket.socketpair()
        life, its_life = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps(asdict(limits)).encode()
        with its_data, its_life:
            socket.send_fds(self.control, [order], [its_data.fileno(), its_life.fileno()])
        return Link(Channel(data), life)

    def close(self) -> None:
        """End the process with all its children."""
        self.control.close()
        if os.getpid() == self.owner:
            self.process.end()


def refusal(isolation: Isolation) -> str:
    """Why hostile submissions are not run here, and what to do."""
    reasons = "; ".join(isolation.missing)
    return (
        f"This machine can't hold hostile code: it has {isolation.level}, and namespaces and "
        f"Landlock are needed ({reasons}). If you know the people whose work this is, say "
        "--trusted (trusted=True); it is written with the marks."
    )


def can_fork() -> bool:
    """Whether a copy of this process will do: warm, one thread, and no challenge in its memory."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir() or len(list(tasks.iterdir())) != 1 or "torch" not in sys.modules:
        return False
    return not any(
        name.startswith(("labkit.challenges", "labkit_solutions")) for name in sys.modules
    )


class Forked:
    """A copy of this process."""

    def __init__(
        self, ours: socket.socket, theirs: socket.socket, imports: Sequence[str], trusted: bool
    ) -> None:
        from labkit.grading import zygote

        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                zygote.main(theirs.detach(), imports, trusted)
            finally:
                os._exit(1)

    def end(self) -> None:
        """It ends by itself when its control socket closes; others may hold that too."""
        end_process(self.pid)


class Fresh:
    """A new interpreter, with a clean environment."""

    def __init__(self, theirs: socket.socket, imports: Sequence[str], trusted: bool) -> None:
        root = str(Path(__file__).resolve().parents[2])
        code = (
            f"import sys; sys.path.insert(0, {root!r}); from labkit.grading import zygote; "
            f"zygote.main({theirs.fileno()}, {list(imports)!r}, {trusted!r})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            start_new_session=True,
        )

    def end(self) -> None:
        with suppress(OSError):
            self.process.kill() if self.process.poll() is None else None
        self.process.wait()


def end_process(pid: int) -> None:
    """Wait for a child of ours, a little; then kill it."""
    give_up = time.monotonic() + 5
    with suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "TMPDIR")


def clean_environment() -> dict[str, str]:
    """What a fresh zygote gets to know of this process's environment: nothing that is secret."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    one_thread = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    return kept | one_thread | offline | {"PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}


# ---- one child -----------------------------------------------------------------------------------


class Link:
    """The sockets of one child: questions and answers on one, its life on the other."""

    def __init__(self, channel: Channel, life: socket.socket) -> None:
        self.channel = channel
        self.life = life
        self.pid: int | None = None

    def news(self, seconds: float) -> dict[str, Any]:
        """What the zygote has to say of the child; nothing when it is silent or gone."""
        self.life.settimeout(seconds)
        with suppress(OSError, ValueError):
            return json.loads(self.life.recv(1 << 12) or "{}")
        return {}

    def meet(self) -> None:
        """Learn the child's process id."""
        said = self.news(ENTER_SECONDS)
        if "failed" in said:
            raise JailBroken(said["failed"])
        self.pid = said.get("pid")

    def how_it_ended(self) -> int | None:
        """Its exit status, below 0 for a signal; None when it has not ended yet."""
        return self.news(1.0).get("status")

    def waited(self) -> float:
        """Seconds that the child stood ready without a processor."""
        with suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9
        return 0.0

    def close(self) -> None:
        """Let go: the zygote kills the child, and closes its end when that is gone."""
        self.channel.close()
        with suppress(OSError):
            self.life.shutdown(socket.SHUT_WR)
        while self.news(5.0):
            pass
        self.life.close()


class JailBroken(Exception):
    """The child could not be started, or not be jailed: no fault of the learner's."""


class Lost(Exception):
    """The child is lost, and how."""

    def __init__(self, reply: CutOff | Died) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass
class Loaded:
    """What a child says of the submission that it has loaded."""

    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


class RemoteTransport:
    """Calls the functions of one submission in a jailed child; see Transport for its methods."""

    def __init__(
        self,
        start_child: Callable[[Limits], Link],
        cells: Sequence[str],
        names: Sequence[str],
        limits: Limits,
    ) -> None:
        self.start_child = start_child
        self.cells = tuple(cell.encode("utf-8", "replace") for cell in cells)
        self.names = tuple(names)
        self.limits = limits
        self.notes: list[str] = []
        self.output: dict[str, str] = {}  # what was printed, by question; "" while loading
        self.link: Link | None = None
        self.loaded = Loaded()
        self.without: set[int] = set()
        self.loads_lost = 0
        self.unloadable: Died | None = None
        self.question = ""
        self.left = limits.seconds
        self.loss: CutOff | Died | None = None  # of the child, in this question

    # ---- questions

    def begin(self, name: str) -> None:
        """A new question: fresh time, and a child that is there."""
        self.question, self.left, self.loss = name, self.limits.seconds, None
        if self.link is None:
            self.load()
        if self.link is not None:
            try:
                self.link.channel.send(Message({"do": "begin"}), time.monotonic() + GRACE)
            except (Ended, Late):
                self.drop()
                self.load()

    def is_untouched(self, name: str) -> bool:
        """Whether the function is missing or still the stub; not when its cell has failed."""
        if name != self.question:
            self.begin(name)
        state = self.loaded.states.get(name, "missing")
        return state != "there" and not self.reason_missing(name)

    def reason_missing(self, name: str) -> Died | None:
        """Why there is nothing to call, when that is not because nobody wrote it."""
        if self.unloadable is not None:
            return self.unloadable
        if self.loaded.states.get(name) == "there":
            return None
        why = self.loaded.reasons.get(name)
        return Died(f"is not there: {why}.") if why else None

    def call(self, name: str, arguments: Arguments) -> Reply:
        """Call the function on copies of the arguments, in the child."""
        missing = self.reason_missing(name) or self.loss
        if missing is not None:
            return missing
        if self.link is None:
            return Died("is not there: its process was lost.")
        try:
            return self.ask("call", name, arguments, self.left)
        except Lost as lost:
            self.loss = lost.reply
            return lost.reply

    def find_line(self, name: str, arguments: Arguments, symptom: str) -> Line | None:
        """The line after which a symptom shows; None when the child is lost over it."""
        if self.link is None:
            return None
        try:
            found = self.ask("line", name, arguments, self.limits.seconds, symptom=symptom)
        except Lost as lost:
            self.loss = lost.reply
            return None
        return found.line if isinstance(found, Raised) else None

    def close(self) -> None:
        """Nothing more will be asked: the child ends."""
        self.drop()

    # ---- one call

    def ask(
        self, do: str, name: str, arguments: Arguments, seconds: float, **more: Any
    ) -> Returned | Raised:
        """Send a request and wait for its answer; Lost for whatever else comes."""
        assert self.link is not None
        link, id = self.link, secrets.token_hex(8)
        started, waited = time.monotonic(), link.waited()
        try:
            if link.channel.anything_there():
                raise Malformed("a message that nobody asked for")
            message = request(do, id, name, arguments, seconds, more)
            patience = Patience(link, seconds)
            link.channel.send(message, patience.deadline)
            return self.answer(id, arguments, patience)
        except (Ended, Late, Malformed) as error:
            raise Lost(self.bury(error)) from error
        finally:
            used = time.monotonic() - started
            starved = link.waited() - waited if used > 0.1 else 0.0
            if do == "call":
                self.left -= used - min(starved, used)

    def answer(self, id: str, arguments: Arguments, patience: Patience) -> Returned | Raised:
        """The answer to a request; the child may call functions of ours before it comes."""
        assert self.link is not None
        handles = [item for item in arguments if type(item) in CALLABLES]
        for _ in range(MAX_CALLBACKS + 1):
            header, body = patience.receive()
            if header.get("id") != id:
                raise Malformed("an answer to another question")
            if header.get("kind") != "callback":
                reply = self.decode(header, body, arguments)
                body.finish()
                if self.link.channel.anything_there():
                    raise Malformed("more than one answer")
                return reply
            answer = serve_callback(header, body, handles)
            self.link.channel.send(answer, patience.deadline)
        raise Malformed(f"more than {MAX_CALLBACKS} calls of the function that it was given")

    def decode(
        self, header: Mapping[str, Any], body: Body, arguments: Arguments
    ) -> Returned | Raised:
        """A reply as the check may see it: exact types, bounded, as many arguments as were sent."""
        kind = header.get("kind")
        self.hear(header.get("out"))
        if kind == "cut":
            raise Lost(self.cut(line_from(header.get("line"))))
        if kind == "line":
            return Raised((), "", line_from(header.get("line")))
        if kind == "raised":
            kinds = words_list(header.get("kinds"), 20)
            if not kinds:
                raise Malformed("an exception without a name")
            return Raised(kinds, words(header.get("text"), 500), line_from(header.get("line")))
        if kind != "returned":
            raise Malformed("an answer of an unknown kind")
        value = guarded(unpack, header.get("value"), body)
        return Returned(value, arguments_from(header.get("arguments"), body, arguments))

    def hear(self, text: Any) -> None:
        """Keep what was printed, within the limit."""
        if text:
            before = self.output.get(self.question, "")
            room = (self.limits.output_kb << 10) - len(before)
            self.output[self.question] = before + words(text, max(room, 0))

    # ---- losing the child

    def cut(self, line: Line | None = None) -> CutOff:
        """Its time is over, and the process with it."""
        self.drop()
        return CutOff(self.limits.seconds, line, ended=True)

    def bury(self, error: Exception) -> CutOff | Died:
        """Make an end of the child, and say how it came to it."""
        if isinstance(error, Late):
            return self.cut()
        if isinstance(error, Malformed):
            self.drop()
            return Died(f"broke the grader's protocol: {error}.")
        assert self.link is not None
        status = self.link.how_it_ended()
        self.drop()
        return self.cut() if status == -signal.SIGXCPU else Died(f"{ending(status)}.")

    def drop(self) -> None:
        """No child any more."""
        if self.link is not None:
            self.link.close()
            self.link = None

    # ---- loading

    def load(self) -> None:
        """A new child with the submission in it, without what has ended a child while loading."""
        while self.link is None and self.unloadable is None:
            if sum(map(len, self.cells)) > MAX_CODE:
                self.unloadable = Died(f"has more than {MAX_CODE >> 20} MB of code around it.")
                return
            try:
                self.link = self.start_child(self.limits)
                self.link.meet()
                self.loaded = Loading(self, self.link).run()
            except JailBroken as error:
                self.drop()
                self.unloadable = Died(f"could not be run: {error} (no fault of yours).")
            except OSError as error:
                self.drop()
                self.unloadable = Died(f"could not be run: {error} (no fault of yours).")

    def lost_while_loading(self, at: int | None, error: Exception) -> None:
        """Leave out the statement that ended the child; after some of them, give up."""
        reply = self.bury(error)
        reason = reply.reason if isinstance(reply, Died) else "took too long."
        self.loads_lost += 1
        if at is None or self.loads_lost > MAX_LOADS_LOST:
            self.unloadable = Died(f"could not be loaded: the code around it {reason}")
            return
        self.without.add(at)
        self.note(f"a statement of the notebook {reason}")

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES and text not in self.notes:
            self.notes.append(text)


class Loading:
    """The talk with a child from its start until the submission is loaded."""

    def __init__(self, transport: RemoteTransport, link: Link) -> None:
        self.transport = transport
        self.link = link
        self.at: int | None = None

    def run(self) -> Loaded:
        """Until it is loaded; when the child is lost on the way, transport.link is None."""
        try:
            self.until_jailed()
            self.send()
            patience = Patience(self.link, 2 * self.transport.limits.seconds)
            for _ in range(MAX_STATEMENTS):
                header, _ = patience.receive()
                if header.get("kind") == "loaded":
                    return self.loaded(header)
                self.follow(header)
            raise Malformed("more statements than a notebook has")
        except (Ended, Late, Malformed) as error:
            self.transport.lost_while_loading(self.at, error)
            return Loaded()

    def until_jailed(self) -> None:
        """No code of the learner's has run yet: what is said here is true."""
        header, _ = self.link.channel.receive(time.monotonic() + ENTER_SECONDS)
        if header.get("kind") != "ready":
            raise JailBroken(str(header.get("text")))

    def send(self) -> None:
        """The submission."""
        it = self.transport
        header = {
            "cells": [len(cell) for cell in it.cells],
            "names": it.names,
            "without": sorted(it.without),
        }
        self.link.channel.send(Message(header, list(it.cells)), time.monotonic() + ENTER_SECONDS)

    def follow(self, header: Mapping[str, Any]) -> None:
        """The child is about to run a statement."""
        index = header.get("index")
        if header.get("kind") != "at" or type(index) is not int or not 0 <= index < MAX_STATEMENTS:
            raise Malformed("an unknown message while loading")
        self.at = index

    def loaded(self, header: Mapping[str, Any]) -> Loaded:
        """What the child found, checked."""
        states, reasons = header.get("states"), header.get("reasons")
        if type(states) is not dict or type(reasons) is not dict:
            raise Malformed("an unknown message while loading")
        for note in words_list(header.get("notes"), MAX_NOTES):
            self.transport.note(note)
        names = self.transport.names
        return Loaded(
            {name: words(states.get(name), 20) for name in names},
            {name: words(reasons[name], 300) for name in names if reasons.get(name)},
        )


class Patience:
    """How long to wait for a child: its limit, and the time in which it got no processor."""

    def __init__(self, link: Link, seconds: float) -> None:
        self.link = link
        self.waited = link.waited()
        now = time.monotonic()
        self.deadline = now + max(seconds, 0.0) + GRACE
        self.last = now + PATIENCE * max(seconds, 0.0) + GRACE

    def receive(self) -> tuple[dict[str, Any], Body]:
        """The next message; Late when the patience is over."""
        while not self.link.channel.wait(self.deadline):
            self.extend()
        return self.link.channel.receive(self.deadline + GRACE)

    def extend(self) -> None:
        """Give back what the child has waited for a processor."""
        waited = self.link.waited()
        more = min(waited - self.waited, self.last - self.deadline)
        if more < 0.05:
            raise Late
        self.waited, self.deadline = waited, self.deadline + more


# ---- messages ------------------------------------------------------------------------------------


def request(
    do: str, id: str, name: str, arguments: Arguments, seconds: float, more: Mapping[str, Any]
) -> Message:
    """A question for the child."""
    blobs: list[bytes] = []
    handles = [item for item in arguments if type(item) in CALLABLES]
    nodes = [pack(item, blobs, handles) for item in arguments]
    header = {"do": do, "id": id, "name": name, "seconds": seconds, "arguments": nodes}
    return Message(header | dict(more), blobs)


def serve_callback(header: Mapping[str, Any], body: Body, handles: Sequence[Any]) -> Message:
    """Call a function of the check's for the child."""
    number, nodes = header.get("handle"), header.get("arguments")
    if type(number) is not int or not 0 <= number < len(handles) or type(nodes) is not list:
        raise Malformed("a call of a function that it was not given")
    arguments = [guarded(unpack, node, body) for node in nodes]
    body.finish()
    blobs: list[bytes] = []
    try:
        value = pack(copy_value(handles[number](*arguments)), blobs)
        return Message({"value": value}, blobs)
    except Exception as error:
        return Message({"raised": type(error).__name__, "text": str(error)[:500]})


def arguments_from(nodes: Any, body: Body, sent: Arguments) -> Arguments:
    """The arguments as the call has left them; a callable is the one that was sent."""
    if nodes is None:
        return sent
    if type(nodes) is not list or len(nodes) != len(sent):
        raise Malformed("an answer with other arguments than were sent")
    handles = [item for item in sent if type(item) in CALLABLES]

    def known(number: int) -> Any:
        if not 0 <= number < len(handles):
            raise Malformed("a function that it was not given")
        return handles[number]

    return tuple(guarded(unpack, node, body, 0, known) for node in nodes)


def guarded(decode: Callable[..., Any], *arguments: Any) -> Any:
    """Decode; whatever goes wrong in that is the sender's fault."""
    try:
        return decode(*arguments)
    except Malformed:
        raise
    except Exception as error:
        raise Malformed("a value that can't be decoded") from error


def line_from(node: Any) -> Line | None:
    """A line of the learner's, or none."""
    if node is None:
        return None
    if type(node) is not list or len(node) != 2 or type(node[0]) is not int:
        raise Malformed("a line that is none")
    return Line(min(max(node[0], 0), 1_000_000), words(node[1], 200))


def words_list(node: Any, limit: int) -> tuple[str, ...]:
    """A list of short texts."""
    if type(node) is not list:
        raise Malformed("no list where there must be one")
    return tuple(words(item, 300) for item in node[:limit])


def ending(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "closed its connection to the grader"
    if status >= 0:
        return f"ended the process (exit {status})"
    if status == -signal.SIGKILL:
        return "was killed by signal 9 (SIGKILL), as a process is that takes too much memory"
    with suppress(ValueError):
        return f"was killed by signal {-status} ({signal.Signals(-status).name})"
    return f"was killed by signal {-status}"
