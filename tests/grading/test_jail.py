"""The jail's layers, each alone and together; what can't hold is named and left out."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.grading.transports import remote

if not sys.platform.startswith("linux"):
    pytest.skip("the jail is built on Linux only", allow_module_level=True)

from labkit.grading.jail import cgroups, folders, landlock, layers, probe, seccomp
from labkit.grading.jail.layers import Jail, LayerFailed, Plan

ROOT = Path(__file__).resolve().parents[2]
BEST = Plan(namespaces="root", own_user=True, landlock=True, seccomp=True, cgroup=True)


# ---- plans ---------------------------------------------------------------------------------------


def test_the_level_names_the_layers_that_hold():
    assert BEST.level == "namespaces+landlock+seccomp+cgroup"
    assert Plan("", False, True, True).level == "landlock+seccomp"
    assert Plan("", False, False, False).level == "none"


def test_hostile_work_needs_namespaces_and_landlock():
    def ready(plan):
        return probe.isolation_of(plan, (), trusted=False).hostile_ready

    assert ready(BEST) and ready(Plan("user", False, True, False))
    assert not ready(Plan("", True, True, True))
    assert not ready(Plan("root", True, False, True))


def test_trust_is_written_with_the_level():
    assert probe.isolation_of(BEST, (), trusted=True).level.endswith(" (trusted)")


def test_a_layer_that_fails_is_left_out_and_the_next_best_tried(monkeypatch):
    plans = []

    def trial(plan):
        plans.append(plan)
        failing = {1: "namespaces", 2: "seccomp", 3: "namespaces"}.get(len(plans))
        return LayerFailed(failing, "not here") if failing else None

    monkeypatch.setattr(probe, "trial", trial)
    monkeypatch.setattr(probe, "best_plan", lambda: BEST)
    plan, missing = probe.find_plan()

    assert [each.namespaces for each in plans] == ["root", "user", "user", ""]
    assert plan.landlock and plan.cgroup and not plan.seccomp
    assert missing == ("namespaces: not here", "seccomp: not here", "namespaces: not here")


def test_there_is_no_jail_without_limits():
    with pytest.raises(LayerFailed, match="no jail without it"):
        BEST.without("limits")


TRIALS = """
import json, os, sys
from labkit.grading.jail.layers import Plan
from labkit.grading.jail.probe import trial
root = os.geteuid() == 0
plans = [Plan(*fields) for fields in json.load(sys.stdin)]
print(json.dumps([str(trial(plan) or "") for plan in plans]))
"""


def test_every_combination_holds_that_this_machine_can_have():
    """Each really built and entered; the child checks from inside what it can still do."""
    can = remote.probe_isolation()
    spaces = [""] if "namespaces" not in can.level else ["", "user"] + ["root"] * (not os.geteuid())
    plans = [
        (space, own, "landlock" in can.level and lock, "seccomp" in can.level and calls)
        for space in spaces
        for own in {False, space == "root"}
        for lock in (False, True)
        for calls in (False, True)
    ]
    done = subprocess.run(
        [sys.executable, "-c", TRIALS], input=json.dumps(plans), capture_output=True, text=True,
        cwd=ROOT,
    )  # fmt: skip
    failed = {plan: why for plan, why in zip(plans, json.loads(done.stdout), strict=True) if why}
    assert failed == {}


def test_the_probe_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    first, second = remote.probe_isolation(), remote.probe_isolation()

    assert first == second
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_takes_too_long_says_so(monkeypatch):
    monkeypatch.setattr(remote, "START_SECONDS", 0.001)
    found = remote.probe_isolation()

    assert found.level == "none" and not found.hostile_ready
    assert "took more than" in found.missing[0]


# ---- files ---------------------------------------------------------------------------------------


def test_a_folder_without_its_holes(tmp_path):
    for name in ("a/x", "a/secret/y", "b"):
        (tmp_path / name).mkdir(parents=True)
    whole, opened = folders.around(str(tmp_path), [str(tmp_path / "a/secret")])

    assert whole == [str(tmp_path / "a/x"), str(tmp_path / "b")]
    assert opened == [str(tmp_path), str(tmp_path / "a")]
    assert folders.around(str(tmp_path), ["/elsewhere"]) == ([str(tmp_path)], [])
    assert folders.around(str(tmp_path), [str(tmp_path)]) == ([], [])


def test_a_folder_in_another_is_named_once_unless_a_fence_lies_between():
    both = ["/home/me", "/home/me/course/.venv/lib"]
    packages = "/home/me/course/.venv/lib/site-packages"

    assert folders.outermost(both) == ["/home/me"]
    assert folders.outermost([*both, packages], ["/home/me/course"]) == both
    assert folders.outermost([*both, "/home/mean"]) == ["/home/me", "/home/mean"]


def test_nothing_of_labkit_is_readable():
    assert str(folders.paths.PACKAGE) in folders.hidden()
    for path in folders.readable():
        assert os.path.realpath(path) == path
        assert path not in folders.hidden() and "labkit" not in path.split("/")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A Python with packages of its own, as the only one: `hidden` is looked for there."""
    packages = tmp_path / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setattr(folders, "asked_for", lambda: [str(tmp_path / "lib")])
    for cached in (folders.hidden, folders.readable, folders.aliases):
        monkeypatch.setattr(folders, cached.__name__, cached.__wrapped__)
    return packages


