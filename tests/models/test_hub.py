"""Loading a hub model by its name: the real client against a server that speaks its protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.models.zoo import WEIGHTS
from labkit.paths import lessons_dir
from tests.models.hub_server import HubServer
from tests.models.tiny import save_tiny_model

REPO = "course/tiny-llama"
LOAD = """
import json, os, sys
from labkit.models import ModelUnavailable, load_model

def loaded(name):
    try:
        model, tokenizer = load_model(name)
    except (LookupError, ModelUnavailable) as error:
        return {"error": str(error)}
    ids = tokenizer("Anna lives in", return_tensors="pt").input_ids
    return {"class": type(model).__name__, "sum": float(model(ids).logits.double().sum())}

print(json.dumps({name: loaded(name) for name in sys.argv[1:]}))
"""
# The hub's client tries again and again, for longer each time: all its tries, none of its waiting.
NO_WAITING = "import time\ntime.sleep = lambda seconds: None\n"
Answers = dict[str, dict[str, object]]


def load(*names: str, cache: Path, before: str = "", **settings: str) -> Answers:
    """What loading each name gives in a fresh process: the hub's client reads its settings once."""
    done = subprocess.run(
        [sys.executable, "-c", before + LOAD, *names],
        env=os.environ | {"HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"} | settings,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_tiny_model(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def online(folder: Path, cache: Path) -> Answers:
    """Fetched from the hub, with `base` swapped for the hub's model."""
    with HubServer(REPO, folder) as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "LABKIT_MODEL": REPO}
        answers = load(REPO, "base", "course/other", cache=cache, **settings)
        assert any(f"GET /{REPO}/resolve/" in asked for asked in hub.requests)
    return answers


@pytest.fixture(scope="module")
def offline(folder: Path, cache: Path, online: Answers) -> Answers:
    """The same without a hub, after the first fetch."""
    return load(REPO, str(folder), "course/never-seen", cache=cache, HF_HUB_OFFLINE="1")


@pytest.mark.slow
def test_a_hub_name_is_fetched_once_and_then_loads_offline(
    online: Answers, offline: Answers, folder: Path
) -> None:
    assert online[REPO]["class"] == "LlamaForCausalLM"
    assert offline[REPO] == online[REPO] == offline[str(folder)]


@pytest.mark.slow
def test_labkit_model_swaps_the_model_under_a_lesson(online: Answers) -> None:
    assert online["base"] == online[REPO]


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_have_is_named(online: Answers) -> None:
    assert "'course/other' could not be loaded from the hub" in str(online["course/other"]["error"])


@pytest.mark.slow
def test_offline_and_not_cached_says_what_was_tried_and_how_to_cache_it(offline: Answers) -> None:
    error = str(offline["course/never-seen"]["error"])
    assert "local cache (HF_HUB_OFFLINE is set)" in error
    assert "hf download course/never-seen" in error


@pytest.mark.slow
def test_a_tuning_lesson_runs_to_its_end_on_a_model_of_the_hub(tmp_path: Path) -> None:
    """Every cell; the claims are about `base`, and need not hold for another model."""
    notebook = nbformat.read(lessons_dir() / "09_lora.ipynb", as_version=4)
    with HubServer("course/small", WEIGHTS / "small") as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "labkit", "run", "09_lora", "--json"],
            env=os.environ | settings | {"HF_HOME": str(tmp_path), "LABKIT_MODEL": "course/small"},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert any("GET /course/small/resolve/" in asked for asked in hub.requests)
    report = json.loads(done.stdout)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(report["cells"]) == len(code), done.stderr


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_said_to_be_the_reason(tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    error = str(load(REPO, cache=tmp_path, before=NO_WAITING, **nowhere)[REPO]["error"])
    assert "could not be loaded from the hub and the local cache" in error
