"""The hostile gallery: no undeserved mark, no lost deserved one, nothing left, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from labkit import paths
from labkit.challenges import challenges_of
from labkit.grading import Outcome
from labkit.grading.source import solutions
from labkit.grading.transports import remote
from labkit.grading.transports.remote import Limits, Work, Zygote
from labkit.grading.transports.transport import Returned
from labkit.grading.tries import Tries
from tests.gallery import hostile as HOSTILE

pytestmark = pytest.mark.skipif(not remote.LINUX, reason="children are jailed on Linux only")
LESSON, TOPIC = "05_temperature", "temperature"
MARK = "labkit-was-here"
SECRET = "-".join(("GALLERY", "IN", "MEMORY", "TAIL"))  # in no constant of any code


@pytest.fixture(scope="module")
def zygote():
    os.environ["LABKIT_GALLERY_SECRET"] = SECRET
    isolation = remote.probe_isolation()
    if not isolation.hostile_ready:
        pytest.skip(f"no jail here: {isolation.missing}")
    with Zygote(imports=("torch",)) as warm:
        yield warm
    del os.environ["LABKIT_GALLERY_SECRET"]
    assert left_behind() == []
    assert not written_outside()


def left_behind():
    """Processes with a user of the jail's, after all children have been let go."""
    deadline = time.monotonic() + 10
    while (found := jailed_processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def jailed_processes():
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            user = entry.stat().st_uid
            status = (entry / "status").read_text()
        except OSError:
            continue
        if 61_184 <= user < 65_184 or "\nSeccomp:\t2\n" in status:
            ids = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if len(ids.split()) > 3:
                found.append(entry.name)
    return found


def written_outside():
    folders = ("/", "/tmp", "/var/tmp", "/etc", "/usr", "/dev/shm", "/root", sys.prefix, ".")
    return [folder for folder in folders if (Path(folder) / MARK).exists()]


def graded(zygote, cells, seconds=1.0):
    """The verdict on every challenge of the lesson, as `labkit grade` comes to it."""
    limits = Limits(seconds=seconds, memory_mb=512)
    with closing(Tries(zygote, Work(cells), HOSTILE.NAMES, limits)) as tries:
        return {name: tries.verdict(known) for name, known in challenges_of(TOPIC).items()}


def outcomes(verdicts):
    return {name: str(verdict.outcome) for name, verdict in verdicts.items()}


ROOT, PACKAGE = str(paths.PACKAGE.parent), str(paths.PACKAGE)


def escape(name):
    """The cell of an escape, with its paths filled in."""
    body = HOSTILE.ESCAPES[name].format(root=ROOT, package=PACKAGE)
    return f"{HOSTILE.TOOLS}\ndef f(x):\n    return {body}"


@pytest.mark.parametrize("name", HOSTILE.ESCAPES)
def test_no_way_out(zygote, name):
    transport = zygote.open([escape(name)], ["f"], Limits(seconds=2.0))
    transport.begin("f")
    reply = transport.call("f", (1,))
    transport.close()

    assert isinstance(reply, Returned) and reply.value is None, reply


WARM = """
import os, sys
import torch

def f(x):
    warm = "torch._dynamo" in sys.modules
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    return [warm, len(os.sched_getaffinity(0)), len(os.listdir("/proc/self/task"))]
"""


def test_a_child_is_warm_and_has_one_processor(zygote):
    """Else the first step of an optimizer takes seconds of its time, to import a compiler."""
    transport = zygote.open([WARM], ["f"], Limits(seconds=2.0))
    transport.begin("f")
    reply = transport.call("f", (1,))
    transport.close()

    assert isinstance(reply, Returned) and reply.value == [True, 1, 1]


@pytest.mark.parametrize("name", HOSTILE.CHEATS)
def test_no_marks_for_a_cheat(zygote, name):
    verdicts = graded(zygote, HOSTILE.CHEATS[name])

    for verdict in verdicts.values():
        assert verdict.outcome is not Outcome.PASS, str(verdict)
        assert "fault of the course" not in verdict.message
        assert len(str(verdict)) < 20_000
        str(verdict).encode("utf-8")


def with_first(body):
    """The reference answers, but for apply_temperature, which has this body."""
    rest = [solutions.source(LESSON, name) for name in HOSTILE.NAMES[1:]]
    mine = f"def apply_temperature(logits, temperature):\n    {body}"
    return [HOSTILE.TOOLS, HOSTILE.SPEAK, mine, *rest]


@pytest.mark.parametrize("name", HOSTILE.COSTLY)
def test_a_crash_costs_its_own_question_only(zygote, name):
    verdicts = graded(zygote, with_first(HOSTILE.COSTLY[name]))

    first, *rest = outcomes(verdicts).values()
    assert first == "error", str(verdicts["apply_temperature"])
    assert rest == ["pass"] * 3


@pytest.mark.parametrize("name", HOSTILE.HARMLESS)
def test_a_right_answer_keeps_its_marks(zygote, name):
    right = [solutions.source(LESSON, each) for each in HOSTILE.NAMES]
    again = "reference = apply_temperature\ndef apply_temperature(logits, temperature):\n    "
    wrapped = f"{again}{HOSTILE.HARMLESS[name]}\n    return reference(logits, temperature)"

    verdicts = graded(zygote, [HOSTILE.TOOLS, *right, wrapped], seconds=5.0)

    assert outcomes(verdicts) == dict.fromkeys(HOSTILE.NAMES, "pass"), verdicts


def test_the_same_submission_gets_the_same_verdicts(zygote):
    cells = HOSTILE.CHEATS["patched torch, json and comparison"]

    assert graded(zygote, cells) == graded(zygote, cells)


AS_USER = """
import ctypes, json, os, sys
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
import torch, tqdm, matplotlib.pyplot, encodings.idna, tokenize, multiprocessing.shared_memory
import glob, pickle, socket, subprocess, tempfile
from labkit.grading.transports import remote, zygote
zygote.warm_up([])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after a login: its own files in /proc are its own
cells = json.load(sys.stdin)
found = {"": None}
with remote.Zygote(trusted=True, imports=()) as zygote:
    found[""] = [type(zygote.process).__name__, zygote.isolation.level, zygote.isolation.missing]
    for name, cell in cells.items():
        transport = zygote.open([cell], ["f"], remote.Limits(seconds=2.0))
        transport.begin("f")
        reply = transport.call("f", (1,))
        found[name] = getattr(reply, "value", str(reply))
        transport.close()
print(json.dumps(found))
"""


def test_no_way_out_for_a_normal_users_grader():
    """The same as a user without rights: user namespaces take the place of root."""
    cells = json.dumps({name: escape(name) for name in HOSTILE.ESCAPES})
    done = subprocess.run(
        [sys.executable, "-c", AS_USER], input=cells, capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"LABKIT_GALLERY_SECRET": SECRET, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    way, level, missing = found.pop("")
    if "namespaces" not in level:
        pytest.skip(f"no user namespaces here: {missing}")
    assert way == "ForkedZygote" and level.startswith("namespaces+landlock")
    assert {name: value for name, value in found.items() if value is not None} == {}
    assert left_behind() == []
