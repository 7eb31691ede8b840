"""What holds for every test: no network, no one's own files, the same settings everywhere.

The environment is set when this file is imported, before anything can read it, and so that the
children of tests (kernels, servers, commands) get the same.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from labkit.variables import OFFLINE, SHARING

ROOT = Path(__file__).resolve().parents[1]
GUARD = ROOT / "tests" / "guard"
HANGS_AFTER = 900  # seconds, of a test that takes 30 here; no test asserts on time
pytest_plugins = ["tests.timetable"]
SCRATCH = Path(tempfile.mkdtemp(prefix="labkit-tests-"))
GUARD_LOG = SCRATCH / "left-loopback.log"

os.environ["LABKIT_GUARD_LOG"] = str(GUARD_LOG)
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([str(GUARD), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
)
_spec = importlib.util.spec_from_file_location("labkit_network_guard", GUARD / "sitecustomize.py")
assert _spec is not None and _spec.loader is not None
guard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(guard)  # by its path: Debian has a sitecustomize of its own
guard.install()

# Learners' and developers' own files stay out of it.
os.environ["LABKIT_WORK"] = str(SCRATCH / "work")
for name in ("CONFIG", "DATA", "RUNTIME"):
    os.environ[f"JUPYTER_{name}_DIR"] = str(SCRATCH / f"jupyter-{name.lower()}")
os.environ["JUPYTERLAB_SETTINGS_DIR"] = str(SCRATCH / "jupyterlab-settings")
os.environ["JUPYTERLAB_WORKSPACES_DIR"] = str(SCRATCH / "jupyterlab-workspaces")
os.environ["IPYTHONDIR"] = str(SCRATCH / "ipython")
os.environ["MPLCONFIGDIR"] = str(SCRATCH / "matplotlib")
os.environ["HF_HOME"] = str(SCRATCH / "hub")
for name in ("LABKIT_MODEL", "LABKIT_DEVICE", "LABKIT_STRICT", "LABKIT_VENV", "JUPYTER_TOKEN"):
    os.environ.pop(name, None)

# Two workers share the cores; a kernel or a command that a test starts does as its worker does.
if "PYTEST_XDIST_WORKER" in os.environ:
    share = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ.setdefault("OMP_NUM_THREADS", str(share))

# Before torch: two cores that other processes use too, and no look at the hub.
os.environ.update(SHARING | OFFLINE)
os.environ["MPLBACKEND"] = "agg"

# A suite started in the background is deaf to Ctrl-C, and so would be all processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Any warning fails a test of ours; pyproject.toml is also for people's own runs of nbval."""
    hypothesis.settings.register_profile("suite", deadline=None)  # a busy machine is no fault
    hypothesis.settings.load_profile("suite")
    config.addinivalue_line("filterwarnings", "error")
    config.addinivalue_line("markers", "xdist_group(name): tests that one worker runs together")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A limit for each. What takes longest comes first: lessons, then browser journeys, which share
    a Lab and so a worker; the other one has the rest meanwhile."""
    items.sort(key=lambda item: (not is_lesson(item), not is_browser(item)))
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(HANGS_AFTER))
        if not is_lesson(item):  # one worker has a file's fixtures, and the next file is anyone's
            group = "browser" if is_browser(item) else item.path.as_posix()
            item.add_marker(pytest.mark.xdist_group(group))


def is_browser(item: pytest.Item) -> bool:
    return "browser" in item.path.parts


def is_lesson(item: pytest.Item) -> bool:
    """A whole lesson under nbval: a minute, and nothing that another could use."""
    return item.name.startswith("test_under_nbval[")


def departures() -> str:
    """What has left loopback so far."""
    return GUARD_LOG.read_text(encoding="utf-8") if GUARD_LOG.exists() else ""


@pytest.fixture(autouse=True)
def stays_on_this_machine() -> Iterator[None]:
    """Fail the test in which something left loopback, even if the refusal was swallowed."""
    before = departures()
    yield
    after = departures()
    if after != before:
        pytest.fail(f"left loopback: {after[len(before) :]}", pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the suite for what a test's fixture could not see, such as a child that lives on."""
    if departures() and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(SCRATCH, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what left loopback at the end, where it is seen."""
    if lines := departures():
        terminalreporter.section("left loopback", sep="=", red=True)
        terminalreporter.write(lines)
