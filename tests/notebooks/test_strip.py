"""What is kept of a run: all that a reader needs, nothing that differs the next time."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from labkit.course import notebooks
from labkit.course.notebooks import NotebookError


def ran(*outputs: Any, source: str = "show()") -> Any:
    cell = v4.new_code_cell(source, outputs=list(outputs), execution_count=7)
    cell.metadata = {"execution": {"iopub.status.idle": "now"}, "scrolled": True, "tags": ["keep"]}
    return v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}, "labkit": {"a": 1}})


def shown(data: dict[str, Any]) -> Any:
    return v4.new_output("execute_result", data=data, execution_count=7)


def said(text: str, name: str = "stdout") -> Any:
    return v4.new_output("stream", name=name, text=text)


def png(**remarks: str) -> str:
    info = PngInfo()
    for key, value in remarks.items():
        info.add_text(key, value)
    file = io.BytesIO()
    Image.new("RGB", (3, 2), (10, 20, 30)).save(file, "PNG", pnginfo=info, dpi=(72, 72))
    return base64.b64encode(file.getvalue()).decode() + "\n"


def test_timings_and_widget_state_go_tags_stay_counts_begin_at_one() -> None:
    kept = notebooks.strip(ran(shown({"text/plain": "4"})))
    assert kept.metadata == {"labkit": {"a": 1}}
    assert kept.cells[0].metadata == {"tags": ["keep"]}
    assert kept.cells[0].execution_count == kept.cells[0].outputs[0].execution_count == 1
    assert kept.cells[0].outputs[0].data == {"text/plain": "4"}


def test_a_cell_that_did_not_run_gets_no_count() -> None:
    kept = notebooks.strip(v4.new_notebook(cells=[v4.new_code_cell("1")]))
    assert kept.cells[0].execution_count is None


def test_the_notebook_given_stays_as_it_was() -> None:
    notebook = ran(said("a"), said("b"))
    notebooks.strip(notebook)
    assert notebook.cells[0].execution_count == 7
    assert len(notebook.cells[0].outputs) == 2


def test_a_widget_keeps_its_readable_forms() -> None:
    view = {notebooks.WIDGET_VIEW: {"model_id": "f00"}}
    card = {"text/plain": "Question", "text/html": "<b>Question</b>"}
    kept = notebooks.strip(ran(shown(view | card), shown(view)))
    assert [output.data for output in kept.cells[0].outputs] == [card]


def test_pieces_of_one_stream_become_one() -> None:
    kept = notebooks.strip(ran(said("a\n"), said("b\n"), shown({"text/plain": "1"}), said("c\n")))
    outputs = kept.cells[0].outputs
    assert [output.get("text") for output in outputs] == ["a\nb\n", None, "c\n"]


def test_pictures_lose_their_software_and_keep_every_pixel() -> None:
    one, two = (
        notebooks.strip(ran(shown({"image/png": png(Software=f"Painter {n}")}))) for n in (1, 2)
    )
    assert notebooks.to_bytes(one).replace(one.cells[0].id.encode(), b"") == notebooks.to_bytes(
        two
    ).replace(two.cells[0].id.encode(), b"")
    picture = Image.open(io.BytesIO(base64.b64decode(one.cells[0].outputs[0].data["image/png"])))
    assert picture.getpixel((2, 1)) == (10, 20, 30)
    assert "Software" not in picture.info
    assert picture.info["dpi"] == pytest.approx((72, 72), abs=0.1)


def test_pictures_inside_html_lose_their_software_too() -> None:
    page = f'<img src="data:image/png;base64,{png(Software="Painter").strip()}" alt="0x">'
    kept = notebooks.strip(ran(shown({"text/html": page}))).cells[0].outputs[0].data["text/html"]
    picture = base64.b64decode(kept.split(",")[1].split('"')[0])
    assert Image.open(io.BytesIO(picture)).info.get("Software") is None
    assert kept.endswith('" alt="0x">')


def test_something_else_under_the_name_of_a_png() -> None:
    with pytest.raises(NotebookError, match="does not hold a PNG"):
        notebooks.strip(ran(shown({"image/png": base64.b64encode(b"GIF89a").decode()})))


@pytest.mark.parametrize(
    "output",
    [
        said("<function f at 0x7f3a5c0d1e40>\n"),
        shown({"text/plain": "<Line2D at 0x7F3A5C0D1E40>"}),
        shown({"text/html": "<i>object at 0x7f3a5c0d1e40</i>"}),
    ],
)
def test_a_memory_address_is_refused_by_cell(output: Any) -> None:
    with pytest.raises(NotebookError, match=r"05_t, cell 0 \(`show\(\)`\) shows the memory addr"):
        notebooks.strip(ran(output), "05_t")


def test_short_hexadecimal_numbers_are_no_addresses() -> None:
    assert notebooks.strip(ran(said("byte 0x41, colour 0xffcc00\n")))


def test_a_warning_is_refused_by_cell() -> None:
    with pytest.raises(NotebookError, match=r"cell 0 .* wrote to stderr: UserWarning: beware"):
        notebooks.strip(ran(said("\nUserWarning: beware\n  call()\n", "stderr")), "05_t")


def test_a_folder_of_this_machine_is_refused(tmp_path: Path) -> None:
    notebook = ran(said(f"saved {tmp_path}/model\n"))
    assert notebooks.strip(notebook)
    with pytest.raises(NotebookError, match="only this machine has"):
        notebooks.strip(notebook, private=(str(tmp_path),))


def test_what_a_cell_says_of_this_machine_is_not_kept(tmp_path: Path) -> None:
    notebook = ran(said(f"{tmp_path} is writable\n"))
    notebook.cells[0].metadata["tags"] = [notebooks.THIS_MACHINE]
    kept = notebooks.strip(notebook, private=(str(tmp_path),)).cells[0]
    assert kept.outputs == [] and kept.metadata["tags"] == ["this-machine"]


def test_stripping_twice_changes_nothing_more() -> None:
    once = notebooks.strip(ran(said("a"), said("b"), shown({"image/png": png(Title="x")})))
    assert notebooks.to_bytes(notebooks.strip(once)) == notebooks.to_bytes(once)


def test_a_file_that_is_not_a_notebook(tmp_path: Path) -> None:
    path = tmp_path / "05_t.ipynb"
    path.write_text('{"cells": [')
    with pytest.raises(NotebookError, match=r"05_t\.ipynb is not a notebook"):
        notebooks.read(path)
