"""`labkit doctor`: in words, as JSON, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit import cli
from labkit.cli import doctor, environment, machine
from labkit.cli.doctor import Finding
from labkit.cli.pins import Pins
from labkit.fetched import MADE


@pytest.fixture(autouse=True)
def in_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "stamped", lambda *_: False)


def test_json_has_every_topic(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor", "--json"])
    said = json.loads(capsys.readouterr().out)
    topics = {finding["topic"] for finding in said["findings"]}
    assert {"processor", "memory", "GPU", "Python", "packages", "disk", "work folder"} <= topics
    assert code == (0 if said["ok"] else 1)
    assert said["ok"] == all(finding["state"] != "bad" for finding in said["findings"])


def test_the_driver_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(machine, "nvidia_gpus", lambda: asked.append("nvidia-smi") or [])
    monkeypatch.setattr(doctor, "about_weights", lambda: iter(()))
    cli.main(["doctor", "--json"])
    assert asked == ["nvidia-smi"]


def test_words_end_with_a_verdict() -> None:
    fine = [Finding("disk", "ok", "80 GB free"), Finding("memory", "note", "4 GB: tight")]
    assert doctor.in_words(fine, well=True).endswith("python3 -m labkit lab")
    assert "BAD  disk" in doctor.in_words([Finding("disk", "bad", "full")], well=False)


@pytest.mark.parametrize(
    ("gigabytes", "state"), [(1.0, "bad"), (3.0, "note"), (8.0, "ok"), (None, "note")]
)
def test_memory(gigabytes: float | None, state: str) -> None:
    total = None if gigabytes is None else int(gigabytes * 1e9)
    assert doctor.memory(total).state == state


@pytest.mark.parametrize(
    ("flags", "state", "said"),
    [
        ("sse4_2", "note", "no AVX2"),
        ("avx2 fma", "ok", "lesson 12 keeps weights at 7"),
        ("avx2 avx_vnni", "ok", "exact"),
        ("avx2 avx512f avx512_vnni", "ok", "exact"),
    ],
)
def test_what_int8_sums_are_on_this_processor(flags: str, state: str, said: str) -> None:
    (found,) = doctor.about_instructions(frozenset(flags.split()))
    assert found.state == state and said in found.text
    assert not list(doctor.about_instructions(frozenset()))


def test_other_versions_are_a_note_and_missing_packages_are_bad(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "about_weights", lambda: iter(()))
    other = next(
        f for f in doctor.about_python(Pins(("nbval==0.1",), {}), []) if f.topic == "packages"
    )
    assert other.state == "note" and "nbval==0.1 (here" in other.text
    monkeypatch.setattr(doctor.paths, "in_checkout", lambda: False)
    gone = next(
        f for f in doctor.about_python(Pins(("no-such==1",), {}), []) if f.topic == "packages"
    )
    assert gone.state == "bad" and "no-such==1" in gone.text


@pytest.mark.parametrize(
    ("cuda", "gpus", "device", "works", "state", "said"),
    [
        ("13.0", [], "", False, "note", "no GPU is used: a lesson takes 0.6 to 1.3 GB more memory"),
        (
            "13.0",
            ["NVIDIA H200"],
            "cpu",
            True,
            "note",
            "the build for CUDA 13.0, and no GPU is used",
        ),
        ("13.0", ["NVIDIA H200"], "", True, "ok", "the build for CUDA 13.0"),
        ("13.0", ["Tesla K80"], "", False, "note", "but it can't use the GPU"),
        (None, [], "", False, "ok", "the CPU build"),
    ],
)
def test_the_cuda_build_without_a_gpu_that_it_can_use(
    monkeypatch: pytest.MonkeyPatch,
    cuda: str | None, gpus: list[str], device: str, works: bool, state: str, said: str,
) -> None:  # fmt: skip
    import torch

    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: works)
    monkeypatch.setenv("LABKIT_DEVICE", device)
    (finding,) = doctor.about_torch(gpus)
    assert (finding.topic, finding.state) == ("torch", state) and said in finding.text


def test_damaged_weights_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    from labkit.models import zoo

    def damaged(folder: Path) -> None:
        raise zoo.ModelUnavailable("model.safetensors: expected 12ab, found 34cd")

    monkeypatch.setattr(zoo, "available_models", lambda: ("base",))
    monkeypatch.setattr(zoo, "verify_files", damaged)
    (finding,) = doctor.about_weights()
    assert finding.state == "bad" and "expected 12ab" in finding.text
    monkeypatch.setattr(zoo, "available_models", lambda: ())
    (finding,) = doctor.about_weights()
    assert finding.state == "bad"


def test_a_model_to_be_fetched_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    (finding,) = doctor.about_fetched()
    assert finding.state == "note" and "labkit models fetch smollm2" in finding.text
    folder = tmp_path / "smollm2"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps({"made": MADE}))
    (folder / "checksums.json").write_text('{"model.safetensors": "00"}')
    (finding,) = doctor.about_fetched()
    assert finding.state == "bad" and "labkit models remove smollm2" in finding.text


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody can write")
def test_work_folder_that_cannot_be_written() -> None:
    finding = next(doctor.about_writing(Path("/sys/kernel/work")))
    assert finding.state == "bad" and "LABKIT_WORK=" in finding.text


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where even root can make nothing, and no settings that lead elsewhere."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "HF_HOME",
                 "XDG_DATA_HOME", "XDG_CACHE_HOME", "JUPYTER_PLATFORM_DIRS"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "file" / "home"


def test_a_home_that_cannot_be_written_is_reported_with_a_remedy(
    no_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {finding.topic: finding for finding in doctor.about_writing(tmp_path / "work")}
    assert found["work folder"].state == "ok"
    data = found["data folder of Jupyter"]
    assert data.state == "bad" and f"{no_home}/.local/share/jupyter can't be written" in data.text
    assert "JUPYTER_DATA_DIR=" in data.text
    assert found["settings folder of Jupyter"].state == found["cache of the hub"].state == "note"
    assert "HF_HOME=" in found["cache of the hub"].text

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "elsewhere"))
    assert {f.state for f in doctor.about_writing(tmp_path / "work")} == {"ok", "note"}


def test_a_place_of_its_own_for_what_jupyter_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    found = {finding.topic: finding for finding in doctor.about_writing(tmp_path)}
    assert found["runtime folder of Jupyter"].state == "bad"
    assert "JUPYTER_RUNTIME_DIR=" in found["runtime folder of Jupyter"].text


def test_a_machine_without_nvidia_smi_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine.sys, "platform", "linux")
    assert machine.nvidia_gpus() == ["NVIDIA H200"]
    assert not machine.wants_cpu_build()
    monkeypatch.setenv("LABKIT_DEVICE", "cpu")
    assert machine.wants_cpu_build()
    monkeypatch.delenv("LABKIT_DEVICE")
    tool.write_text("#!/bin/sh\necho 'no driver'; exit 9\n")
    assert machine.nvidia_gpus() == [] and machine.wants_cpu_build()
