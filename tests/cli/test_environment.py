"""The environment, made for real: real venvs and the real pip, from a local folder of wheels."""

from __future__ import annotations

import ensurepip
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from labkit.cli import environment, machine
from labkit.cli.children import Children, Command
from labkit.cli.hashes import Hashes, of_checkout
from labkit.cli.pins import Pins
from labkit.cli.screen import Screen
from labkit.cli.venv_folder import VenvFolder
from tests.cli.mini import Checkout, make_checkout, write_wheel


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Checkout, subprocess.CompletedProcess[str]]:
    """A checkout whose first command has made the environment, and what that command printed."""
    folder = tmp_path_factory.mktemp("made")
    checkout = make_checkout(folder / "course", folder / "house")
    return checkout, checkout.run("progress", "hello")


@pytest.fixture
def standing(made: tuple[Checkout, object], tmp_path: Path) -> Checkout:
    """A copy of it, to be harmed."""
    return made[0].copy_to(tmp_path / "moved")


def test_first_command_makes_the_environment_and_goes_on_in_it(
    made: tuple[Checkout, subprocess.CompletedProcess[str]],
) -> None:
    checkout, first = made
    said = json.loads(first.stdout)
    assert (said["prefix"], said["word"], said["tiny"]) == (str(checkout.venv), "hello", "one")
    assert first.returncode == 7, "the command's own exit code comes through"
    assert "Making the environment" in first.stderr
    assert "Installing 2 packages" in first.stderr
    assert "The environment is ready" in first.stderr


def test_other_platforms_packages_are_left_out(made: tuple[Checkout, object]) -> None:
    assert not list(made[0].site.glob("elsewhere*"))
    assert not list(made[0].site.glob("tinytest*"))


def test_the_second_start_fetches_nothing(standing: Checkout) -> None:
    again = standing.run("progress", PIP_FIND_LINKS="/nowhere", PYTHONPROFILEIMPORTTIME="1")
    assert again.returncode == 7
    assert "environment" not in "".join(
        line for line in again.stderr.splitlines() if "|" not in line
    )
    assert "labkit.cli.installing" in again.stderr and "tinyone" in again.stderr


def test_a_moved_checkout_still_finds_its_labkit(standing: Checkout, tmp_path: Path) -> None:
    code = "import labkit; print(labkit.__file__)"
    python = standing.venv / "bin" / "python"
    env = standing.environment()
    found = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()).resolve() == standing.root / "labkit" / "__init__.py"


def test_an_extra_is_added_to_what_stands(standing: Checkout) -> None:
    assert standing.run("verify").returncode == 7
    assert list(standing.site.glob("tinytest-*"))
    assert json.loads((standing.venv / "labkit.json").read_text())["extras"] == ["test"]


def test_a_changed_pin_is_installed_and_the_extra_stays(standing: Checkout) -> None:
    standing.run("verify")
    for file in ("pyproject.toml", "constraints.txt"):
        path = standing.root / file
        path.write_text(path.read_text().replace("tinyone==1.0", "tinyone==1.1"))
    house = standing.root.parent / "newer"
    shutil.copytree(standing.house, house)
    write_wheel(
        house, "tinyone", "1.1", {"tinyone/__init__.py": "NAME = 'newer'"}, ["tinytwo==2.0"]
    )
    standing.lock(house)
    after = standing.run("progress", PIP_FIND_LINKS=str(house))
    assert json.loads(after.stdout)["tiny"] == "newer"
    assert "Installing 1 packages" in after.stderr
    assert json.loads((standing.venv / "labkit.json").read_text())["extras"] == ["test"]


def test_a_pin_that_the_lock_does_not_cover_is_named(standing: Checkout) -> None:
    path = standing.root / "pyproject.toml"
    path.write_text(path.read_text().replace("tinyone==1.0", "tinyone==1.5"))
    refused = standing.run("progress")
    assert refused.returncode == 2
    assert "constraints.txt does not lock tinyone==1.5" in refused.stderr


def change_wheel(checkout: Checkout) -> None:
    """The registry's tinyone 1.0 is another file than the one whose hash is in the lock."""
    files = {"tinyone/__init__.py": "NAME = 'changed on the way'"}
    write_wheel(checkout.house, "tinyone", "1.0", files, ["tinytwo==2.0"])


def test_a_changed_wheel_is_refused_and_nothing_of_it_is_installed(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    change_wheel(checkout)
    refused = checkout.run("progress")
    assert refused.returncode == 2
    assert "not a file that the course was tested with" in refused.stderr
    assert f"tinyone==1.0 from file://{checkout.house}/tinyone-1.0" in refused.stderr
    assert "python3 -m labkit environment --unverified tinyone" in refused.stderr
    assert not list(checkout.site.glob("tiny*")), "nor of what would have come with it"

    other = checkout.run("environment", "--unverified", "tinytwo")
    assert other.returncode == 2 and "tinyone==1.0 from" in other.stderr, "only what is named"
    assert checkout.run("environment", "--unverified", "Tinyone").returncode == 0
    assert json.loads(checkout.run("progress").stdout)["tiny"] == "changed on the way"


def test_uv_refuses_a_changed_wheel_and_pip_is_not_asked_for_it(tmp_path: Path) -> None:
    """uv's words for it, from a stand-in: whether uv is on this machine is chance."""
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    uv = checkout.root / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        '#!/bin/sh\ncase "$*" in *--require-hashes*) ;; *) exit 9;; esac\n'
        "echo 'error: Failed to download `tinyone==1.0`'\n"
        "echo '  cause: Hash mismatch for `tinyone==1.0`'\nexit 1\n"
    )
    uv.chmod(0o755)
    refused = checkout.run("progress")
    assert refused.returncode == 2
    assert "not a file that the course was tested with" in refused.stderr
    assert "  tinyone==1.0\n" in refused.stderr and not list(checkout.site.glob("tiny*"))


