"""Warm kernels: forked from a process that has torch, transformers and peft imported already.

    orders.py       what is asked for, and what a fork could not honour: then the kernel starts cold
    zygote.py       the warm process: forks kernels, and ends them when who asked is gone
    becoming.py     what a fork does to be as a fresh kernel is
    nursery.py      starts a zygote, and ends it with its owner
    asking.py       a kernel from a zygote, with the manners of subprocess.Popen
    provisioner.py  by which Jupyter asks
    install.py      makes the provisioner known to Jupyter

It needs Linux. A machine with a GPU starts cold: its driver can't be forked once it was looked at.
The zygote listens on a socket in a private folder, and answers its own user only.
"""

from __future__ import annotations

PROVISIONER = "labkit-warm"
DOOR = "zygote.sock"  # in the private folder
ADDRESS = "LABKIT_ZYGOTE"  # the environment's name for the zygote's socket, for other processes
IMPORTS = (
    "ipykernel.kernelapp",  # first: by it others see that this is to be a notebook's kernel
    "ipykernel.debugger",  # every kernel loads it, and pydevd with it
    "ipywidgets",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "peft",
)
