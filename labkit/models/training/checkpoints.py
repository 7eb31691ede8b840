"""Checkpoints: what a stopped training run needs to go on, as safetensors and JSON.

Each is written beside its place and moved there, so that a half-written one is never loaded, and
the one before it stays until the new one is whole.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from labkit.models.training.run import Run
from labkit.whole_files import write_whole


class CheckpointError(RuntimeError):
    """A checkpoint can't be written or read; the message says what is kept and what to do."""


def save_checkpoint(run: Run) -> None:
    """Writes `checkpoint/` whole, or leaves the one before it; CheckpointError if it can't."""
    fresh, place = run.folder / "checkpoint.part", run.folder / "checkpoint"
    shutil.rmtree(fresh, ignore_errors=True)
    tensors = _state_tensors(run)
    try:
        _write(run, tensors, fresh)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise CheckpointError(not_written(run, tensors, error)) from error
    old = run.folder / "checkpoint.old"
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _state_tensors(run: Run) -> dict[str, torch.Tensor]:
    """Everything a run has to remember, as named tensors."""
    tensors = {f"model.{name}": p.detach() for name, p in run.model.named_parameters()}
    for name, p in run.model.named_parameters():
        for optimizer in run.optimizers:
            for key, value in optimizer.state.get(p, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value.detach()
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _write(run: Run, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "state.safetensors")
    progress = {
        "step": run.step,
        "seconds": run.seconds,
        "losses": run.losses,
        "machine": machine(),
    }
    write_whole(folder / "progress.json", json.dumps(progress))


def machine() -> str:
    """The machine in words, for the model card."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores ({platform.machine()})"


def not_written(run: Run, tensors: dict[str, torch.Tensor], error: Exception) -> str:
    """What to tell when there is no room, or no right to write."""
    needed = sum(tensor.nbytes for tensor in tensors.values()) / 1e6
    free = shutil.disk_usage(run.folder).free / 1e6
    return (
        f"The checkpoint of step {run.step} could not be written to {run.folder}: {error}. It "
        f"needs {needed:.0f} MB and {free:.0f} MB are free. The last whole checkpoint is kept: "
        "make room (or name another folder with --runs), and the same command goes on from there."
    )


def resumed(run: Run) -> Run:
    """The run at its last whole checkpoint, if it has one; CheckpointError if that is damaged."""
    place = next(
        (p for p in (run.folder / "checkpoint", run.folder / "checkpoint.old") if p.exists()), None
    )
    if place is None:
        return run
    try:
        tensors = load_file(place / "state.safetensors", device=str(run.device))
        progress = json.loads((place / "progress.json").read_text())
        _restore(run, tensors, progress)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"The checkpoint in {place} can't be used ({type(error).__name__}: {error}). It is "
            "damaged, or another recipe wrote it. Move it away, and the same command starts anew."
        ) from error
    return run


def _restore(run: Run, tensors: dict[str, torch.Tensor], progress: dict[str, Any]) -> None:
    with torch.no_grad():
        for name, p in run.model.named_parameters():
            p.copy_(tensors[f"model.{name}"])
            prefix = f"optimizer.{name}."
            state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            optimizer_for(run, p).state[p] = {
                k: v.cpu() if k == "step" else v for k, v in state.items()
            }
    run.step, run.seconds = progress["step"], progress["seconds"]
    run.losses = [(step, loss) for step, loss in progress["losses"]]


def optimizer_for(run: Run, p: torch.Tensor) -> torch.optim.Optimizer:
    """The optimizer that updates a parameter."""
    return next(
        optimizer
        for optimizer in run.optimizers
        for group in optimizer.param_groups
        if any(p is other for other in group["params"])
    )
