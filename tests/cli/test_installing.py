"""Which torch is installed by which tool, and what the screen says meanwhile."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.cli import installing, machine, pins, trouble
from labkit.cli.hashes import Hashes
from labkit.cli.installing import Found, Installer, PipProgress, in_report, package_name
from labkit.cli.screen import Screen
from labkit.cli.venv_folder import Seen
from tests.cli.mini import Checkout, make_checkout, write_wheel

CPU_NEEDS = ["filelock", "sympy>=1.13.3", "opt-einsum>=3.3; extra == 'opt-einsum'"]
CUDA_NEEDS = ["filelock", "nvidia-cublas==13.1.1.3; platform_system == 'Linux'", "triton==3.7.1"]

# What pip 26.3 prints for two packages with --progress-bar raw.
PIP_LINES = """\
Looking in links: /wheels
Processing /wheels/torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl
Collecting jupyterlab==4.6.6
  Downloading jupyterlab-4.6.6-py3-none-any.whl (17.3 MB)
Progress 0 of 17334944
Progress 8262144 of 17334944
Progress 17334944 of 17334944
Collecting bitsandbytes==0.50.2
  Downloading bitsandbytes-0.50.2-py3-none-manylinux_2_24_x86_64.whl (43.1 MB)
Progress 0 of 43139553
Progress 2000000 of 43139553
"""


class Scripted(Installer):
    """An installer whose pip and uv are told what to answer; it keeps what they were asked."""

    def __init__(
        self,
        folder: Path,
        uv_answers: list[bool],
        cuda: bool,
        fetch: bool,
        unverified: frozenset[str] = frozenset(),
    ) -> None:
        core = ("torch==2.13.0",)
        tools = ("pip==26.3", "uv==0.13.8")
        hashes = Hashes({("torch", "2.13.0"): ("0" * 64,)}, unverified)
        super().__init__(folder, pins.Pins(core, {}, tools), hashes, Screen(io.StringIO()))
        self.uv_answers, self.cuda, self.fetch = uv_answers, cuda, fetch
        self.asked: list[str] = []

    def uv_pip(self, arguments: object, names: object = ()) -> bool:
        words = list(arguments)  # type: ignore[call-overload]
        checked = "" if "--require-hashes" in words else " unchecked"
        self.asked.append("uv " + words[words.index("--torch-backend") + 1] + checked)
        return self.uv_answers.pop(0)

    def pip(self, arguments: object, total: object = None, names: object = ()) -> None:
        words = list(arguments)  # type: ignore[call-overload]
        self.asked.append("pip" if "--require-hashes" in words else "pip unchecked")

    def torch_from_pip(self, torch: str) -> Found:
        self.asked.append("look")
        return Found(torch if self.cuda else f"{torch}+cpu", self.cuda)

    def fetch_uv(self) -> bool:
        self.asked.append("fetch uv")
        return self.fetch


@pytest.mark.parametrize(
    ("cpu", "uv", "uv_answers", "cuda", "fetch", "asked"),
    [
        pytest.param(True, True, [True], True, True, ["uv cpu"], id="uv has the CPU build"),
        pytest.param(
            True, True, [False], False, True, ["uv cpu", "look", "pip"], id="only pip has"
        ),
        pytest.param(True, False, [], False, True, ["look", "pip"], id="pip has the CPU build"),
        pytest.param(
            True, False, [True], True, True, ["look", "fetch uv", "uv cpu"], id="uv is fetched"
        ),
        pytest.param(
            True,
            False,
            [False],
            True,
            True,
            ["look", "fetch uv", "uv cpu", "pip"],
            id="nobody has it: CUDA, announced",
        ),
        pytest.param(
            True, False, [], True, False, ["look", "fetch uv", "pip"], id="uv can't be fetched"
        ),
        pytest.param(False, True, [], True, True, ["pip"], id="GPU, with uv"),
        pytest.param(False, False, [], True, True, ["pip"], id="GPU, with pip"),
    ],
)
def test_which_tool_installs_which_torch(
    cpu: bool,
    uv: bool,
    uv_answers: list[bool],
    cuda: bool,
    fetch: bool,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "wants_cpu_build", lambda: cpu)
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 10**12)
    installer = Scripted(tmp_path, uv_answers, cuda, fetch)
    installer.uv = "/bin/uv" if uv else None
    installer.install_torch()
    assert installer.asked == asked
    said = installer.screen.stream.getvalue()  # type: ignore[attr-defined]
    assert ("about 3 GB" in said) == (cpu and cuda and asked[-1] == "pip")


@pytest.mark.parametrize(
    ("cpu", "uv_answers", "asked"),
    [
        (True, [True], ["uv cpu unchecked"]),
        (False, [True], ["uv auto unchecked"]),
        (False, [False], ["uv auto unchecked", "pip unchecked"]),
    ],
)
def test_a_torch_that_the_user_takes_as_it_comes(
    cpu: bool, uv_answers: list[bool], asked: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(machine, "wants_cpu_build", lambda: cpu)
    installer = Scripted(tmp_path, uv_answers, True, True, unverified=frozenset({"torch"}))
    installer.uv = "/bin/uv"
    installer.install_torch()
    assert installer.asked == asked


def test_cuda_without_room_for_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "wants_cpu_build", lambda: True)
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 5 * 10**9)
    installer = Scripted(tmp_path, [], cuda=True, fetch=False)
    installer.uv = None
    with pytest.raises(trouble.SetupError, match=r"about 9\.0 GB are needed"):
        installer.install_torch()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CUDA builds come on Linux")
def test_where_pip_finds_only_cuda_a_fetched_uv_brings_the_cpu_build(tmp_path: Path) -> None:
    """For real: pip's own report on a torch that needs nvidia-*, a uv fetched as a package."""
    checkout = make_checkout(
        tmp_path / "course", tmp_path / "house", ("torch==2.13.0", "tinyone==1.0")
    )
    lock = checkout.root / "constraints.txt"
    lock.write_text("torch==2.13.0  # via labkit (pyproject.toml)\n" + lock.read_text())
    cpu_house = tmp_path / "cpu"
    cpu_house.mkdir()
    for house, version, build, needs in (
        (checkout.house, "2.13.0", "cuda", ["nvidia-cublas==13.1"]),
        (cpu_house, "2.13.0+cpu", "cpu", []),
    ):
        write_wheel(house, "torch", version, {"torch/__init__.py": f"BUILD = {build!r}"}, needs)
    write_wheel(
        checkout.house,
        "uv",
        "0.0.1",
        {"fake_uv.py": fake_uv(cpu_house)},
        scripts="uv = fake_uv:main",
    )
    checkout.lock(checkout.house, cpu_house)
    done = checkout.run("progress")
    assert done.returncode == 7, done.stderr
    python = checkout.venv / "bin" / "python"
    code = "import torch; print(torch.BUILD)"
    assert subprocess.check_output([python, "-c", code], text=True).strip() == "cpu"
    assert "with uv" in done.stderr and "CUDA" not in done.stderr


