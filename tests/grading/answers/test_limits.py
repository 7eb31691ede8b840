from __future__ import annotations

import sys
import threading
import time

import pytest
import torch

from labkit.grading.answers.limits import TimeUp, Worker
from labkit.grading.transports.transport import CutOff, LocalTransport, Raised, Returned


def call(function, *arguments, limit=0.3):
    transport = LocalTransport({"f": function}, limit)
    try:
        return transport.call("f", arguments)
    finally:
        transport.close()


def test_a_loop_is_cut_at_its_line(cell):
    reply = call(cell("def f():\n    n = 0\n    while True:\n        n += 1\n"))

    assert type(reply) is CutOff
    assert reply.ended
    assert reply.line.number in (3, 4)


@pytest.mark.parametrize("kind", ["Exception", "KeyboardInterrupt", "BaseException"])
def test_a_loop_that_swallows_exceptions_is_ended_too(cell, kind):
    source = f"""
def f():
    while True:
        try:
            sum(range(10))
        except {kind}:
            pass
"""
    reply = call(cell(source))

    assert type(reply) is CutOff
    assert reply.ended


def test_a_sleeping_call_is_left_behind_and_said(cell):
    event = threading.Event()
    reply = LocalTransport({"f": event.wait}, 0.1).call("f", ())
    event.set()

    assert type(reply) is CutOff
    assert not reply.ended


def test_tracing_works_while_a_sleeper_holds_its_exception(cell):
    """Python 3.11: a traced function used to spin for ever at its first line here."""
    event = threading.Event()
    LocalTransport({"f": event.wait}, 0.1).call("f", ())
    transport = LocalTransport({"f": cell("def f(x):\n    return x\n")}, 5.0)

    line = transport.find_line("f", (1,), "returned")
    event.set()

    assert str(line) == "line 2: return x"


def test_the_budget_is_for_all_calls_together(cell):
    transport = LocalTransport({"f": time.sleep}, 0.3)

    replies = [transport.call("f", (0.2,)) for _ in range(2)]

    assert [type(reply) for reply in replies] == [Returned, CutOff]


def test_works_on_any_thread(cell):
    replies = []
    loop = cell("def f():\n    while True:\n        pass\n")
    thread = threading.Thread(target=lambda: replies.append(call(loop)))
    thread.start()
    thread.join(30)

    assert type(replies[0]) is CutOff


def test_no_thread_stays_after_a_quick_call(cell):
    before = threading.active_count()

    call(cell("def f():\n    return 1\n"))
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)

    assert threading.active_count() <= before


def test_stop_pressed_by_the_learner_ends_the_call_and_goes_on():
    worker = Worker()

    class PressesStop:
        def get(self, timeout):
            raise KeyboardInterrupt

    worker.results = PressesStop()
    with pytest.raises(KeyboardInterrupt):
        worker.run(lambda: time.sleep(0.01), 5.0)
    assert not worker.thread.is_alive()


def test_time_up_says_whether_the_thread_has_ended():
    worker = Worker()

    with pytest.raises(TimeUp) as caught:
        worker.run(lambda: [None for _ in iter(int, 1)], 0.1)
    assert caught.value.ended


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "ValueError"])
def test_whatever_is_raised_becomes_a_reply(cell, kind):
    reply = call(cell(f'def f():\n    raise {kind}("words")\n'))

    assert type(reply) is Raised
    assert (reply.kinds[0], reply.text) == (kind, "words")
    assert str(reply.line) == f'line 2: raise {kind}("words")'


def test_a_cancelled_task_is_no_endless_loop(cell):
    reply = call(cell("import asyncio\ndef f():\n    raise asyncio.CancelledError\n"), limit=5.0)

    assert reply.kinds[0] == "CancelledError"


def test_an_exception_without_words_is_still_a_reply(cell):
    source = """
class Mute(Exception):
    def __str__(self):
        raise RuntimeError
def f():
    raise Mute
"""
    reply = call(cell(source))

    assert (reply.kinds[0], reply.text) == ("Mute", "")


def test_deep_recursion_is_an_error_at_the_learners_line(cell):
    reply = call(cell("def f(n=0):\n    return f(n + 1)\n"), limit=10.0)

    assert reply.kinds[0] == "RecursionError"
    assert reply.line.number == 2


def test_arguments_are_copies_and_come_back_as_they_were_left(cell):
    tensor = torch.zeros(2)

    reply = call(cell("def f(x):\n    x += 1\n    return x\n"), tensor)

    assert tensor.tolist() == [0, 0]
    assert reply.arguments[0].tolist() == [1, 1]


def test_context_variables_reach_the_call():
    from contextvars import ContextVar

    variable = ContextVar("variable")
    variable.set("cell 3")  # a notebook's output finds its cell in this way

    assert call(lambda: variable.get()).value == "cell 3"


def test_a_tracer_that_was_there_is_there_again(cell):
    seen = []
    transport = LocalTransport({"f": cell("def f():\n    return 1\n")}, 5.0)
    transport.find_line("f", (), "returned")
    transport.worker.run(lambda: seen.append(sys.gettrace()), 5.0)

    assert seen == [None] or seen[0] is sys.gettrace()
