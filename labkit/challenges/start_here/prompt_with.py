"""A prompt: the passage, the question and the beginning of the answer, a line for each.

Checked against the texts themselves, letter by letter; some passages and questions are drawn.
"""

from __future__ import annotations

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw_text
from labkit.grading.source.spoiling import spoiled


def check_prompt_with(s: Submission) -> None:
    question = "Which pet does Anna Kell have?"
    layout = "The passage, the question after 'Q: ', and 'A: ' stand on three lines."
    s.prompt_with("Anna Kell has a goat.", question).equals(
        "Anna Kell has a goat.\nQ: Which pet does Anna Kell have?\nA: ", because=layout
    )
    s.prompt_with("x", "y").equals("x\nQ: y\nA: ", because=layout)
    s.prompt_with("One.\nTwo.", "y?").equals(
        "One.\nTwo.\nQ: y?\nA: ", because="A passage may have several lines; they stay."
    )
    around = "Spaces and line ends around the passage are left out."
    s.prompt_with("  One.\n\n", "y?").equals("One.\nQ: y?\nA: ", because=around)
    none = "Without a passage the prompt begins with the question."
    s.prompt_with("", question).equals("Q: Which pet does Anna Kell have?\nA: ", because=none)
    s.prompt_with(" \n ", "y?").equals("Q: y?\nA: ", because=none)
    for lines in (1, 3):
        passage = "\n".join(draw_text(s, "abc .", 12).strip() or "x" for _ in range(lines))
        asked, text = f"Who {draw_text(s, 'abc', 12)}?", f"{passage}. "
        wanted = f"{text.strip()}\nQ: {asked}\nA: "
        s.prompt_with(f" {text}\n", asked).equals(wanted, because=layout)
    asked = draw_text(s, "abcdefgh", 12)
    s.prompt_with("\n", asked).equals(f"Q: {asked}\nA: ", because=none)


challenge = Challenge(
    name="prompt_with",
    title="A prompt with something to read",
    check=check_prompt_with,
    points=1,
    hints=(
        "It is three lines of text. Write them down for the example, then put the names in.",
        "Three lines have two line ends between them: after which parts do they stand? Then the "
        "odd case: what is the first line when the passage is nothing but white space?",
        "'Anna Kell has a goat.' + '\\n' + 'Q: ' + 'Which pet does Anna Kell have?' + '\\n' + 'A: "
        "'",
    ),
)


# ---- the end -------------------------------------------------------------------------------------

challenge.mistake(
    "no-space-after-a",
    "The space after 'A:' is missing. To a tokenizer that is another text: the model has to "
    "write the space first.",
    hint="End with 'A: ', with the space.",
    answer=spoiled('A: "', 'A:"'),
)

challenge.mistake(
    "line-after-a",
    "You ended with a line end, which says that the answer is over.",
    hint="Nothing comes after 'A: '.",
    answer=spoiled('A: "', r'A: \n"'),
)

challenge.mistake(
    "no-answer-line",
    "The prompt ends with the question. The model would have to write 'A: ' itself, and may "
    "write another question instead.",
    hint="End with 'A: ', so that the answer is all that is left to write.",
    answer=spoiled('A: "', '"'),
)


# ---- the passage ---------------------------------------------------------------------------------

PROMPT = r'f"{text}\n" * bool(text) + f"Q: {question}\nA: "'

challenge.mistake(
    "empty-line",
    "Without a passage your prompt begins with an empty line.",
    hint="Put the passage and its line end there only when there is a passage.",
    answer=spoiled(" * bool(text)", ""),
)

challenge.mistake(
    "passage-as-it-is",
    "You took the passage as it came, with the empty lines around it.",
    hint="passage.strip() leaves them out.",
    answer=spoiled("{text}", "{passage}"),
)

challenge.mistake(
    "question-first",
    "You put the question before the passage. The model was trained to read first.",
    hint="Passage, question, answer: in this order.",
    answer=spoiled(PROMPT, r'f"Q: {question}\n" + f"{text}\n" * bool(text) + "A: "'),
)

challenge.mistake(
    "one-line",
    "Everything stands on one line. The line ends tell the model where a part begins.",
    hint="Put '\\n' after the passage and after the question.",
    answer=spoiled(PROMPT, rf'f"{{text}} Q: {{question}} A: " if text else {PROMPT}'),
)

challenge.mistake(
    "no-passage",
    "You left the passage out: there is nothing to read.",
    hint="The passage is the first line of the prompt.",
    answer=spoiled(r'f"{text}\n" * bool(text) + ', ""),
)


@challenge.alternative
def by_lines(passage: str, question: str) -> str:
    """A list of lines, joined."""
    lines = [passage.strip(), f"Q: {question}", "A: "]
    return "\n".join(line for line in lines if line)


@challenge.alternative
def with_an_empty_line_taken_off(passage: str, question: str) -> str:
    """All three lines in any case; the first one goes where it is empty."""
    return f"{passage.strip()}\nQ: {question}\nA: ".removeprefix("\n")
