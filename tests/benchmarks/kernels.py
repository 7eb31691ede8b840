"""Warm kernels against cold ones: until torch is ready, and the memory of a class of them.

Kernels are started one after another, stay open together, and have imported torch, transformers and
peft when their memory is read: PSS, which shares out what several processes hold in common. Each
kind is measured without the other. Ratios are taken in one run, so they hold on a busy machine too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

from labkit.course.execution import kernel_env
from labkit.kernels import PROVISIONER
from labkit.kernels.asking import ForkedKernel
from labkit.kernels.install import register
from labkit.kernels.nursery import Nursery
from tests.benchmarks.figures import Figure, median_of, show

KERNELS = 5
LIMIT_SECONDS = 600.0
TORCH = "import torch; torch.ones(1)"
ALL = "import torch, transformers, peft; from transformers import AutoModelForCausalLM"
CPU = "import time; print(time.process_time())"


@dataclass
class Class:
    """What kernels of one kind took: seconds from their start, CPU-seconds, and PSS in MB."""

    torch: list[float] = field(default_factory=list)
    torch_cpu: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)
    zygote_mb: float = 0.0

    @property
    def each_mb(self) -> float:
        """Of a kernel, with its part of the zygote."""
        return (sum(self.pss_mb) + self.zygote_mb) / len(self.pss_mb)


def measure() -> list[Figure]:
    """First a class of cold kernels, then one of warm kernels."""
    if sys.platform != "linux":
        raise SystemExit("warm kernels need Linux")
    register()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        env = kernel_env(Path(folder), strict=False)
        cold = taught(Path(folder), env, warm=False)
        begun = time.perf_counter()
        with Nursery(env) as nursery:
            if not nursery.ready(LIMIT_SECONDS):
                raise SystemExit(f"no warm kernels: {nursery.failure}")
            ready = time.perf_counter() - begun
            warm = taught(Path(folder), env, warm=True, zygote=nursery.pid)
    return [*speeds(cold, warm), *memory(cold, warm), Figure("zygote ready", round(ready, 2), "s")]


def taught(folder: Path, env: Mapping[str, str], *, warm: bool, zygote: int = 0) -> Class:
    """Start the kernels of a class, and measure them while all are open."""
    found, managers = Class(), []
    try:
        for _ in range(KERNELS):
            managers.append(manager(warm))
            start(managers[-1], folder, env, found)
        found.pss_mb = [pss_mb(each.provisioner.pid) for each in managers]
        found.zygote_mb = pss_mb(zygote) if zygote else 0.0
    finally:
        for each in managers:
            each.shutdown_kernel(now=True)
    return found


def manager(warm: bool) -> Any:
    made = KernelManager(kernel_name="python3")
    if warm:
        made.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": PROVISIONER}
    return made


def start(manager: Any, folder: Path, env: Mapping[str, str], found: Class) -> None:
    """Start one kernel; its seconds until torch is ready, and until all is."""
    begun = time.perf_counter()
    manager.start_kernel(env=dict(env), cwd=str(folder), stderr=-3)
    wanted = "kernel_provisioner" in manager.kernel_spec.metadata
    if wanted != isinstance(manager.provisioner.process, ForkedKernel):
        raise SystemExit("a kernel that should be warm started cold")
    client = manager.client()
    client.start_channels()
    # Its reply, and not wait_for_ready, which spends 0.2 s more in hearing that all is quiet.
    answer(client, TORCH)
    found.torch.append(time.perf_counter() - begun)
    client.wait_for_ready(timeout=LIMIT_SECONDS)
    found.torch_cpu.append(float(run(client, CPU)))
    run(client, ALL)
    found.all.append(time.perf_counter() - begun)
    client.stop_channels()


def answer(client: Any, code: str) -> None:
    """Have a cell run, and wait for the kernel's reply."""
    reply = client.execute(code, reply=True, timeout=LIMIT_SECONDS)["content"]
    if reply["status"] != "ok":
        raise SystemExit("\n".join(reply["traceback"]))


def run(client: Any, code: str) -> str:
    """What a cell prints."""
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            raise SystemExit("\n".join(message["content"]["traceback"]))
        said.append(message["content"].get("text", ""))

    client.execute_interactive(code, output_hook=hear, timeout=LIMIT_SECONDS)
    return "".join(said)


def pss_mb(pid: int) -> float:
    """Megabytes (10^6 bytes) of a process, with its share of what others hold too."""
    return float(psutil.Process(pid).memory_full_info().pss / 1e6)


def speeds(cold: Class, warm: Class) -> list[Figure]:
    """Start to `import torch` done, and to all three."""
    return [
        median_of("cold kernel: start to torch imported", "s", cold.torch),
        median_of("warm kernel: start to torch imported", "s", warm.torch),
        sooner("  warm is sooner, in seconds", cold.torch, warm.torch),
        sooner("  warm is sooner, in CPU-seconds", cold.torch_cpu, warm.torch_cpu),
        sooner("  warm is sooner, to torch, transformers and peft", cold.all, warm.all),
    ]


def memory(cold: Class, warm: Class) -> list[Figure]:
    """Of each kernel, in a class of so many."""
    alone = statistics.median(warm.pss_mb) / statistics.median(cold.pss_mb)
    return [
        median_of(f"cold kernel: PSS, {KERNELS} open", "MB", cold.pss_mb),
        median_of(f"warm kernel: PSS, {KERNELS} open", "MB", warm.pss_mb),
        Figure("zygote: PSS", round(warm.zygote_mb, 1), "MB"),
        Figure("  warm / cold", round(alone, 3), "", 0.5),
        Figure("  warm / cold, with the zygote", round(warm.each_mb / cold.each_mb, 3), "", 0.5),
    ]


def sooner(what: str, cold: list[float], warm: list[float]) -> Figure:
    """How many times, by the medians."""
    return Figure(what, round(statistics.median(cold) / statistics.median(warm), 2), "x", least=5.0)


if __name__ == "__main__":
    show(measure)
