"""By which Jupyter asks for a kernel: warm where that can be, else cold, as ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool

from labkit.kernels import asking, nursery
from labkit.kernels.orders import Cold, Order, kernel_environment

UNDERSTOOD = {"cwd", "env", "extra_arguments", "independent", "kernel_id"} | {
    "stdin",
    "stdout",
    "stderr",
}


class WarmProvisioner(LocalProvisioner):
    """A LocalProvisioner whose process may come from a zygote; all else is as it was."""

    process: Any = None  # a Popen, or a ForkedKernel, which has its manners
    start = Bool(False, help="start a warm process, for later kernels, where there is none").tag(
        config=True
    )

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel or, where that can't be honoured, start it."""
        env = kwargs.get("env")
        kwargs["env"] = kernel_environment(os.environ if env is None else env)
        try:
            self.process = await asyncio.to_thread(fork, cmd, kwargs)
        except Cold as why:
            self.log.debug("A kernel starts cold: %s", why)
            self.prepare(kwargs["env"])
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def prepare(self, env: dict[str, str]) -> None:
        """Start a zygote for the next one, where that was asked for and none is known."""
        if not self.start or nursery.current is not None:
            return
        try:
            nursery.Nursery(env)
        except Cold as why:
            self.log.debug("There will be no warm kernels: %s", why)


def fork(command: list[str], options: dict[str, Any]) -> asking.ForkedKernel:
    """What jupyter_client.launcher.launch_kernel does, by a zygote. Raises Cold."""
    if unknown := sorted(options.keys() - UNDERSTOOD):
        raise Cold(f"it is started with {', '.join(unknown)}")
    if options.get("independent"):
        raise Cold("it is to outlive its server")
    if options.get("stdin") not in (None, subprocess.DEVNULL):
        raise Cold("it is to read from its standard input")
    door = nursery.find_door()
    env = options["env"] | {"JPY_PARENT_PID": str(os.getpid())}
    order = Order([os.path.expanduser(word) for word in command], folder(options), env)
    return asking.ask(door, order, options.get("stdout"), options.get("stderr"))


def folder(options: dict[str, Any]) -> str:
    """The kernel's folder, absolute."""
    return os.path.abspath(options.get("cwd") or os.getcwd())