def test_a_package_without_a_hash_is_not_installed_unless_that_is_allowed(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    lock = checkout.root / "requirements.lock"
    lock.write_text(re.sub(r"tinytwo==2\.0.*\n.*\n", "", lock.read_text()))
    refused = checkout.run("progress")
    assert refused.returncode == 2
    assert "requirements.lock has no hash of tinytwo==2.0" in refused.stderr
    assert "python3 -m labkit environment --unverified tinytwo" in refused.stderr
    assert "Installing" not in refused.stderr, "known before anything is fetched"
    assert checkout.run("environment", "--unverified", "tinytwo").returncode == 0
    assert checkout.run("progress").returncode == 7


def test_set_up_killed_while_unpacking_is_finished_by_the_next_call(standing: Checkout) -> None:
    lock = standing.root / "constraints.txt"
    lock.write_text(lock.read_text().replace("tinytwo==2.0", "tinytwo==2.1"))
    house = standing.root.parent / "newer"
    shutil.copytree(standing.house, house)
    many = {f"tinytwo/part_{number}.py": "x = 1\n" for number in range(3000)}
    write_wheel(house, "tinytwo", "2.1", {"tinytwo/__init__.py": "", **many})
    standing.lock(house)
    first = standing.start("progress", PIP_FIND_LINKS=str(house))
    while not (standing.site / "tinytwo" / "part_500.py").exists():
        assert first.poll() is None
        time.sleep(0.005)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert len(list((standing.site / "tinytwo").glob("part_*.py"))) < 3000, "killed half way"

    second = standing.run("progress", PIP_FIND_LINKS=str(house))
    assert second.returncode == 7, second.stderr
    assert "Installing 1 packages" in second.stderr
    assert len(list((standing.site / "tinytwo").glob("part_*.py"))) == 3000


@pytest.mark.parametrize("harm", ["no RECORD", "file missing", "file cut short", "not finished"])
def test_a_half_installed_package_is_installed_again(standing: Checkout, harm: str) -> None:
    info = next(standing.site.glob("tinyone-*.dist-info"))
    module = standing.site / "tinyone" / "__init__.py"
    {
        "no RECORD": (info / "RECORD").unlink,
        "file missing": module.unlink,
        "file cut short": lambda: module.write_text("NAM"),
        "not finished": (info / "INSTALLER").unlink,
    }[harm]()
    (standing.venv / "labkit.json").write_text("{}")
    after = standing.run("progress")
    assert "Installing 1 packages" in after.stderr
    assert json.loads(after.stdout)["tiny"] == "one"


def test_repair_looks_at_every_file_of_a_finished_environment(standing: Checkout) -> None:
    (standing.site / "tinyone" / "__init__.py").unlink()
    assert standing.run("environment").returncode == 0
    assert not (standing.site / "tinyone" / "__init__.py").exists(), "the stamp says it is whole"
    assert standing.run("environment", "--repair").returncode == 0
    assert (standing.site / "tinyone" / "__init__.py").exists()


def test_set_up_killed_while_making_the_venv_is_begun_anew(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    checkout.venv.mkdir()
    (checkout.venv / "labkit.json").write_text("{}")
    (checkout.venv / "bin").mkdir()
    (checkout.venv / "bin" / "python").symlink_to(tmp_path / "a-python-that-is-gone")
    assert checkout.run("progress").returncode == 7


def test_another_persons_folder_is_not_removed(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    checkout.venv.mkdir()
    (checkout.venv / "thesis.txt").write_text("years of work")
    refused = checkout.run("progress")
    assert refused.returncode == 2
    assert "Rename or remove it" in refused.stderr
    assert (checkout.venv / "thesis.txt").read_text() == "years of work"


def test_an_environment_without_pip_is_given_one(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout.venv], check=True)
    assert checkout.run("progress").returncode == 7


class Debian(Children):
    """Debian's Python without python3-venv: no ensurepip; with or without python3-pip."""

    def __init__(self, has_pip: bool) -> None:
        super().__init__()
        self.has_pip = has_pip

    def run(self, command: Command, text: str | None = None) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        venv_with_pip = "venv" in words and "--without-pip" not in words
        if venv_with_pip or "ensurepip" in words or ("pip" in words and not self.has_pip):
            return subprocess.CompletedProcess(words, 1, "ensurepip is not available", "")
        return super().run(command, text)


def test_without_ensurepip_the_outer_pip_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    bundled = Path(ensurepip.__file__).parent / "_bundled"
    monkeypatch.setenv("PIP_FIND_LINKS", str(bundled))
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    checkout.lock(bundled)
    pip, hashes = f"pip=={ensurepip.version()}", of_checkout(checkout.root)
    folder = VenvFolder(tmp_path / "venv", Screen(), Debian(has_pip=True), pip, hashes)
    assert folder.ensure([]).versions["pip"] == ensurepip.version()


def test_without_ensurepip_and_pip_debians_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)  # no uv
    hashes = Hashes({("pip", "1.0"): ("0" * 64,)})
    folder = VenvFolder(tmp_path / "venv", Screen(), Debian(has_pip=False), "pip==1.0", hashes)
    with pytest.raises(environment.SetupError, match="sudo apt install python3-venv"):
        folder.ensure([])


def test_registry_that_cannot_be_reached(standing: Checkout) -> None:
    shutil.rmtree(standing.site / "tinyone")
    (standing.venv / "labkit.json").write_text("{}")
    refused = standing.run(
        "progress",
        PIP_NO_INDEX="0",
        PIP_FIND_LINKS="",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="1",
    )
    assert refused.returncode == 2
    assert "The package registry can't be reached" in refused.stderr
    assert "HTTPS_PROXY" in refused.stderr and "goes on from there" in refused.stderr
    assert standing.run("progress").returncode == 7, "and so it does"


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody can write")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "course", tmp_path / "house")
    refused = checkout.run("progress", LABKIT_VENV="/sys/kernel/venv")
    assert refused.returncode == 2
    assert "can't be made at /sys/kernel/venv" in refused.stderr
    assert "LABKIT_VENV=" in refused.stderr


def test_disk_with_too_little_room_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 100_000_000)
    monkeypatch.setenv("LABKIT_VENV", str(tmp_path / "venv"))
    with pytest.raises(environment.SetupError, match=r"about 2\.5 GB are needed|about 9\.0 GB"):
        environment.prepare(set())
    assert not (tmp_path / "venv" / "bin").exists()


