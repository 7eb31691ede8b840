"""Warm kernels as real processes: as cold ones are, and none left behind."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from labkit.kernels import asking, nursery, orders
from labkit.kernels.nursery import Nursery
from labkit.paths import PACKAGE
from tests.kernels.conftest import LIGHT, READY_SECONDS, Running, Start

pytestmark = pytest.mark.usefixtures("nursery")

PROBE = """
import json, os, signal, sys, threading
from IPython import get_ipython

print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": list(sys.flags),
    "main": [__name__, sorted(vars(sys.modules["__main__"]).keys() - globals().keys())],
    "names": sorted(name for name in globals() if not name.startswith("_i")),
    "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0o022),
    "leads": [os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()],
    "threads": sorted(thread.name for thread in threading.enumerate()),
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)],
    "streams": [type(stream).__name__ for stream in (sys.stdin, sys.stdout, sys.__stderr__)],
    "profile": get_ipython().profile_dir.location,
    "extensions": sorted(get_ipython().extension_manager.loaded),
    "parent_is_watched": get_ipython().kernel.parent.poller.parent_pid == os.getppid(),
    "labkit": [name for name in sys.modules if name.partition(".")[0] == "labkit"],
    "tty": [os.isatty(number) for number in (0, 1, 2)],
}))
"""


def findings(text: str) -> dict[str, Any]:
    """A probe's, without what is drawn or counted: pydevd makes a thread that it never starts."""
    found = re.sub(r"[^\"]*/tmp\w+\.json", "CONNECTION.json", text)
    found = re.sub(r"Thread-\d+", "Thread", found)
    return dict(json.loads(found))


def gone(pids: list[int], seconds: float = 20) -> bool:
    """All of them end, or are zombies that wait for a parent."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def reply_to(sent: str, kernel: Running) -> dict[str, Any]:
    while True:
        reply = kernel.client.get_shell_msg(timeout=READY_SECONDS)
        if reply["parent_header"]["msg_id"] == sent:
            return dict(reply["content"])


def test_a_warm_kernel_is_as_a_cold_one(start: Start, tmp_path: Path) -> None:
    told = {"LABKIT_STRICT": "1", "LABKIT_MODEL": "base", "IPYTHONDIR": str(tmp_path / "ipython")}
    warm, cold = start(warm=True, **told), start(warm=False, **told)
    assert warm.warm and not cold.warm
    found, expected = findings(warm.run(PROBE)), findings(cold.run(PROBE))
    assert found == expected
    assert found["env"]["LABKIT_MODEL"] == "base"
    assert found["profile"].startswith(str(tmp_path))
    assert found["leads"] == [True, True] and found["parent_is_watched"]


def test_two_at_once_know_nothing_of_each_other(start: Start) -> None:
    draw = "import random, numpy; value = (random.random(), numpy.random.rand()); print(value)"
    one, other = start(), start()
    assert one.warm and other.warm and one.process.pid != other.process.pid
    assert one.run(draw) != other.run(draw)
    one.run("mine = 1")
    assert other.run("mine") == "NameError"
    secret = "import multiprocessing; print(bytes(multiprocessing.current_process().authkey))"
    assert one.run(secret) != other.run(secret)


def test_the_debugger_stops_where_it_was_told(start: Start) -> None:
    """The zygote has imported it, and it knows of processes and threads."""
    kernel = start()
    assert kernel.warm
    ask = debugger_of(kernel)
    ask("initialize", clientID="test", adapterID="debugpy", linesStartAt1=True)
    ask("attach")
    code = "seen = 41\nseen = seen + 1\nprint(seen)"
    path = ask("dumpCell", code=code)["sourcePath"]
    ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}])
    ask("configurationDone")
    sent = kernel.client.execute(code)
    thread = stopped_thread(kernel)
    frame = ask("stackTrace", threadId=thread)["stackFrames"][0]
    assert frame["line"] == 3
    ask("continue", threadId=thread)
    assert reply_to(sent, kernel)["status"] == "ok"


def debugger_of(kernel: Running) -> Callable[..., dict[str, Any]]:
    """Asks the kernel's debugger, as JupyterLab does."""
    numbers = itertools.count(1)

    def ask(command: str, **arguments: Any) -> dict[str, Any]:
        wish = {"type": "request", "seq": next(numbers), "command": command}
        message = kernel.client.session.msg("debug_request", {**wish, "arguments": arguments})
        kernel.client.control_channel.send(message)
        reply = kernel.client.get_control_msg(timeout=READY_SECONDS)["content"]
        assert reply.get("success"), reply
        return dict(reply.get("body") or {})

    return ask


