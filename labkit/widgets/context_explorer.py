"""The window as a strip of coloured tokens: drag the budget, see what is packed and what falls out.

Every budget and way of packing was tried before it is shown, and the model's replies travel with
them; so the explorer answers at once and works on when the kernel is gone.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import traitlets

from labkit.widgets.base import Card, script, style


class Tried(Protocol):
    """What one way of packing did with one budget (`labkit.instruments.context.packing.Tried`)."""

    @property
    def budget(self) -> int: ...
    @property
    def chosen(self) -> Sequence[int]: ...
    @property
    def replies(self) -> Sequence[str]: ...
    @property
    def right(self) -> Sequence[bool]: ...


class ContextExplorer(Card):
    """Passages as tokens, questions about them, and what every way of packing gives at each budget.

    passages   the tokens of each passage, as text
    relevance  of each passage
    questions  with the right `answers`, and in `sources` the passages that hold each answer
    packings   way of packing → one `Tried` for each budget, the same budgets everywhere
    """

    _esm = script("context_explorer.js")
    _css = style("sampling_explorer.css", "context_explorer.css")

    passages = traitlets.List(traitlets.Dict()).tag(sync=True)
    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    budgets = traitlets.List(traitlets.Int()).tag(sync=True)
    packings = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        passages: Sequence[Sequence[str]],
        relevance: Sequence[float],
        questions: Sequence[str],
        answers: Sequence[str],
        sources: Sequence[Sequence[int]],
        packings: Mapping[str, Sequence[Tried]],
        key: str = "context-explorer",
    ) -> None:
        if not questions or not len(questions) == len(answers) == len(sources):
            raise ValueError(
                f"{len(questions)} questions, {len(answers)} answers and {len(sources)} lists of "
                f"sources were given; give one of each for every question"
            )
        if len(passages) != len(relevance):
            raise ValueError(
                f"{len(passages)} passages and {len(relevance)} numbers of relevance were given; "
                f"give one for each"
            )
        budgets = budgets_of(packings)
        super().__init__(
            key,
            passages=[
                {"tokens": list(map(str, tokens)), "relevance": float(value)}
                for tokens, value in zip(passages, relevance, strict=True)
            ],
            questions=[
                {"text": text.strip(), "answer": answer, "sources": list(some)}
                for text, answer, some in zip(questions, answers, sources, strict=True)
            ],
            budgets=budgets,
            packings=[
                {"name": name, "tries": [as_dict(one) for one in tries]}
                for name, tries in packings.items()
            ],
        )

    def right_at(self) -> list[list[str]]:
        """A row for each budget: how many questions each way of packing gets right."""
        rows = []
        for i, budget in enumerate(self.budgets):
            right = [str(sum(packing["tries"][i]["right"])) for packing in self.packings]
            rows.append([str(budget), *right])
        return rows

    def as_text(self) -> str:
        names = [packing["name"] for packing in self.packings]
        lines = [f"Context explorer: of {len(self.questions)} questions, right at each budget"]
        lines.append("  " + "".join(f"{cell:>16}" for cell in ["tokens", *names]))
        lines += ["  " + "".join(f"{cell:>16}" for cell in row) for row in self.right_at()]
        return "\n".join(lines)

    def as_html(self) -> str:
        names = ["tokens", *(packing["name"] for packing in self.packings)]
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
        body = "".join(
            f'<tr><th scope="row">{row[0]}</th>'
            + "".join(f"<td>{cell}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.right_at()
        )
        caption = f"Of {len(self.questions)} questions, right at each budget"
        return (
            f'<div class="labkit-static"><table><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p><em>Run this cell in JupyterLab to drag the budget.</em></p></div>"
        )


def budgets_of(packings: Mapping[str, Sequence[Tried]]) -> list[int]:
    """The budgets that every way of packing was tried with."""
    found = [[one.budget for one in tries] for tries in packings.values()]
    if not found or not found[0] or any(budgets != found[0] for budgets in found):
        raise ValueError(
            f"the budgets tried are {found}; give at least one way of packing, and the same "
            f"budgets for each"
        )
    return found[0]


def as_dict(one: Tried) -> dict[str, Any]:
    return {
        "chosen": list(one.chosen),
        "replies": list(one.replies),
        "right": list(one.right),
    }