def test_the_cpu_build_in_a_folder_is_taken_before_the_registrys_that_tells_its_hash(
    tmp_path: Path,
) -> None:
    """pip prefers, with hashes, a file whose hash an index tells to one that has to be read."""
    checkout = make_checkout(
        tmp_path / "course", tmp_path / "house", ("torch==2.13.0", "tinyone==1.0")
    )
    lock = checkout.root / "constraints.txt"
    lock.write_text("torch==2.13.0  # via labkit (pyproject.toml)\n" + lock.read_text())
    index = tmp_path / "index" / "torch"
    index.mkdir(parents=True)
    cuda = write_wheel(index, "torch", "2.13.0", {"torch/__init__.py": "BUILD = 'cuda'"})
    digest = hashlib.sha256(cuda.read_bytes()).hexdigest()
    (index / "index.html").write_text(f'<a href="{cuda.name}#sha256={digest}">{cuda.name}</a>')
    write_wheel(checkout.house, "torch", "2.13.0+cpu", {"torch/__init__.py": "BUILD = 'cpu'"})
    checkout.lock(checkout.house, index)
    done = checkout.run("progress", PIP_NO_INDEX="0", PIP_INDEX_URL=index.parent.as_uri())
    assert done.returncode == 7, done.stderr
    assert (checkout.site / "torch" / "__init__.py").read_text() == "BUILD = 'cpu'"