def stopped_thread(kernel: Running) -> int:
    while True:
        message = kernel.client.get_iopub_msg(timeout=READY_SECONDS)
        if message["msg_type"] == "debug_event" and message["content"]["event"] == "stopped":
            return int(message["content"]["body"]["threadId"])


def test_interrupt_restart_and_shutdown(start: Start) -> None:
    kernel = start()
    first = kernel.process.pid
    # Not flushed: an interrupt while print waits for that is a RuntimeError of Python's locks.
    sent = kernel.client.execute("import time\nprint('asleep')\ntime.sleep(600)")
    while kernel.client.get_iopub_msg(timeout=READY_SECONDS)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    assert reply_to(sent, kernel)["ename"] == "KeyboardInterrupt"
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=True)
    kernel.connect()
    second = kernel.process.pid
    assert kernel.warm and second != first and kernel.run("print(6 * 7)") == "42\n"
    kernel.client.shutdown()
    assert asyncio.run(kernel.manager.provisioner.wait()) == 0  # type: ignore[union-attr]
    assert gone([first, second])


@pytest.mark.parametrize(
    ("code", "status"),
    [("import os; os._exit(3)", 3), ("import os, signal; os.kill(os.getpid(), 9)", -9)],
)
def test_how_a_kernel_ended_is_told(start: Start, code: str, status: int) -> None:
    kernel = start()
    pid = kernel.process.pid
    assert kernel.process.poll() is None
    kernel.client.execute(code)
    assert kernel.process.wait(timeout=READY_SECONDS) == status
    assert kernel.process.poll() == status
    assert gone([pid])


def test_waiting_has_an_end(start: Start) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        start().process.wait(timeout=0.01)


@pytest.mark.parametrize(
    ("name", "value", "probe"),
    [
        ("PYTHONHASHSEED", "7", "import os; print(os.environ['PYTHONHASHSEED'])"),
        ("OMP_NUM_THREADS", "7", "import os; print(os.environ['OMP_NUM_THREADS'])"),
    ],
)
def test_another_environment_is_honoured_by_a_cold_kernel(
    start: Start, name: str, value: str, probe: str
) -> None:
    kernel = start(**{name: value})
    assert not kernel.warm
    assert kernel.run(probe) == f"{value}\n"


