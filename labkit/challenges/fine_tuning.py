"""Lesson 08, Fine-tuning: what is right, the mistakes known by name, the hints.

Expected values come from plain Python and float64 NumPy, and once for each challenge from the
production library: transformers' collator, transformers' loss, torch's AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.loss.loss_utils import ForCausalLMLoss

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.drawing import draw

IGNORED = -100
Ids = list[list[int]]
Batch = dict[str, Tensor]
State = dict[str, Tensor]


# ------------------------------------------------------------------------------------------------
# collate


def true_batch(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """Written out place by place."""
    rows = [prompt + answer + [end] for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(map(len, rows))
    places = range(width)
    return {
        "input_ids": torch.tensor([[r[t] if t < len(r) else pad for t in places] for r in rows]),
        "attention_mask": torch.tensor([[int(t < len(r)) for t in places] for r in rows]),
        "labels": torch.tensor(
            [
                [r[t] if len(p) <= t < len(r) else IGNORED for t in places]
                for r, p in zip(rows, prompts, strict=True)
            ]
        ),
    }


def drawn_ids(s: Submission, least: int, *lengths: int, below: int = 99) -> Ids:
    """Rows of random token ids from `least` up."""
    return [
        torch.randint(least, below, (length,), generator=s.generator).tolist() for length in lengths
    ]


def check_collate(s: Submission) -> None:
    """Prompt, answer, end; padding on the right; labels for answer and end only."""

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


def other_than_int64(batch: Batch) -> str | None:
    """What is wrong with the types of a batch."""
    kinds = {name: str(tensor.dtype) for name, tensor in batch.items()}
    return f"they are {kinds}" if set(kinds.values()) != {"torch.int64"} else None


def collating(
    row: Callable[[list[int], list[int], int], list[int]] = lambda p, a, end: [*p, *a, end],
    label: Callable[[list[int], list[int], int], list[int]] = lambda row, p, pad: (
        [IGNORED] * len(p) + row[len(p) :]
    ),
    fill: Callable[[int], int] = lambda pad: IGNORED,
    mask: Callable[[list[int], int, int], list[int]] = lambda row, pad, prompt: [1] * len(row),
    masked_fill: int = 0,
    left: bool = False,
    refuses: bool = True,
) -> Callable[..., Batch]:
    """A complete answer; each part may be another."""

    def padded(rows: Ids, value: int) -> Tensor:
        width = max(map(len, rows))
        return torch.tensor(
            [
                [value] * (width - len(r)) + r if left else r + [value] * (width - len(r))
                for r in rows
            ]
        )

    def collate(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
        if refuses and (len(prompts) != len(answers) or not all(answers)):
            raise ValueError("as many answers as prompts, none of them empty")
        rows = [row(p, a, end) for p, a in zip(prompts, answers, strict=False)]
        pairs = list(zip(rows, prompts, strict=False))
        return {
            "input_ids": padded(rows, pad),
            "attention_mask": padded([mask(r, pad, len(p)) for r, p in pairs], masked_fill),
            "labels": padded([label(r, p, pad) for r, p in pairs], fill(pad)),
        }

    return collate


def by_value(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """Padding found by its id, as many a tutorial does it."""
    found = collating()(prompts, answers, end, pad)
    return found | {"labels": found["labels"].masked_fill(found["input_ids"] == pad, IGNORED)}


def all_by_value(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    found = by_value(prompts, answers, end, pad)
    return found | {"attention_mask": (found["input_ids"] != pad).long()}


def end_after_padding(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    found = collating()(prompts, answers, end, pad)
    for row in range(len(prompts)):
        last = int(found["attention_mask"][row].sum()) - 1
        for tensor in found.values():  # the place of the end goes to the edge of its row
            tensor[row, last:] = tensor[row, last:].roll(-1)
    return found


def mask_by_value(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    found = collating()(prompts, answers, end, pad)
    return found | {"attention_mask": (found["input_ids"] != pad).long()}


def shifted_labels(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    found = collating()(prompts, answers, end, pad)
    labels = found["labels"].roll(-1, dims=1)
    labels[:, -1] = IGNORED
    return found | {"labels": labels}


def by_pad_sequence(prompts: Ids, answers: Ids, end: int, pad: int) -> Batch:
    """Another right answer: with torch's own padding."""
    if len(prompts) != len(answers) or any(len(a) == 0 for a in answers):
        raise ValueError("prompts and answers")
    rows = [torch.tensor(p + a + [end]) for p, a in zip(prompts, answers, strict=True)]
    labels = [row.clone() for row in rows]
    for row, prompt in zip(labels, prompts, strict=True):
        row[: len(prompt)] = IGNORED

    def padded(some: Sequence[Tensor], value: int) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(some), True, value)

    ones = [torch.ones_like(row) for row in rows]
    return {
        "input_ids": padded(rows, pad),
        "attention_mask": padded(ones, 0),
        "labels": padded(labels, IGNORED),
    }


