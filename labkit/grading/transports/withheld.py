"""Keeps labkit from answers: in a child every part of it is a stand-in that does nothing.

A notebook's own cells import instruments and models of the course; those lines then run without
effect, and an answer that leans on one is found by its name (see borrowing.py).
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

COURSE = "labkit"
NEEDED = "labkit.grading"  # this process's own


class StandIn:
    """Stands for anything of labkit's, and for what a notebook has of itself (`display`): calls and
    attributes lead to more of the same."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__ = module
        self.__qualname__ = self.__name__ = name

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(self.__module__, f"{self.__qualname__}.{name}")

    def __call__(self, *_: Any, **__: Any) -> StandIn:
        return self

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError(f"{self.__name__} of {self.__module__} is not there in grading")

    def use(self, function: Any) -> Any:
        """As `lab.use`: the learner's own function."""
        return function


class Withheld(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module of labkit, and fills none."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != COURSE:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        stand_in_for(module)


def withhold_labkit() -> None:
    """From here on `import labkit…` gives stand-ins, also for what is loaded already."""
    for name in list(sys.modules):
        if name.partition(".")[0] == COURSE and not is_needed(name):
            del sys.modules[name]
    sys.meta_path.insert(0, Withheld())


def is_needed(name: str) -> bool:
    return name == NEEDED or name.startswith(f"{NEEDED}.")


def stand_in_for(module: ModuleType) -> None:
    """Any name may be asked of a module."""
    module.__getattr__ = lambda name: missing(module, name)  # type: ignore[method-assign]


def missing(module: ModuleType, name: str) -> StandIn:
    if name.startswith("__"):
        raise AttributeError(name)
    return StandIn(module.__name__, name)
