"""Questions to a jailed child: answers as in a lesson, and nothing that a child does gets out."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import torch

from labkit.grading import Challenge, Mistake, Outcome, check, check_through
from labkit.grading.transports import remote
from labkit.grading.transports.link import Link, Patience
from labkit.grading.transports.remote import Limits, NotIsolated, RemoteTransport, Work, Zygote
from labkit.grading.transports.transport import CutOff, Died, Raised, Returned
from labkit.grading.transports.wire import Channel, Late, Message
from tests.gallery.hostile import SPEAK

pytestmark = pytest.mark.skipif(not remote.LINUX, reason="children are jailed on Linux only")
QUICK = Limits(seconds=0.5)


@pytest.fixture(scope="module")
def zygote():
    with Zygote(trusted=True, imports=("torch",)) as warm:
        yield warm


@pytest.fixture
def ask(zygote):
    """Open a submission of these cells, and call its function f."""
    opened: list[RemoteTransport] = []

    def run(*cells, arguments=(1,), limits=QUICK, name="f"):
        transport = zygote.open(cells, [name], limits)
        opened.append(transport)
        transport.begin(name)
        return transport.call(name, arguments)

    run.opened = opened
    yield run
    for transport in opened:
        transport.close()


# ---- answers -------------------------------------------------------------------------------------


def test_a_call_returns_its_value_and_the_arguments_as_left(ask):
    reply = ask("def f(x):\n    x += 1\n    return x * 2", arguments=(torch.ones(2),))

    assert torch.equal(reply.value, torch.full((2,), 4.0))
    assert torch.equal(reply.arguments[0], torch.full((2,), 2.0))


def test_an_exception_comes_with_its_line(ask):
    reply = ask("def f(x):\n    y = x - 1\n    return 1 / y")

    assert reply.kinds[:2] == ("ZeroDivisionError", "ArithmeticError")
    assert str(reply.line) == "line 3: return 1 / y"


def test_what_is_printed_is_kept_up_to_the_limit(ask):
    printing = "import sys, warnings\ndef f(x):\n    print('a' * 5000)\n"
    more = "    print('b', file=sys.stderr)\n    warnings.warn('c')\n    return x"

    assert ask(printing + more, limits=Limits(output_kb=1)).value == 1
    assert ask.opened[0].output["f"] == "a" * 1024


def test_twenty_megabytes_of_output_cost_nothing(ask):
    assert ask("def f(x):\n    for _ in range(20): print('x' * 1_000_000)\n    return x").value == 1


def test_a_progress_bar_and_buffers_of_stdout_work(ask):
    cell = (
        "import sys\nfrom tqdm import tqdm\ndef f(x):\n    sys.stdout.buffer.write(b'x')\n"
        "    return sum(tqdm([x, x]))"
    )
    assert ask(cell, limits=Limits()).value == 2


def test_a_callable_argument_is_called_in_the_grader(ask):
    seen = []

    def model(ids):
        seen.append(ids)
        if ids == 3:
            raise ValueError("three")
        return torch.tensor([ids])

    reply = ask("def f(model): return [model(1), model(2)]", arguments=(model,))
    assert seen == [1, 2] and [int(item) for item in reply.value] == [1, 2]
    assert reply.arguments == (model,)
    raised = ask("def f(model): return model(3)", arguments=(model,))
    assert raised.kinds[0] == "ValueError" and raised.text == "three"
    endless = ask("def f(model):\n    while True: model(1)", arguments=(model,), limits=Limits())
    assert isinstance(endless, Died | CutOff)
    assert len(seen) < 2 * remote.MAX_CALLBACKS


def test_random_numbers_are_the_same_each_time(ask):
    cell = "import random, torch\ndef f(x): return [random.random(), torch.rand(1).item()]"

    assert ask(cell).value == ask(cell).value


def test_a_value_too_large_to_cross_is_named(ask):
    reply = ask("def f(x): return [[x] * 90_000 for _ in range(20)]", limits=Limits())

    assert "more than can be handed over" in str(reply.value)


# ---- notebooks -----------------------------------------------------------------------------------


def test_only_what_is_needed_is_run(ask):
    assert ask("import time\ntime.sleep(60)", "unused = 1 / 0", "def f(x): return x").value == 1
    assert ask.opened[0].notes == []


def test_the_lab_is_inert(ask):
    cells = [
        "from labkit import Lab\nlab = Lab('05_temperature')",
        "def g(x): return x + 1\ng = lab.use(g)",
        "def f(x):\n    lab.check(f)\n    get_ipython().run_line_magic('x', '')\n    return g(x)",
    ]
    assert ask(*cells, limits=Limits()).value == 2


def test_duplicates_helpers_and_magics(ask):
    cells = [
        "%matplotlib inline\n!pip install nothing\nimport math",
        "def f(x): return 'first'",
        "def helper(x):\n    return math.floor(x)",
        "%%time\ndef f(x): return helper(x)",
    ]
    assert ask(*cells, arguments=(1.5,)).value == 1
    assert ask.opened[0].notes == ["cell 1: a line with ! was left out"]


def test_a_stub_is_untouched_and_so_is_nothing(zygote):
    transport = zygote.open(["def f(x):\n    '''Words.'''\n    ..."], ["f", "g"], QUICK)

    assert transport.is_untouched("f") and transport.is_untouched("g")
    transport.close()


def test_what_is_a_stub_and_what_is_not_there_are_told_apart(zygote):
    cells = ["def f(x): ...", "class C:\n    def h(self, x): return x"]
    work = Work(cells, prose=[("Markdown", "def k(x): return x")])
    transport = zygote.open(work, ["f", "g", "h", "k"], QUICK)

    transport.begin("f")
    assert transport.why_untouched("f") == "f is still the stub: write its body, then check again."
    assert transport.is_untouched("g")
    assert transport.why_untouched("g").startswith("The notebook has no function `g`: take its")
    assert not transport.is_untouched("h") and not transport.is_untouched("k")
    assert "in the class `C` (cell 2, line 2)" in transport.call("h", (1,)).reason
    assert "it stands in a Markdown cell" in transport.call("k", (1,)).reason
    transport.close()


def test_a_stub_with_the_answer_elsewhere_names_that_place(zygote):
    transport = zygote.open(["def f_one(x): ...", "def my_f_one(x): return x"], ["f_one"], QUICK)

    assert transport.is_untouched("f_one")
    assert transport.why_untouched("f_one").endswith(
        "Besides: cell 2, line 1 has `my_f_one`: if that is it, call it `f_one`."
    )
    transport.close()


def test_a_cell_that_cannot_be_read_is_no_stub(zygote):
    transport = zygote.open(["def f(x)\n    return 1", "def g(x): return x"], ["f", "g"], QUICK)

    assert not transport.is_untouched("f")
    assert "cell 1 can't be read: SyntaxError" in transport.call("f", (1,)).reason
    assert not transport.is_untouched("g") and transport.call("g", (1,)).value == 1
    transport.close()


def test_a_statement_that_raises_is_told(ask):
    reply = ask("TABLE = {}['a']\ndef f(x): return TABLE")

    assert reply.kinds[0] == "NameError"
    assert ask.opened[0].notes == ["cell 1, line 1 raised KeyError: 'a'"]


@pytest.mark.parametrize("statement", ["os._exit(0)", "[] == [1] or exec('while True: pass')"])
def test_a_statement_that_ends_the_child_is_left_out(ask, statement):
    reply = ask(f"import os\nBAD = {statement}", "def f(x): return x if x else BAD", "x = 1")

    assert reply.value == 1
    assert any("line 2 was left out" in note for note in ask.opened[0].notes)


def test_after_some_such_statements_it_is_given_up(ask):
    cells = [f"import os\nBAD_{number} = os._exit(1)" for number in range(9)]
    names = ", ".join(f"BAD_{number}" for number in range(9))

    reply = ask(*cells, f"def f(x): return [{names}]")

    assert reply.reason.startswith("could not be loaded: the code around it ended the process")


# ---- endings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os._exit(0)", "ended the process (exit 0)."),
        ("ctypes.string_at(0)", "was killed by signal 11 (SIGSEGV)."),
    ],
)
def test_a_crash_is_named_and_costs_its_own_question(zygote, body, reason):
    cell = f"import os, ctypes\ndef f(x): return {body}\ndef g(x): return x"
    transport = zygote.open([cell], ["f", "g"], QUICK)

    transport.begin("f")
    assert transport.call("f", (1,)) == Died(reason)
    assert transport.call("f", (1,)) == Died(reason), "no second child for the same question"
    transport.begin("g")
    assert transport.call("g", (1,)).value == 1
    transport.close()


SWALLOWS = """while True:
        try:
            while True: pass
        except BaseException:
            pass"""
LOOPS = {
    "loop": "while True: pass",
    "swallows": SWALLOWS,
    "sleep": "time.sleep(60)",
    "c": "list(itertools.repeat(0, 10**12)) if 0 else sum(itertools.repeat(0))",
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_cut_whatever_it_swallows(ask, name):
    reply = ask(f"import time, itertools\ndef f(x):\n    {LOOPS[name]}")

    assert isinstance(reply, CutOff) and reply.ended and reply.seconds == QUICK.seconds
    assert name == "c" or reply.line.number in (3, 5)


def test_memory_has_an_end(ask):
    limits = Limits(memory_mb=64)

    reply = ask("import torch\ndef f(x): return torch.zeros(1 << 30)", limits=limits)
    assert isinstance(reply, Raised) and "memory" in reply.text
    reply = ask("def f(x): return bytearray(1 << 30)", limits=limits)
    assert isinstance(reply, Raised) and reply.kinds[0] == "MemoryError"


def test_the_time_is_one_budget_for_a_question(zygote):
    transport = zygote.open(["import time\ndef f(x): time.sleep(0.2)"], ["f"], QUICK)
    transport.begin("f")
    replies = [transport.call("f", (1,)) for _ in range(4)]
    assert isinstance(replies[-1], CutOff)
    transport.begin("f")
    assert isinstance(transport.call("f", (1,)), Returned)
    transport.close()


def test_the_zygote_is_started_again_when_it_is_killed():
    with Zygote(trusted=True, imports=()) as warm:
        os.kill(getattr(warm.process, "pid", None) or warm.process.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            transport = warm.open(["def f(x): return x"], ["f"], Limits())
            transport.begin("f")
            if transport.call("f", (1,)) == Returned(1, (1,)):
                break
        else:
            pytest.fail("it did not come back")
        transport.close()


def test_nothing_is_left_when_the_zygote_ends():
    with Zygote(trusted=True, imports=()) as warm:
        transport = warm.open(["import time\ndef f(x): time.sleep(99)"], ["f"], QUICK)
        transport.begin("f")
        child = transport.link.pid
        assert Path(f"/proc/{child}").exists()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    transport.close()
    assert not Path(f"/proc/{child}").exists()


def test_hostile_work_is_refused_where_there_is_no_jail(monkeypatch):
    weak = remote.Isolation("landlock+seccomp", False, ("namespaces: not permitted",))
    monkeypatch.setattr(Zygote, "start", lambda self: weak)

    with pytest.raises(NotIsolated, match=r"namespaces: not permitted.*--trusted"):
        Zygote()
    assert Zygote(trusted=True).isolation is weak


def test_a_cold_child_has_the_same_protocol(monkeypatch):
    monkeypatch.setattr(remote, "LINUX", False)
    with pytest.raises(NotIsolated, match="on Linux"):
        Zygote()

    with Zygote(trusted=True) as cold:
        assert cold.isolation.level == "none (trusted)" and not cold.isolation.hostile_ready
        transport = cold.open(["import os\ndef f(x): return x or os._exit(7)"], ["f"], Limits())
        transport.begin("f")
        assert transport.call("f", (1,)).value == 1
        assert transport.call("f", (0,)) == Died("ended the process (exit 7).")
        transport.close()


# ---- protocol ------------------------------------------------------------------------------------

FORGERY = """
import gc, json, os, struct, sys, threading

