"""requirements.lock: read, given to pip, written anew by a uv that answers what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cli import hashes, locking
from labkit.cli.hashes import Hashes, read_hashes
from labkit.cli.pins import Pins
from labkit.cli.trouble import SetupError

ONE, TWO, CPU, OLD = (digit * 64 for digit in "12ce")
LOCK = "torch==2.13.0  # via labkit (pyproject.toml)\ntiny==1.0 ; os_name == 'nt'  # via torch\n"
PINS = Pins(("torch==2.13.0",), {}, ("uv==0.1",), lock=LOCK)
UV = """#!/bin/sh
case "$*" in
*"--torch-backend cpu"*) {builds};;
*) sed 's/$/ --hash=sha256:{one}/';;
esac
"""


def uv_that_answers(folder: Path, builds: str) -> None:
    """A uv for which every package is one file, and torch's CPU builds what is said here."""
    folder.mkdir(parents=True, exist_ok=True)
    uv = folder / "uv"
    uv.write_text(UV.format(one=ONE, builds=builds))
    uv.chmod(0o755)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, and a machine whose only uv is in its environment."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    uv_that_answers(tmp_path / "bin", f"echo torch==2.13.0+cpu --hash=sha256:{CPU}")
    return tmp_path


def test_the_lock_has_every_pin_the_tools_and_both_builds_of_torch(root: Path) -> None:
    said = locking.write_lock(root, PINS, root)
    assert said == "requirements.lock has 4 hashes of 3 packages."
    known = hashes.of_checkout(root).known
    assert known == {
        ("tiny", "1.0"): (ONE,),
        ("torch", "2.13.0"): (ONE, CPU),
        ("uv", "0.1"): (ONE,),
    }
    text = (root / "requirements.lock").read_text()
    assert "tiny==1.0 ; os_name == 'nt' \\\n    --hash=sha256:1" in text


def test_hashes_of_cpu_builds_stay_while_their_index_is_out_of_reach(root: Path) -> None:
    uv_that_answers(root / "bin", "exit 2")
    assert "their hashes are not in it" in locking.write_lock(root, PINS, root)
    lock = root / "requirements.lock"
    lock.write_text(f"torch==2.13.0 --hash=sha256:{OLD}\n")
    assert "their hashes stay as they were" in locking.write_lock(root, PINS, root)
    assert hashes.of_checkout(root).of("torch==2.13.0") == (ONE, OLD)
    lock.write_text(f"torch==2.12.0 --hash=sha256:{OLD}\n")
    assert "their hashes are not in it" in locking.write_lock(root, PINS, root)


def test_without_uv_the_error_says_how_to_get_it(root: Path) -> None:
    (root / "bin" / "uv").unlink()
    with pytest.raises(SetupError, match=r"pip install uv==0\.1"):
        locking.write_lock(root, PINS, root)


def test_a_uv_that_fails_is_quoted_and_the_lock_stays(root: Path) -> None:
    lock = root / "requirements.lock"
    lock.write_text("as it was")
    (root / "bin" / "uv").write_text("#!/bin/sh\necho no such version >&2; exit 1\n")
    with pytest.raises(SetupError, match="no such version"):
        locking.write_lock(root, PINS, root)
    assert lock.read_text() == "as it was"


def test_a_line_without_a_hash_is_named() -> None:
    with pytest.raises(ValueError, match=r"requirements\.lock: expected .* found 'tiny==1\.0'"):
        read_hashes(f"# a comment\ntorch==2.13.0 \\\n    --hash=sha256:{ONE}\ntiny==1.0\n")


def test_what_pip_is_given(tmp_path: Path) -> None:
    known = Hashes(
        {("torch", "2.13.0"): (ONE, CPU), ("tiny-two", "1.0"): (TWO,)}, frozenset({"own"})
    )
    compared, taken = known.arguments(tmp_path, ["torch==2.13.0+cpu", "own==3", "Tiny_two==1.0"])
    assert compared[:2] == ["--no-deps", "--require-hashes"]
    assert Path(compared[-1]).read_text().splitlines() == [
        f"torch==2.13.0+cpu --hash=sha256:{ONE} --hash=sha256:{CPU}",
        f"Tiny_two==1.0 --hash=sha256:{TWO}",
    ]
    assert taken == ["--no-deps", "own==3"]
    assert known.arguments(tmp_path, ["own==3"]) == [taken]
    with pytest.raises(SetupError, match=r"no hash of torch==2\.14\.0,"):
        known.arguments(tmp_path, ["torch==2.14.0"])
