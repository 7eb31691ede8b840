"""`labkit lab`, started for real on a copy of the course: its port, its token, its settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat.sign import NotebookNotary

from labkit.cli import lab
from labkit.paths import PACKAGE

HEADER = "# ---\n# jupyter:\n#   labkit: {{title: {title}, minutes: 1, summary: Short.}}\n# ---\n"
NAMES = ("05_temperature", "06_after")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_course(root: Path) -> None:
    """A checkout with today's code and two small lessons."""
    skipped = shutil.ignore_patterns("__pycache__", "weights", "*.safetensors")
    shutil.copytree(PACKAGE, root / "labkit", ignore=skipped)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(PACKAGE.parent / name, root)
    (root / "lessons").mkdir()
    for name in NAMES:
        (root / "lessons" / f"{name}.py").write_text(HEADER.format(title=name) + "# %%\nx = 1\n")
        cells = [nbformat.v4.new_code_cell("x = 1", id="one")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "lessons" / f"{name}.ipynb")


@dataclass
class Running:
    """A started `labkit lab`."""

    root: Path
    port: int
    process: subprocess.Popen[str]
    said: list[str]
    url: str

    @property
    def token(self) -> str:
        return self.url.rpartition("token=")[2]

    def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """The status and what the JSON says, or the text of anything else."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if token:
            request.add_header("Authorization", f"token {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read().decode()
                is_json = answer.headers.get_content_type() == "application/json"
                return answer.status, json.loads(text) if is_json else text
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def command(port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "labkit", "lab", "--no-browser", "--port", str(port), *more]


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "LABKIT_WORK"} | {"LABKIT_DEVICE": "cpu"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("course")
    write_course(root)
    port = free_port()
    process = subprocess.Popen(
        command(port, "--lesson", "temperature"),
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    text = "".join(said)
    found = re.search(r"open: (http\S+)", text)
    assert found, text
    yield Running(root, port, process, said, found[1])
    process.kill()
    process.communicate()


def test_it_says_where_the_course_is_open(running: Running) -> None:
    assert running.url == (
        f"http://127.0.0.1:{running.port}/lab/workspaces/labkit/tree/05_temperature.ipynb"
        f"?token={running.token}"
    )
    assert len(running.token) >= 32
    assert f"Your copies of the lessons are in {running.root / 'work'}" in running.said[0]


def test_it_listens_on_one_address_only(running: Running) -> None:
    """Bound to every address it would answer at 127.0.0.2 and at ::1 as well."""
    assert not lab.is_free(running.port)
    for family, host in ((socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as visitor, pytest.raises(OSError):
            visitor.settimeout(2)
            visitor.connect((host, running.port))


def test_nothing_is_served_without_the_token(running: Running) -> None:
    assert running.get("/api/contents")[0] == 403
    assert running.get("/api/contents", token="guess")[0] == 403
    status, listing = running.get("/api/contents", token=running.token)
    assert status == 200
    assert {item["name"] for item in listing["content"]} == {f"{name}.ipynb" for name in NAMES}


def test_the_token_is_not_among_the_arguments(running: Running) -> None:
    assert running.token not in " ".join(psutil.Process(running.process.pid).cmdline())


@pytest.mark.parametrize(
    ("plugin", "setting", "value"),
    [
        ("@jupyterlab/apputils-extension:notification", "fetchNews", "false"),
        ("@jupyterlab/apputils-extension:notification", "checkForUpdates", False),
        ("@jupyter-widgets/jupyterlab-manager:plugin", "saveState", True),
        ("@jupyterlab/filebrowser-extension:browser", "showLastModifiedColumn", False),
    ],
)
def test_our_settings_are_the_defaults(
    running: Running, plugin: str, setting: str, value: object
) -> None:
    status, answer = running.get(f"/lab/api/settings/{plugin}", token=running.token)
    assert status == 200
    assert answer["schema"]["properties"][setting]["default"] == value


def test_the_home_is_served_to_who_has_the_token(running: Running) -> None:
    assert running.get("/labkit/home")[0] == 403
    status, page = running.get("/labkit/home", token=running.token)
    assert status == 200
    for name in NAMES:
        assert f'href="/lab/tree/{name}.ipynb" data-path="{name}.ipynb"' in page
    assert f"<code>{running.root / 'work'}</code>" in page


def test_the_home_says_which_file_of_the_course_is_wrong(running: Running) -> None:
    quiz = running.root / "quizzes" / "06_after.yaml"
    quiz.parent.mkdir()
    quiz.write_text("lesson: 06_after\nquestion: []\n")
    status, said = running.get("/labkit/home", token=running.token)
    shutil.rmtree(quiz.parent)
    assert status == 500 and "06_after.yaml:2: question" in json.loads(said)["message"]


def test_jupyterlab_loads_our_extension(running: Running) -> None:
    status, page = running.get("/lab/workspaces/labkit", token=running.token)
    config = re.search(r'id="jupyter-config-data" type="application/json">(.*?)</script>', page)
    assert status == 200 and config
    ours = next(e for e in json.loads(config[1])["federated_extensions"] if e["name"] == "labkit")
    status, script = running.get(f"/lab/extensions/labkit/{ours['load']}", token=running.token)
    assert status == 200 and "window._JUPYTERLAB.labkit" in script


def test_the_copies_are_trusted(running: Running) -> None:
    notary = NotebookNotary(data_dir=os.environ["JUPYTER_DATA_DIR"])
    for name in NAMES:
        copy = nbformat.read(running.root / "work" / f"{name}.ipynb", as_version=4)
        assert notary.check_signature(copy)
    copy.cells[0].source = "x = 2"
    assert not notary.check_signature(copy)


def test_kernels_know_the_course_and_start_calmly(running: Running) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.port}/api/kernels",
        data=b"{}",
        headers={"Authorization": f"token {running.token}"},
    )
    urllib.request.urlopen(request, timeout=60).read()
    children = psutil.Process(running.process.pid).children(recursive=True)
    kernel = next(child for child in children if "ipykernel_launcher" in child.cmdline())
    told = kernel.environ()
    assert told["OMP_WAIT_POLICY"] == "PASSIVE"
    assert told["HF_HUB_OFFLINE"] == "1"
    assert told["LABKIT_WORK"] == str(running.root / "work")
    assert str(running.root) in told["PYTHONPATH"].split(os.pathsep)


def test_a_second_start_points_to_the_first(running: Running) -> None:
    again = subprocess.run(
        command(running.port, "--lesson", "06"),
        cwd=running.root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0
    assert "is open already" in again.stdout and "06_after.ipynb" in again.stdout
    assert running.token in again.stdout


def test_a_port_in_use_is_said(running: Running, tmp_path: Path) -> None:
    other = environment() | {"LABKIT_WORK": str(tmp_path)}
    refused = subprocess.run(
        command(running.port), cwd=running.root, env=other, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert f"Port {running.port} is taken" in refused.stderr


def test_unknown_lesson_is_answered_with_the_nearest(running: Running) -> None:
    refused = subprocess.run(
        command(free_port(), "--lesson", "05_temprature"),
        cwd=running.root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert "05_temperature" in refused.stderr and "Traceback" not in refused.stderr


def test_ctrl_c_ends_it(running: Running) -> None:
    """The last test of this file: it ends the server that the others ask."""
    family = psutil.Process(running.process.pid).children(recursive=True)
    assert any("ipykernel_launcher" in child.cmdline() for child in family)
    running.process.send_signal(signal.SIGINT)
    rest, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 0
    assert "Traceback" not in rest and "The course is closed" in rest
    assert not psutil.wait_procs(family, timeout=20)[1], "no kernel is left behind"
    assert lab.is_free(running.port)


# ---- which lesson --------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    for name in NAMES:
        (lessons / f"{name}.py").write_text(HEADER.format(title=name) + "# %%\nx = 1\n")
        (lessons / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(lab.paths, "lessons_dir", lambda: lessons)
    monkeypatch.setenv("LABKIT_WORK", str(tmp_path / "work"))
    return tmp_path


def test_it_opens_at_home_unless_a_lesson_is_named(course: Path) -> None:
    assert lab.notebook_of(None) == ""
    assert lab.notebook_of("5") == "05_temperature.ipynb"
    assert lab.address("http://here/", "", "t") == "http://here/lab/workspaces/labkit?token=t"
    for name in NAMES:
        (course / "lessons" / f"{name}.py").unlink()
    with pytest.raises(LookupError, match="There are no lessons in"):
        lab.notebook_of(None)


def test_a_lesson_that_is_not_built_says_how_to_build_it(course: Path) -> None:
    (course / "lessons" / "06_after.ipynb").unlink()
    with pytest.raises(LookupError, match="labkit build 06_after"):
        lab.notebook_of("06")


def test_a_work_folder_that_cannot_be_written_is_said() -> None:
    text = lab.message_of(PermissionError(13, "Permission denied"), Path("/there"))
    assert "/there can't be written: Permission denied" in text and "LABKIT_WORK=" in text


def opened_with(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`labkit lab` with no settings of Jupyter's but these, in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG"))}
    return subprocess.run(
        command(free_port(), "--lesson", "no such lesson"),
        cwd=PACKAGE.parent, env=env | {"LABKIT_WORK": str(tmp_path / "work")} | settings,
        capture_output=True, text=True,
    )  # fmt: skip


def test_a_home_that_cannot_be_written_is_blamed_and_what_is_advised_helps(tmp_path: Path) -> None:
    """A home below a file: even root can make nothing there."""
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    refused = opened_with(tmp_path, HOME=str(home))
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        f"The data folder of Jupyter {home}/.local/share/jupyter can't be written: Not a directory."
    )
    assert "work" not in refused.stderr.partition("\n")[0]
    advised = re.search(r"(JUPYTER_DATA_DIR)=(\S+) python3", refused.stderr)
    assert advised and not Path(advised[2]).is_relative_to(home)
    again = opened_with(tmp_path, HOME=str(home), JUPYTER_DATA_DIR=advised[2])
    assert "There is no lesson 'no such lesson'" in again.stderr, "it came further"


def test_files_of_jupyters_that_are_somebody_elses_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `sudo`: the folder is ours, the files in it are not."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    key = PermissionError(13, "Permission denied", str(tmp_path / "data" / "notebook_secret"))
    for error, why in (
        (key, f"Permission denied ({tmp_path}/data/notebook_secret)"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "a readonly database"),
    ):
        text = lab.message_of(error, tmp_path / "work")
        assert text.startswith(f"The data folder of Jupyter {tmp_path}/data can't be written: ")
        assert why in text and "JUPYTER_DATA_DIR=" in text
    copy = PermissionError(13, "Permission denied", str(tmp_path / "work" / "05.ipynb"))
    assert "LABKIT_WORK=" in lab.message_of(copy, tmp_path / "work")
