"""The course's home: what it says at the start, on the way, at the end, and of what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import fetched
from labkit.course import home
from labkit.course.catalog import Lesson, find_lesson, lessons
from labkit.course.field import Entry
from labkit.course.home import Files, home_page, is_here, last_entry, missing_models, next_entry
from labkit.course.progress import ProgressLog
from labkit.course.standing import Standing, standing_in


@pytest.fixture
def log(course: Path) -> ProgressLog:
    """The learner's log; their copy of the one lesson lies beside it."""
    (course / "work").mkdir()
    (course / "work" / "01_halves.ipynb").write_text("{}")
    return ProgressLog()


def page_of(log: ProgressLog, base_url: str = "/") -> str:
    """What the page says below its style sheet, white space as a browser shows it."""
    page = home_page(log, Files(log.path.parent.parent, base_url))
    return " ".join(page.partition("</style>")[2].split())


def do_everything(log: ProgressLog, lesson: Lesson) -> None:
    standing = standing_in(lesson, log)
    for question in standing.questions:
        log.record(lesson.id, question, "answer", "fail", 0)
    for challenge in standing.challenges:
        log.record(lesson.id, challenge, "check", "pass", 2)


def test_it_begins_with_the_first_lesson_and_looking_leaves_no_log(log: ProgressLog) -> None:
    page = page_of(log)
    assert "Begin with" in page and "0 of 8 questions answered, 0 of 2 challenges passed" in page
    assert '<a class="labkit-go" href="/lab/tree/work/01_halves.ipynb"' in page
    assert 'data-path="work/01_halves.ipynb"' in page
    assert "0 of 1 lessons done" in page
    assert not log.path.exists()


def test_it_goes_on_where_you_are_and_shows_how_far(log: ProgressLog) -> None:
    log.record("01_halves", "01_halves", "opened")
    log.record("01_halves", "one-of-three", "answer", "pass", 1)
    page = page_of(log)
    assert "You are in" in page and "Go on with lesson 01" in page
    assert "1 of 8 questions answered" in page and "1 of 10 steps" in page
    assert "width: 10%" in page


def test_it_says_when_all_is_done(log: ProgressLog) -> None:
    do_everything(log, find_lesson("01"))
    page = page_of(log)
    assert "1 of 1 lessons done" in page and "All lessons are done" in page
    assert '<li data-state="done">' in page and "labkit-go" not in page


def test_titles_are_escaped_and_the_base_url_is_kept(log: ProgressLog) -> None:
    page = page_of(log, "/user/ada/")
    assert "&lt;b&gt;doubles&lt;/b&gt;" in page and "<b>doubles" not in page
    assert 'href="/user/ada/lab/tree/work/01_halves.ipynb"' in page


def test_a_notebook_that_jupyter_does_not_show_has_no_link(log: ProgressLog, course: Path) -> None:
    outside = home_page(log, Files(course / "lessons"))
    (course / "work" / "01_halves.ipynb").unlink()
    for page in (outside, page_of(log)):
        assert "href=" not in page and "Halves" in page


def test_names_of_folders_are_quoted(course: Path) -> None:
    files = Files(course)
    (course / "my work?").mkdir()
    (course / "my work?" / "a.ipynb").touch()
    path = files.path_of(course / "my work?" / "a.ipynb")
    assert path == "my work?/a.ipynb"
    assert files.link_to(path) == "/lab/tree/my%20work%3F/a.ipynb"


def entry(number: str, opened: str | None, done: bool = False) -> Entry:
    lesson = lessons()[0]
    answer = {"one": "pass" if done else None}
    return Entry(number, "", lesson, Standing(lesson, answer, {}, 0, 0, opened))


def test_next_is_what_is_not_done_from_the_last_one_on() -> None:
    first, second, third = entry("01", None), entry("02", "2026-01-02", True), entry("03", None)
    assert last_entry([first, second, third]) is second
    assert next_entry([first, second, third], second) is third
    done = entry("03", "2026-01-01", True)
    assert next_entry([first, second, done], second) is first
    assert next_entry([second, done], second) is None
    assert last_entry([first, third]) is None
    assert next_entry([first, third], None) is first
    assert next_entry([], None) is None


# ---- what needs a fetch --------------------------------------------------------------------------


def test_bundled_models_are_here() -> None:
    names = {name for lesson in lessons() for name in lesson.models}
    assert names and missing_models(sorted(names)) == ()


def test_a_model_without_all_its_files_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "WEIGHTS", tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "checksums.json").write_text('{"model.safetensors": "00"}')
    assert not is_here("base")
    (tmp_path / "base" / "model.safetensors").touch()
    assert is_here("base")
    (tmp_path / "base" / "checksums.json").write_text("{")
    assert not is_here("base")


def test_the_page_offers_the_real_model_until_it_is_there(
    log: ProgressLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    command = "<code>python3 -m labkit models fetch smollm2</code>"
    assert command in page_of(log) and "needs a fetch" not in page_of(log)
    assert "--source hub" not in page_of(log)  # the original weights are for who asks
    monkeypatch.setenv("LABKIT_MODEL", "smollm2-original")
    assert "<li>smollm2-original: <code>python3 -m labkit models fetch smollm2 --source hub<" in (
        page_of(log)
    )
    monkeypatch.setenv("LABKIT_MODEL", "smollm2")
    assert "needs a fetch: smollm2" in page_of(log)
    folder = fetched.MODELS["smollm2"].folder
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"made": fetched.MADE}))
    assert command in page_of(log)  # not whole: its checksums come last
    (folder / "checksums.json").write_text("{}")
    assert command not in page_of(log) and "needs a fetch" not in page_of(log)


def test_the_page_names_what_needs_a_fetch_and_how(
    log: ProgressLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_MODEL", "owner/no-such-model")
    page = page_of(log)
    assert "needs a fetch: owner/no-such-model" in page
    assert "<code>hf download owner/no-such-model</code>" in page
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    monkeypatch.setenv("LABKIT_MODEL", str(tmp_path / "mine"))
    assert "needs a fetch" not in page_of(log)
    monkeypatch.delenv("LABKIT_MODEL")
    monkeypatch.setattr(home, "WEIGHTS", tmp_path)
    assert "git checkout -- labkit/models/weights/base" in page_of(log)
    monkeypatch.setattr(home.paths, "in_checkout", lambda: False)
    assert "pip install --force-reinstall --no-deps labkit" in page_of(log)


def test_jupyters_server_gets_no_torch_from_it() -> None:
    code = (
        "import sys; from pathlib import Path; from labkit.jupyter import home_handler as h;"
        "h.home_page(h.ProgressLog('none'), h.Files(Path('.')));"
        "assert not {'torch', 'transformers', 'anywidget', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