def test_two_set_ups_at_once_wait_for_each_other(standing: Checkout) -> None:
    (standing.venv / "labkit.json").write_text("{}")
    with standing.venv.with_name(".venv.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = standing.start("progress")
        assert waiting.stderr is not None
        assert "waiting for it" in waiting.stderr.readline()
        assert waiting.poll() is None
    out, _ = waiting.communicate(timeout=60)
    assert json.loads(out)["tiny"] == "one"


def test_an_interpreter_that_has_the_packages_is_given_no_environment(
    standing: Checkout, tmp_path: Path
) -> None:
    """As in conda: no .venv in the checkout, the packages in the Python that was started."""
    good = tmp_path / "conda"
    standing.venv.rename(good)
    command = [good / "bin" / "python", "-m", "labkit", "progress"]
    env = standing.environment(PIP_FIND_LINKS="/nowhere")
    answer = subprocess.run(command, cwd=standing.root, env=env, capture_output=True, text=True)
    assert json.loads(answer.stdout)["prefix"] == str(good)
    assert not standing.venv.exists()


def test_installed_labkit_runs_with_other_versions_but_not_without_a_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "in_checkout", lambda: False)
    pins = Pins(("pytest==0.1",), {"test": ("no-such-thing==1.0",)})
    assert environment.can_run_here(pins, set())
    assert not environment.can_run_here(pins, {"test"})
    monkeypatch.setattr(environment, "declared", lambda: pins)
    with pytest.raises(environment.SetupError, match=r"lacks no-such-thing==1\.0.*\n.*pip install"):
        environment.enter(["lab"], extra="test")


def test_damaged_stamp_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "labkit.json").write_text('["not", "ours"]')
    assert environment.read_stamp(tmp_path) == {}
    (tmp_path / "labkit.json").write_bytes(b"\xff\x00")
    assert environment.read_stamp(tmp_path) == {}


@pytest.mark.parametrize("line", ["version = 3.12.4", "version_info = 3.12.4.final.0"])
def test_the_python_of_an_environment_made_by_venv_or_uv(tmp_path: Path, line: str) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\n")
    assert environment.python_version(tmp_path) == "3.12"


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_one_set_up_at_a_time_on_every_system(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for Windows's own module; there a lock that is taken is an error of rights."""
    taken = iter([False, True, True, False])

    def locking(handle: int, mode: int, size: int) -> None:
        assert (os.fstat(handle).st_size, mode, size) == (0, 2, 1)
        if next(taken):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    said: list[str] = []
    screen = SimpleNamespace(step=said.append)
    with monkeypatch.context() as patched:
        patched.setattr(environment.sys, "platform", system)
        patched.setattr(environment.time, "sleep", lambda seconds: None)
        for _ in range(2):
            with environment.one_at_a_time(tmp_path / "venv", screen) as handles:  # type: ignore[arg-type]
                assert len(handles) == (system != "win32")
    waited = ["Another set-up is at work on this environment; waiting for it."]
    assert said == (waited if system == "win32" else [])
