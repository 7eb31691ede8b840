"""The loss of an answer: mean cross entropy over the labels, by the logits of the place before.

Checked against log-softmax and its gradient written out in float64 NumPy, and against the loss of
transformers' causal models.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.loss.loss_utils import ForCausalLMLoss

from labkit.grading import Challenge, Submission
from labkit.grading.source.spoiling import spoiled

IGNORED = -100  # the label that torch's cross entropy leaves out


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
    def expect(
        logits: Tensor, labels: list[list[int]], because: str,
        truth: Callable[[Tensor, Tensor], float] = true_loss,
    ) -> None:  # fmt: skip
        wanted = torch.tensor(labels)
        answer = s.answer_loss(logits, wanted).is_tensor(shape=(), dtype=torch.float32)
        answer.close_to(torch.tensor(truth(logits, wanted)), because=because, rtol=1e-4)

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


challenge = Challenge(
    name="answer_loss",
    title="The loss of an answer",
    check=check_answer_loss,
    points=3,
    hints=(
        "Two cuts make the places match: which logits have no token after them, and which token "
        "has no logits before it?",
        "Write a row of three tokens below its three logits, and draw an arrow from each logits "
        "to the token that they predict. Which logits have no arrow, and which token has none? Of "
        "the pairs that are left, which count, and what is the mean over?",
        "Labels [-100, 2, 5] have two that count: logits at place 0 for token 2, at place 1 for "
        "token 5. With losses 0.5 and 1.5 the answer is 1.0, whatever else is in the row.",
    ),
    not_allowed=("transformers.loss.loss_utils.ForCausalLMLoss",),
)


# ---- which logits are about which label ----------------------------------------------------------

TARGETS, SCORES = "labels[:, 1:]", "logits[:, :-1]"

challenge.mistake(
    "not-shifted",
    "You compare the logits of a place with the token of the same place, which the model has "
    "just read. They are about the next one.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
    answer=spoiled(TARGETS, "labels", SCORES, "logits"),
)

challenge.mistake(
    "shifted-backwards",
    "You shifted the wrong way: the logits of a place are compared with the token before it.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
    answer=spoiled(TARGETS, "labels[:, :-1]", SCORES, "logits[:, 1:]"),
)

challenge.mistake(
    "shifted-twice",
    "You shifted by two places.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
    answer=spoiled(
        TARGETS, "labels[:, 2:]", SCORES, "logits[:, :-2]",
        "counted.any()", "(labels[:, 1:] != -100).any()",
    ),
)  # fmt: skip


# ---- what the mean is over -----------------------------------------------------------------------

challenge.mistake(
    "mean-over-all",
    "You divide by all places, also those that are left out: a long prompt or much padding "
    "makes the loss smaller, and batches weigh unequally.",
    hint="Divide the sum by the number of labels that are not -100.",
    answer=spoiled(".mean()", ".sum() / targets.numel()"),
)


@challenge.mistake(
    "mean-of-rows",
    "You take the mean of each row, then the mean of those: a token in a short answer counts "
    "for more than one in a long answer.",
    hint="One mean over all labels of the batch.",
)
def row_by_row(logits: Tensor, labels: Tensor) -> Tensor:
    rows = zip(logits[:, :-1].float(), labels[:, 1:], strict=True)
    losses = [F.cross_entropy(z, wanted) for z, wanted in rows if (wanted != IGNORED).any()]
    if not losses:
        raise ValueError("no labels")
    return torch.stack(losses).mean()


challenge.mistake(
    "sum",
    "You added the losses up. Batches then weigh unequally, by how many labels they have, and "
    "two losses can't be compared.",
    hint="Divide by the number of labels.",
    answer=spoiled(".mean()", ".sum()"),
)

challenge.mistake(
    "divided-by-rows",
    "You divide the sum by the number of rows. Each label is to count the same, so the mean is "
    "over labels.",
    hint="Divide by the number of labels that are not -100.",
    answer=spoiled(".mean()", ".sum() / len(labels)"),
)

challenge.mistake(
    "counted-before-the-shift",
    "You count the labels before the shift: the first of a row is counted, and has no loss.",
    hint="Count what is left of the labels after the shift.",
    answer=spoiled(".mean()", ".sum() / (labels != -100).sum()"),
)


# ---- which labels count --------------------------------------------------------------------------

challenge.mistake(
    "token-0-left-out",
    "You leave out every label that is 0 or below. 0 is a token; only -100 is left out.",
    hint="Compare with -100.",
    answer=spoiled("targets != -100", "targets > 0"),
)

challenge.mistake(
    "ignored-as-token",
    "You count -100 as if it were token 0.",
    hint="Leave those places out: pick the others with a boolean mask.",
    answer=spoiled(
        "[counted].float()", ".float()",
        "targets[counted][:, None]", "targets.clamp(min=0)[..., None]",
    ),
)  # fmt: skip

challenge.mistake(
    "nan-for-nothing",
    "Without any label you return NaN. One such batch makes every weight NaN.",
    hint="If no label but -100 is left after the shift: raise ValueError(...).",
    answer=spoiled("not counted.any()", "False"),
)


# ---- the loss of one label -----------------------------------------------------------------------

challenge.mistake(
    "softmax-twice",
    "You give probabilities to something that takes the softmax itself: it is taken twice.",
    hint="cross_entropy and log_softmax take the logits as they are.",
    answer=spoiled(".float()", ".float().softmax(dim=-1)"),
)

challenge.mistake(
    "overflow",
    "exp overflows: exp(10000) is inf in float32.",
    hint="Use log_softmax, which subtracts the largest logit first, or cross_entropy.",
    answer=spoiled(
        "log_probabilities = ", "powers = ",
        ".log_softmax(dim=-1)",
        ".exp()\n    log_probabilities = (powers / powers.sum(-1)[:, None]).log()",
    ),
)  # fmt: skip


@challenge.mistake(
    "own-dtype",
    "You computed in the dtype of the logits: in bfloat16 the loss has two or three digits.",
    hint="logits.float() first.",
)
def in_its_own_dtype(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[:, 1:]
    if not (targets != IGNORED).any():
        raise ValueError("no labels")
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten())


challenge.mistake(
    "no-gradient",
    "The number is right, but no gradient leads from it back to the logits: nothing could be "
    "trained with it.",
    hint="float(), .item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way "
    "off: stay with operations on tensors from the logits to the loss.",
    answer=spoiled(".float()", ".detach().float()"),
)

challenge.mistake(
    "sign",
    "The sign is wrong: a step that makes this smaller makes the right tokens less likely.",
    hint="The loss is minus the log-probability.",
    answer=spoiled("return -", "return "),
)

challenge.mistake(
    "not-a-log",
    "You take 1 minus the probability. A token that is nearly impossible then costs hardly "
    "more than an unlikely one.",
    hint="Minus the logarithm of the probability.",
    answer=spoiled(".log_softmax", ".softmax", "return -", "return 1 - "),
)

challenge.mistake(
    "bits",
    "Your loss is in bits. In nats the logarithm is the natural one.",
    hint="torch.log and log_softmax are natural.",
    answer=spoiled(".log_softmax(dim=-1)", ".softmax(dim=-1).log2()"),
)

challenge.mistake(
    "perplexity",
    "That is the perplexity, the exponential of the loss.",
    hint="Leave exp out.",
    answer=spoiled("return -log", "return (-log", ".mean()", ".mean()).exp()"),
)


@challenge.alternative
def by_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """All places in one row; torch leaves -100 out."""
    if int((labels[:, 1:] >= 0).sum()) == 0:
        raise ValueError("no labels")
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).to(torch.float32)
    return F.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=IGNORED)


@challenge.alternative
def by_logsumexp(logits: Tensor, labels: Tensor) -> Tensor:
    """Token by token: the logarithm of all there is, less the label's own logit."""
    losses = []
    for row, wanted in zip(logits.double(), labels.tolist(), strict=True):
        for scores, label in zip(row[:-1], wanted[1:], strict=True):
            if label != IGNORED:
                losses.append(scores.logsumexp(-1) - scores[label])
    if not losses:
        raise ValueError("no labels")
    return torch.stack(losses).mean().float()


@challenge.alternative
def by_one_hot_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """The definition of cross entropy: minus p log q, where p is 1 at the label, or nowhere."""
    targets = labels[:, 1:]
    counted = (targets != IGNORED).float()
    if counted.sum() == 0:
        raise ValueError("no labels")
    p = F.one_hot(targets.clamp(min=0), logits.shape[-1]) * counted[..., None]
    return -(p * logits[:, :-1].float().log_softmax(-1)).sum() / counted.sum()


challenge.equivalent(
    "NotEq->Gt | counted = targets != -100",
    because="No label is below -100.",
)
challenge.equivalent(
    "dim=-1->1 | log_probabilities = logits[:, :-1][counted].float().log_softmax(dim=-1)",
    "-1->1 | return -log_probabilities.gather(-1, targets[counted][:, None]).mean()",
    because="What the mask picks has two dimensions: the last is 1.",
)
