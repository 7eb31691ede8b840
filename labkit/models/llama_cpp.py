"""A GGUF file in llama.cpp, by the wheel `xllamacpp` (https://github.com/xorbitsai/xllamacpp): no
compiler, no program to install. It answers in this process, and over HTTP on loopback.

llama.cpp's threads spin while they wait. On a busy machine more threads than free processors are
many times slower than one, so there are as many as are free when it starts, unless you say.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.sharing import Load, processors

PIN = "xllamacpp==2026.10.11549"  # as in pyproject.toml


@dataclass(frozen=True)
class Written:
    """What was written after a prompt, token by token but for one that ends the text, and how long
    a token took.

    log_probabilities  natural logarithms, of the whole distribution before any cut
    ms_to_read         a token of the prompt, in milliseconds; prompts are read many at a time
    ms_to_write        a token of the text
    """

    text: str
    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    ms_to_read: float
    ms_to_write: float


class LlamaCpp:
    """A model in llama.cpp, from a GGUF file. It ends with its process, or where `close` is called.

    It listens on loopback as well, at `url`, for who knows `token` (`Authorization: Bearer …`).
    """

    def __init__(self, gguf: Path, *, context: int = 2048, threads: int | None = None) -> None:
        """Raises FileNotFoundError without the file, ModuleNotFoundError without the package."""
        if not gguf.is_file():
            raise FileNotFoundError(f"There is no GGUF file {gguf}.")
        llama = load_package()
        self.threads = threads or free_threads()
        self.token = secrets.token_urlsafe()
        self._server: Any = llama.Server(settings(llama, gguf, context, self.threads, self.token))

    @property
    def url(self) -> str:
        """Where it answers as OpenAI's servers do, at /v1/completions."""
        return str(self._server.listening_address)

    def complete(
        self,
        prompt: str | Sequence[int],
        *,
        max_new_tokens: int = 32,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Written:
        """Continues a prompt, a text or token ids. At temperature 0 it takes the likeliest token;
        else it draws from the whole distribution: llama.cpp's own cuts (top-k 40, top-p, min-p)
        are off. Raises ValueError where the model refuses the prompt, as one longer than its
        context."""
        asked = {
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "n_predict": max_new_tokens, "temperature": temperature, "seed": seed, "n_probs": 1,
            "top_k": 0, "top_p": 1.0, "min_p": 0.0, "cache_prompt": False,
            "timings_per_token": True,
        }  # fmt: skip
        answer = self._server.handle_completions(asked)
        if "choices" not in answer:
            raise ValueError(f"llama.cpp refused: {answer}")
        (choice,), times = answer["choices"], answer["timings"]
        tokens = choice["logprobs"]["content"] if choice["logprobs"] else []
        return Written(
            choice["text"],
            tuple(token["id"] for token in tokens),
            tuple(token["logprob"] for token in tokens),
            times["prompt_per_token_ms"],
            times["predicted_per_token_ms"],
        )

    def close(self) -> None:
        """Ends its threads and gives its memory back."""
        self._server = None

    def __enter__(self) -> LlamaCpp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_package() -> Any:
    """xllamacpp; ModuleNotFoundError says how to get it."""
    try:
        import xllamacpp
    except ModuleNotFoundError as error:
        command = f"{sys.executable} -m pip install {PIN}"
        raise ModuleNotFoundError(f"llama.cpp is not installed. To get it: {command}") from error
    return xllamacpp


def settings(llama: Any, gguf: Path, context: int, threads: int, token: str) -> Any:
    """llama.cpp's own parameters, for one request at a time."""
    params = llama.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [token]
    params.verbosity = 0
    return params


def free_threads() -> int:
    """As many as processors are free just now, at least one."""
    return max(1, len(processors()) - round(Load().others()))