def labkit_in(folder, *parts):
    for part in parts or ("challenges",):
        (folder / "labkit" / part).mkdir(parents=True)
    return str(folder / "labkit")


def test_another_labkit_is_hidden_wherever_it_is_imported_from(installed, tmp_path, monkeypatch):
    wheel = labkit_in(installed, "_course")
    clone = labkit_in(tmp_path / "clone")
    (tmp_path / "clone/pyproject.toml").touch()
    on_the_path = labkit_in(tmp_path / "elsewhere")
    (installed / "labkit.pth").write_text("# of the clone\nimport site\n../../../clone\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    (tmp_path / "lib/labkit").mkdir()

    found = set(folders.hidden()) - {str(ROOT), str(folders.paths.PACKAGE)}

    assert found == {wheel, clone, str(tmp_path / "clone"), on_the_path}


def test_a_name_that_is_a_link_is_shown_as_a_link(installed, tmp_path, monkeypatch):
    (tmp_path / "alias").symlink_to(tmp_path / "lib")
    monkeypatch.setattr(folders, "asked_for", lambda: [str(tmp_path / "alias/python3.11")])

    assert folders.readable() == (str(tmp_path / "lib/python3.11"),)
    assert folders.aliases() == {
        str(tmp_path / "alias/python3.11"): str(tmp_path / "lib/python3.11")
    }


def test_landlock_handles_what_its_version_knows():
    assert landlock.handled(1) == (1 << 13) - 1
    assert landlock.handled(5) == (1 << 16) - 1


# ---- system calls --------------------------------------------------------------------------------


def verdict(program, number, argument=0, arch=None, machine="x86_64"):
    """Run a filter as the kernel does."""
    words = {0: number, 4: arch or seccomp.AUDIT_ARCH[machine], 16: argument}
    value, at = 0, 0
    while True:
        code, jump, otherwise, k = program[at]
        at += 1
        if code == seccomp.LOAD:
            value = words[k]
        elif code == seccomp.RETURN:
            return k
        else:
            holds = value == k if code == seccomp.EQUAL else bool(value & k)
            at += jump if holds else otherwise


def refused(number):
    return seccomp.REFUSE | number


@pytest.fixture(params=["x86_64", "aarch64"])
def filtered(request, monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: request.param)
    table = seccomp.numbers(seccomp.FREE + seccomp.CONDITIONAL, request.param)
    program = seccomp.program(pid=7)
    assert len(program) < 4096

    def ask(name, argument=0):
        return verdict(program, table[name], argument, machine=request.param)

    ask.raw = lambda number, arch=None: verdict(program, number, 0, arch, request.param)
    return ask


def test_what_computing_needs_is_allowed(filtered):
    for name in ("read", "mmap", "futex", "openat", "exit_group", "clock_gettime", "recvfrom"):
        assert filtered(name) == seccomp.ALLOW


def test_threads_may_be_made_and_processes_not(filtered):
    assert filtered("clone", seccomp.CLONE_THREAD | 0x100) == seccomp.ALLOW
    assert filtered("clone", 17) == refused(errno.EPERM)
    assert filtered("execve") == refused(errno.EPERM)
    assert filtered.raw(435) == refused(errno.ENOSYS), "clone3: glibc takes clone then"


def test_signals_limits_and_prctl_for_oneself_only(filtered):
    assert filtered("kill", 7) == filtered("tgkill", 7) == seccomp.ALLOW
    assert filtered("kill", 8) == filtered("kill", 0xFFFF_FFFF) == refused(errno.EPERM)
    assert filtered("prlimit64", 0) == seccomp.ALLOW
    assert filtered("prlimit64", 8) == refused(errno.EPERM)
    assert filtered("sched_setaffinity", 0) == refused(errno.EPERM), "each has its own processor"
    assert filtered("prctl", 15) == seccomp.ALLOW
    assert filtered("prctl", 1) == filtered("prctl", 22) == refused(errno.EPERM)


def test_no_sockets_but_pairs(filtered):
    assert filtered("socket", 2) == filtered("socket", 1) == refused(errno.EACCES)
    assert filtered("socketpair", 1) == seccomp.ALLOW
    assert filtered("socketpair", 16) == refused(errno.EACCES)


def test_what_nobody_knows_and_other_abis_are_refused(filtered):
    for number in (425, 428, 442, 444, 460, 500, 0x4000_0000, 0x4000_0039, 0xFFFF_FFFF):
        assert filtered.raw(number) == refused(errno.ENOSYS)
    assert filtered.raw(0, arch=0x4000_0003) == seccomp.KILL


def test_the_table_agrees_with_this_systems_headers():
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    lines = [line.split() for line in header.read_text().splitlines() if "__NR_" in line]
    known = {words[1].removeprefix("__NR_"): int(words[2]) for words in lines if len(words) == 3}
    for name, number in seccomp.numbers(seccomp.FREE + seccomp.CONDITIONAL, "x86_64").items():
        assert known.get(name, number) == number


# ---- groups --------------------------------------------------------------------------------------


class FakeGroups(cgroups.Groups):
    """On a folder of plain files that stands for a cgroup: they are there when a group is made."""

    FILES = ("memory.max", "pids.max", "memory.swap.max", "cgroup.procs", "cgroup.kill")

    def make(self, number, limits):
        folder = self.root / self.group(number)
        folder.mkdir()
        for name in self.FILES:
            (folder / name).touch()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "mkdir", lambda *_, **__: None)
            super().make(number, limits)

    def remove(self, number):
        super().remove(number)
        self.killed = (self.root / self.group(number) / "cgroup.kill").read_text()


