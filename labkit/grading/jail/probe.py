"""Finds the best jail that this machine can hold, by building it and going in."""

from __future__ import annotations

import os
from contextlib import suppress

from labkit.grading.jail import Isolation, cgroups, landlock, seccomp
from labkit.grading.jail.layers import Jail, LayerFailed, Plan

TRIAL = {"seconds": 5.0, "memory_mb": 256, "output_kb": 1, "file_mb": 1, "processes": 8}


def find_plan() -> tuple[Plan, tuple[str, ...]]:
    """The best plan whose every layer holds, and why it is not a better one."""
    plan = best_plan()
    missing: list[str] = []
    if not plan.landlock:
        missing.append("landlock: this kernel has none (Linux 5.13 has)")
    if not plan.seccomp:
        missing.append("seccomp: no filter is written for this processor")
    if not plan.cgroup:
        missing.append("cgroup: no group (v2) with memory and pids that this user may divide")
    while (failed := trial(plan)) is not None:
        missing.append(str(failed))
        plan = plan.without(failed.layer)
    return plan, tuple(missing)


def best_plan() -> Plan:
    """All that could be, for this user and kernel."""
    root = os.geteuid() == 0
    return Plan(
        namespaces="root" if root else "user",
        own_user=root,
        landlock=landlock.abi() > 0,
        seccomp=seccomp.available(),
        cgroup=cgroups.divisible(cgroups.own_folder()),
    )


def trial(plan: Plan) -> LayerFailed | None:
    """Build a jail in a process of its own and go in; what failed, or None."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try_out(plan, write)
    os.close(write)
    with open(read, encoding="utf-8") as heard:
        said = heard.read()
    os.waitpid(pid, 0)
    if said == "held":
        return None
    name, _, reason = said.partition(": ")
    return LayerFailed(name or "limits", reason or "the trial ended without a word")


def try_out(plan: Plan, write: int) -> None:
    """In the trial's process: a zygote's life with one child. Never returns."""
    jail = Jail(plan)
    said = ""
    try:
        jail.prepare(write)
        pid = jail.fork(TRIAL)
        if pid == 0:
            jail.enter(write, TRIAL)
            said = "held"
        else:
            os.close(write)
            os.waitpid(pid, 0)
            jail.sweep(pid, set())
            os._exit(0)
    except LayerFailed as error:
        said = str(error)
    except BaseException as error:
        said = f"limits: {type(error).__name__}: {error}"
    with suppress(OSError):
        os.write(write, said.encode("utf-8", "replace"))
    os._exit(0)


def isolation_of(plan: Plan, missing: tuple[str, ...], trusted: bool) -> Isolation:
    """A plan as it is written with marks."""
    level = f"{plan.level} (trusted)" if trusted else plan.level
    return Isolation(level, bool(plan.namespaces and plan.landlock), missing)


def report(trusted: bool = False) -> Isolation:
    """What this machine can hold; trying it leaves nothing behind."""
    return isolation_of(*find_plan(), trusted)
