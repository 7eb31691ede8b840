"""The command line's frame: names, help, exit codes, and Pythons that don't fit."""

from __future__ import annotations

import ast
import os
import re
import site
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from labkit import __main__ as entry
from labkit import cli
from labkit.cli import environment
from labkit.cli import test as test_command
from labkit.paths import PACKAGE

READ_BY_ANY_PYTHON = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")


def old_pythons() -> list[Path]:
    """Interpreters older than 3.11 on this machine, as pyenv keeps them or on PATH."""
    roots = [Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"]
    kept = [path for root in roots for path in root.glob("*/bin/python")]
    old = [path for path in kept if re.match(r"2\.7|3\.([4-9]|10)\.", path.parts[-3])]
    return sorted(old)


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out and line in out for name, line in cli.COMMANDS.items())


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert "To begin: python3 -m labkit lab" in capsys.readouterr().out


def test_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doktor"]) == 2
    assert "no command 'doktor': did you mean doctor?" in capsys.readouterr().err


def test_a_command_that_this_version_lacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "dance", "dance with a folder of submissions")
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["dance"]) == 2
    assert "labkit dance is not part of this version" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    assert f"usage: labkit {name}" in capsys.readouterr().out


def test_words_for_pytest_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(test_command.subprocess, "call", lambda c, **_: called.append(c) or 5)
    assert cli.main(["test", "-k", "quiz", "--co", "tests/course"]) == 5
    pytest_as_called = [sys.executable, "-P", "-m", "pytest"]
    assert called == [[*pytest_as_called, "-k", "quiz", "--co", "tests/course"]]


@pytest.mark.parametrize(
    ("words", "cores", "two"),
    [
        ([], 2, True),
        (["-v", "-m", "not slow"], 4, True),
        ([], 1, False),
        (["-n", "0"], 2, False),
        (["-n4"], 2, False),
        (["--pdb"], 2, False),
        (["tests/course"], 2, False),
        (["-x", "tests/test_house.py::test_x"], 2, False),
    ],
)
def test_the_whole_suite_has_two_workers(
    monkeypatch: pytest.MonkeyPatch, words: list[str], cores: int, two: bool
) -> None:
    monkeypatch.setattr(test_command, "processors", lambda: list(range(cores)))
    assert test_command.workers(words) == (test_command.TWO_WORKERS if two else ())


@pytest.mark.parametrize("safe", [False, True])
def test_nothing_is_imported_from_unknown_folders(
    safe: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, packages = ["/lib/python3", "/lib/python3/lib-dynload"], site.getsitepackages()
    strange = [str(tmp_path / "one"), str(tmp_path / "two")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*strange, "", packages[0]]))
    flags = SimpleNamespace(safe_path=safe)
    monkeypatch.setattr(entry.sys, "flags", flags)
    first = [] if safe else [str(tmp_path)]
    monkeypatch.setattr(entry.sys, "path", [*first, *strange, *packages, *own])

    entry.leave_out_unknown_folders()

    assert entry.sys.path == [*packages, *own]


def test_only_kernels_get_variables_that_make_python_run_other_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"PYTHONPATH": "/mine", "PYTHONSTARTUP": "/mine/hello.py", "PYTHONHOME": "/other"}
    for name in environment.FOR_PYTHON:
        monkeypatch.setenv(name, given.get(name, ""))
    for name in environment.FOR_KERNELS:
        monkeypatch.setenv(environment.HELD + name, "")

    environment.hide_settings()
    between = {name: os.environ.get(name) for name in environment.FOR_PYTHON}
    environment.restore_settings()

    assert set(between.values()) == {None}
    assert {name: os.environ.get(name) for name in given} == {**given, "PYTHONHOME": None}


def test_ctrl_c_is_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(test_command.subprocess, "call", interrupted)
    assert cli.main(["test"]) == 130
    assert "Stopped." in capsys.readouterr().err


# ---- Pythons that don't fit ----------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 14, 1)])
def test_pythons_that_fit(version: tuple[int, ...]) -> None:
    assert entry.unfit(version, []) == ""


@pytest.mark.parametrize(
    ("version", "fault"),
    [((2, 7, 18), "too old"), ((3, 10, 13), "too old"), ((3, 15, 0), "too new")],
)
def test_pythons_that_do_not_fit(version: tuple[int, ...], fault: str) -> None:
    alone = entry.unfit(version, [])
    assert f"Python {'.'.join(map(str, version))}" in alone and fault in alone
    assert "needs Python 3.11 to 3.14" in alone and "Install one of those" in alone
    assert re.search(r"Run:  python3\.12 -m labkit", entry.unfit(version, ["python3.12"]))


def test_fitting_pythons_are_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, mode in (("python3.12", 0o755), ("python3.13", 0o644), ("python3.9", 0o755)):
        (tmp_path / name).touch(mode=mode)
        (tmp_path / name).chmod(mode)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = entry.fitting_pythons()
    assert "python3.12" in found and "python3.9" not in found


@pytest.mark.parametrize("python", old_pythons(), ids=lambda path: path.parts[-3])
def test_a_real_old_python_gets_the_message(python: Path) -> None:
    done = subprocess.run(
        [python, "-m", "labkit", "lab"],
        cwd=PACKAGE.parent,
        env={"PATH": os.defpath},
        capture_output=True,
    )
    said = done.stderr.decode()
    assert done.returncode == 1
    assert said.startswith("labkit needs Python 3.11 to 3.14; this is Python ")
    assert "Traceback" not in said


@pytest.mark.parametrize("file", READ_BY_ANY_PYTHON, ids=lambda path: path.name)
def test_what_an_old_python_reads_has_no_new_syntax(file: Path) -> None:
    newer = (
        ast.AnnAssign,
        ast.JoinedStr,
        ast.NamedExpr,
        ast.Match,
        ast.AsyncFunctionDef,
        ast.Nonlocal,
    )
    for node in ast.walk(ast.parse(file.read_text(encoding="ascii"))):
        assert not isinstance(node, newer), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in arguments)
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__"