COLLATE_MISTAKES = (
    Mistake(
        "prompt-learned",
        collating(label=lambda row, p, pad: row),
        "You let the model learn the prompt too: its labels are the tokens themselves.",
        "The first len(prompt) labels of a row are -100.",
    ),
    Mistake(
        "padding-learned",
        collating(fill=lambda pad: pad),
        "Your padding has labels: the model learns to write padding.",
        "Fill the labels up with -100, not with `pad`.",
    ),
    Mistake(
        "padding-by-value",
        by_value,
        "You find the padding by its id. Where it is the same as `end`, which it is in many "
        "models, the end is not learned, and the tuned model never stops.",
        "Padding is what lies beyond a row's own length: count, don't compare ids.",
    ),
    Mistake(
        "mask-by-value",
        mask_by_value,
        "Your attention mask hides every token whose id is `pad`, real ones too.",
        "The mask is 1 in the first len(row) places and 0 after them, whatever stands there.",
    ),
    Mistake(
        "all-by-value",
        all_by_value,
        "You find the padding by its id, for the mask and for the labels. A real token of that id "
        "is then neither read nor learned; in many models `pad` is the same id as `end`.",
        "Padding is what lies beyond a row's own length: count, don't compare ids.",
    ),
    Mistake(
        "end-after-padding",
        end_after_padding,
        "Your end stands at the edge, after the padding. The model is to learn that it comes right "
        "after the answer.",
        "Put the end to each row before you fill the rows up.",
    ),
    Mistake(
        "no-end",
        collating(row=lambda p, a, end: [*p, *a]),
        "The end is missing: a model tuned on this has never seen where an answer stops.",
        "A row is prompt + answer + [end].",
    ),
    Mistake(
        "end-not-learned",
        collating(label=lambda row, p, pad: [IGNORED] * len(p) + row[len(p) : -1] + [IGNORED]),
        "The end is there and has no label: the model does not learn to stop.",
        "The labels of a row are -100 for the prompt, then the answer, then `end`.",
    ),
    Mistake(
        "answer-masked",
        collating(label=lambda row, p, pad: row[: len(p)] + [IGNORED] * (len(row) - len(p))),
        "The wrong way round: you mask the answer and let the prompt be learned.",
        "-100 stands where the prompt is.",
    ),
    Mistake(
        "shifted",
        shifted_labels,
        "You shifted the labels by one. The loss does that itself: here each label stands in its "
        "own token's place.",
        "labels[t] is input_ids[t] wherever it is learned.",
    ),
    Mistake(
        "one-too-many",
        collating(
            label=lambda row, p, pad: [IGNORED] * (len(p) + 1) + row[len(p) + 1 :],
        ),
        "The answer's first token is masked as well.",
        "Exactly len(prompt) labels are -100; the next one is the answer's first token.",
    ),
    Mistake(
        "one-too-few",
        collating(
            label=lambda row, p, pad: [IGNORED] * max(0, len(p) - 1) + row[max(0, len(p) - 1) :],
        ),
        "The prompt's last token is learned.",
        "Exactly len(prompt) labels are -100.",
    ),
    Mistake(
        "masked-with-pad",
        collating(label=lambda row, p, pad: [pad] * len(p) + row[len(p) :], fill=lambda pad: pad),
        "Where nothing is to be learned you wrote an id, `pad` or 0. To the loss that is a token "
        "like any other; only -100 is left out.",
        "-100 is the label that cross entropy ignores.",
    ),
    Mistake(
        "padded-left",
        collating(left=True),
        "You padded on the left. That is right for writing; for training rows begin at 0.",
        "row + [pad] * (width - len(row))",
    ),
    Mistake(
        "mask-all-ones",
        collating(masked_fill=1),
        "Your attention mask is 1 for padding too.",
        "0 where a row has ended.",
    ),
    Mistake(
        "prompt-unseen",
        collating(mask=lambda row, pad, prompt: [0] * prompt + [1] * (len(row) - prompt)),
        "Your attention mask is 0 for the prompt: the model is to read it, only not to learn it.",
        "The mask is about reading, the labels are about learning. Only padding has mask 0.",
    ),
    Mistake(
        "nothing-refused",
        collating(refuses=False),
        "You take an empty answer, or prompts and answers of different number.",
        "Begin with: if len(prompts) != len(answers) or not all(answers): raise ValueError(...).",
    ),
)

COLLATE_HINTS = (
    "Three tensors of one shape. For each place of each row: what stands there, is it read, and "
    "is it learned?",
    "Take one row by itself, without padding: write down its ids, and under each of them whether "
    "it is read, and its label. Then fill the three rows up to the longest: what stands in each of "
    "the three where there is nothing?",
    "Prompt [7], answer [4, 5, 6], end 1 is 5 tokens. Prompt [7, 8], answer [3] is 4 and gets one "
    "of padding: ids 7 8 3 1 0, mask 1 1 1 1 0, labels -100 -100 3 1 -100.",
)


# ------------------------------------------------------------------------------------------------
# answer_loss


def true_loss(logits: Tensor, labels: Tensor) -> float:
    """Written out in float64, token by token."""
    scores, losses = logits.double().numpy(), []
    for row, wanted in zip(scores, labels.tolist(), strict=True):
        for t in range(1, len(wanted)):
            if wanted[t] != IGNORED:
                z = row[t - 1] - row[t - 1].max()
                losses.append(np.log(np.exp(z).sum()) - z[wanted[t]])
    return float(np.mean(losses))


def true_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """By hand in float64: softmax, less 1 at the label, by the number of labels."""
    scores = logits.double().numpy()
    found, count = np.zeros_like(scores), 0
    for row, wanted in enumerate(labels.tolist()):
        for t in range(1, len(wanted)):
            if wanted[t] != IGNORED:
                powers = np.exp(scores[row, t - 1] - scores[row, t - 1].max())
                found[row, t - 1] = powers / powers.sum()
                found[row, t - 1, wanted[t]] -= 1
                count += 1
    return torch.from_numpy(found / count).float()


def library_loss(logits: Tensor, labels: Tensor) -> float:
    """What every causal model of transformers computes."""
    return float(ForCausalLMLoss(logits, labels, vocab_size=logits.shape[-1]))