def fake_uv(house: Path) -> str:
    """Stands for uv where its index is: takes uv's words, installs the CPU build from a folder."""
    return f"""
import subprocess, sys
def main():
    words = sys.argv[1:]
    at = words.index("--python")
    assert words[:4] == ["pip", "install", "--torch-backend", "cpu"], words
    pip = [words[at + 1], "-m", "pip", "install", "--no-index", "--find-links", {str(house)!r}]
    sys.exit(subprocess.call([*pip, *words[4:at]]))
"""


@pytest.mark.parametrize(("needs", "cuda"), [(CPU_NEEDS, False), (CUDA_NEEDS, True)])
def test_cuda_is_seen_in_pips_report(needs: list[str], cuda: bool) -> None:
    about = {"name": "torch", "version": "2.13.0+cpu", "requires_dist": needs}
    assert in_report({"install": [{"metadata": about}]}) == Found("torch==2.13.0+cpu", cuda)


@pytest.mark.parametrize(
    ("build", "needs", "cuda"),
    [
        ("2.13.0", CUDA_NEEDS, True),
        ("2.13.0+cpu", CPU_NEEDS, False),
        ("2.13.0+cu126", CUDA_NEEDS, False),
        ("2.13.0", CPU_NEEDS, False),
    ],
)
def test_cudas_packages_are_missing_where_the_torch_that_stands_needs_those_of_the_lock(
    build: str, needs: list[str], cuda: bool, tmp_path: Path
) -> None:
    wheel = write_wheel(tmp_path, "torch", build, {"torch/__init__.py": ""}, needs)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    installer = Scripted(tmp_path, [], cuda, fetch=False)
    installer.seen = Seen(tmp_path, {"torch": "2.13.0"}, [])
    lock = [pins.Locked(pin, "", frozenset({"torch"})) for pin in ("nvidia-cublas==13", "sympy==1")]
    assert installer.missing(lock) == ["nvidia-cublas==13"] * cuda + ["sympy==1"]


def test_pips_lines_become_a_count_and_megabytes() -> None:
    progress = PipProgress(total=3)
    for line in PIP_LINES.splitlines():
        progress.read(line)
    assert progress.text() == "  fetching 3 of 3  bitsandbytes  2 MB of 43 MB  (19 MB so far)"
    progress.read("Installing collected packages: torch, jupyterlab, bitsandbytes")
    assert progress.text(arrived=2) == "  unpacking 2 of 3"


@given(st.lists(st.integers(1, 10**9), max_size=8))
def test_bytes_of_all_files_add_up(sizes: list[int]) -> None:
    progress = PipProgress(None)
    for size in sizes:
        for at in (0, size // 2, size):
            progress.read(f"Progress {at} of {size}")
    assert progress.downloaded == sum(sizes)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("torch==2.13.0", "torch"),
        ("/a/b/torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "torch"),
        ("tokenizers<=0.24.0,>=0.22.0", "tokenizers"),
        ("jupyter-lsp>=2.0.0", "jupyter-lsp"),
    ],
)
def test_package_name(word: str, name: str) -> None:
    assert package_name(word) == name


# ---- pins ----------------------------------------------------------------------------------------


def test_a_pin_may_be_for_some_pythons_only(monkeypatch) -> None:
    lines = ["a==1", "b==1.9.1 ; python_version < '3.13'", 'b==2; python_version >= "3.13"']
    for version, kept in ((11, "b==1.9.1"), (12, "b==1.9.1"), (13, "b==2"), (14, "b==2")):
        monkeypatch.setattr(pins.sys, "version_info", (3, version, 0))
        assert pins.for_this_python(lines) == ("a==1", kept)


def test_a_line_of_the_lock() -> None:
    text = "pexpect==4.9.0 ; sys_platform != 'win32'  # via ipython, labkit (pyproject.toml)"
    (line,) = pins.read_lock(f"# made by uv\n{text}\n")
    assert (line.name, line.version, line.marker) == ("pexpect", "4.9.0", "sys_platform != 'win32'")
    assert "ipython" in line.via
    with pytest.raises(ValueError, match=r"expected `name==version  # via"):
        pins.read_lock("pexpect>=4\n")


