"""A real JupyterLab for a real Chromium: start it, open a notebook, and do what a learner does.

All that JupyterLab keeps lies in a folder of its own, it listens on loopback only, and every
question to the page has a time limit (Playwright's own `evaluate` has none).
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as NotInTime

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever is not loopback does not resolve, even where a page or the browser itself would ask.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
WITHIN = """async ([body, argument, limit]) => Promise.race([
    (async () => (await eval('(' + body + ')'))(argument))(),
    new Promise((_, refuse) => setTimeout(
        () => refuse(new Error(`not done in ${limit} ms: ${body.slice(0, 120)}`)), limit)),
])"""
KERNEL = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
ASK_KERNEL = f"""async code => {{
    const future = {KERNEL}.requestExecute({{ code, store_history: false }});
    let text = '';
    future.onIOPub = message => {{
        if (message.header.msg_type === 'stream') text += message.content.text;
        if (message.header.msg_type === 'error') text += message.content.evalue;
    }};
    await future.done;
    return text.trim();
}}"""
VIOLATIONS = """async where => {
    const options = { rules: { "target-size": { enabled: true } } };
    const found = await axe.run(where, options);
    return found.violations.flatMap(rule =>
        rule.nodes.map(node => `${rule.id}: ${node.html} ${node.failureSummary}`));
}"""
CELLS = "[...jupyterapp.shell.currentWidget.content.model.cells]"
ERRORS = f"""() => {CELLS}.filter(cell => cell.type === 'code').flatMap(cell =>
    cell.outputs.toJSON().filter(output => output.output_type === 'error')
        .map(output => `${{output.ename}}: ${{output.evalue}}`))"""
UNRUN = f"""() => {CELLS}.filter(cell => cell.type === 'code' && !cell.executionCount)
    .map(cell => cell.sharedModel.getSource())"""
READY = """async () => {
    let panel;
    while (!(panel = jupyterapp.shell.currentWidget) || !panel.sessionContext)
        await new Promise(next => setTimeout(next, 50));
    await panel.context.ready;
    await panel.revealed;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
}"""


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: where it listens, the token it wants, the folder that it shows."""

    url: str
    token: str
    root: Path

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}/{path}", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_lab(
    root: Path, state: Path, extra_env: dict[str, str] | None = None
) -> Iterator[Server]:
    """JupyterLab on `root`, with all that it remembers under `state`; stopped at the end."""
    port, token = free_port(), secrets.token_hex(16)
    server = Server(f"http://127.0.0.1:{port}", token, root)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}", "--expose-app-in-browser", "--LabApp.news_url=None",
    ]  # fmt: skip
    with open(state / "lab.log", "w") as log:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=lab_environment(state) | (extra_env or {}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_for(server, process, state / "lab.log")
            yield server
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(15)


def lab_environment(state: Path) -> dict[str, str]:
    """Folders of its own for all that Jupyter reads and writes, and a lesson's settings."""
    folders = {
        "JUPYTER_CONFIG_DIR": state / "config",
        "JUPYTER_DATA_DIR": state / "data",
        "JUPYTER_RUNTIME_DIR": state / "runtime",
        "JUPYTERLAB_WORKSPACES_DIR": state / "workspaces",
        "JUPYTERLAB_SETTINGS_DIR": state / "settings",
        "IPYTHONDIR": state / "ipython",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    labconfig = state / "config" / "labconfig"
    labconfig.mkdir(exist_ok=True)
    (labconfig / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    threads = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **{name: str(folder) for name, folder in folders.items()}, **threads}


def wait_for(
    server: Server, process: subprocess.Popen[bytes], log: Path, limit: float = 90
) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {process.returncode}:\n{log.read_text()}")
        try:
            server.get("api/status")
            return
        except OSError:  # not there yet
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not answer within {limit} s:\n{log.read_text()}")


def strays(page: Page) -> list[str]:
    """A list that fills with every request of this page that leaves loopback."""
    found: list[str] = []

    def look(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob", "about"} and address.hostname not in LOOPBACK:
            found.append(request.url)

    page.on("request", look)
    page.on("websocket", look)
    return found


class Notebook:
    """One notebook, open in a page."""

    def __init__(self, page: Page, server: Server, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    def open(self, reset: bool = True) -> Notebook:
        fresh = "reset&" if reset else ""
        self.page.goto(
            f"{self.server.url}/lab/tree/{quote(self.path)}?{fresh}token={self.server.token}"
        )
        return self.ready()

    def ready(self) -> Notebook:
        """Wait until the notebook is drawn and its kernel answers."""
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
        self.evaluate(READY, limit=60)
        return self

    def evaluate(self, body: str, argument: Any = None, limit: float = 30) -> Any:
        """Run a JavaScript function in the page, for at most `limit` seconds."""
        return self.page.evaluate(WITHIN, [body, argument, int(limit * 1000)])

    def command(self, name: str, limit: float = 30, **arguments: Any) -> Any:
        """One of JupyterLab's own commands; it is done when the promise is."""
        call = (
            "async ([name, arguments_]) => { await jupyterapp.commands.execute(name, arguments_) }"
        )
        return self.evaluate(call, [name, arguments], limit)

    def run_all(self, limit: float = 120) -> None:
        self.command("notebook:run-all-cells", limit)

    def errors(self) -> list[str]:
        """What the cells have raised."""
        return list(self.evaluate(ERRORS))

    def unrun(self) -> list[str]:
        """The code cells that have not been run."""
        return list(self.evaluate(UNRUN))

    def select(self, index: int) -> None:
        """Make a cell the active one in command mode, with the focus on it, as arrow keys do."""
        self.evaluate(
            "index => { const notebook = jupyterapp.shell.currentWidget.content;"
            " notebook.activeCellIndex = index; notebook.deselectAll();"
            " notebook.mode = 'command'; notebook.activate(); notebook.activeCell.node.focus(); }",
            index,
        )

    def run_cell(self, index: int, limit: float = 60, wait: bool = True) -> None:
        """Run one cell as the toolbar does; `wait=False` leaves it running."""
        self.select(index)
        if wait:
            self.command("notebook:run-cell", limit)
        else:
            self.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell') }")

    def sources(self) -> list[str]:
        return list(self.evaluate(f"() => {CELLS}.map(cell => cell.sharedModel.getSource())"))

    def find(self, text: str) -> int:
        """The index of the first cell whose source holds this text."""
        return next(i for i, source in enumerate(self.sources()) if text in source)

    def set_source(self, index: int, source: str) -> None:
        self.evaluate(
            "([index, source]) => jupyterapp.shell.currentWidget.content.model.cells"
            ".get(index).sharedModel.setSource(source)",
            [index, source],
        )

    def cell_count(self) -> int:
        return len(self.sources())

    def cell(self, index: int) -> Locator:
        return self.page.locator(
            f'.jp-NotebookPanel:not(.lm-mod-hidden) [data-windowed-list-index="{index}"]'
        )

    def scroll_to(self, index: int) -> None:
        """Lab draws only the cells in sight: bring one there."""
        self.evaluate(
            "async index => {"
            " await jupyterapp.shell.currentWidget.content.scrollToItem(index, 'center') }",
            index,
        )

    def bring(self, index: int, what: Locator, tries: int = 10) -> None:
        """Scroll to a cell until its output is in sight: cells above grow while they are drawn."""
        for _ in range(tries):
            self.scroll_to(index)
            with suppress(NotInTime):
                what.wait_for(timeout=1500)
                return
        raise AssertionError(f"cell {index} was scrolled to, but {what} did not come in sight")

    def ask_kernel(self, code: str, limit: float = 30) -> str:
        """Run code in the notebook's kernel beside its cells and give back what it prints."""
        return str(self.evaluate(ASK_KERNEL, code, limit))

    def start(self, code: str) -> None:
        """Have the kernel run this, and go on meanwhile."""
        self.evaluate(f"code => {{ {KERNEL}.requestExecute({{ code }}) }}", code)

    def kernel_status(self) -> str:
        return str(self.evaluate(f"() => {KERNEL}.status"))

    def wait_for_kernel(self, status: str, limit: float = 30) -> None:
        self.evaluate(
            f"async wanted => {{ while ({KERNEL}.status !== wanted)"
            " await new Promise(next => setTimeout(next, 20)) }",
            status,
            limit,
        )

    def save(self) -> None:
        self.command("docmanager:save")

    def kill_kernel(self) -> None:
        """As the out-of-memory killer does it."""
        os.kill(int(self.ask_kernel("import os; print(os.getpid())")), signal.SIGKILL)

    def output(self, index: int) -> Locator:
        """What a cell shows below its code."""
        self.scroll_to(index)
        return self.cell(index).locator(".jp-OutputArea-output")

    def restart_kernel(self) -> None:
        self.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.restartKernel() }"
        )

    def shut_down_kernel(self) -> None:
        self.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.shutdown() }"
        )

    def theme(self, dark: bool) -> None:
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.command("apputils:change-theme", theme=name)
        light = str(not dark).lower()
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")

    def hide_sidebar(self) -> None:
        self.evaluate(
            "() => { jupyterapp.shell.collapseLeft(); jupyterapp.shell.collapseRight?.() }"
        )

    def card(self, key: str) -> Locator:
        return self.page.locator(f'.labkit-card[data-qid="{key}"]')

    def tab_to(self, target: Locator, most: int = 60) -> None:
        """Press Tab until the focus is on this, or in it, as someone without a mouse does."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if target.evaluate("element => element.contains(document.activeElement)"):
                return
        raise AssertionError(f"{most} times Tab did not reach {target}")

    def violations(self, where: str) -> list[str]:
        """What axe finds wrong there: the rule and the element, nothing when all is well."""
        if not self.evaluate("() => 'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        return list(self.evaluate(VIOLATIONS, where))
