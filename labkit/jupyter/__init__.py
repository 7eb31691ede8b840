"""What Jupyter's server loads of labkit: settings, a kernel, and the course's home in JupyterLab.

The page itself is drawn by labextensions/labkit, which asks for it here. jupyter_server_config.d
names this package to the server, which calls the two functions below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "labkit.jupyter"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    from jupyter_server.utils import url_path_join

    from labkit.jupyter.home_handler import HomeHandler

    web = server.web_app
    web.add_handlers(".*$", [(url_path_join(web.settings["base_url"], "labkit/home"), HomeHandler)])