def frame(header, body=b""):
    head = json.dumps(header).encode()
    return struct.pack(">II", len(head), len(body)) + head + body

def asked():
    here = sys._getframe()
    while here is not None:
        if "header" in here.f_locals:
            return here.f_locals["header"]
        here = here.f_back

def answer(value=1, **more):
    return frame({"id": asked()["id"], "kind": "returned", "value": value, "arguments": [1]} | more)
"""
FORGED = {
    "a reply with another id": 'speak(frame({"id": "0", "kind": "returned", "value": 1}))',
    "a reply and the real one": "speak(answer())",
    "many replies": "speak(answer() * 50)",
    "lines of text": 'speak(b\'{"outcome": "pass"}\\n\')',
    "a reply of another kind": 'speak(answer(kind="passed"))',
    "a kind that is no text": "speak(answer(kind=[1]))",
    "no arguments": "speak(answer(arguments=[]))",
    "more arguments": "speak(answer(arguments=[1, 2]))",
    "an argument that is none": 'speak(answer(arguments=[["q"]]))',
    "a function as a value": 'speak(answer(value=["h", 0]))',
    "a value without bytes": 'speak(answer(value=["x", "float32", [3]]))',
    "an exception of no kind": 'speak(answer(kind="raised", kinds=[], text=""))',
    "an exception of odd kinds": 'speak(answer(kind="raised", kinds=[[]], text=""))',
    "an exception without text": 'speak(answer(kind="raised", kinds=["E"], text=5))',
    "a line that is none": 'speak(answer(kind="raised", kinds=["E"], text="", line=["a", 1]))',
    "a call back of nothing": 'speak(answer(kind="callback", handle=0))',
    "output that is no text": "speak(answer(out=5))",
    "half a frame": "speak(answer()[:20]); os._exit(0)",
    "a frame without end": 'speak(struct.pack(">II", 100, 1 << 27)); os._exit(0)',
    "a frame beyond all bounds": 'speak(struct.pack(">II", 1 << 31, 1 << 31))',
    "nonsense": "speak(os.urandom(5000))",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_reply_loses_the_child_and_its_own_question(zygote, name):
    cells = [SPEAK, FORGERY, f"def f(x):\n    {FORGED[name]}\n    return 2", "def g(x): return x"]
    transport = zygote.open(cells, ["f", "g"], Limits(seconds=3.0))

    transport.begin("f")
    first = transport.call("f", (1,))
    second = transport.call("f", (1,))
    assert not (isinstance(first, Returned) and isinstance(second, Returned)), (first, second)
    transport.begin("g")
    assert transport.call("g", (5,)) == Returned(5, (5,))
    transport.close()


def test_a_reply_before_the_question_is_no_answer(zygote):
    waiting = "threading.Timer(0.1, speak, [frame({'id': '0', 'kind': 'returned', 'value': 1})])"
    cells = [
        SPEAK,
        FORGERY,
        f"def f(x):\n    {waiting}.start()\n    return 2",
        "def g(x): return x",
    ]
    transport = zygote.open(cells, ["f", "g"], Limits(seconds=3.0))
    transport.begin("f")
    assert transport.call("f", (1,)) == Returned(2, (1,))
    time.sleep(0.5)
    assert isinstance(transport.call("f", (1,)), Died)
    transport.begin("g")
    assert transport.call("g", (5,)) == Returned(5, (5,))
    transport.close()


def test_who_never_stops_talking_is_late():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        patience = Patience(Link(Channel(ours), theirs), 0.01)
        deadline = time.monotonic() + 20
        with pytest.raises(Late):
            while time.monotonic() < deadline:
                Channel(theirs).send(Message({"kind": "callback"}))
                patience.receive()


def test_a_message_between_two_questions_costs_neither(zygote):
    waiting = "threading.Timer(0.1, speak, [b'x' * 100])"
    cells = [
        SPEAK,
        FORGERY,
        f"def f(x):\n    {waiting}.start()\n    return 2",
        "def g(x): return x",
    ]
    transport = zygote.open(cells, ["f", "g"], Limits(seconds=3.0))
    transport.begin("f")
    assert transport.call("f", (1,)) == Returned(2, (1,))
    time.sleep(0.5)
    transport.begin("g")
    assert transport.call("g", (5,)) == Returned(5, (5,))
    transport.close()


# ---- one check, two transports -------------------------------------------------------------------


def check_double(s):
    for number in (1, 2.5, torch.tensor([1.0, 3.0])):
        s.double(number).close_to(number * 2, because="Twice the number.")


def squared(x):
    return x * x


DOUBLE = Challenge(
    "double", "Twice", check_double, 1, ("a", "b", "c"), limit_seconds=1.0,
    mistakes=[Mistake("squared", squared, "You squared.", "x")],
)  # fmt: skip
ANSWERS = {
    "right": "return x + x",
    "squared": "return x * x",
    "raises": "return x.nothing",
    "none": "x + x",
    "stub": "...",
    "in place": "x += x\n    return x",
    "nan": "return x * float('nan')",
    "loop": "while True: pass",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_both_transports_agree(zygote, cell, name):
    source = f"def double(x):\n    {ANSWERS[name]}"
    local = check(DOUBLE, cell(source))
    transport = zygote.open([source], ["double"], Limits(seconds=1.0))
    transport.begin("double")
    away = check_through(DOUBLE, transport)
    transport.close()

    assert away == local, f"{away}\n\n{local}"
    assert (away.outcome is Outcome.PASS) == (name == "right")
