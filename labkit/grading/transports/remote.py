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
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.grading.answers.lines import Line
from labkit.grading.answers.values import CALLABLES
from labkit.grading.jail import Isolation
from labkit.grading.source.cells import CODE
from labkit.grading.transports.launching import (
    ForkedZygote,
    FreshZygote,
    ZygoteError,
    can_fork,
    public_environment,
    python,
)
from labkit.grading.transports.link import (
    ENTER_SECONDS,
    GRACE,
    ColdLink,
    JailBroken,
    Link,
    Patience,
    ending,
)
from labkit.grading.transports.replies import (
    arguments_from,
    guarded,
    line_from,
    request,
    serve_callback,
    words_list,
)
from labkit.grading.transports.transport import (
    Arguments,
    CutOff,
    Died,
    Raised,
    Reply,
    Returned,
    still_the_stub,
)
from labkit.grading.transports.wire import (
    Body,
    Channel,
    Ended,
    Late,
    Malformed,
    Message,
    unpack,
    words,
)

LINUX = sys.platform.startswith("linux")
START_SECONDS = 180.0  # for a zygote: it imports torch on a machine that may be busy
MAX_CODE = 8 << 20
MAX_CALLBACKS = 1000  # of one call
MAX_LOADS_LOST = 3  # times that loading a submission may end its child
MAX_STARTS = 3  # times that a child may be started until it stands in the jail
MAX_STATEMENTS = 20_000
MAX_NOTES = 60
WARM = ("torch", "transformers", "numpy")


@dataclass(frozen=True)
class Work:
    """What was handed in, and how it is run.

    cells    the code cells, in order
    prose    the other cells: what each is (Markdown, raw), and its text
    lessons  fingerprints of the lesson's own statements (see cells.py)
    wide     whether all of the learner's statements are run, or what each answer needs
             (see selection.py)
    """

    cells: Sequence[str]
    prose: Sequence[tuple[str, str]] = ()
    lessons: frozenset[str] = frozenset()
    wide: bool = False


@dataclass(frozen=True)
class Limits:
    """What one question may use: seconds of wall time, MB above what the zygote has, and so on."""

    seconds: float = 5.0
    memory_mb: int = 1024
    output_kb: int = 64
    file_mb: int = 16
    processes: int = 32


class NotIsolated(ZygoteError):
    """This machine can't hold hostile code, and the caller has not said that it trusts it."""


def probe_isolation() -> Isolation:
    """What this machine can hold; tried in a process of its own, without anybody's code."""
    code = (
        "import json; from dataclasses import asdict; "
        "from labkit.grading.jail.probe import report; print(json.dumps(asdict(report())))"
    )
    if not LINUX:
        return not_linux()
    env = public_environment()
    try:
        done = subprocess.run(python(code), capture_output=True, env=env, timeout=START_SECONDS)
        return isolation_from(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Isolation("none", False, (f"the probe took more than {START_SECONDS:.0f} s",))
    except ValueError:
        return Isolation("none", False, ("the probe ended without a word",))


def not_linux() -> Isolation:
    """What there is where there is no jail of ours."""
    reason = f"there is no jail for {sys.platform}: hostile work is graded on Linux (WSL 2 will do)"
    return Isolation("none", False, (reason,))


def isolation_from(found: Mapping[str, Any]) -> Isolation:
    """What another process of ours has found."""
    return Isolation(found["level"], found["hostile_ready"], tuple(found["missing"]))


# ---- the zygote ----------------------------------------------------------------------------------


class Zygote:
    """The warm process. May be shared by processes that are forked from the one that made it."""

    def __init__(self, *, trusted: bool = False, imports: Sequence[str] = WARM) -> None:
        self.trusted = trusted
        self.imports = tuple(imports)
        self.owner = os.getpid()
        self.control: Any = None
        self.process: ForkedZygote | FreshZygote | None = None
        if not (LINUX or trusted):
            raise NotIsolated(refusal(not_linux()))
        self.accept(self.start())

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, afresh: bool = False) -> Isolation:
        """Start the process and wait until it is warm; what it says of its jail."""
        if not LINUX:
            found = not_linux()
            return Isolation(f"{found.level} (trusted)", False, found.missing)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if can_fork() and not afresh:
                self.process = ForkedZygote(self.control, theirs, self.imports, self.trusted)
            else:
                self.process = FreshZygote(theirs, self.imports, self.trusted)
        self.owner = os.getpid()
        said = first_word(self.control)
        if "isolation" not in said:
            self.close()
            raise ZygoteError(f"the warm process did not start: {said.get('failed')}")
        return isolation_from(said["isolation"])

    def processes(self) -> list[int]:
        """What to wait for in this one's place, for who becomes another program."""
        return [self.process.pid] if isinstance(self.process, ForkedZygote) else []

    def open(
        self, work: Work | Sequence[str], names: Sequence[str], limits: Limits | None = None
    ) -> RemoteTransport:
        """A submission (or its code cells alone), and the functions that will be asked for."""
        work = work if isinstance(work, Work) else Work(work)
        return RemoteTransport(self.start_child, work, names, limits or Limits())

    def start_child(self, limits: Limits) -> Link:
        """Order a child; it is entering the jail when this returns."""
        if not LINUX:
            return ColdLink(limits.output_kb)
        try:
            return self.order(limits)
        except OSError:  # the zygote is gone: killed, perhaps, for the memory of all
            self.close()
            self.accept(self.start(afresh=True))  # this process knows too much by now
            return self.order(limits)

    def order(self, limits: Limits) -> Link:
        """Hand the zygote the two sockets of a new child."""
        data, its_data = socket.socketpair()
        life, its_life = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_data, its_life:
            numbers = [its_data.fileno(), its_life.fileno()]
            try:
                socket.send_fds(self.control, [json.dumps(asdict(limits)).encode()], numbers)
            except OSError:
                data.close()
                life.close()
                raise
        return Link(Channel(data), life)

    def accept(self, isolation: Isolation) -> None:
        """Go on with this isolation, or refuse."""
        if not (self.trusted or isolation.hostile_ready):
            self.close()
            raise NotIsolated(refusal(isolation))
        self.isolation = isolation

    def close(self) -> None:
        """End the process with all its children."""
        if self.control is not None:
            self.control.close()
        if self.process is not None and os.getpid() == self.owner:
            self.process.end()
            self.process = None


