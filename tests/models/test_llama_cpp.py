"""llama.cpp says of a GGUF file what torch says of the same weights, to its owner only."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import fmean
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
import torch
from gguf import GGUFReader
from transformers import LlamaForCausalLM

from labkit.models import llama_cpp
from labkit.models.llama_cpp import LlamaCpp
from labkit.paths import PACKAGE
from tests.models.tiny_gguf import save_tiny_gguf

PROMPT = [5, 9, 200, 17, 3]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LlamaForCausalLM]:
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return file, save_tiny_gguf(file, tmp_path_factory.mktemp("tiny")).eval()


@pytest.fixture(scope="module")
def llama(tiny) -> LlamaCpp:
    with LlamaCpp(tiny[0], context=64, threads=1) as llama:
        yield llama


@torch.no_grad()
def test_it_takes_the_likeliest_token_as_torch_does(tiny, llama: LlamaCpp) -> None:
    written, ids = llama.complete(PROMPT, max_new_tokens=6), list(PROMPT)
    for token, found in zip(written.tokens, written.log_probabilities, strict=True):
        expected = tiny[1](torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        assert token == int(expected.argmax()) and abs(found - float(expected[token])) < 1e-3
        ids.append(token)
    assert len(written.tokens) == 6 and written.ms_to_write > 0 and written.ms_to_read > 0


@torch.no_grad()
def test_what_it_draws_has_the_probabilities_of_torch(tiny, llama: LlamaCpp) -> None:
    """Of the tokens that are whole letters: with others llama.cpp waits, they are no text yet."""
    expected = (tiny[1](torch.tensor([PROMPT])).logits[0, -1] / 0.5).softmax(-1)
    drawn = [drawn_by(llama, seed) for seed in range(300)]
    letters = [number for number, token in tokens_of(tiny[0]).items() if token.isascii()]
    chances = expected[letters] / expected[letters].sum()
    likely = {letters[i] for i in chances.topk(40).indices.tolist()}
    found = [token in likely for token in drawn if token in letters]
    wanted = float(chances.topk(40).values.sum())
    assert abs(fmean(found) - wanted) < 4 * (wanted * (1 - wanted) / len(found)) ** 0.5
    assert drawn_by(llama, 7) == drawn[7] and len(set(drawn)) > 20


def drawn_by(llama: LlamaCpp, seed: int) -> int | None:
    """The next token under a seed; None where it is no text."""
    tokens = llama.complete(PROMPT, max_new_tokens=1, temperature=0.5, seed=seed).tokens
    return tokens[0] if tokens else None


def tokens_of(gguf: Path) -> dict[int, str]:
    """The tokens of a GGUF file by number, but for its control tokens."""
    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    return {n: t for n, (t, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind == 1}


def test_it_answers_on_loopback_to_its_owner_only(llama: LlamaCpp) -> None:
    assert llama.url.startswith("http://127.0.0.1:")
    body = json.dumps({"prompt": PROMPT, "max_tokens": 2}).encode()
    headers = {"Content-Type": "application/json"}
    with pytest.raises(HTTPError, match="401"):
        urlopen(Request(f"{llama.url}/v1/completions", body, headers))
    headers["Authorization"] = f"Bearer {llama.token}"
    with urlopen(Request(f"{llama.url}/v1/completions", body, headers)) as answer:
        assert json.loads(answer.read())["usage"]["completion_tokens"] == 2


def test_a_prompt_longer_than_the_context_is_refused(llama: LlamaCpp) -> None:
    with pytest.raises(ValueError, match=r"llama\.cpp refused"):
        llama.complete([5] * 100)


def test_it_ends_with_its_process(tiny) -> None:
    code = (
        "import sys; from pathlib import Path; from labkit.models.llama_cpp import LlamaCpp\n"
        "llama = LlamaCpp(Path(sys.argv[1]), context=64, threads=1); print(llama.url)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny[0])], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    port = int(done.stdout.strip().rpartition(":")[2])
    assert port not in {c.laddr.port for c in psutil.net_connections() if c.status == "LISTEN"}


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no GGUF file"):
        LlamaCpp(tmp_path / "none.gguf")
    (tmp_path / "a.gguf").touch()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModuleNotFoundError, match="pip install xllamacpp"):
        LlamaCpp(tmp_path / "a.gguf")
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["llama"] == [llama_cpp.PIN]


def test_a_busy_machine_gets_fewer_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "processors", lambda: [0, 1, 2, 3])
    for others, threads in ((0.1, 4), (2.0, 2), (4.2, 1)):
        monkeypatch.setattr(llama_cpp.Load, "others", lambda self, others=others: others)
        assert llama_cpp.free_threads() == threads
