"""The layers of the jail: in the zygote what all children share, in each child the rest.

A layer that a plan names must hold: a child in which it does not, ends before a line of a learner's
has run.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from labkit.grading.jail import cgroups, folders, landlock, limits, linux, mounts, seccomp
from labkit.grading.jail.cgroups import Groups
from labkit.variables import GRADING

FIRST_USER, USERS = 61_184, 4_000  # where systemd has its users of a moment; nobody's files
FIRST_PID = 1  # of every child, in its own namespace
LEARNER = {"LANG": "C.UTF-8", "LOGNAME": "learner", "PATH": "/usr/bin:/bin", "USER": "learner"}


class LayerFailed(Exception):
    """A layer does not hold here."""

    def __init__(self, layer: str, reason: object) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer
        self.reason = str(reason)


@dataclass(frozen=True)
class Plan:
    """Which layers a jail has. Namespaces are made by "root", by a "user", or not at all ("")."""

    namespaces: str
    own_user: bool
    landlock: bool
    seccomp: bool
    cgroup: bool = False

    @property
    def level(self) -> str:
        """As it is written with every mark."""
        layers = ("namespaces", "landlock", "seccomp", "cgroup")
        return "+".join(name for name in layers if getattr(self, name)) or "none"

    def without(self, layer: str) -> Plan:
        """The next best plan when a layer does not hold."""
        match layer:
            case "namespaces" if self.namespaces == "root":
                return replace(self, namespaces="user", own_user=False)
            case "namespaces" if self.namespaces:
                return replace(self, namespaces="", own_user=os.geteuid() == 0 and reachable())
            case "own user" if self.own_user:
                return replace(self, own_user=False)
            case "landlock" if self.landlock:
                return replace(self, landlock=False)
            case "seccomp" if self.seccomp:
                return replace(self, seccomp=False)
            case "cgroup" if self.cgroup:
                return replace(self, cgroup=False)
        raise LayerFailed(layer, "it does not hold, and there is no jail without it")


@contextmanager
def layer(name: str) -> Iterator[None]:
    """Whatever fails in here is this layer's failure."""
    try:
        yield
    except (OSError, ValueError, AttributeError) as error:
        raise LayerFailed(name, error) from error


