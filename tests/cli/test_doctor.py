"""`labkit doctor`: in words, as JSON, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit import cli
from labkit.cli import doctor, environment, machine
from labkit.cli.doctor import Finding
from labkit.cli.pins import Pins


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


def test_other_versions_are_a_note_and_missing_packages_stand_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "about_weights", lambda: iter(()))
    other = next(f for f in doctor.about_python(Pins(("nbval==0.1",), {})) if f.topic == "packages")
    assert other.state == "note" and "nbval==0.1 (here" in other.text
    monkeypatch.setattr(doctor.paths, "in_checkout", lambda: False)
    gone = next(f for f in doctor.about_python(Pins(("no-such==1",), {})) if f.topic == "packages")
    assert gone.state == "bad" and "no-such==1" in gone.text


def test_damaged_weights_stand_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody can write")
def test_work_folder_that_cannot_be_written() -> None:
    finding = doctor.writable(Path("/sys/kernel/work"))
    assert finding.state == "bad" and "LABKIT_WORK" in finding.text


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
