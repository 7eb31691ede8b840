"""Kernels of real processes, from a zygote that has imported little: it is there in a second."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from labkit.kernels import PROVISIONER
from labkit.kernels.asking import ForkedKernel
from labkit.kernels.install import register
from labkit.kernels.nursery import Nursery

LIGHT = ("ipykernel.kernelapp", "ipykernel.debugger", "ipywidgets", "numpy")
READY_SECONDS = 120
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and sys.platform != "linux":
            item.add_marker(pytest.mark.skip("warm kernels need Linux"))


class Running:
    """A kernel and its client."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        warm: bool = True,
        config: dict[str, Any] | None = None,
    ) -> None:
        register()
        self.manager = KernelManager(kernel_name="python3")
        if warm:
            stanza = {"provisioner_name": PROVISIONER, "config": config or {}}
            self.manager.kernel_spec.metadata["kernel_provisioner"] = stanza  # type: ignore[union-attr]
        self.manager.start_kernel(env=dict(env), cwd=str(folder), stderr=-3)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=READY_SECONDS)

    @property
    def process(self) -> Any:
        return self.manager.provisioner.process  # type: ignore[union-attr]

    @property
    def warm(self) -> bool:
        return isinstance(self.process, ForkedKernel)

    def run(self, code: str) -> str:
        """What a cell prints; its error's name where it raises."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            said.append(content.get("text", "") or content.get("ename", ""))

        self.client.execute_interactive(code, output_hook=hear, timeout=READY_SECONDS)
        return "".join(said)

    def end(self) -> None:
        self.client.stop_channels()
        with suppress(RuntimeError):
            self.manager.shutdown_kernel(now=True)


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(os.environ, LIGHT) as nursery:
        assert nursery.ready(READY_SECONDS), nursery.failure
        yield nursery


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a kernel; the test's end is its end."""
    begun: list[Running] = []

    def one(
        folder: Path = tmp_path,
        *,
        warm: bool = True,
        config: dict[str, Any] | None = None,
        **env: str,
    ) -> Running:
        begun.append(Running(folder, os.environ | env, warm, config))
        return begun[-1]

    yield one
    for each in begun:
        each.end()
