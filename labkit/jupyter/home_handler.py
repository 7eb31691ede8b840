"""GET /labkit/home: the course's home as a piece of HTML, for whoever has the server's token."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_server.base.handlers import APIHandler
from tornado import web

from labkit.course.home import Files, home_page
from labkit.course.progress import ProgressLog
from labkit.course.yaml_source import SourceError


class HomeHandler(APIHandler):
    """It only reads: the progress log isn't made by looking at it."""

    @web.authenticated
    async def get(self) -> None:
        files = Files(Path(self.settings["server_root_dir"]).expanduser(), self.base_url)
        log = ProgressLog(say=self.log.warning)
        try:
            page = await asyncio.to_thread(home_page, log, files)
        except (SourceError, OSError) as error:  # an author's file; it says where in which
            self.set_status(500)
            self.finish({"message": str(error)})
        else:
            self.finish(page, set_content_type="text/html; charset=UTF-8")
