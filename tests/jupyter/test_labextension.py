"""What JupyterLab reads of the extension before it runs it."""

from __future__ import annotations

import json

from jupyterlab_server.config import get_federated_extensions

import labkit.jupyter
from labkit.paths import PACKAGE

EXTENSIONS = PACKAGE / "jupyter" / "labextensions"


def test_jupyterlab_finds_it_and_the_file_that_it_loads() -> None:
    found = get_federated_extensions([str(EXTENSIONS)])["labkit"]
    build = found["jupyterlab"]["_build"]
    assert (EXTENSIONS / "labkit" / build["load"]).is_file()
    assert build["extension"] == "./extension"
    assert found["version"] == labkit.__version__


def test_the_server_is_told_to_load_what_answers_it() -> None:
    config = json.loads((PACKAGE / "jupyter/jupyter_server_config.d/labkit.json").read_text())
    (module,) = config["ServerApp"]["jpserver_extensions"]
    assert labkit.jupyter.__name__ == module
    assert labkit.jupyter._jupyter_server_extension_points() == [{"module": module}]
