"""A small server on loopback that speaks the part of the hub's protocol that loading a model uses.

`HEAD` and `GET /owner/name/resolve/REVISION/FILE` with commit and file tag in the headers, a file
from a byte on where that is asked for, and the model's entry with its files under `/api/models/`.
Every request is kept in `requests`.
"""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves one folder as the model `repo`. `breaks` is how many times a file breaks off in the
    middle before all of it is given."""

    def __init__(self, repo: str, folder: Path, breaks: dict[str, int] | None = None) -> None:
        self.repo, self.folder = repo, folder
        self.breaks = breaks or {}
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> HubServer:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def entry(self) -> dict[str, object]:
        files = sorted(file for file in self.folder.rglob("*") if file.is_file())
        return {
            "id": self.repo,
            "modelId": self.repo,
            "sha": COMMIT,
            "private": False,
            "tags": ["transformers", "safetensors"],
            "siblings": [self.sibling(file) for file in files],
        }

    def sibling(self, file: Path) -> dict[str, object]:
        """A file in the entry: weights are large files, with their sha256; others have git's."""
        content = file.read_bytes()
        about: dict[str, object] = {
            "rfilename": file.relative_to(self.folder).as_posix(),
            "size": len(content),
            "blobId": hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest(),
        }
        if file.suffix in (".safetensors", ".bin"):
            sha256 = hashlib.sha256(content).hexdigest()
            about["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        return about

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, body: bool) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                file = re.fullmatch(rf"/{hub.repo}/resolve/[^/]+/([^/?]+)", self.path)
                if file and (hub.folder / file[1]).is_file():
                    return self.file(hub.folder / file[1], body)
                if re.fullmatch(rf"/api/models/{hub.repo}(/revision/[^/?]+)?(\?.*)?", self.path):
                    return self.send(200, json.dumps(hub.entry()).encode(), {}, body)
                if self.path.startswith((f"/{hub.repo}/", f"/api/models/{hub.repo}/tree/")):
                    return self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
                return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)

            def file(self, file: Path, body: bool) -> None:
                content = file.read_bytes()
                tag = f'"{hashlib.sha256(content).hexdigest()}"'
                headers = {"ETag": tag, "X-Repo-Commit": COMMIT}
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start, status = (int(asked[1]), 206) if asked else (0, 200)
                if asked:
                    hub.requests[-1] += f" from {start}"
                    whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
                    headers |= {"Content-Range": whole}
                given = None
                if body and hub.breaks.get(file.name):
                    hub.breaks[file.name] -= 1
                    given = (len(content) - start) // 2
                self.send(status, content[start:], headers, body, given)

            def send(
                self,
                status: int,
                content: bytes,
                headers: dict[str, str],
                body: bool,
                given: int | None = None,
            ) -> None:
                """An answer; of its content only the bytes `given`, where it breaks off."""
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content[:given])

            def log_message(self, *_: object) -> None:
                """Quiet: `requests` holds what was asked for."""

        return Handler
