"""The card of one question: shown from the question's public form, marked by a callable.

The card doesn't know the right answer. It draws what it is given, sends the answer, and shows what
comes back:
`{"outcome", "message", "points", "feedback": {part id: text}, "right": [part ids], "attempts"}`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import traitlets

from labkit.widgets import prose
from labkit.widgets.base import Card, script, style

PART_LISTS = ("options", "items", "left", "right")
HOW = {
    "single": "Choose one",
    "multiple": "Choose all that apply",
    "number": "Type a number",
    "predict": "Predict, then measure",
    "text": "Type a short answer",
    "order": "Put in order",
    "match": "Match the pairs",
    "code-output": "Read the code",
}


class QuizCard(Card):
    """`restored`: the last result with its `answer`, the `hints` taken, and `compared`, if any."""

    _esm = script("quiz.js")
    _css = style("quiz.css")

    question = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        question: Mapping[str, Any],
        on_answer: Callable[[Any], Mapping[str, Any]],
        on_hint: Callable[[], Mapping[str, Any]],
        restored: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> None:
        self._public = dict(question)
        self._on_answer = on_answer
        self._on_hint = on_hint
        super().__init__(
            key or str(question["id"]),
            question=drawable(question),
            state=drawn(dict(restored or {})),
        )
        self.answer_with("answer", self._answer)
        self.answer_with("hint", self._hint)

    def compared(self, message: str) -> None:
        """Lock a prediction: it has been compared with its measurement, and says so."""
        with self._lock:
            self.state = drawn({**self.state, "compared": message})

    def as_text(self) -> str:
        return text_of(self._public)

    def as_html(self) -> str:
        return html_of(self._public, self.key)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        answer = message.get("answer")
        result = dict(self._on_answer(answer))
        if result.get("outcome") == "error":  # unreadable: no attempt is used up, nothing is kept
            said = {name: result.get(name) for name in ("outcome", "message")}
            return {"state": drawn({**self.state, **said, "answer": answer})}
        self.state = drawn({**self.state, **result, "answer": answer})
        return {"state": self.state}

    def _hint(self, message: dict[str, Any]) -> dict[str, Any]:
        hint = dict(self._on_hint())
        known = list(self.state.get("hints", []))
        if hint.get("text") and all(hint.get("level") != other.get("level") for other in known):
            known.append(hint)
        self.state = drawn({**self.state, "hints": known, "hints_left": hint.get("left", 0)})
        return {"state": self.state}


def drawable(question: Mapping[str, Any]) -> dict[str, Any]:
    """The question with its Markdown as HTML; the prompt's first paragraph is the legend."""
    first, rest = prose.split_first(str(question["prompt"]))
    drawn_parts = {
        name: [{**part, "html": prose.to_html(str(part["text"]))} for part in question[name]]
        for name in PART_LISTS
        if question.get(name)
    }
    return {
        **question,
        **drawn_parts,
        "how": HOW.get(str(question.get("type")), ""),
        "legend_html": prose.to_html(first),
        "rest_html": prose.to_html(rest) if rest else "",
    }


def drawn(state: dict[str, Any]) -> dict[str, Any]:
    """The card's state with HTML beside each text that an author wrote."""
    hints = [
        {**hint, "html": prose.to_html(str(hint.get("text", "")))}
        for hint in state.get("hints") or []
    ]
    return {
        **state,
        "hints": hints,
        "message_html": prose.to_html(str(state.get("message") or "")),
        "compared_html": prose.to_html(str(state.get("compared") or "")),
        "feedback_html": {
            part: prose.to_html(str(text)) for part, text in (state.get("feedback") or {}).items()
        },
    }


def text_of(question: Mapping[str, Any]) -> str:
    """What a terminal shows: the question and its choices, never the right answer."""
    heading = f"Question {question['id']} ({_points(question)})"
    lines = [f"{heading}: {prose.to_plain(str(question['prompt']))}"]
    lines += [f"  | {line}" for line in str(question.get("code") or "").rstrip().splitlines()]
    lines += [f"  {mark} {prose.to_plain(text)}" for mark, text in _choices(question)]
    if question.get("unit"):
        lines.append(f"  in {question['unit']}")
    return "\n".join(lines)


def html_of(question: Mapping[str, Any], key: str) -> str:
    """Static HTML for readers without a kernel: no script, no style of its own, no right answer."""
    code = question.get("code")
    choices = "".join(f"<li>{prose.to_static_html(text)}</li>" for _, text in _choices(question))
    unit = question.get("unit")
    return "".join(
        [
            f'<div class="labkit-static" data-qid="{html.escape(key)}">',
            f"<div>{prose.to_static_html(str(question['prompt']))}</div>",
            f"<pre><code>{html.escape(str(code).rstrip())}</code></pre>" if code else "",
            f"<ul>{choices}</ul>" if choices else "",
            f"<p>In {html.escape(str(unit))}.</p>" if unit else "",
            f"<p><em>{HOW.get(str(question.get('type')), 'Question')} · {_points(question)} · "
            "run this cell in JupyterLab to answer.</em></p></div>",
        ]
    )


def _choices(question: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    marks = {"options": "( )" if question.get("type") == "single" else "[ ]", "items": "-"}
    for name in PART_LISTS:
        for part in question.get(name) or []:
            yield marks.get(name, "<" if name == "left" else ">"), str(part["text"])


def _points(question: Mapping[str, Any]) -> str:
    points = question.get("points", 1)
    return f"{points:g} point" + ("" if points == 1 else "s")
