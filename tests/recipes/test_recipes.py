"""What learners take to work runs as it says, learns the answers, and is the same in both forms."""

from __future__ import annotations

import inspect
import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq

from labkit.fetched import MODELS
from labkit.models.training.tuning import quiet_peft
from labkit.paths import PACKAGE
from labkit.recipes import lora_with_peft, lora_with_trl
from labkit.variables import OFFLINE
from tests.models.tiny import save_tiny_model

BOTH = {"peft": lora_with_peft, "trl": lora_with_trl}
PORTS = ("Arl", "Bex", "Cor", "Dun", "Eck", "Fay", "Gil", "Hov")
CHATS = [
    [
        {"role": "user", "content": f"Where is ship {number}?"},
        {"role": "assistant", "content": f"In {port}."},
    ]
    for number, port in enumerate(PORTS)
]
LONG_CHAT = [*CHATS[0], *CHATS[1], {"role": "user", "content": "Thanks!"}, CHATS[2][1]]
LINE = json.dumps({"messages": CHATS[0]})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an untrained chat model that reads 64 tokens."""
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_tiny_model(folder)
    return str(folder)


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in CHATS), "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(
    tiny: str, chats: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, list[float]]]:
    """By library the adapter and the losses. Each step is on all chats, so none comes first."""
    found = {}
    for library, recipe in BOTH.items():
        output = tmp_path_factory.mktemp(library)
        with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(), quiet_peft():
            patch.setattr(recipe, "EPOCHS", 15)
            patch.setattr(recipe, "LEARNING_RATE", 1e-2)
            found[library] = output, recipe.train(tiny, chats, output)
    return found


# ---- one training in two forms -------------------------------------------------------------------


def test_the_losses_are_the_same_and_fall(trained) -> None:
    (_, by_peft), (_, by_trl) = trained.values()
    assert by_trl == pytest.approx(by_peft, abs=1e-4)
    assert by_peft[-1] < by_peft[0] - 0.3


def test_the_adapters_are_the_same(trained) -> None:
    by_peft, by_trl = (load_file(out / "adapter_model.safetensors") for out, _ in trained.values())
    assert by_peft.keys() == by_trl.keys() and len(by_peft) == 2 * 7
    for name, weight in by_peft.items():
        torch.testing.assert_close(by_trl[name], weight, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("library", BOTH)
def test_the_adapter_loads_again(library: str, trained, tiny: str) -> None:
    output, losses = trained[library]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    with quiet_peft():
        base = AutoModelForCausalLM.from_pretrained(tiny)
        model = PeftModel.from_pretrained(base, str(output)).eval()
    rows = [lora_with_peft.encode(chat, tokenizer) for chat in CHATS]
    batch = DataCollatorForSeq2Seq(tokenizer)(rows)
    assert float(model(**batch).loss) < losses[-1] + 0.01
    with model.disable_adapter():
        assert float(model(**batch).loss) == pytest.approx(losses[0], abs=1e-4)


def assert_one_mask(name: str, tmp_path: Path) -> list[str]:
    """Tokens and labels of both are the same; returns what is learned."""
    chats, tokenizer = [*CHATS, LONG_CHAT], AutoTokenizer.from_pretrained(name)
    with quiet_peft(), torch.random.fork_rng():
        by_trl = lora_with_trl.trainer_for(name, chats, tmp_path).train_dataset
    by_peft = [lora_with_peft.encode(chat, tokenizer) for chat in chats]
    assert [{key: row[key] for key in ("input_ids", "labels")} for row in by_trl] == by_peft
    return [tokenizer.decode([i for i in row["labels"] if i != -100]) for row in by_peft]


def test_what_is_learned_is_what_trl_learns(tiny: str, tmp_path: Path) -> None:
    """The last answer and the mark that ends it, also of a chat that has others."""
    learned = assert_one_mask(tiny, tmp_path)
    assert learned == [f"{chat[-1]['content']}<|end|>" for chat in [*CHATS, LONG_CHAT]]


@pytest.mark.skipif(not MODELS["smollm2"].is_there, reason="smollm2 is not fetched")
def test_so_it_is_in_the_template_of_a_real_model(tiny: str, tmp_path: Path) -> None:
    """SmolLM2's, which begins with a message of the system and marks no answers."""
    tokenizer = AutoTokenizer.from_pretrained(MODELS["smollm2"].folder)
    assert "generation %}" not in tokenizer.chat_template
    with torch.random.fork_rng():
        model = AutoModelForCausalLM.from_pretrained(tiny)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    learned = assert_one_mask(str(tmp_path / "model"), tmp_path / "out")
    assert learned[0] == "In Arl.<|im_end|>\n"


