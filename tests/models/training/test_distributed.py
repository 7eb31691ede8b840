"""A LoRA adapter trained by two processes on the CPU: the step that one process takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from labkit.models.training import distributed
from labkit.models.training.tuning import Settings, lora_config
from tests.models.tiny import save_tiny_model

ARGUMENTS = ["--steps", "3", "--examples", "24", "--rows", "4", "--rank", "2"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    return folder


def trained(model: Path, out: Path, processes: int) -> float:
    """The last loss of a training by so many processes, over loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
        "--master-addr", "127.0.0.1", "--master-port", port,
        "-m", "labkit.models.training.distributed",
    ]  # fmt: skip
    command = [*launcher, "--model", str(model), "--out", str(out), *ARGUMENTS]
    code, said, errors = launched(command)
    if code is None:  # gloo waited for a thread of its own at the end: seen once
        code, said, errors = launched(command)
    assert code == 0, errors[-2000:]
    return float(said.strip().splitlines()[-1].rpartition(" ")[2])


def launched(command: list[str]) -> tuple[int | None, str, str]:
    """Exit code, output and errors; where it did not end, no code, and nothing is left running."""
    settings = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        workers = []
        try:
            said, errors = process.communicate(timeout=200)
            return process.returncode, said, errors
        except subprocess.TimeoutExpired:
            workers = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            return None, "", "it did not end"
        finally:
            for worker in workers:
                worker.kill()


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(tiny: Path, tmp_path: Path) -> None:
    losses = [trained(tiny, tmp_path / str(count), count) for count in (1, 2)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    alone, together = (load_file(tmp_path / n / "adapter_model.safetensors") for n in "12")
    assert alone.keys() == together.keys()
    moved = [name for name in alone if "lora_B" in name and alone[name].abs().max() > 1e-3]
    assert len(moved) == len(alone) / 2, "every matrix B was trained"
    apart = max(float((alone[name] - together[name]).abs().max()) for name in alone)
    assert apart < 1e-4
    config = json.loads((tmp_path / "2" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA" and config["r"] == 2


def test_what_can_not_be_trained_is_refused(tiny: Path, tmp_path: Path) -> None:
    for settings in (Settings(1e-3, 1), Settings(1e-3, 1, rows=0, lora=lora_config(2))):
        with pytest.raises(ValueError, match="a row or more to each process"):
            distributed.train(str(tiny), [], settings, tmp_path)