def check_answer_loss(s: Submission) -> None:
    """Mean of minus the log-probability of each label, by the logits of the place before."""

    def expect(
        logits: Tensor, labels: list[list[int]], because: str,
        truth: Callable[[Tensor, Tensor], float] = true_loss, rtol: float = 1e-4,
    ) -> None:  # fmt: skip
        wanted = torch.tensor(labels)
        answer = s.answer_loss(logits, wanted).is_tensor(shape=(), dtype=torch.float32)
        answer.close_to(torch.tensor(truth(logits, wanted)), because=because, rtol=rtol)

    def drawn(*shape: int) -> Tensor:
        return 2 * torch.randn(*shape, generator=s.generator)

    rule = "The logits at place t are about the token at place t + 1."
    expect(torch.zeros(1, 2, 4), [[0, 3]], "Equal logits over 4 tokens give ln 4.")
    sure = torch.tensor([[[0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]]])
    expect(sure, [[0, 1, 2]], rule)
    expect(drawn(1, 5, 6), [[1, 2, 3, 4, 5]], rule)
    ignored = "-100 is left out, and does not count in the mean."
    expect(drawn(1, 5, 6), [[-100, -100, 3, 4, 5]], ignored)
    expect(drawn(1, 6, 6), [[-100, -100, 3, 0, -100, -100]], ignored)
    first = "Nothing comes before the first token: its label counts for nothing."
    expect(drawn(2, 3, 5), [[4, -100, 2], [1, 3, -100]], first)
    each = "Every label counts the same, in a row with many and in a row with few."
    expect(drawn(2, 5, 6), [[-100, 1, 2, 3, 4], [-100, -100, -100, -100, 5]], each)
    expect(drawn(3, 4, 7), [[-100] * 4, [-100, 1, 0, 6], [-100, -100, 2, -100]], each)
    expect(drawn(4, 9, 11), torch.randint(0, 11, (4, 9), generator=s.generator).tolist(), rule)
    large = "Large logits must not overflow: use log_softmax or cross_entropy."
    expect(torch.tensor([[[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]]), [[0, 1]], large)
    half = "The loss is computed in float32: bfloat16 has three digits."
    expect(drawn(2, 6, 300).bfloat16(), [[-100, 1, 2, 30, 4, 5], [6, 7, 8, 99, 1, 2]], half)
    expect(drawn(2, 4, 9).double(), [[-100, 1, 2, 3], [4, 5, 6, 7]], "The result is float32.")
    same = "transformers computes this for the same logits and labels."
    labels = [[-100, -100, 1, 2, 3], [-100, 4, 5, -100, -100]]
    expect(drawn(2, 5, 8), labels, same, library_loss)
    back = "Training goes back through the loss: a gradient has to reach the logits."
    for logits, some in (
        (torch.zeros(1, 2, 4), [[0, 3]]),
        (drawn(2, 5, 6), [[-100, 1, 2, 3, 4], [-100, -100, -100, 0, 5]]),
    ):
        wanted = torch.tensor(some)
        gradient = s.answer_loss.gradient(0, logits, wanted)
        gradient.close_to(true_gradient(logits, wanted), because=back)
    refuse = "Without a label there is nothing to learn; a mean of nothing is NaN."
    nothing = torch.full((2, 3), IGNORED)
    s.answer_loss.raises(ValueError, drawn(2, 3, 4), nothing, because=refuse)
    only_first = torch.tensor([[2, -100, -100]])
    s.answer_loss.raises(ValueError, drawn(1, 3, 4), only_first, because=first)


def losing(
    shift: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda logits, labels: (
        logits[:, :-1],
        labels[:, 1:],
    ),
    reduce: Callable[[Tensor, Tensor], Tensor] = lambda losses, counted: losses[counted].mean(),
    refuses: bool = True,
) -> Callable[[Tensor, Tensor], Tensor]:
    """A complete answer; `reduce` gets the losses (0 where ignored) and which of them count."""

    def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = shift(logits.float(), labels)
        counted = labels != IGNORED
        if refuses and not counted.any():
            raise ValueError("no labels")
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        return reduce(losses, counted)

    return answer_loss


def mean_of_rows(losses: Tensor, counted: Tensor) -> Tensor:
    rows = counted.any(dim=1)
    return (losses.sum(1)[rows] / counted.sum(1)[rows]).mean()


def ignored_as_token(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    return losing()(logits, labels.clamp(min=0))


def counted_before_shift(logits: Tensor, labels: Tensor) -> Tensor:
    total: Tensor = losing(reduce=lambda losses, counted: losses.sum())(logits, labels)
    return total / (labels != IGNORED).sum()


def token_0_left_out(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    return losing(refuses=False)(logits, labels.masked_fill(labels == 0, IGNORED))


def shifted_twice(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    scores, targets = logits[:, :-2].float().flatten(0, 1), labels[:, 2:].flatten()
    return torch.nn.functional.cross_entropy(scores, targets)


def by_plain_exp(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[:, 1:]
    counted = targets != IGNORED
    if not counted.any():
        raise ValueError("no labels")
    weights = logits[:, :-1].float()[counted].exp()
    chosen = weights.gather(-1, targets[counted][:, None])[:, 0]
    return -(chosen / weights.sum(-1)).log().mean()


def probability_lost(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - p in place of -log p."""
    targets = labels[:, 1:]
    counted = targets != IGNORED
    if not counted.any():
        raise ValueError("no labels")
    p = logits[:, :-1].float()[counted].softmax(-1).gather(-1, targets[counted][:, None])
    return 1 - p.mean()


def in_its_own_dtype(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[:, 1:]
    if not (targets != IGNORED).any():
        raise ValueError("no labels")
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten())


def cut_off(logits: Tensor, labels: Tensor) -> Tensor:
    """The right number, with no way back to the logits."""
    return losing()(logits.detach(), labels)


def by_flattening(logits: Tensor, labels: Tensor) -> Tensor:
    """Another right answer: everything in one row."""
    if int((labels[:, 1:] >= 0).sum()) == 0:
        raise ValueError("no labels")
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).to(torch.float32)
    return torch.nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=-100)


def by_logsumexp(logits: Tensor, labels: Tensor) -> Tensor:
    """Another right answer: row by row, with logsumexp."""
    losses = []
    for row, wanted in zip(logits.double(), labels.tolist(), strict=True):
        for scores, label in zip(row[:-1], wanted[1:], strict=True):
            if label != IGNORED:
                losses.append(scores.logsumexp(-1) - scores[label])
    if not losses:
        raise ValueError("no labels")
    return torch.stack(losses).mean().float()


LOSS_MISTAKES = (
    Mistake(
        "not-shifted",
        losing(shift=lambda logits, labels: (logits, labels)),
        "You compare the logits of a place with the token of the same place, which the model has "
        "just read. They are about the next one.",
        "logits[:, :-1] belong to labels[:, 1:].",
    ),
    Mistake(
        "shifted-backwards",
        losing(shift=lambda logits, labels: (logits[:, 1:], labels[:, :-1])),
        "You shifted the wrong way: the logits of a place are compared with the token before it.",
        "logits[:, :-1] belong to labels[:, 1:].",
    ),
    Mistake(
        "shifted-twice",
        shifted_twice,
        "You shifted by two places.",
        "logits[:, :-1] belong to labels[:, 1:].",
    ),
    Mistake(
        "mean-over-all",
        losing(reduce=lambda losses, counted: losses.mean()),
        "You divide by all places, also those that are left out: a long prompt or much padding "
        "makes the loss smaller, and batches weigh unequally.",
        "Divide the sum by the number of labels that are not -100.",
    ),
    Mistake(
        "mean-of-rows",
        losing(reduce=mean_of_rows),
        "You take the mean of each row, then the mean of those: a token in a short answer counts "
        "for more than one in a long answer.",
        "One mean over all labels of the batch.",
    ),
    Mistake(
        "sum",
        losing(reduce=lambda losses, counted: losses.sum()),
        "You added the losses up. Batches then weigh unequally, by how many labels they have, and "
        "two losses can't be compared.",
        "Divide by the number of labels.",
    ),
    Mistake(
        "divided-by-rows",
        losing(reduce=lambda losses, counted: losses.sum() / len(losses)),
        "You divide the sum by the number of rows. Each label is to count the same, so the mean is "
        "over labels.",
        "Divide by the number of labels that are not -100.",
    ),
    Mistake(
        "counted-before-the-shift",
        counted_before_shift,
        "You count the labels before the shift: the first of a row is counted, and has no loss.",
        "Count what is left of the labels after the shift.",
    ),
    Mistake(
        "token-0-left-out",
        token_0_left_out,
        "You leave out every label that is 0 or below. 0 is a token; only -100 is left out.",
        "Compare with -100.",
    ),
    Mistake(
        "softmax-twice",
        lambda logits, labels: losing()(logits.float().softmax(-1), labels),
        "You give probabilities to something that takes the softmax itself: it is taken twice.",
        "cross_entropy and log_softmax take the logits as they are.",
    ),
    Mistake(
        "ignored-as-token",
        ignored_as_token,
        "You count -100 as if it were token 0.",
        "Leave those places out: pick the others with a boolean mask.",
    ),
    Mistake(
        "bits",
        losing(reduce=lambda losses, counted: losses[counted].mean() / math.log(2)),
        "Your loss is in bits. In nats the logarithm is the natural one.",
        "torch.log and log_softmax are natural.",
    ),
    Mistake(
        "sign",
        losing(reduce=lambda losses, counted: -losses[counted].mean()),
        "The sign is wrong: a step that makes this smaller makes the right tokens less likely.",
        "The loss is minus the log-probability.",
    ),
    Mistake(
        "perplexity",
        losing(reduce=lambda losses, counted: losses[counted].mean().exp()),
        "That is the perplexity, the exponential of the loss.",
        "Leave exp out.",
    ),
    Mistake(
        "not-a-log",
        probability_lost,
        "You take 1 minus the probability. A token that is nearly impossible then costs hardly "
        "more than an unlikely one.",
        "Minus the logarithm of the probability.",
    ),
    Mistake(
        "no-gradient",
        cut_off,
        "The number is right, but no gradient leads from it back to the logits: nothing could be "
        "trained with it.",
        "float(), .item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way "
        "off: stay with operations on tensors from the logits to the loss.",
    ),
    Mistake(
        "overflow",
        by_plain_exp,
        "exp overflows: exp(10000) is inf in float32.",
        "Use log_softmax, which subtracts the largest logit first, or cross_entropy.",
    ),
    Mistake(
        "own-dtype",
        in_its_own_dtype,
        "You computed in the dtype of the logits: in bfloat16 the loss has two or three digits.",
        "logits.float() first.",
    ),
    Mistake(
        "nan-for-nothing",
        losing(refuses=False),
        "Without any label you return NaN. One such batch makes every weight NaN.",
        "If no label but -100 is left after the shift: raise ValueError(...).",
    ),
)

LOSS_HINTS = (
    "Two cuts make the places match: which logits have no token after them, and which token has "
    "no logits before it?",
    "Write a row of three tokens below its three logits, and draw an arrow from each logits to the "
    "token that they predict. Which logits have no arrow, and which token has none? Of the pairs "
    "that are left, which count, and what is the mean over?",
    "Labels [-100, 2, 5] have two that count: logits at place 0 for token 2, at place 1 for "
    "token 5. With losses 0.5 and 1.5 the answer is 1.0, whatever else is in the row.",
)


# ------------------------------------------------------------------------------------------------
# adamw_step


def true_step(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, rate: float,
    decay: float = 0.01, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Algorithm 2 of the paper in float64."""
    w, g, m, v = (t.double().numpy() for t in (weight, gradient, first, second))
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    w = w - rate * (m_hat / (np.sqrt(v_hat) + eps) + decay * w)
    found = {"weight": w, "first": m, "second": v}
    return {name: torch.from_numpy(value).float() for name, value in found.items()}


def torchs_step(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, rate: float,
    decay: float, betas: tuple[float, float], eps: float,
) -> State:  # fmt: skip
    """torch.optim.AdamW with the same numbers in its state."""
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([parameter], rate, betas, eps, decay)
    parameter.grad = gradient.clone()
    optimizer.state[parameter] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": first.clone(),
        "exp_avg_sq": second.clone(),
    }
    optimizer.step()
    state = optimizer.state[parameter]
    return {
        "weight": parameter.detach(),
        "first": state["exp_avg"],
        "second": state["exp_avg_sq"],
    }


def check_adamw_step(s: Submission) -> None:
    """Means, their correction, the step, and the decay apart from it."""

    def expect(
        shape: tuple[int, ...], step: int, rate: float, because: str, *,
        decay: float = 0.01, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        fresh: bool = False, scale: float = 1.0,
        truth: Callable[..., State] = true_step,
    ) -> None:  # fmt: skip
        weight, gradient, first, second = (
            torch.randn(shape, generator=s.generator) for _ in range(4)
        )
        gradient, first, second = scale * gradient, scale * first, (scale * second) ** 2 + scale**2
        if fresh:
            first, second = torch.zeros(shape), torch.zeros(shape)
        settings = (step, rate, decay, betas, eps)
        answer = s.adamw_step(weight, gradient, first, second, *settings)
        expected = truth(weight, gradient, first, second, *settings)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-6 * min(1.0, scale))

    one, zero = torch.tensor, torch.zeros(1)
    start = "The first step moves each weight by the learning rate, against the gradient's sign."
    settings = (1, 0.1, 0.0, (0.9, 0.999), 1e-8)
    s.adamw_step(one([1.0]), one([0.5]), zero, zero, *settings).close_to(
        {"weight": one([0.9]), "first": one([0.05]), "second": one([0.00025])}, because=start
    )
    expect((4,), 1, 0.1, start, decay=0.0, fresh=True)
    rule = "weight - learning rate * corrected first mean / (root of corrected second mean + eps)."
    expect((3,), 2, 0.1, rule, decay=0.0)
    expect((2, 3), 5, 0.5, rule, decay=0.0, betas=(0.8, 0.95))
    expect((5,), 1000, 0.1, rule, decay=0.0, betas=(0.5, 0.9))
    apart = "The decay takes learning_rate * weight_decay of the old weight, apart from the rest."
    expect((4,), 1, 0.5, apart, decay=0.4, fresh=True)
    expect((3, 2), 7, 0.3, apart, decay=0.5, betas=(0.7, 0.9))
    still = "Where the gradient was always zero, only the decay is left."
    s.adamw_step(one([2.0]), zero, zero, zero, 3, 0.5, 0.1, (0.9, 0.999), 1e-8).close_to(
        {"weight": one([1.9]), "first": zero, "second": zero}, because=still
    )
    place = "eps is added after the root has been taken of the corrected second mean."
    expect((4,), 3, 0.1, place, decay=0.0, eps=0.5)
    expect((4,), 2, 0.1, place, decay=0.0, eps=0.01, scale=0.02)
    usual = "The usual settings."
    weight, gradient = (torch.randn(6, generator=s.generator) for _ in range(2))
    expected = true_step(weight, gradient, torch.zeros(6), torch.zeros(6), 1, 0.1)
    nothing = torch.zeros(6)
    s.adamw_step(weight, gradient, nothing, nothing, 1, 0.1).close_to(expected, because=usual)
    tiny = torch.full((3,), 1e-6)
    expected = true_step(torch.ones(3), tiny, torch.zeros(3), torch.zeros(3), 1, 0.1, 0.4)
    s.adamw_step(torch.ones(3), tiny, torch.zeros(3), torch.zeros(3), 1, 0.1, 0.4).close_to(
        expected, because=usual, atol=1e-9, rtol=1e-5
    )
    same = "torch.optim.AdamW does this with the same numbers."
    expect((2, 3, 2), 4, 0.2, same, decay=0.3, betas=(0.85, 0.95), truth=torchs_step)


def stepping(
    change: Callable[..., Tensor] | None = None,
    means: Callable[..., tuple[Tensor, Tensor]] | None = None,
    kept: Callable[..., State] = lambda weight, m, v, m_hat, v_hat: {
        "weight": weight,
        "first": m,
        "second": v,
    },
    corrected: bool = True,
    swapped: bool = False,
    late: int = 0,
) -> Callable[..., State]:
    """A complete answer; `change` gives the new weight, `means` the two means."""

    def adamw_step(
        weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
        learning_rate: float, weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
    ) -> State:  # fmt: skip
        b1, b2 = betas[::-1] if swapped else betas
        m, v = (means or usual_means)(gradient, first, second, b1, b2)
        by = step - late
        m_hat, v_hat = (m / (1 - b1**by), v / (1 - b2**by)) if corrected and by else (m, v)
        new = (change or usual_change)(weight, m_hat, v_hat, learning_rate, weight_decay, eps)
        return kept(new, m, v, m_hat, v_hat)

    return adamw_step


def usual_means(
    gradient: Tensor, first: Tensor, second: Tensor, b1: float, b2: float
) -> tuple[Tensor, Tensor]:
    return b1 * first + (1 - b1) * gradient, b2 * second + (1 - b2) * gradient * gradient


def usual_change(
    weight: Tensor, m: Tensor, v: Tensor, rate: float, decay: float, eps: float
) -> Tensor:
    return weight - rate * m / (v.sqrt() + eps) - rate * decay * weight


def decay_in_gradient(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Adam with L2, as it was before AdamW."""
    pulled = gradient + weight_decay * weight
    return stepping()(weight, pulled, first, second, step, learning_rate, 0.0, betas, eps)


def with_usual_betas(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    usual = (0.9, 0.999)
    return stepping()(
        weight, gradient, first, second, step, learning_rate, weight_decay, usual, eps
    )


def one_correction(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    m, v = usual_means(gradient, first, second, *betas)
    by = 1 - betas[0] ** step
    new = usual_change(weight, m / by, v / by, learning_rate, weight_decay, eps)
    return {"weight": new, "first": m, "second": v}


def with_old_means(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    m, v = usual_means(gradient, first, second, *betas)
    m_hat, v_hat = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    new = usual_change(weight, m_hat, v_hat, learning_rate, weight_decay, eps)
    return {"weight": new, "first": m, "second": v}


def short_form(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Both corrections in the rate, so that eps meets the root before it is corrected."""
    m, v = usual_means(gradient, first, second, *betas)
    rate = learning_rate * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
    new = weight - rate * m / (v.sqrt() + eps) - learning_rate * weight_decay * weight
    return {"weight": new, "first": m, "second": v}


def updated_in_place(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    found = stepping()(
        weight, gradient, first, second, step, learning_rate, weight_decay, betas, eps
    )
    weight.copy_(found["weight"])
    return {"weight": weight, "first": found["first"], "second": found["second"]}


def as_torch_does(
    weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int,
    learning_rate: float, weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
) -> State:  # fmt: skip
    """Another right answer: torch's order of things, corrections folded into the step size."""
    weight = weight * (1 - learning_rate * weight_decay)
    first = torch.lerp(first, gradient, 1 - betas[0])
    second = torch.addcmul(second * betas[1], gradient, gradient, value=1 - betas[1])
    denominator = second.sqrt() / math.sqrt(1 - betas[1] ** step) + eps
    weight = torch.addcdiv(
        weight, first, denominator, value=-learning_rate / (1 - betas[0] ** step)
    )
    return {"second": second, "first": first, "weight": weight}


STEP_MISTAKES = (
    Mistake(
        "not-corrected",
        stepping(corrected=False),
        "You did not correct the means. They start at zero and are too small in the first steps: "
        "with the usual betas the first step comes out about three times too large.",
        "Divide them by 1 - beta ** step before you use them.",
    ),
    Mistake(
        "decay-in-gradient",
        decay_in_gradient,
        "You added the decay to the gradient. That is Adam with L2: the decay is then divided by "
        "the gradient's size too. AdamW keeps it apart, which is what the W says.",
        "weight - learning_rate * weight_decay * weight, beside Adam's step.",
    ),
    Mistake(
        "decay-without-rate",
        stepping(
            change=lambda w, m, v, rate, decay, eps: w - rate * m / (v.sqrt() + eps) - decay * w
        ),
        "Your decay does not depend on the learning rate.",
        "It takes learning_rate * weight_decay of the weight.",
    ),
    Mistake(
        "no-decay",
        stepping(change=lambda w, m, v, rate, decay, eps: w - rate * m / (v.sqrt() + eps)),
        "The weight decay is missing.",
        "weight - learning_rate * weight_decay * weight, beside Adam's step.",
    ),
    Mistake(
        "decay-after",
        stepping(
            change=lambda w, m, v, rate, decay, eps: (
                (w - rate * m / (v.sqrt() + eps)) * (1 - rate * decay)
            )
        ),
        "You let the new weight decay: a little of the step is lost with it.",
        "The decay is a share of the old weight.",
    ),
    Mistake(
        "eps-in-root",
        stepping(
            change=lambda w, m, v, rate, decay, eps: (
                w - rate * m / (v + eps).sqrt() - rate * decay * w
            )
        ),
        "Your eps is under the root.",
        "second.sqrt() + eps",
    ),
    Mistake(
        "eps-before-correction",
        short_form,
        "You add eps to the root of the second mean before it is corrected, as the short form in "
        "Adam's paper does. In the first steps eps then weighs far more.",
        "Correct the second mean, take the root, add eps: in this order.",
    ),
    Mistake(
        "no-eps",
        stepping(
            change=lambda w, m, v, rate, decay, eps: w - rate * m / v.sqrt() - rate * decay * w
        ),
        "Without eps a weight whose gradient is zero becomes NaN: 0 / 0.",
        "Divide by the root plus eps.",
    ),
    Mistake(
        "no-root",
        stepping(
            change=lambda w, m, v, rate, decay, eps: w - rate * m / (v + eps) - rate * decay * w
        ),
        "You divided by the second mean itself, not by its root.",
        "(second / (1 - beta_2 ** step)).sqrt() + eps",
    ),
    Mistake(
        "uphill",
        stepping(
            change=lambda w, m, v, rate, decay, eps: (
                w + rate * m / (v.sqrt() + eps) - rate * decay * w
            )
        ),
        "You step along the gradient: the loss rises.",
        "Subtract.",
    ),
    Mistake(
        "betas-swapped",
        stepping(swapped=True),
        "You swapped the betas: the first belongs to the gradient, the second to its square.",
        "beta_1, beta_2 = betas",
    ),
    Mistake(
        "betas-not-used",
        with_usual_betas,
        "You compute with 0.9 and 0.999 whatever `betas` says.",
        "beta_1, beta_2 = betas",
    ),
    Mistake(
        "one-correction",
        one_correction,
        "You correct both means by the first beta. The second mean has a beta of its own.",
        "1 - beta_1 ** step for the first, 1 - beta_2 ** step for the second.",
    ),
    Mistake(
        "old-means-used",
        with_old_means,
        "You move the weight by the means as they were before this gradient. From zero means the "
        "first step then does not move at all.",
        "Update the means first, then step by the new ones.",
    ),
    Mistake(
        "shares-swapped",
        stepping(means=lambda g, m, v, b1, b2: usual_means(g, m, v, 1 - b1, 1 - b2)),
        "You keep 1 - beta of the old mean and take beta of the new gradient.",
        "beta * old + (1 - beta) * new",
    ),
    Mistake(
        "square-missing",
        stepping(
            means=lambda g, m, v, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g.abs())
        ),
        "The second mean is of the squares. Yours is of the sizes.",
        "beta_2 * second + (1 - beta_2) * gradient**2",
    ),
    Mistake(
        "counted-from-zero",
        stepping(late=1),
        "You count the steps from 0: the correction is one step late.",
        "The first step is 1, so the exponent is `step` itself.",
    ),
    Mistake(
        "corrected-means-kept",
        stepping(
            kept=lambda weight, m, v, m_hat, v_hat: {
                "weight": weight,
                "first": m_hat,
                "second": v_hat,
            }
        ),
        "You keep the corrected means. In the next step they are corrected a second time.",
        "Return the means as they are; divide a copy.",
    ),
    Mistake(
        "in-place",
        updated_in_place,
        "You wrote into the caller's weight.",
        "Return a new tensor in the dict.",
    ),
)

STEP_HINTS = (
    "Two running means say where to (the gradient) and how carefully (its square). Three steps: "
    "update the means, correct copies of them, move the weight. The decay stands beside.",
    "The updated means are what you return; the corrected ones only serve this step. The corrected "
    "first mean is divided by something made of the corrected second: in which order do the root "
    "and eps come? The decay asks for the old weight and nothing else.",
    "weight 1, gradient 0.5, step 1, rate 0.1: means 0.05 and 0.00025; corrected 0.5 and 0.25; "
    "0.5 / sqrt(0.25) = 1; the weight moves by 0.1 * 1 to 0.9.",
)


# ------------------------------------------------------------------------------------------------
# share_forgotten


def true_forgotten(before: list[bool], after: list[bool]) -> float:
    """By sets of positions."""
    known = {i for i, right in enumerate(before) if right}
    return len(known - {i for i, right in enumerate(after) if right}) / len(known)


def check_share_forgotten(s: Submission) -> None:
    """Of what was known, how much is gone."""

    def expect(before: list[bool], after: list[bool], because: str) -> None:
        expected = true_forgotten(before, after)
        s.share_forgotten(before, after).close_to(expected, because=because)

    def answers(n: int) -> list[bool]:
        return (torch.rand(n, generator=s.generator) < 0.6).tolist()

    yes, no = True, False
    share = "Of what was known before, the share that is gone."
    expect([yes, yes, no, yes], [yes, no, yes, yes], share)
    expect([yes, yes], [yes, yes], "Everything is still known.")
    expect([yes, yes, yes], [no, no, no], "Everything is gone.")
    expect([yes, no], [no, no], "Only what was known can be forgotten.")
    expect([yes, no, no, no, no], [yes, no, no, no, no], share)
    fresh = "What was learned in between does not make up for what was lost."
    expect([yes, yes, no, no], [no, yes, yes, yes], fresh)
    expect([yes, no, no], [no, yes, yes], fresh)
    expect([yes, no, no], [yes, yes, yes], fresh)
    for n in (7, 20, 50):
        expect([yes, *answers(n)], [no, *answers(n)], share)
    refuse = "Where nothing was known, nothing can be forgotten."
    s.share_forgotten.raises(ValueError, [no, no], [yes, no], because=refuse)
    s.share_forgotten.raises(ValueError, [], [], because=refuse)
    s.share_forgotten.raises(ValueError, [no] * 30, answers(30), because=refuse)
    pairs = "The same questions are asked before and after."
    s.share_forgotten.raises(ValueError, [yes, yes], [yes], because=pairs)
    s.share_forgotten.raises(ValueError, [yes], [yes, no], because=pairs)
    shorter = 1 + draw(s, 28)
    s.share_forgotten.raises(ValueError, [yes, *answers(29)], answers(shorter), because=pairs)


def forgetting(
    formula: Callable[[list[bool], list[bool]], Any],
) -> Callable[[list[bool], list[bool]], Any]:
    """A complete answer; the formula is asked only where there is an answer."""

    def share_forgotten(before: list[bool], after: list[bool]) -> Any:
        if len(before) != len(after) or not any(before):
            raise ValueError("as many answers after as before, and something known before")
        return formula(before, after)

    return share_forgotten


def lost(before: list[bool], after: list[bool]) -> int:
    return sum(was and not now for was, now in zip(before, after, strict=False))


def nothing_known_is_zero(before: list[bool], after: list[bool]) -> float:
    if len(before) != len(after):
        raise ValueError("lengths")
    return lost(before, after) / sum(before) if any(before) else 0.0


def lengths_unchecked(before: list[bool], after: list[bool]) -> float:
    if not any(before):
        raise ValueError("nothing known")
    return lost(before, after) / sum(before)


def by_tensors(before: list[bool], after: list[bool]) -> float:
    """Another right answer: with boolean tensors."""
    known, now = torch.tensor(before, dtype=torch.bool), torch.tensor(after, dtype=torch.bool)
    if known.shape != now.shape or not known.any():
        raise ValueError("before and after")
    return float((known & ~now).sum() / known.sum())


def kept_from_one(before: list[bool], after: list[bool]) -> float:
    """Another right answer: one minus what is kept."""
    if len(before) != len(after):
        raise ValueError("lengths")
    if sum(before) == 0:
        raise ValueError("nothing known")
    return 1 - sum(a * b for a, b in zip(before, after, strict=True)) / sum(before)


FORGOTTEN_MISTAKES = (
    Mistake(
        "of-all",
        forgetting(lambda before, after: lost(before, after) / len(before)),
        "You divide by all questions. What was never known can't be forgotten.",
        "Divide by how many were right before.",
    ),
    Mistake(
        "net",
        forgetting(lambda before, after: (sum(before) - sum(after)) / sum(before)),
        "You compare the two totals: what was learned in between hides what was lost.",
        "Look at the questions that were right before, and only at those.",
    ),
    Mistake(
        "net-never-negative",
        forgetting(lambda before, after: max(0, sum(before) - sum(after)) / sum(before)),
        "You compare the two totals, and take 0 where the second is larger: what was learned in "
        "between still makes up for what was lost. Forgotten is what was right before and is "
        "wrong now.",
        "Look at the questions one by one, and only at those that were right before.",
    ),
    Mistake(
        "net-points-never-negative",
        forgetting(lambda before, after: max(0, sum(before) - sum(after)) / len(before)),
        "You take the fall in accuracy, or 0 where it has risen: what was learned in between makes "
        "up for what was lost, and questions count that were never known.",
        "Look at the questions one by one, and only at those that were right before.",
    ),
    Mistake(
        "net-points",
        forgetting(lambda before, after: (sum(before) - sum(after)) / len(before)),
        "You subtract one share from the other: that is the change in accuracy, and what was "
        "learned in between hides what was lost.",
        "Look at the questions that were right before, and only at those.",
    ),
    Mistake(
        "kept",
        forgetting(lambda before, after: 1 - lost(before, after) / sum(before)),
        "That is the share that is still known.",
        "Count those that are wrong now.",
    ),
    Mistake(
        "wrong-after",
        forgetting(lambda before, after: 1 - sum(after) / len(after)),
        "You count everything that is wrong now, also what was wrong before.",
        "Look at the questions that were right before, and only at those.",
    ),
    Mistake(
        "changed",
        forgetting(
            lambda before, after: (
                sum(a != b for a, b in zip(before, after, strict=True)) / len(before)
            )
        ),
        "You count every answer that changed, also from wrong to right.",
        "Lost means right before and wrong now.",
    ),
    Mistake(
        "learned",
        forgetting(lambda before, after: lost(after, before) / sum(before)),
        "You count what is right now and was wrong before: that is what was learned.",
        "Lost means right before and wrong now.",
    ),
    Mistake(
        "of-what-is-known-now",
        forgetting(lambda before, after: lost(before, after) / max(1, sum(after))),
        "You divide by how many are right now.",
        "Divide by how many were right before.",
    ),
    Mistake(
        "count",
        forgetting(lambda before, after: float(lost(before, after))),
        "You return how many were lost. Out of how many?",
        "Divide by how many were right before.",
    ),
    Mistake(
        "nothing-is-zero",
        nothing_known_is_zero,
        "Where nothing was known you say that nothing was forgotten. There was nothing to measure.",
        "Raise a ValueError when no answer was right before.",
    ),
    Mistake(
        "lengths-unchecked",
        lengths_unchecked,
        "You compare lists of different lengths: some question was asked only once.",
        "if len(before) != len(after): raise ValueError(...)",
    ),
)

FORGOTTEN_HINTS = (
    "There are four kinds of questions: right or wrong before, right or wrong now. Two of the four "
    "kinds take part in this number.",
    "Go through both lists side by side and keep the pairs whose first is True: that is the whole. "
    "Which of those are the part? And where is there no whole to take a share of?",
    "before True True False True, after True False True True: three were known (places 0, 1, 3), "
    "one of them is gone: 1/3 = 0.3333.",
)


CHALLENGES = (
    Challenge(
        name="collate",
        title="A batch whose loss is on the answers",
        points=3,
        check=check_collate,
        mistakes=COLLATE_MISTAKES,
        alternatives=(collating(), by_pad_sequence),
        hints=COLLATE_HINTS,
        not_allowed=("transformers.DataCollatorForSeq2Seq",),
    ),
    Challenge(
        name="answer_loss",
        title="The loss of an answer",
        points=3,
        check=check_answer_loss,
        mistakes=LOSS_MISTAKES,
        alternatives=(losing(), by_flattening, by_logsumexp),
        hints=LOSS_HINTS,
        not_allowed=("transformers.loss.loss_utils.ForCausalLMLoss",),
    ),
    Challenge(
        name="adamw_step",
        title="One step of AdamW",
        points=3,
        check=check_adamw_step,
        mistakes=STEP_MISTAKES,
        alternatives=(stepping(), as_torch_does),
        hints=STEP_HINTS,
        not_allowed=("torch.optim.AdamW", "torch.optim.Adam", "torch.optim.adamw.adamw"),
    ),
    Challenge(
        name="share_forgotten",
        title="How much was forgotten",
        points=2,
        check=check_share_forgotten,
        mistakes=FORGOTTEN_MISTAKES,
        alternatives=(by_tensors, kept_from_one),
        hints=FORGOTTEN_HINTS,
    ),
)

# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
EQUIVALENT = {
    "answer_loss: NotEq->Gt | counted = targets != -100": "No label is below -100.",
    "answer_loss: dim=-1->1 | log_probabilities = logits[:, :-1][counted].float()"
    ".log_softmax(dim=-1)": "What the mask picks has two dimensions: the last is 1.",
    "answer_loss: -1->1 | return -log_probabilities.gather(-1, targets[counted][:, None]).mean()": (
        "Two dimensions again: the last is 1."
    ),
}