def first_word(control: socket.socket) -> dict[str, Any]:
    """What a zygote says when it is warm; or why it will never be."""
    control.settimeout(START_SECONDS)
    try:
        return json.loads(control.recv(1 << 16) or '{"failed": "it ended without a word"}')
    except OSError as error:
        return {"failed": str(error)}


def refusal(isolation: Isolation) -> str:
    """Why hostile submissions are not run here, and what to do."""
    reasons = "; ".join(isolation.missing)
    return (
        f"This machine can't hold hostile code: it has {isolation.level}, and namespaces and "
        f"Landlock are needed ({reasons}). If you know the people whose work this is, say "
        "--trusted (trusted=True); it is written with the marks."
    )


# ---- one child -----------------------------------------------------------------------------------


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
    more: bool = False  # there are statements of the learner's that were not run


class RemoteTransport:
    """Calls the functions of one submission in a jailed child; see Transport for its methods."""

    def __init__(
        self,
        start_child: Callable[[Limits], Link],
        work: Work,
        names: Sequence[str],
        limits: Limits,
    ) -> None:
        self.start_child = start_child
        self.work = work
        self.names = tuple(names)
        self.limits = limits
        self.notes: list[str] = []
        self.output: dict[str, str] = {}  # what was printed, by question; "" while loading
        self.link: Link | ColdLink | None = None
        self.loaded = Loaded()
        self.without: set[int] = set()
        self.loads_lost = 0
        self.unloadable: Died | None = None
        self.question = ""
        self.left = limits.seconds  # of this question's time
        self.spent = 0.0  # seconds in its calls, whoever had the processor
        self.loss: CutOff | Died | None = None  # of the child, in this question

    @property
    def left_something_out(self) -> bool:
        """Whether a wider choice of statements may come to another verdict."""
        return self.loaded.more or self.unloadable is not None

    # ---- questions

    def begin(self, name: str) -> None:
        """A new question: fresh time, and a child that is there."""
        self.question, self.loss = name, None
        self.left, self.spent = self.limits.seconds, 0.0
        if self.link is None:
            self.load()
        if self.link is not None:
            try:
                if self.link.channel.anything_there():  # of the last question, too late for it
                    raise Ended
                self.link.channel.send(Message({"do": "begin"}), time.monotonic() + GRACE)
                self.link.begin()
            except (Ended, Late):
                self.drop()
                self.load()

    def is_untouched(self, name: str) -> bool:
        """Whether the function is missing or still the stub; not when its cell has failed."""
        if name != self.question:
            self.begin(name)
        if self.unloadable is not None or self.loaded.states.get(name) == "there":
            return False
        return self.is_stub(name) or name not in self.loaded.reasons

    def is_stub(self, name: str) -> bool:
        return self.loaded.states.get(name) == "untouched"

    def why_untouched(self, name: str) -> str:
        """A stub that nobody has worked on, or nothing at all; and what there is like it."""
        elsewhere = self.loaded.reasons.get(name)
        if self.is_stub(name):
            return still_the_stub(name) + (f" Besides: {elsewhere}." if elsewhere else "")
        return (
            f"The notebook has no function `{name}`: take its cell back from the lesson, write its "
            "body, then check again."
        )

    def borrowed(self, name: str, not_allowed: Sequence[str]) -> str | None:
        """What the function uses and may not, as the child has found it; None where it is lost."""
        if self.reason_missing(name) or self.link is None:
            return None
        try:
            found = self.ask("borrowed", name, (), self.limits.seconds, not_allowed=not_allowed)
        except Lost as lost:
            self.loss = lost.reply
            return None
        return found.text or None if isinstance(found, Raised) else None

    def reason_missing(self, name: str) -> Died | None:
        """Why there is nothing to call, when that is not because nobody wrote it."""
        if self.unloadable is not None:
            return self.unloadable
        if self.loaded.states.get(name) == "there":
            return None
        why = self.loaded.reasons.get(name)
        return Died(f"is not there: {why}.") if why else None

    def call(self, name: str, arguments: Arguments, wrt: int | None = None) -> Reply:
        """Call the function on copies of the arguments, in the child."""
        missing = self.reason_missing(name) or self.loss
        if missing is not None:
            return missing
        if self.link is None:
            return Died("is not there: its process was lost.")
        try:
            return self.ask("call", name, arguments, self.left, wrt=wrt)
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
        link, id, started = self.link, secrets.token_hex(8), time.monotonic()
        try:
            if link.channel.anything_there():
                raise Malformed("a message that nobody asked for")
            message = request(do, id, name, arguments, seconds, more)
            patience = Patience(link, seconds, self.spent, self.limits.seconds - self.left)
            link.channel.send(message, patience.deadline)
            return self.answer(id, arguments, patience)
        except (Ended, Late, Malformed) as error:
            raise Lost(self.lost_child(error)) from error
        finally:
            used = time.monotonic() - started
            if do == "call":
                self.spend(used)

    def spend(self, seconds: float) -> None:
        """Take a call's time off the question's: what has been the child's own of it."""
        self.spent += seconds
        own = self.spent
        if self.link is not None and self.spent > 0.1:
            own = self.link.own(self.spent)
        self.left = self.limits.seconds - own

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
        if kind == "borrowed":
            return Raised((), words(header.get("name"), 200), None)
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

    def lost_child(self, error: Exception) -> CutOff | Died:
        """What a call gets that has lost its child, which is ended."""
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
        if sum(map(len, self.work.cells)) > MAX_CODE:
            self.unloadable = Died(f"has more than {MAX_CODE >> 20} MB of code around it.")
        starts = 0
        while self.link is None and self.unloadable is None:
            try:
                self.link = self.start_child(self.limits)
                self.link.meet()
                self.loaded = Loading(self, self.link).run()
            except (JailBroken, OSError) as error:
                self.drop()
                starts += 1
                if starts == MAX_STARTS:
                    self.unloadable = Died(f"could not be run ({error}); no fault of yours.")

    def lost_while_loading(self, at: int | None, error: Exception) -> None:
        """Leave out the statement that ended the child; after some of them, give up."""
        reply = self.lost_child(error)
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
            self.link.begin()
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
        try:
            header, _ = self.link.channel.receive(time.monotonic() + self.link.enter_seconds)
        except (Ended, Late) as error:
            raise JailBroken("its process ended before it began") from error
        if header.get("kind") != "ready":
            raise JailBroken(str(header.get("text")))

    def send(self) -> None:
        """The submission."""
        it, work = self.transport, self.transport.work
        texts = [*((CODE, cell) for cell in work.cells), *work.prose]
        blobs = [text.encode("utf-8", "replace") for _, text in texts]
        header = {
            "sizes": list(map(len, blobs)),
            "kinds": [kind for kind, _ in texts],
            "names": it.names,
            "lessons": sorted(work.lessons),
            "wide": work.wide,
            "without": sorted(it.without),
        }
        self.link.channel.send(Message(header, blobs), time.monotonic() + ENTER_SECONDS)

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
            header.get("more") is True,
        )