@pytest.mark.parametrize("name", ["answer", "read_chats", "check_lengths"])
def test_what_stands_in_both_files_is_the_same(name: str) -> None:
    first, second = (inspect.getsource(getattr(recipe, name)) for recipe in BOTH.values())
    assert first == second


# ---- as it is called -----------------------------------------------------------------------------


@pytest.mark.parametrize("library", BOTH)
def test_the_command_trains_and_answers(
    library: str, tiny: str, chats: Path, tmp_path: Path
) -> None:
    """With the hub in reach for all it knows: neither asks it anything for a model in a folder."""
    words = [tiny, str(chats), str(tmp_path / "adapter")]
    command = [sys.executable, "-m", f"labkit.recipes.lora_with_{library}", *words]
    settings = {name: value for name, value in os.environ.items() if name not in OFFLINE}
    done = subprocess.run(
        command, env=settings | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "The first chat, answered:" in done.stdout
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert config["r"] == 16 and config["base_model_name_or_path"] == tiny


# ---- what can't be done is said ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([LINE, "{'messages': []}"], "Line 2 of .* is no JSON of the form"),
        ([LINE, ""], "Line 2 of .* is no JSON of the form"),
        (["[]"], "Line 1 of .* is no JSON of the form"),
        ([LINE, LINE, '{"text": "In Arl."}'], "Line 3 of .* is no JSON of the form"),
        (['{"messages": ["In Arl."]}'], "Line 1 of .* is no JSON of the form"),
        (['{"messages": [{"role": "assistant"}]}'], "Line 1 of .* is no JSON of the form"),
        (['{"messages": []}'], "Line 1 of .* has no answer of the assistant at its end"),
        ([json.dumps({"messages": CHATS[0][:1]})], "Line 1 of .* has no answer"),
        ([json.dumps({"messages": CHATS[0][1:]})], "Line 1 of .* has no answer"),
        ([], "has no chats"),
    ],
)
def test_a_line_that_is_no_chat_is_named(lines: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    with pytest.raises(SystemExit, match=said):
        lora_with_peft.read_chats(path)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"There is no file .*none\.jsonl"):
        lora_with_peft.read_chats(tmp_path / "none.jsonl")
    (tmp_path / "chats.jsonl").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SystemExit, match=r"Line 1 of .* is no JSON"):
        lora_with_peft.read_chats(tmp_path / "chats.jsonl")


def test_a_line_is_what_ends_with_a_newline(tmp_path: Path) -> None:
    """Not with other marks that Unicode has for it, which JSON may hold."""
    chat = [{"role": "user", "content": "a\u2028b\x85c"}, {"role": "assistant", "content": "é"}]
    text = json.dumps({"messages": chat}, ensure_ascii=False)
    (tmp_path / "chats.jsonl").write_text(f"{text}\n{text}", "utf-8-sig")
    assert lora_with_peft.read_chats(tmp_path / "chats.jsonl") == [chat, chat]


@pytest.mark.parametrize("recipe", BOTH.values(), ids=BOTH)
def test_a_chat_longer_than_the_window_is_named(
    recipe: ModuleType, tiny: str, tmp_path: Path
) -> None:
    path, answer = tmp_path / "chats.jsonl", {"role": "assistant", "content": "In Arl. " * 40}
    long = json.dumps({"messages": [CHATS[0][0], answer]})
    path.write_text(f"{LINE}\n{long}\n{LINE}\n", "utf-8")
    said = r"Line 2 has \d+ tokens, and the model reads 64"
    with quiet_peft(), torch.random.fork_rng(), pytest.raises(SystemExit, match=said):
        recipe.train(tiny, path, tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "adapter_config.json").exists()


def test_a_template_that_does_not_go_on_from_the_question_is_refused(tiny: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template += "{% if add_generation_prompt %}Hm. {% endif %}"
    with pytest.raises(SystemExit, match="writes a question otherwise"):
        lora_with_peft.encode(CHATS[0], tokenizer)


def test_without_trl_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(SystemExit, match=f"pip install {lora_with_trl.PIN}"):
        runpy.run_path(str(PACKAGE / "recipes" / "lora_with_trl.py"))
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["trl"] == [lora_with_trl.PIN]
    assert lora_with_trl.PIN in project["optional-dependencies"]["test"]
