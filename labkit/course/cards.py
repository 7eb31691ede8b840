"""The cards that a session shows: each is static, accessible HTML and the same as plain text.

They have no script and need no kernel, so GitHub, nbconvert and a screen reader show what
JupyterLab shows. Whatever a learner or an author wrote is escaped. The text holds nothing that
differs between two equal runs: no times, no addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from labkit.course.catalog import Lesson
from labkit.course.claims import Claim
from labkit.course.marking import Comparison, in_unit
from labkit.course.quiz import Predict
from labkit.course.standing import Standing

if TYPE_CHECKING:
    from labkit.grading import Verdict

STYLE = """\
.labkit-note { --labkit-tone: var(--jp-border-color1, #7d8590); box-sizing: border-box;
  max-width: 60rem; margin: .25rem 2px .5rem; padding: .6rem 1rem; overflow-wrap: anywhere;
  border: 1px solid var(--jp-border-color2, #d0d5dc); border-left: 4px solid var(--labkit-tone);
  border-radius: 6px; background: var(--jp-layout-color1, #fff);
  color: var(--jp-content-font-color1, #1f2328);
  font: 400 .9375rem/1.5 var(--jp-content-font-family, system-ui, sans-serif) }
.labkit-note[data-tone=good] { --labkit-tone: var(--jp-success-color1, #1a6e37) }
.labkit-note[data-tone=bad] { --labkit-tone: var(--jp-error-color1, #b3261e) }
.labkit-note[data-tone=warn] { --labkit-tone: var(--jp-warn-color1, #9a5b00) }
.labkit-note :is(p, div) { margin: .3em 0 }
.labkit-note:has(> :is(p, div):only-child) { margin: .1rem 2px .2rem; padding: 0 .8rem }
.labkit-note pre, .labkit-note code { color: inherit; background: var(--jp-layout-color2, #f3f4f6);
  font-family: var(--jp-code-font-family, monospace); font-size: .9em }
.labkit-note pre code { font-size: inherit }
.labkit-note pre { margin: .4rem 0; padding: .5rem .7rem; overflow-x: auto; white-space: pre }
.labkit-note table { border-collapse: collapse; margin: .4rem 0; background: none }
.labkit-note :is(th, td) { text-align: left; padding: .15rem .9rem .15rem 0;
  color: inherit; background: none }
@media (prefers-color-scheme: dark) {
  body:not([data-jp-theme-light], .vscode-light) .labkit-note {
    background: var(--jp-layout-color1, #16181d); color: var(--jp-content-font-color1, #e8eaed);
    border-color: var(--jp-border-color2, #3d434b); border-left-color: var(--labkit-tone) }
  body:not([data-jp-theme-light], .vscode-light) .labkit-note :is(pre, code) {
    background: var(--jp-layout-color2, #23262d) } }
"""

# outcome -> tone, sign, words; never the colour alone
OUTCOMES = {
    "pass": ("good", "✓", "right"),
    "fail": ("bad", "✗", "not yet"),
    "error": ("bad", "!", "stopped"),
    "not attempted": ("", "○", "not attempted"),
    "committed": ("good", "✓", "committed"),
}
NEXT_STEPS = {
    "pass": "`lab.solution({name})` shows the reference beside yours.",
    "fail": "`lab.hint({name})` gives a hint.",
    "error": "`lab.hint({name})` gives a hint.",
    "not attempted": "`lab.hint({name})` says how to begin.",
}


@dataclass(frozen=True)
class Card:
    """What a cell shows: HTML where it can be drawn, else the text."""

    html: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class VerdictCard(Card):
    """A verdict that shows itself; `verdict` is the verdict itself."""

    verdict: Verdict

    @property
    def outcome(self) -> str:
        return self.verdict.outcome

    @property
    def message(self) -> str:
        return self.verdict.message


def show(card: Card) -> None:
    """Show a card now, in the middle of a cell; outside Jupyter its text is printed."""
    from IPython.display import display

    display(card)


def lesson_card(lesson: Lesson, standing: Standing) -> Card:
    """Where you are, how long it takes, what it uses, how far you have come."""
    title = f"Lesson {lesson.number}: {lesson.title}"
    facts = [f"about {lesson.minutes} minutes", *model_words(lesson.models)]
    progress = f"{done(standing)}. lab.progress() shows which."
    lines = [title, ", ".join(facts), progress]
    return Card(frame(strong(title), *map(paragraph, lines[1:]), label=title), "\n".join(lines))


def model_words(models: Sequence[str]) -> list[str]:
    if not models:
        return []
    return [f"{'model' if len(models) == 1 else 'models'}: {', '.join(models)}"]


def done(standing: Standing) -> str:
    """How far a learner has come in a lesson, in words."""
    questions, challenges = len(standing.questions), len(standing.challenges)
    return (
        f"{standing.answered} of {questions} questions answered, "
        f"{standing.passed} of {challenges} challenges passed"
    )


def verdict_card(verdict: Verdict) -> VerdictCard:
    """What a check found: the outcome, the mistake by name, the line and the case to look at."""
    tone, sign, words = OUTCOMES[verdict.outcome]
    step = NEXT_STEPS[verdict.outcome].format(name=verdict.challenge)
    head = f"{verdict.challenge}: {words}"
    blocks = [block for block in (verdict.line, verdict.case) if block]
    text = "\n".join(part for part in (f"{sign} {head}", verdict.message, *blocks, step) if part)
    html = frame(
        f"<p>{mark(sign)}<strong>{escape(head)}</strong></p>",
        prose_html(verdict.message),
        *(f'<pre tabindex="0">{escape(block)}</pre>' for block in blocks),
        prose_html(step),
        label=head,
        tone=tone,
        status=True,
    )
    return VerdictCard(html, text, verdict)


def claim_card(claim: Claim) -> Card:
    """A number of the prose beside what was measured here."""
    tones = {True: ("good", "✓"), False: ("bad", "✗"), None: ("", "·")}
    tone, sign = tones[claim.holds]
    body = f"<p>{mark(sign)}{escape(str(claim))}</p>"
    return Card(frame(body, label=f"Claim: {claim.name}", tone=tone), f"{sign} {claim}")


def message_card(title: str, *paragraphs: str, tone: str = "") -> Card:
    """A title and some prose."""
    body = [prose_html(words) for words in paragraphs]
    html = frame(strong(title), *body, label=title, tone=tone, status=True)
    return Card(html, "\n".join([title, *paragraphs]))


def line_card(words: str) -> Card:
    """One sentence."""
    return Card(frame(prose_html(words), label="Note"), words)


def notice_card(title: str, message: str) -> Card:
    """Something that went wrong beside the lesson; the message is no Markdown."""
    html = frame(strong(title), paragraph(message), label=title, tone="warn", status=True)
    return Card(html, f"{title}: {message}")


def comparison_card(question: Predict, comparison: Comparison) -> Card:
    """A measurement beside the prediction."""
    tone = {"close": "good", "not predicted": "warn"}.get(comparison.outcome, "")
    predicted = ""
    if comparison.predicted is not None:
        predicted = f"You predicted {comparison.predicted:g}{in_unit(question.unit)}. "
    return message_card(question.id, predicted + comparison.message, tone=tone)


def code_card(title: str, code: str) -> Card:
    """A title and a piece of code to read or to paste."""
    block = f'<pre tabindex="0"><code>{escape(code.rstrip())}</code></pre>'
    return Card(frame(strong(title), block, label=title), f"{title}\n\n{code.rstrip()}")


def progress_card(standing: Standing) -> Card:
    """Every question and challenge of a lesson with what came of it so far."""
    lesson = standing.lesson
    title = f"Your progress in lesson {lesson.number}: {lesson.title}"
    lists = {"Question": standing.questions, "Challenge": standing.challenges}
    tables = [table(kind, outcomes) for kind, outcomes in lists.items() if outcomes]
    lines = [title, done(standing)]
    for kind, outcomes in lists.items():
        lines += [
            f"  {kind.lower()} {name}: {state(outcome)}" for name, outcome in outcomes.items()
        ]
    html = frame(strong(title), paragraph(f"{done(standing)}."), *tables, label=title)
    return Card(html, "\n".join(lines))


def state(outcome: str | None) -> str:
    """An outcome with its sign; what was never tried is open."""
    _, sign, words = OUTCOMES[outcome] if outcome else ("", "○", "open")
    return f"{sign} {words}"


def table(kind: str, outcomes: Mapping[str, str | None]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(state(outcome))}</td></tr>'
        for name, outcome in outcomes.items()
    )
    head = f'<thead><tr><th scope="col">{kind}</th><th scope="col">So far</th></tr></thead>'
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def frame(*parts: str, label: str, tone: str = "", status: bool = False) -> str:
    """The card around its parts; one that answers a call is announced to screen readers."""
    role = ' role="status"' if status else ""
    tone = f' data-tone="{tone}"' if tone else ""
    body = "".join(parts)
    section = f'<section class="labkit-note"{tone}{role} aria-label="{escape(label)}">'
    return f"<style>{STYLE}</style>{section}{body}</section>"


def prose_html(words: str) -> str:
    """Markdown as HTML: raw HTML in it is escaped, maths is left to the page."""
    from labkit.widgets import prose

    return f"<div>{prose.to_static_html(words)}</div>"


def strong(words: str) -> str:
    return f"<p><strong>{escape(words)}</strong></p>"


def paragraph(words: str) -> str:
    return f"<p>{escape(words)}</p>"


def mark(sign: str) -> str:
    """The outcome's sign; a screen reader hears the words beside it."""
    return f'<span aria-hidden="true">{sign} </span>'
