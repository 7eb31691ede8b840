"""A notebook of cards that mark themselves: every type of question, without lesson or log."""

from __future__ import annotations

from pathlib import Path

import nbformat
from playwright.sync_api import Locator

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

SETUP = """
import time
from labkit.course.marking import mark
from labkit.course.quiz import load_quiz
from labkit.widgets import Example, QuizCard, SamplingExplorer

quiz, heard = load_quiz("05_cards.yaml"), []

def show(id, restored=None):
    question = quiz[id]
    hints = iter(range(len(question.hints)))

    def on_answer(answer):
        heard.append([id, answer])
        marked = mark(question, answer)
        return {"outcome": marked.outcome, "message": marked.message, "points": marked.points,
                "feedback": marked.feedback, "right": marked.right, "attempts": len(heard)}

    def on_hint():
        n = next(hints)
        return {"text": question.hints[n], "level": n, "left": len(question.hints) - n - 1}

    return QuizCard(question.public(), on_answer, on_hint, restored, key="cards/" + id)
"""
BROKEN = """
def broken(answer):
    raise OSError("the disk is full")

QuizCard({**quiz["entropy"].public(), "id": "broken"}, broken, dict, key="cards/broken")
"""
EXPLORER = """
import random
random.seed(3)
vocabulary = [f" w{i}" for i in range(2000)]
SamplingExplorer([
    Example("The first", vocabulary, [random.gauss(0, 3) for _ in vocabulary]),
    Example("The second", vocabulary[:40], [-0.1 * i for i in range(40)]),
], key="cards/explorer")
"""
QUESTIONS = """
lesson: 05_cards
questions:
  - id: single
    type: single
    prompt: What is the entropy of $\\operatorname{softmax}(z/T)$ as $T \\to 0$?
    hints: ['Which token is left?', 'What is $\\ln 1$?']
    explanation: One token has everything.
    options:
      - {id: rises, text: It rises to $\\ln V$., feedback: That is the other end.}
      - {id: falls, text: It falls to **0**., feedback: Nothing is left to guess., correct: true}
      - {id: stays, text: It stays., feedback: The order stays; the entropy does not.}
  - id: multiple
    type: multiple
    prompt: Which keep more tokens where the model is unsure?
    points: 2
    options:
      - {id: top-k, text: top-k, feedback: It keeps k of them., correct: false}
      - {id: top-p, text: top-p, feedback: It fills up to p., correct: true}
      - {id: min-p, text: min-p, feedback: It follows the largest., correct: true}
  - id: entropy
    type: number
    prompt: What is the entropy of four equally likely tokens?
    unit: nats
    answer: 1.386
    tolerance: 0.01
    mistakes: [{answer: 2, feedback: That is in bits.}]
  - id: guess
    type: predict
    prompt: Which share of the answers will be right at $T = 2$?
    unit: percent
    minimum: 0
    maximum: 100
    close: 5
  - id: name
    type: text
    prompt: What is the set that top-p keeps called?
    accept: [nucleus]
  - id: order
    type: order
    prompt: In which order does `generate` apply them?
    feedback: Temperature comes first.
    items:
      - {id: one, text: divide by $T$}
      - {id: two, text: top-k}
      - {id: three, text: top-p}
      - {id: four, text: draw}
  - id: match
    type: match
    prompt: What does each fix?
    feedback: One is in another's place.
    pairs:
      - {id: k, left: top-k, right: how many tokens}
      - {id: p, left: top-p, right: how much probability}
  - id: prints
    type: code-output
    prompt: What does this print?
    code: |
      logits = [0.0, 2.0]
      print(max(logits) / 2)
    answer: "1.0"
"""
IDS = ("single", "multiple", "entropy", "guess", "name", "order", "match", "prints")


def write_notebook(path: Path, cells: list[str]) -> Path:
    """A notebook of code cells, on the Python kernel."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    for index, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source.strip(), id=f"cell-{index}")
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return path


def write_cards(folder: Path) -> Path:
    """One cell per card, and the questions beside it."""
    (folder / "05_cards.yaml").write_text(QUESTIONS, "utf-8")
    shown = [f'show("{id}")' for id in IDS]
    return write_notebook(folder / "cards.ipynb", [SETUP, *shown, EXPLORER, BROKEN])


def figure(card: Locator, name: str) -> float:
    """A figure that a card's picture shows, once what was moved before is drawn: that waits for a
    frame."""
    card.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return float(card.get_attribute(f"data-{name}") or "nan")
