"""A small server on loopback that speaks the part of the hub's protocol that loading a model uses.

`HEAD` and `GET /owner/name/resolve/REVISION/FILE` with commit and file tag in the headers,
and the model's entry and file tree under `/api/models/`. Every request is kept in `requests`.
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
    """Serves one folder as the model `repo`."""

    def __init__(self, repo: str, folder: Path) -> None:
        self.repo, self.folder = repo, folder
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
        files = sorted(file.name for file in self.folder.iterdir())
        return {
            "id": self.repo,
            "modelId": self.repo,
            "sha": COMMIT,
            "private": False,
            "tags": ["transformers", "safetensors"],
            "siblings": [{"rfilename": name} for name in files],
        }

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
                    return self.file((hub.folder / file[1]).read_bytes(), body)
                if re.fullmatch(rf"/api/models/{hub.repo}(/revision/[^/?]+)?(\?.*)?", self.path):
                    return self.send(200, json.dumps(hub.entry()).encode(), {}, body)
                if self.path.startswith((f"/{hub.repo}/", f"/api/models/{hub.repo}/tree/")):
                    return self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
                return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)

            def file(self, content: bytes, body: bool) -> None:
                tag = f'"{hashlib.sha256(content).hexdigest()}"'
                self.send(200, content, {"ETag": tag, "X-Repo-Commit": COMMIT}, body)

            def send(
                self, status: int, content: bytes, headers: dict[str, str], body: bool
            ) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Quiet: `requests` holds what was asked for."""

        return Handler