@dataclass
class Jail:
    """A plan put into practice by one zygote."""

    plan: Plan
    trusted: bool = False
    own_pids: int = -1  # the zygote's own pid namespace
    count: int = field(default_factory=lambda: secrets.randbelow(USERS))  # of children, from there
    folder: str = folders.WORK  # of the child that was forked last
    work: dict[int, str] = field(default_factory=dict)  # folders of children, without namespaces
    groups: Groups | None = None
    numbers: dict[int, int] = field(default_factory=dict)  # of children, by process id
    core: int | None = None  # the processor of the child that was forked last
    cores: dict[int, int] = field(default_factory=dict)  # of children, by process id

    # ---- in the zygote

    def prepare(self, keep: int) -> None:
        """Before any child: namespaces and root directory of the zygote. `keep` stays open."""
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        folders.readable()  # found while all is there to see
        if self.plan.cgroup:
            with layer("cgroup"):
                self.groups = Groups(cgroups.own_folder())
        if not self.plan.namespaces:
            return
        with layer("namespaces"):
            new_namespaces(self.plan.namespaces)
            continue_as_child(keep)
            self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            mounts.enter_new_root()
        if self.plan.seccomp:
            seccomp.compiled(FIRST_PID)

    def fork(self, given: Mapping[str, float]) -> int:
        """Fork a child, whose limits these will be."""
        self.count += 1
        self.core = least_used(self.cores.values())
        if self.groups is not None:
            with layer("cgroup"):
                self.groups.make(self.count, given)
        try:
            pid = self.fork_with_namespace()
        except (OSError, LayerFailed):
            if self.groups is not None:
                self.groups.remove(self.count)
            raise
        self.numbers[pid] = self.count
        if self.core is not None:
            self.cores[pid] = self.core
        return pid

    def fork_with_namespace(self) -> int:
        """With namespaces a child is the first process of a new one."""
        if not self.plan.namespaces:
            return self.fork_with_folder()
        with layer("namespaces"):
            linux.unshare(linux.NEWPID)
        try:
            pid = os.fork()
        except OSError:
            linux.setns(self.own_pids, linux.NEWPID)
            raise
        if pid:
            linux.setns(self.own_pids, linux.NEWPID)
        return pid

    def fork_with_folder(self) -> int:
        """Without namespaces: a folder for the child, removed after it."""
        self.folder = tempfile.mkdtemp(prefix="labkit-child-")
        if self.plan.own_user:
            os.chown(self.folder, self.user, self.user)
        try:
            pid = os.fork()
        except OSError:
            os.rmdir(self.folder)
            raise
        self.work[pid] = self.folder
        return pid

    def sweep(self, ended: int, kept: set[int]) -> None:
        """A child has ended: nothing that it started, and none of its files, is left behind.

        With namespaces the kernel has seen to that. Without, its orphans are ours now.
        """
        number, folder = self.numbers.pop(ended, 0), self.work.pop(ended, None)
        self.cores.pop(ended, None)
        if self.groups is not None:
            self.groups.remove(number)
        while not self.plan.namespaces and (strays := children_of_this_process() - kept):
            for pid in strays:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # ---- in the child

    @property
    def user(self) -> int:
        """The user id of the child that was forked last."""
        return FIRST_USER + self.count % USERS if self.plan.own_user else os.geteuid()

    def enter(self, keep: int, given: Mapping[str, float]) -> None:
        """Everything that shuts this process in. `keep` is the only file that stays open."""
        os.setsid()
        if self.groups is not None:
            with layer("cgroup"):
                self.groups.join(self.count)
        close_files(keep)
        die_first_without_memory()
        self.stay_on_core()
        self.own_folders(given)
        with layer("limits"):
            limits.set_limits(given)
        self.become_nobody(given)
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        enter_work_folder(self.folder)
        if self.plan.landlock:
            with layer("landlock"):
                self.restrict_files()
        if self.plan.seccomp:
            with layer("seccomp"):
                seccomp.load(os.getpid())
        self.check()

    def stay_on_core(self) -> None:
        """One processor for a child, however many threads it has: the others are its neighbours'.
        It can't be left again where there is seccomp."""
        if self.core is not None:
            with suppress(OSError):
                os.sched_setaffinity(0, {self.core})

    def own_folders(self, given: Mapping[str, float]) -> None:
        """The child's own namespaces, and the folder that it may write to."""
        if not self.plan.namespaces:
            return
        with layer("namespaces"):
            linux.unshare(linux.NEWNS | linux.NEWIPC | linux.NEWUTS | linux.NEWNET)
            group = self.user if self.plan.own_user else os.getegid()
            mounts.own_folders(self.user, group, 2 * int(given["file_mb"]))

    def become_nobody(self, given: Mapping[str, float]) -> None:
        """A user of its own where we may; no capabilities in any case."""
        if self.plan.own_user:
            with layer("own user"):
                os.setgroups([])
                os.setresgid(self.user, self.user, self.user)
                os.setresuid(self.user, self.user, self.user)
        elif self.plan.namespaces:
            with layer("namespaces"):
                own_user_namespace()
        with suppress(OSError):
            linux.drop_capabilities()
        if self.plan.own_user or self.plan.namespaces:
            limits.limit_processes(int(given["processes"]))

    def restrict_files(self) -> None:
        """Landlock; without namespaces labkit's own folders must be cut out of what is shown."""
        read, names = list(folders.readable()), list[str]()
        if not self.plan.namespaces:
            parts = [folders.around(root, folders.hidden()) for root in read]
            read = [path for whole, _ in parts for path in whole]
            names = [path for _, opened in parts for path in opened]
        landlock.restrict([*read, *folders.PROC], folders.DEVICES, self.folder, names)

    def check(self) -> None:
        """The layers really hold: tried from inside, before any line of a learner's."""
        if self.plan.namespaces or self.plan.landlock:
            for secret in secrets_of(folders.hidden()):
                if can_read(secret):
                    raise LayerFailed("landlock", f"{secret.name} of the course can be read")
        first = self.plan.namespaces  # then process 1 is this one
        if self.plan.landlock and not first and can_read(Path("/proc/1/environ")):
            raise LayerFailed("landlock", "other processes can be looked into")
        if self.plan.namespaces and os.getpid() != 1:
            raise LayerFailed("namespaces", "other processes can be seen")
        if self.plan.seccomp:
            with layer("seccomp"):
                seccomp.check()
        if self.plan.own_user and os.getresuid() != (self.user,) * 3:
            raise LayerFailed("own user", "the user did not change")


