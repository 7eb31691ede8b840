"""A batch for supervised fine-tuning: prompt, answer, end; labels for the answer and the end only.

Checked against the three tensors written out place by place. transformers' collator makes the same
of rows with labels (tests/challenges/test_fine_tuning.py).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labkit.grading import Challenge, Submission
from labkit.grading.source.spoiling import spoiled

IGNORED = -100  # the label that torch's cross entropy leaves out

Ids = list[list[int]]
Batch = dict[str, Tensor]


def true_batch(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """Written out place by place."""
    rows = [prompt + answer + [end] for prompt, answer in zip(prompts, answers, strict=True)]
    places = range(max(map(len, rows)))
    labels = [
        [row[t] if len(prompt) <= t < len(row) else IGNORED for t in places]
        for row, prompt in zip(rows, prompts, strict=True)
    ]
    return {
        "input_ids": torch.tensor([[r[t] if t < len(r) else pad for t in places] for r in rows]),
        "attention_mask": torch.tensor([[int(t < len(r)) for t in places] for r in rows]),
        "labels": torch.tensor(labels),
    }


def check_collate(s: Submission) -> None:
    def expect(prompts: Ids, answers: Ids, end: int, pad: int, because: str) -> None:
        expected = true_batch(prompts, answers, end, pad)
        answer = s.collate(prompts, answers, end, pad).equals(expected, because=because)
        answer.holds(other_than_int64, because="All three are int64, as token ids are.")

    rule = "Prompt, answer and end; a label for the answer and the end only."
    expect([[7]], [[3]], 1, 0, rule)
    expect([[7, 8]], [[3, 4]], 1, 0, rule)
    expect(drawn_ids(s, 5, 4), drawn_ids(s, 5, 3), 1, 0, rule)
    pads = "Short rows are filled up on the right, and what fills them is not learned."
    expect([[7, 8], [7]], [[3], [4, 5, 6]], 1, 0, pads)
    expect([[7], [7, 8, 9]], [[3, 4], [5, 6]], 1, 0, pads)
    expect(drawn_ids(s, 5, 2, 6, 1), drawn_ids(s, 5, 3, 1, 2), 3, 2, pads)
    expect(drawn_ids(s, 5, 9, 1, 4, 4), drawn_ids(s, 5, 1, 5, 2, 3), 2, 4, pads)
    same = "Where padding is the same id as the end, the end is still learned."
    expect([[7, 8], [7]], [[3], [4, 5, 6]], 0, 0, same)
    expect(drawn_ids(s, 5, 3, 1, 2), drawn_ids(s, 5, 1, 4, 1), 2, 2, same)
    inside = "An id means padding by its place, not by its value."
    expect([[0, 7], [7, 0, 8, 9]], [[3, 0], [4]], 1, 0, inside)
    expect([[1, 7], [7, 8, 8, 8]], [[1, 3, 1], [4]], 1, 0, inside)
    few = drawn_ids(s, 0, 7, 3, 6, 4, 9, 5, below=4)  # so few ids that each comes again
    expect(few[:3], few[3:], 1, 0, inside)
    expect([[7, 3], [7]], [[3, 7], [4, 5, 6, 7]], 1, 0, "A token of the prompt may come again.")
    nothing = "The prompt of a row may be empty."
    expect([[], [7]], [[3, 4], [5]], 1, 0, nothing)
    expect(drawn_ids(s, 5, 3, 0, 1), drawn_ids(s, 5, 2, 6, 1), 1, 0, nothing)
    refuse = "An empty answer teaches nothing but to stop."
    s.collate.raises(ValueError, [[7], [7]], [[3], []], 1, 0, because=refuse)
    s.collate.raises(ValueError, drawn_ids(s, 5, 3, 2), drawn_ids(s, 5, 0, 4), 1, 0, because=refuse)
    every = "Every prompt needs an answer, and every answer a prompt."
    s.collate.raises(ValueError, [[7], [8]], [[3]], 1, 0, because=every)
    s.collate.raises(ValueError, drawn_ids(s, 5, 3), drawn_ids(s, 5, 2, 4), 1, 0, because=every)


def drawn_ids(s: Submission, least: int, *lengths: int, below: int = 99) -> Ids:
    """Rows of random token ids from `least` up."""
    return [
        torch.randint(least, below, (length,), generator=s.generator).tolist() for length in lengths
    ]


def other_than_int64(batch: Batch) -> str | None:
    """What is wrong with the types of a batch."""
    kinds = {name: str(tensor.dtype) for name, tensor in batch.items()}
    return f"they are {kinds}" if set(kinds.values()) != {"torch.int64"} else None


challenge = Challenge(
    name="collate",
    title="A batch whose loss is on the answers",
    check=check_collate,
    points=3,
    hints=(
        "Three tensors of one shape. For each place of each row: what stands there, is it read, "
        "and is it learned?",
        "Take one row by itself, without padding: write down its ids, and under each of them "
        "whether it is read, and its label. Then fill the three rows up to the longest: what "
        "stands in each of the three where there is nothing?",
        "Prompt [7], answer [4, 5, 6], end 1 is 5 tokens. Prompt [7, 8], answer [3] is 4 and gets "
        "one of padding: ids 7 8 3 1 0, mask 1 1 1 1 0, labels -100 -100 3 1 -100.",
    ),
    not_allowed=("transformers.DataCollatorForSeq2Seq",),
)


# ---- padding -------------------------------------------------------------------------------------

MASK, LABELS = '"attention_mask": attention_mask', '"labels": labels'
LABELS_BY_VALUE = '"labels": labels.masked_fill(input_ids == pad, -100)'
MASK_BY_VALUE = '"attention_mask": (input_ids != pad).long()'

challenge.mistake(
    "padding-by-value",
    "You find the padding by its id. Where it is the same as `end`, which it is in many "
    "models, the end is not learned, and the tuned model never stops.",
    hint="Padding is what lies beyond a row's own length: count, don't compare ids.",
    answer=spoiled(LABELS, LABELS_BY_VALUE),
)

challenge.mistake(
    "mask-by-value",
    "Your attention mask hides every token whose id is `pad`, real ones too.",
    hint="The mask is 1 in the first len(row) places and 0 after them, whatever stands there.",
    answer=spoiled(MASK, MASK_BY_VALUE),
)

challenge.mistake(
    "all-by-value",
    "You find the padding by its id, for the mask and for the labels. A real token of that id "
    "is then neither read nor learned; in many models `pad` is the same id as `end`.",
    hint="Padding is what lies beyond a row's own length: count, don't compare ids.",
    answer=spoiled(MASK, MASK_BY_VALUE, LABELS, LABELS_BY_VALUE),
)

challenge.mistake(
    "padding-learned",
    "Your padding has labels: the model learns to write padding.",
    hint="Fill the labels up with -100, not with `pad`.",
    answer=spoiled(LABELS, '"labels": torch.where(attention_mask == 0, pad, labels)'),
)

challenge.mistake(
    "masked-with-pad",
    "Where nothing is to be learned you wrote an id, `pad` or 0. To the loss that is a token "
    "like any other; only -100 is left out.",
    hint="-100 is the label that cross entropy ignores.",
    answer=spoiled("-100", "pad"),
)

challenge.mistake(
    "mask-all-ones",
    "Your attention mask is 1 for padding too.",
    hint="0 where a row has ended.",
    answer=spoiled("zeros_like", "ones_like"),
)

challenge.mistake(
    "padded-left",
    "You padded on the left. That is right for writing; for training rows begin at 0.",
    hint="row + [pad] * (width - len(row))",
    answer=spoiled(
        "input_ids[i, : len(row)]", "input_ids[i, -len(row) :]",
        "attention_mask[i, : len(row)]", "attention_mask[i, -len(row) :]",
        "labels[i, answer]", "labels[i, -len(row) :][answer]",
    ),
)  # fmt: skip


# ---- the end -------------------------------------------------------------------------------------

challenge.mistake(
    "no-end",
    "The end is missing: a model tuned on this has never seen where an answer stops.",
    hint="A row is prompt + answer + [end].",
    answer=spoiled(" + [end]", ""),
)

challenge.mistake(
    "end-not-learned",
    "The end is there and has no label: the model does not learn to stop.",
    hint="The labels of a row are -100 for the prompt, then the answer, then `end`.",
    answer=spoiled("]), len(row))", "]), len(row) - 1)"),
)

challenge.mistake(
    "end-after-padding",
    "Your end stands at the edge, after the padding. The model is to learn that it comes right "
    "after the answer.",
    hint="Put the end to each row before you fill the rows up.",
    answer=spoiled(
        " + [end]", "",
        "for row in rows)", "for row in rows) + 1",
        "return {",
        "input_ids[:, -1], attention_mask[:, -1], labels[:, -1] = end, 1, end\n    return {",
    ),
)  # fmt: skip


# ---- what is learned, and what is read -----------------------------------------------------------

challenge.mistake(
    "prompt-learned",
    "You let the model learn the prompt too: its labels are the tokens themselves.",
    hint="The first len(prompt) labels of a row are -100.",
    answer=spoiled("slice(len(prompts[i]), ", "slice("),
)

challenge.mistake(
    "answer-masked",
    "The wrong way round: you mask the answer and let the prompt be learned.",
    hint="-100 stands where the prompt is.",
    answer=spoiled("slice(len(prompts[i]), len(row))", "slice(len(prompts[i]))"),
)

challenge.mistake(
    "one-too-many",
    "The answer's first token is masked as well.",
    hint="Exactly len(prompt) labels are -100; the next one is the answer's first token.",
    answer=spoiled("len(prompts[i])", "len(prompts[i]) + 1"),
)

challenge.mistake(
    "one-too-few",
    "The prompt's last token is learned.",
    hint="Exactly len(prompt) labels are -100.",
    answer=spoiled("len(prompts[i])", "max(0, len(prompts[i]) - 1)"),
)

challenge.mistake(
    "shifted",
    "You shifted the labels by one. The loss does that itself: here each label stands in its "
    "own token's place.",
    hint="labels[t] is input_ids[t] wherever it is learned.",
    answer=spoiled(LABELS, '"labels": torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100)'),
)

challenge.mistake(
    "prompt-unseen",
    "Your attention mask is 0 for the prompt: the model is to read it, only not to learn it.",
    hint="The mask is about reading, the labels are about learning. Only padding has mask 0.",
    answer=spoiled("attention_mask[i, : len(row)]", "attention_mask[i, answer]"),
)

challenge.mistake(
    "nothing-refused",
    "You take an empty answer, or prompts and answers of different number.",
    hint="Begin with: if len(prompts) != len(answers) or not all(answers): raise ValueError(...).",
    answer=spoiled("not all(answers)", "False", "strict=True", "strict=False"),
)


@challenge.alternative
def by_pad_sequence(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """With torch's own padding."""
    if len(prompts) != len(answers) or any(len(a) == 0 for a in answers):
        raise ValueError("prompts and answers")
    rows = [torch.tensor(p + a + [end]) for p, a in zip(prompts, answers, strict=True)]
    labels = [row.clone() for row in rows]
    for row, prompt in zip(labels, prompts, strict=True):
        row[: len(prompt)] = IGNORED
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
    }


@challenge.alternative
def by_lengths(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """All rows at once: each place is compared with where a row's answer begins and ends."""
    if len(prompts) != len(answers) or [] in answers:
        raise ValueError("as many answers as prompts, none of them empty")
    begins = torch.tensor([[len(prompt)] for prompt in prompts])
    ends = begins + torch.tensor([[len(answer) + 1] for answer in answers])
    place = torch.arange(int(ends.max()))
    input_ids = torch.full((len(prompts), len(place)), pad)
    input_ids[place < ends] = torch.tensor(
        [token for p, a in zip(prompts, answers, strict=True) for token in (*p, *a, end)]
    )
    learned = (begins <= place) & (place < ends)
    labels = torch.where(learned, input_ids, IGNORED)
    return {"input_ids": input_ids, "attention_mask": (place < ends).long(), "labels": labels}
