"""What is asked of a zygote: a command, a folder, an environment. And what a fork can't honour.

A library reads some variables when it is imported, which has happened before the fork. Nobody has
a list of them. So an order is honoured if its environment is the zygote's own, but for names that
nothing reads before a kernel runs; any other kernel starts cold.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.kernels import ADDRESS

FREE_PREFIXES = ("IPYTHON", "JPY_", "JUPYTER", "LABKIT_", "MPL", "PYTEST_")
FREE_NAMES = frozenset("COLUMNS LINES OLDPWD PWD SHLVL _".split())
LAUNCHER = "ipykernel_launcher"
MAX_ORDER = 1 << 17


class Cold(RuntimeError):
    """Why a kernel can't be forked and has to start cold."""


@dataclass(frozen=True)
class Order:
    """A kernel as Jupyter would start it with subprocess.Popen."""

    command: list[str]
    cwd: str
    env: dict[str, str]

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def decode(data: bytes) -> Order:
    """An order from its bytes. Raises Cold for what is none."""
    try:
        found = json.loads(data)
        return Order(list(found["command"]), str(found["cwd"]), dict(found["env"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Cold(f"the order could not be read ({error})") from error


def zygote_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment that a zygote needs for kernels with this one."""
    return {name: value for name, value in env.items() if not is_free(name)}


def kernel_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What a kernel gets of an environment: it need not know where the zygote listens."""
    return {name: value for name, value in env.items() if name != ADDRESS}


def is_free(name: str) -> bool:
    """Whether a variable may differ from the zygote's: nothing has read it yet."""
    return name in FREE_NAMES or name.startswith(FREE_PREFIXES)


def check(order: Order, env: Mapping[str, str], loaded: Iterable[str]) -> None:
    """Raise Cold if a fork of a process with this environment and modules can't be the kernel."""
    check_command(order.command)
    check_environment(order.env, env)
    check_folder(Path(order.cwd), {name.partition(".")[0] for name in loaded})


def check_command(command: Sequence[str]) -> None:
    if list(command[:3]) != [sys.executable, "-m", LAUNCHER]:
        raise Cold(f"the command is not `{sys.executable} -m {LAUNCHER} ...` but {list(command)}")


def check_environment(asked: Mapping[str, str], own: Mapping[str, str]) -> None:
    ours, theirs = zygote_environment(own), zygote_environment(asked)
    differing = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
    if differing:
        raise Cold(f"the environment differs in {', '.join(differing)}")


def check_folder(folder: Path, loaded: set[str]) -> None:
    """A kernel imports from its folder first: `random.py` there hides the one that is loaded."""
    try:
        here = os.listdir(folder)
    except OSError as error:
        raise Cold(f"the folder can't be read ({error})") from error
    modules = {name.partition(".")[0] for name in here if name.endswith((".py", ".so"))}
    packages = {name for name in here if (folder / name / "__init__.py").exists()}
    if hiding := sorted((modules | packages) & loaded - {"labkit"}):
        raise Cold(f"the folder {folder} has modules of its own: {', '.join(hiding)}")


def installed_at() -> tuple[int, ...]:
    """Changes when a package is installed or removed: what is imported may be an old one then."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(os.stat(place).st_mtime_ns for place in sorted(places))