def test_a_folder_with_a_module_of_its_own(start: Start, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("mine = True")
    kernel = start(tmp_path)
    assert not kernel.warm
    assert kernel.run("import numpy; print(numpy.mine)") == "True\n"


def test_output_below_python_is_shown(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # ipykernel leaves descriptors alone in tests
    assert "from C" in start().run("import os; os.write(1, b'from C'); import time; time.sleep(1)")


def test_only_its_user_can_ask(nursery: Nursery) -> None:
    assert oct(nursery.door.parent.stat().st_mode)[-3:] == "700"
    assert oct(nursery.door.stat().st_mode)[-3:] == "600"
    if os.getuid() != 0:
        return
    door = str(nursery.door)
    code = f"import os, socket; os.setuid(65534); socket.socket(1, 5).connect({door!r})"
    visitor = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert visitor.returncode != 0 and "PermissionError" in visitor.stderr


def test_nonsense_is_answered_and_does_no_harm(nursery: Nursery, start: Start) -> None:
    order = orders.Order(["nothing"], "/", dict(os.environ))
    with pytest.raises(orders.Cold, match="the command is not"):
        asking.ask(nursery.door, order)
    with pytest.raises(orders.Cold, match="a pipe was asked for"):
        asking.ask(nursery.door, order, stdout=subprocess.PIPE)
    with pytest.raises(orders.Cold, match="more than"):
        asking.ask(nursery.door, orders.Order([], "x" * orders.MAX_ORDER, {}))
    with pytest.raises(orders.Cold, match="no warm process"):
        asking.ask(nursery.door.with_name("other"), order)
    assert start().warm


# ---- nothing is left behind ----------------------------------------------------------------------

OWNER = """
import json, os, sys, time
from pathlib import Path
from labkit.kernels.nursery import Nursery
from tests.kernels.conftest import LIGHT, READY_SECONDS, Running
nursery = Nursery(os.environ, LIGHT)
assert nursery.ready(READY_SECONDS), nursery.failure
kernels = [Running(Path.cwd(), os.environ) for _ in range(2)]
assert all(kernel.warm for kernel in kernels)
child = kernels[0].run("import subprocess; print(subprocess.Popen(['sleep', '600']).pid)")
kernels[1].client.execute("while True: pass")
pids = [nursery.pid, int(child), *(kernel.process.pid for kernel in kernels)]
print(json.dumps([str(nursery.door.parent), pids]), flush=True)
time.sleep(600)
"""


def run_owner(tmp_path: Path, code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code]
    env = os.environ | {"TMPDIR": str(tmp_path)}
    root = str(PACKAGE.parent)
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], root])
    return subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for sockets: their addresses may not be long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_owners_end_is_the_end_of_all(short_path: Path, how: signal.Signals) -> None:
    owner = run_owner(short_path, OWNER)
    assert owner.stdout is not None
    folder, pids = json.loads(owner.stdout.readline())
    assert all(map(alive, pids)) and len(set(pids)) == 4
    owner.send_signal(how)
    owner.communicate()
    assert gone(pids)
    assert not Path(folder).exists()


def test_the_owners_end_while_it_imports(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(600)")
    code = (
        f"import os, sys, time; os.environ['PYTHONPATH'] += {':' + str(tmp_path)!r}\n"
        "from labkit.kernels.nursery import Nursery\n"
        "nursery = Nursery(os.environ, ['endless'])\n"
        "print(nursery.pid, nursery.ready(3.0), nursery.failure, flush=True)\n"
        "time.sleep(600)"
    )
    owner = run_owner(tmp_path, code)
    assert owner.stdout is not None
    pid, *said = owner.stdout.readline().split()
    assert said == ["False", "None"]
    owner.kill()
    owner.communicate()
    assert gone([int(pid)])


def test_without_the_zygote_kernels_end_and_the_next_is_cold(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "current", None)
    with Nursery(os.environ, LIGHT) as other:
        assert other.ready(READY_SECONDS)
        kernel = start()
        assert kernel.warm and psutil.Process(kernel.process.pid).ppid() == other.pid
        os.kill(other.pid, signal.SIGKILL)
        assert kernel.process.wait(timeout=READY_SECONDS) == -signal.SIGKILL
        assert not start().warm


THREADED = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"


def test_a_kernel_can_wait_for_its_zygote(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "current", None)
    with Nursery(os.environ, LIGHT, patience=READY_SECONDS):
        assert start().warm


def test_a_kernel_specification_can_start_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "current", None)
    monkeypatch.setattr(nursery, "Nursery", partial(Nursery, imports=LIGHT))
    assert not start(config={"start": True}).warm
    begun: Nursery | None = nursery.current
    assert begun is not None
    with begun:
        assert begun.ready(READY_SECONDS)
        assert start(config={"start": True}).warm


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import gone_astray", "No module named 'gone_astray'"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
            "2 thr",
        ),
        ("import os\nos._exit(1)", "ended while it imported"),
    ],
)
def test_why_a_zygote_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str
) -> None:
    monkeypatch.setattr(nursery, "current", None)
    (tmp_path / "faulty.py").write_text(module)
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    with Nursery(os.environ | {"PYTHONPATH": path}, ["faulty"]) as other:
        assert not other.ready(READY_SECONDS)
        assert said in (other.failure or "")
        with pytest.raises(orders.Cold, match=said):
            nursery.find_door()


def test_elsewhere_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(orders.Cold, match="need Linux"):
        Nursery(os.environ)