def least_used(taken: Iterable[int]) -> int | None:
    """The processor that the fewest children have; None where that isn't told."""
    try:
        cores = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None
    counts = Counter(taken)
    return min(cores, key=lambda core: counts[core])


def new_namespaces(kind: str) -> None:
    """Namespaces for the zygote and its children; as a normal user inside a user namespace."""
    user, group = os.geteuid(), os.getegid()
    every = linux.NEWNS | linux.NEWPID | linux.NEWNET | linux.NEWIPC | linux.NEWUTS
    linux.unshare(every | (linux.NEWUSER if kind == "user" else 0))
    if kind == "user":
        map_user(user, group)


def own_user_namespace() -> None:
    """For one child of a normal user's: processes are counted by it, and rights end at it."""
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.NEWUSER)
    map_user(user, group)


def map_user(user: int, group: int) -> None:
    """Be the same user and group in a new user namespace."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def continue_as_child(keep: int) -> None:
    """A new pid namespace begins with the next fork: go on there, and end when that ends."""
    pid = os.fork()
    if pid:
        close_above_streams()
        with suppress(OSError):
            os.waitpid(pid, 0)
        os._exit(0)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def close_files(keep: int) -> None:
    """No file but this one, and nothing on the standard streams."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    close_above_streams(keep)


def die_first_without_memory() -> None:
    """Where all memory is spent, the kernel ends a child, and neither the zygote nor a grader."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def close_above_streams(*keep: int) -> None:
    """Close every file descriptor above the standard streams but these."""
    bounds = [2, *sorted(keep), 1 << 20]
    for low, high in itertools.pairwise(bounds):
        os.closerange(low + 1, high)


def enter_work_folder(work: str) -> None:
    """Work there, with an environment that says nothing of the grader's."""
    os.umask(0o077)
    os.chdir(work)
    for name in list(os.environ):
        del os.environ[name]
    os.environ.update(GRADING | LEARNER, HOME=work, TMPDIR=work, MPLCONFIGDIR=work)
    tempfile.tempdir = None


def children_of_this_process() -> set[int]:
    """Process ids, read off /proc: the fourth field of stat is the parent."""
    me, found = os.getpid(), set()
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError, IndexError):
            if int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]) == me:
                found.add(int(entry))
    return found


def secrets_of(hidden: Iterable[str]) -> Iterator[Path]:
    """Files that lie in labkit's folders, in a package or in a clone."""
    names = ("__init__.py", "challenges/__init__.py", "solutions/05_temperature.py")
    return (Path(folder) / name for folder in hidden for name in names)


def can_read(path: Path) -> bool:
    """Whether a file opens for reading."""
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def reachable() -> bool:
    """Whether other users can get at this Python: else a child could import nothing more."""
    folders_above = {
        above for path in (os.path.realpath(os.__file__),) for above in Path(path).parents
    }
    return all(above.stat().st_mode & stat.S_IXOTH for above in folders_above)
