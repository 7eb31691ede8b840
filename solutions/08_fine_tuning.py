"""Reference answers of lesson 08, Fine-tuning: one plain function per challenge."""

from __future__ import annotations

import torch
from torch import Tensor


def collate(
    prompts: list[list[int]], answers: list[list[int]], end: int, pad: int
) -> dict[str, Tensor]:
    """A batch to train on, out of token ids: only the answers and their ends are learned.

    prompts  a list of ids for each row, of one row or more; the prompt of a row may be empty
    answers  as many lists; an empty one, or another number of them, is a ValueError. Neither they
             nor the prompts are changed
    end      is put after every answer, and is learned too: it is how the model knows when to stop
    pad      fills short rows up on the right; it may be the same id as `end`
    returns  {"input_ids", "attention_mask", "labels"}, int64 (rows, tokens of the longest row):
             the mask is 1 for real tokens and 0 for padding; a label is the token in its own place
             where that is learned, and -100 in prompts and padding

    collate([[7, 8], [7]], [[3], [4, 5, 6]], end=1, pad=0)["labels"]
    →  tensor([[-100, -100, 3, 1, -100], [-100, 4, 5, 6, 1]])
    """
    if not all(answers):
        raise ValueError("an answer is empty: there is nothing to learn from it but to stop")
    rows = [prompt + answer + [end] for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), width), pad)
    attention_mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, -100)
    for i, row in enumerate(rows):
        answer = slice(len(prompts[i]), len(row))
        input_ids[i, : len(row)] = torch.tensor(row)
        attention_mask[i, : len(row)] = 1
        labels[i, answer] = torch.tensor(row[answer])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean next-token loss over all tokens that have a label, in nats.

    logits   (rows, tokens, vocab) of any floating dtype, left as they are: those at place t are
             about the token at place t + 1
    labels   (rows, tokens) int64: the token in its own place, -100 where nothing is learned
    returns  a float32 tensor of shape (), from which a gradient leads back to the logits: minus
             the log-probability of the labels, each counting the same, whatever its row; computed
             in float32; no label at all (but in the first place, which nothing comes before) is a
             ValueError

    With equal logits over 4 tokens the loss is ln 4 = 1.3863, whatever the labels are.
    """
    targets = labels[:, 1:]
    counted = targets != -100
    if not counted.any():
        raise ValueError("no token has a label, so there is nothing to learn")
    log_probabilities = logits[:, :-1][counted].float().log_softmax(dim=-1)
    return -log_probabilities.gather(-1, targets[counted][:, None]).mean()


def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> dict[str, Tensor]:
    """One step of AdamW (arXiv:1711.05101) for one weight tensor, as torch.optim.AdamW does it.

    That class is not to be called: write the step out.

    weight, gradient  float32, of one shape; left as they are
    first, second     the running means of the gradient and of its square, before this step; left
                      as they are too
    step              1 in the first step; the means start at zero, so they are divided by
                      1 - beta ** step
    weight_decay      takes learning_rate * weight_decay of the old weight away, apart from Adam
    betas             how much of the first and of the second mean is kept
    eps               is added to the root of the corrected second mean
    returns           {"weight", "first", "second"} after the step; the means as they are kept,
                      without the division

    From zero means the first step moves every weight by the learning rate, against the gradient's
    sign: adamw_step(weight 1.0, gradient 0.5, zeros, zeros, 1, 0.1, weight_decay=0.0)["weight"]
    →  tensor([0.9])
    """
    beta_1, beta_2 = betas
    first = beta_1 * first + (1 - beta_1) * gradient
    second = beta_2 * second + (1 - beta_2) * gradient**2
    direction = first / (1 - beta_1**step)
    size = (second / (1 - beta_2**step)).sqrt() + eps
    decayed = weight - learning_rate * weight_decay * weight
    return {
        "weight": decayed - learning_rate * direction / size,
        "first": first,
        "second": second,
    }


def share_forgotten(before: list[bool], after: list[bool]) -> float:
    """Of what was known before, the share that is not known any more, from 0 to 1.

    before, after  for the same questions in the same order, whether the answer was right; left
                   as they are
    returns        a float; what was learned in between does not count. Another number of answers,
                   or nothing that was known before, is a ValueError

    share_forgotten([True, True, False, True], [True, False, True, True])  →  0.3333
    """
    still_known = [now for was, now in zip(before, after, strict=True) if was]
    if not still_known:
        raise ValueError("nothing was known before, so nothing can be forgotten")
    return still_known.count(False) / len(still_known)
