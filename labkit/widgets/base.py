"""The common base of all cards: one live card per key, and questions that are always answered.

The browser asks (`{"id", "ask", ...}`), the kernel acknowledges with the same id. A question that
comes again because its answer was late is handled once; a handler that raises answers with what
went wrong. ipykernel 7 runs handlers on threads beside the running cell, so they hold a lock.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

HERE = Path(__file__).parent
REMEMBERED_REPLIES = 64
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

log = logging.getLogger("labkit.widgets")


def script(*names: str) -> str:
    """base.js and the widget's own files as one ES module, loaded without a build step."""
    return "\n".join((HERE / name).read_text("utf-8") for name in ("base.js", *names))


def style(*names: str) -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in ("base.css", *names))


class Card(anywidget.AnyWidget):
    """A subclass sets `_esm` and `_css`, registers handlers, and says how it reads as text."""

    key = traitlets.Unicode("").tag(sync=True)

    _live: ClassVar[dict[str, Card]] = {}
    _live_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, key: str, **traits: Any) -> None:
        self._lock = threading.RLock()
        self._replies: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hello": lambda message: {}
        }
        super().__init__(key=key, **traits)
        self.on_msg(self._hear)
        self._take_over(key)

    @classmethod
    def live(cls, key: str) -> Card | None:
        """The card that shows this key now, if there is one."""
        return Card._live.get(key)

    def close(self) -> None:
        with Card._live_lock:
            if Card._live.get(self.key) is self:
                del Card._live[self.key]
        super().close()

    def answer_with(self, ask: str, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Register what answers the browser's question of this name."""
        self._handlers[ask] = handler

    def as_text(self) -> str:
        raise NotImplementedError

    def as_html(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live card, and text and static HTML for GitHub, nbconvert and untrusted notebooks."""
        view = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        return {"text/plain": self.as_text(), "text/html": self.as_html(), WIDGET_VIEW: view}, {}

    def _take_over(self, key: str) -> None:
        with Card._live_lock:
            previous = Card._live.pop(key, None)
            Card._live[key] = self
        if previous is not None:
            previous.close()

    def _hear(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if not isinstance(message, dict) or "id" not in message:
            return
        identity = str(message["id"])
        with self._lock:
            if identity not in self._replies:
                self._replies[identity] = self._reply(message)
                while len(self._replies) > REMEMBERED_REPLIES:
                    self._replies.popitem(last=False)
            reply = self._replies[identity]
        self.send({"id": identity, **reply})

    def _reply(self, message: dict[str, Any]) -> dict[str, Any]:
        ask = str(message.get("ask"))
        handler = self._handlers.get(ask)
        if handler is None:
            return {"trouble": f"This card can't answer {ask!r}. Run its cell again (Shift+Enter)."}
        try:
            return {"reply": handler(message)}
        except Exception as error:  # whatever it was, the learner must see it and go on
            log.exception("the card %s could not answer %r", self.key, ask)
            what = f"{type(error).__name__}: {error}"
            return {"trouble": f"labkit could not answer: {what}. What you entered is still here."}
