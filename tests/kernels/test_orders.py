"""What a fork can honour, and what it can't."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.kernels import orders
from labkit.kernels.orders import Cold, Order

COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "file.json"]
ENV = {"HOME": "/home/ada", "PYTHONHASHSEED": "0"}


@given(st.lists(st.text()), st.text(), st.dictionaries(st.text(), st.text()))
def test_an_order_arrives_as_it_was_sent(command: list[str], cwd: str, env: dict[str, str]) -> None:
    order = Order(command, cwd, env)
    assert orders.decode(order.encode()) == order


@given(st.binary() | st.sampled_from([b"[]", b"{}", b'{"command": 3, "cwd": "", "env": {}}']))
def test_anything_but_an_order_is_refused(data: bytes) -> None:
    with pytest.raises(Cold):
        orders.decode(data)


@pytest.mark.parametrize("name", ["LABKIT_STRICT", "JPY_SESSION_NAME", "IPYTHONDIR", "MPLBACKEND"])
def test_what_is_read_later_may_differ(tmp_path: Path, name: str) -> None:
    orders.check(Order(COMMAND, str(tmp_path), ENV | {name: "1"}), ENV, [])


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "OMP_NUM_THREADS", "HF_HOME", "TZ", "ANY"])
def test_what_may_have_been_read_must_be_the_same(tmp_path: Path, name: str) -> None:
    with pytest.raises(Cold, match=f"the environment differs in {name}"):
        orders.check(Order(COMMAND, str(tmp_path), ENV | {name: "7"}), ENV, [])
    with pytest.raises(Cold, match=f"the environment differs in {name}"):
        orders.check(Order(COMMAND, str(tmp_path), ENV), ENV | {name: "7"}, [])


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["/usr/bin/other", *COMMAND[1:]],
        [sys.executable, "-Xfrozen_modules=off", *COMMAND[1:]],
        [sys.executable, "-m", "xeus", "-f", "file.json"],
    ],
)
def test_another_program_is_started_cold(tmp_path: Path, command: list[str]) -> None:
    with pytest.raises(Cold, match="the command is not"):
        orders.check(Order(command, str(tmp_path), ENV), ENV, [])


def test_a_file_that_hides_a_loaded_module(tmp_path: Path) -> None:
    order = Order(COMMAND, str(tmp_path), ENV)
    for name in ("labkit", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "json.ipynb").touch()
    loaded = ["labkit.kernels", "json", "json.decoder"]
    orders.check(order, ENV, loaded)
    (tmp_path / "json.py").touch()
    with pytest.raises(Cold, match="modules of its own: json"):
        orders.check(order, ENV, loaded)
    with pytest.raises(Cold, match="modules of its own: json, mine"):
        orders.check(order, ENV, [*loaded, "mine.part"])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Cold, match="the folder can't be read"):
        orders.check(Order(COMMAND, str(tmp_path / "gone"), ENV), ENV, [])


def test_a_kernel_is_not_told_where_the_zygote_listens() -> None:
    assert orders.kernel_environment(ENV | {"LABKIT_ZYGOTE": "/there"}) == ENV
