"""Models by name: bundled (offline, checksummed), fetched, a folder, or a hub model by one call."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.utils import logging as transformers_logging

from labkit import fetched
from labkit.fetched import CHECKSUMS
from labkit.paths import nearest
from labkit.whole_files import write_whole

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Kind:
    """A kind of model: which function loads it, by which of transformers' classes, and the measure
    of the scorecard that it has instead of a language model's."""

    loader: str
    model: Any
    reader: Any = AutoTokenizer
    measure: str | None = None


LANGUAGE = Kind("load_model", AutoModelForCausalLM)
JUDGE = Kind("load_judge", AutoModelForSequenceClassification, measure="judge")
VISION = Kind("load_vision_model", AutoModelForImageTextToText, AutoProcessor, measure="vision")
# By the class that a folder's config.json names; what is not here is a language model.
KINDS = {"LlamaForSequenceClassification": JUDGE, "LlavaForConditionalGeneration": VISION}


class ModelUnavailable(RuntimeError):
    """The model can't be had: a damaged or missing file, or no way to the hub. Says what to do."""


def available_models() -> tuple[str, ...]:
    """Names of the bundled models."""
    return tuple(sorted(path.parent.name for path in WEIGHTS.glob(f"*/{CHECKSUMS}")))


def load_model(
    name: str = "base", *, device: str | None = None, dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model in eval mode and its tokenizer.

    `name` is a bundled model (`available_models()`), `smollm2` or `smollm2-original`, which `labkit
    models fetch` brings, a folder in transformers' layout, or a hub name such as
    `HuggingFaceTB/SmolLM2-135M-Instruct`.
    `$LABKIT_MODEL` takes the place of `base`, and `$LABKIT_DEVICE` of the default device: a whole
    lesson runs on another model unchanged.
    Weights are float32 on a CPU and bfloat16 on a GPU unless `dtype` says otherwise.

    Raises LookupError for an unknown name and ModelUnavailable when the files can't be had.
    """
    if name == "base":
        name = os.environ.get("LABKIT_MODEL") or name
    return _ready(name, LANGUAGE, device, dtype)


def load_vision_model(
    name: str = "vision", *, device: str | None = None, dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A model that reads pictures beside text, and the processor that prepares both for it; names,
    devices and errors as for `load_model`."""
    return _ready(name, VISION, device, dtype)


def load_judge(
    name: str = "judge", *, device: str | None = None, dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model, which gives one number for a text, and its tokenizer; names, devices and
    errors as for `load_model`."""
    return _ready(name, JUDGE, device, dtype)


def load_bundled(name: str) -> tuple[PreTrainedModel, Any]:
    """A bundled model of any kind with its tokenizer or processor, `$LABKIT_MODEL` or not."""
    return _ready(name, kind_of(folder_of(name)), None, None)


def kind_of(folder: Path) -> Kind:
    """The kind of model that a folder holds, by its config.json."""
    try:
        config = json.loads((folder / "config.json").read_text())
        return KINDS.get((config.get("architectures") or [""])[0], LANGUAGE)
    except (OSError, ValueError, AttributeError):
        return LANGUAGE  # whose loading says what is wrong with it


def _ready(
    name: str, kind: Kind, device: str | None, dtype: torch.dtype | None
) -> tuple[PreTrainedModel, Any]:
    """Loaded from wherever it is, on its device, in eval mode."""
    device = device or os.environ.get("LABKIT_DEVICE") or default_device()
    dtype = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
    with quiet_transformers():
        find = _from_hub if is_hub_name(name) else _from_folder
        model, reader = find(name, kind, dtype)
    return model.to(torch.device(device)).eval(), reader


def is_hub_name(name: str) -> bool:
    """`owner/model`, and no folder of that name here."""
    return name.count("/") == 1 and name[0] not in "./~" and not Path(name).exists()


def folder_of(name: str) -> Path:
    """The folder of a bundled or a fetched model, or the folder that `name` is."""
    if name in available_models():
        return WEIGHTS / name
    if name in fetched.MODELS:
        return fetched_folder(fetched.MODELS[name])
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if "/" in name or os.sep in name:
        raise LookupError(f"There is no model in the folder {name!r}: it holds no config.json.")
    known = [*available_models(), *fetched.MODELS]
    raise LookupError(f"There is no model {name!r}: {nearest(name, known)}")


def fetched_folder(model: fetched.Fetched) -> Path:
    """The folder of a fetched model; ModelUnavailable with the command where it is not there."""
    if model.is_there:
        return model.folder
    older = f" (what lies in {model.folder} is of another version)" if model.card() else ""
    raise ModelUnavailable(
        f"{model.name} is not on this machine{older}. To fetch it, {model.download} MB:\n"
        f"  {model.command}\nWithout a network take a bundled model, as load_model('base')."
    )


def card_of(name: str) -> dict[str, Any]:
    """The card of a bundled model, with its recipe, training and scores; of a fetched one, with
    its origin.

    Raises LookupError for a name that has none.
    """
    if name in fetched.MODELS:
        return dict(json.loads((folder_of(name) / "card.json").read_text("utf-8")))
    file = WEIGHTS / name / "card.json"
    if not file.is_file():
        raise LookupError(f"There is no card of {name!r}: {nearest(name, available_models())}")
    return dict(json.loads(file.read_text("utf-8")))


def verify_files(folder: Path) -> None:
    """Compares the files of a bundled or fetched model with their checksums; ModelUnavailable names
    the first that differs."""
    for file, expected in json.loads((folder / CHECKSUMS).read_text()).items():
        found = sha256_of(folder / file)
        if found != expected:
            raise ModelUnavailable(
                f"The model file {folder / file} is {'damaged' if found else 'missing'}.\n"
                f"  expected sha256 {expected}\n  found    sha256 {found or '- no such file'}\n"
                f"To restore it: {how_to_restore(folder, file)}"
            )


def require_memory(model: fetched.Fetched) -> None:
    """ModelUnavailable where less memory is free than a fetched model takes, before the system
    begins to swap."""
    free = psutil.virtual_memory().available / 1e6
    if free < model.memory:
        raise ModelUnavailable(
            f"{model.name} takes {model.memory} MB of memory, and {free:.0f} MB are free.\n"
            "Shut down other kernels and programs, or take a bundled model: load_model('base')."
        )


def how_to_restore(folder: Path, file: str) -> str:
    """What brings a damaged file back."""
    for model in fetched.MODELS.values():
        if folder == model.folder:
            return f"`python3 -m labkit models remove {model.name}`, then `{model.command}`."
    return (
        f"`git checkout -- {file}` in that folder of a clone, or "
        "`pip install --force-reinstall --no-deps labkit`."
    )


def sha256_of(file: Path) -> str | None:
    """The checksum of a file in hex, or None when it is not there."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != CHECKSUMS)
    sums = {file.name: sha256_of(file) for file in files}
    write_whole(folder / CHECKSUMS, json.dumps(sums, indent=1) + "\n")


def _from_folder(name: str, kind: Kind, dtype: torch.dtype) -> tuple[PreTrainedModel, Any]:
    folder = folder_of(name)
    if (folder / CHECKSUMS).is_file():
        verify_files(folder)
    if name in fetched.MODELS:
        require_memory(fetched.MODELS[name])
    if kind != (found := kind_of(folder)):
        raise LookupError(
            f"The model {name!r} is not for {kind.loader}: use `{found.loader}({name!r})`."
        )
    try:
        return _load(str(folder), kind, dtype, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The model in {folder} could not be loaded: {_first_line(error)}\n"
            f"Expected are config.json, model.safetensors (no pickled weights) and a tokenizer."
        ) from error


def _from_hub(name: str, kind: Kind, dtype: torch.dtype) -> tuple[PreTrainedModel, Any]:
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    try:
        return _load(name, kind, dtype, local_files_only=offline)
    except OSError as error:
        tried = (
            "the local cache (HF_HUB_OFFLINE is set)" if offline else "the hub and the local cache"
        )
        raise ModelUnavailable(
            f"The hub model {name!r} could not be loaded from {tried}: {_first_line(error)}\n"
            f"To fetch it once while online: `hf download {name}` (with HF_HUB_OFFLINE unset); "
            f"from then on it loads offline. Bundled models need no network: "
            f"{', '.join(available_models())}."
        ) from error


def _load(
    source: str, kind: Kind, dtype: torch.dtype, *, local_files_only: bool
) -> tuple[PreTrainedModel, Any]:
    """Only safetensors, and no code from the model's repository."""
    model = kind.model.from_pretrained(
        source, dtype=dtype, use_safetensors=True, local_files_only=local_files_only
    )
    reader = kind.reader.from_pretrained(source, local_files_only=local_files_only)
    if kind.reader is AutoTokenizer and reader.pad_token_id is None:
        reader.pad_token = reader.eos_token
    return model, reader


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars or advice while loading; restored afterwards."""
    level, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