graphs = st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh")))


@given(graphs, st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_closure_is_what_can_be_reached(graph: dict[str, set[str]], wanted: set[str]) -> None:
    via = {name: frozenset(p for p in graph if name in graph[p]) for name in "abcdefgh"}
    lock = [pins.Locked(f"{name}==1", "", parents) for name, parents in via.items()]
    reached, front = set(wanted), list(wanted)
    while front:
        for name in graph.get(front.pop(), set()) - reached:
            reached.add(name)
            front.append(name)
    assert {line.name for line in pins.closure(lock, [f"{name}==1" for name in wanted])} == reached


def test_fingerprint_changes_with_what_matters() -> None:
    one = pins.Pins(("a==1",), {"test": ("b==1",)}, lock="a==1")
    assert one.fingerprint("3.11") == one.fingerprint("3.11")
    others = [
        pins.Pins(("a==2",), {"test": ("b==1",)}, lock="a==1"),
        pins.Pins(("a==1",), {"test": ("b==2",)}, lock="a==1"),
        pins.Pins(("a==1",), {"test": ("b==1",)}, lock="a==2"),
    ]
    prints = {one.fingerprint("3.11"), one.fingerprint("3.12")}
    prints |= {other.fingerprint("3.11") for other in others}
    assert len(prints) == 5


def test_unmet_ignores_the_build_but_not_the_version() -> None:
    assert pins.unmet(["torch==2.13.0", "nbval==0.0.1", "no-such-package==1"]) == {
        "nbval==0.0.1": pins.installed_version("nbval"),
        "no-such-package==1": None,
    }


# ---- what the user is told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device",
            "The disk is full",
        ),
        ("error: Failed to write: No space left on device (os error 28)", "The disk is full"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: No matching distribution found for six",
            "The package registry can't be reached",
        ),
        (
            "error: Request failed after 3 retries in 9.2s\n  cause: dns error\n",
            "The package registry can't be reached",
        ),
        ("ERROR: No matching distribution found for torch==2.13.0", "No file that fits"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you\n"
            "    six==1.17.0 from https://mirror/six.whl#sha256=47 (from -r r.txt (line 1)):\n",
            "it was not installed:\n  six==1.17.0 from https://mirror/six.whl#sha256=47\n",
        ),
        ("  cause: Hash mismatch for `six==1.17.0`\n", "it was not installed:\n  six==1.17.0\n"),
        ("Segmentation fault", "The installer's last words:\n  Segmentation fault"),
    ],
)
def test_errors_say_the_cause_and_what_to_do(output: str, says: str, tmp_path: Path) -> None:
    text = str(trouble.installer_failed(output, tmp_path / ".venv"))
    assert says in text and len(text.splitlines()) >= 2


def test_the_reason_is_shown_without_pips_noise() -> None:
    line = (
        "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by "
        "'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7faa>: "
        "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')':"
    )
    assert trouble.without_noise(line) == (
        "NewConnectionError('Failed to establish a new connection: [Errno -3] Temporary failure in "
        "name resolution')"
    )


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("labkit.cli.screen.time.monotonic", lambda: clock[0])
    out = io.StringIO()
    screen = Screen(out)
    screen.status("  too early for a log")
    screen.step("Begin")
    for second in range(25):
        clock[0] = second
        screen.status(f"  at {second}")
    screen.done("  end")
    assert out.getvalue() == "Begin\n  at 10\n  at 20\n  end\n"


def test_a_terminal_gets_one_line_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    screen = Screen(out)
    screen.status("  fetching torch")
    screen.status("  done")
    screen.done("  all")
    assert out.getvalue().startswith("\r  fetching torch\r  done          ")
    assert out.getvalue().endswith("\r  all\n")
    screen.status("  and then")
    screen.clear()
    screen.clear()
    assert out.getvalue().endswith("\r  and then\r          \r")
    assert installing.megabytes(1_500_000_000) == "1,500 MB"


def test_checkout_helper_is_what_it_says(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "c", tmp_path / "h")
    assert isinstance(checkout, Checkout) and not checkout.venv.exists()