def test_the_words_to_a_fake_cgroup(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").touch()
    groups = FakeGroups(tmp_path)
    groups.root = tmp_path

    groups.make(7, {"memory_mb": 100, "file_mb": 16, "processes": 32})
    groups.join(7)
    groups.remove(7)

    (group,) = (path for path in tmp_path.iterdir() if path.is_dir())
    said = {path.name: path.read_text() for path in group.iterdir()}
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert said.pop("memory.max") == str((132 << 20) + cgroups.BESIDE)
    assert said == {
        "pids.max": "32",
        "memory.swap.max": "0",
        "cgroup.procs": "0",
        "cgroup.kill": "1",
    }
    assert cgroups.divisible(tmp_path) and groups.killed == "1"


def test_a_child_that_cannot_be_forked_leaves_no_group_and_no_folder(tmp_path, monkeypatch):
    def refuse():
        raise BlockingIOError("no more processes")

    (tmp_path / "cgroup.subtree_control").touch()
    jail = Jail(Plan("", False, False, False, cgroup=True))
    jail.groups = FakeGroups(tmp_path)
    jail.groups.root = tmp_path
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        jail.fork({"memory_mb": 100, "file_mb": 16, "processes": 32})

    assert jail.groups.killed == "1" and jail.work == {} and jail.numbers == {}
    assert not os.path.exists(jail.folder)


def test_a_group_that_cannot_be_divided(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")

    assert not cgroups.divisible(tmp_path) and not cgroups.divisible(None)
    with pytest.raises(FileNotFoundError):
        cgroups.Groups(tmp_path)
    with pytest.raises(OSError, match="no cgroup v2"):
        cgroups.Groups(None)


# ---- processors ----------------------------------------------------------------------------------


def test_a_child_gets_the_processor_that_the_fewest_have(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7})

    assert layers.least_used([]) == 2
    assert layers.least_used([2, 5]) == 7
    assert layers.least_used([2, 2, 5, 7, 9]) == 5


def test_where_processors_are_not_told_a_child_stays_on_all(monkeypatch):
    def refuse(*_):
        raise PermissionError

    jail = Jail(Plan("", False, False, False))
    jail.core = 0
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    jail.stay_on_core()
    monkeypatch.setattr(os, "sched_getaffinity", refuse)

    assert layers.least_used([]) is None


# ---- leftovers -----------------------------------------------------------------------------------


def test_without_namespaces_orphans_and_folders_are_swept(tmp_path):
    jail = Jail(Plan("", False, False, False))
    folder = tmp_path / "work"
    folder.mkdir()
    stray = subprocess.Popen(["sleep", "60"])
    kept = {pid for pid in children() if pid != stray.pid}
    jail.work[1] = str(folder)

    jail.sweep(1, kept)

    assert not folder.exists() and stray.pid not in children()
    stray.returncode = -9  # reaped by the sweep


def children():
    from labkit.grading.jail.layers import children_of_this_process

    return children_of_this_process()
