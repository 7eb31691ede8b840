"""Mean of minus the log-probability of each label, by the logits of the place before."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers.loss.loss_utils import ForCausalLMLoss

from labkit.challenges.fine_tuning.shared import IGNORED
from labkit.grading import Challenge, Submission


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


challenge.mistake(
    "not-shifted",
    "You compare the logits of a place with the token of the same place, which the model has "
    "just read. They are about the next one.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
    answer=losing(shift=lambda logits, labels: (logits, labels)),
)


challenge.mistake(
    "shifted-backwards",
    "You shifted the wrong way: the logits of a place are compared with the token before it.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
    answer=losing(shift=lambda logits, labels: (logits[:, 1:], labels[:, :-1])),
)


@challenge.mistake(
    "shifted-twice",
    "You shifted by two places.",
    hint="logits[:, :-1] belong to labels[:, 1:].",
)
def shifted_twice(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    scores, targets = logits[:, :-2].float().flatten(0, 1), labels[:, 2:].flatten()
    return torch.nn.functional.cross_entropy(scores, targets)


challenge.mistake(
    "mean-over-all",
    "You divide by all places, also those that are left out: a long prompt or much padding "
    "makes the loss smaller, and batches weigh unequally.",
    hint="Divide the sum by the number of labels that are not -100.",
    answer=losing(reduce=lambda losses, counted: losses.mean()),
)


def mean_of_rows(losses: Tensor, counted: Tensor) -> Tensor:
    rows = counted.any(dim=1)
    return (losses.sum(1)[rows] / counted.sum(1)[rows]).mean()


challenge.mistake(
    "mean-of-rows",
    "You take the mean of each row, then the mean of those: a token in a short answer counts "
    "for more than one in a long answer.",
    hint="One mean over all labels of the batch.",
    answer=losing(reduce=mean_of_rows),
)


challenge.mistake(
    "sum",
    "You added the losses up. Batches then weigh unequally, by how many labels they have, and "
    "two losses can't be compared.",
    hint="Divide by the number of labels.",
    answer=losing(reduce=lambda losses, counted: losses.sum()),
)


challenge.mistake(
    "divided-by-rows",
    "You divide the sum by the number of rows. Each label is to count the same, so the mean is "
    "over labels.",
    hint="Divide by the number of labels that are not -100.",
    answer=losing(reduce=lambda losses, counted: losses.sum() / len(losses)),
)


@challenge.mistake(
    "counted-before-the-shift",
    "You count the labels before the shift: the first of a row is counted, and has no loss.",
    hint="Count what is left of the labels after the shift.",
)
def counted_before_shift(logits: Tensor, labels: Tensor) -> Tensor:
    total: Tensor = losing(reduce=lambda losses, counted: losses.sum())(logits, labels)
    return total / (labels != IGNORED).sum()


@challenge.mistake(
    "token-0-left-out",
    "You leave out every label that is 0 or below. 0 is a token; only -100 is left out.",
    hint="Compare with -100.",
)
def token_0_left_out(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    return losing(refuses=False)(logits, labels.masked_fill(labels == 0, IGNORED))


challenge.mistake(
    "softmax-twice",
    "You give probabilities to something that takes the softmax itself: it is taken twice.",
    hint="cross_entropy and log_softmax take the logits as they are.",
    answer=lambda logits, labels: losing()(logits.float().softmax(-1), labels),
)


@challenge.mistake(
    "ignored-as-token",
    "You count -100 as if it were token 0.",
    hint="Leave those places out: pick the others with a boolean mask.",
)
def ignored_as_token(logits: Tensor, labels: Tensor) -> Tensor:
    if not (labels[:, 1:] != IGNORED).any():
        raise ValueError("no labels")
    return losing()(logits, labels.clamp(min=0))


challenge.mistake(
    "bits",
    "Your loss is in bits. In nats the logarithm is the natural one.",
    hint="torch.log and log_softmax are natural.",
    answer=losing(reduce=lambda losses, counted: losses[counted].mean() / math.log(2)),
)


challenge.mistake(
    "sign",
    "The sign is wrong: a step that makes this smaller makes the right tokens less likely.",
    hint="The loss is minus the log-probability.",
    answer=losing(reduce=lambda losses, counted: -losses[counted].mean()),
)


challenge.mistake(
    "perplexity",
    "That is the perplexity, the exponential of the loss.",
    hint="Leave exp out.",
    answer=losing(reduce=lambda losses, counted: losses[counted].mean().exp()),
)


@challenge.mistake(
    "not-a-log",
    "You take 1 minus the probability. A token that is nearly impossible then costs hardly "
    "more than an unlikely one.",
    hint="Minus the logarithm of the probability.",
)
def probability_lost(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - p in place of -log p."""
    targets = labels[:, 1:]
    counted = targets != IGNORED
    if not counted.any():
        raise ValueError("no labels")
    p = logits[:, :-1].float()[counted].softmax(-1).gather(-1, targets[counted][:, None])
    return 1 - p.mean()


@challenge.mistake(
    "no-gradient",
    "The number is right, but no gradient leads from it back to the logits: nothing could be "
    "trained with it.",
    hint="float(), .item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way "
    "off: stay with operations on tensors from the logits to the loss.",
)
def cut_off(logits: Tensor, labels: Tensor) -> Tensor:
    """The right number, with no way back to the logits."""
    return losing()(logits.detach(), labels)


@challenge.mistake(
    "overflow",
    "exp overflows: exp(10000) is inf in float32.",
    hint="Use log_softmax, which subtracts the largest logit first, or cross_entropy.",
)
def by_plain_exp(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[:, 1:]
    counted = targets != IGNORED
    if not counted.any():
        raise ValueError("no labels")
    weights = logits[:, :-1].float()[counted].exp()
    chosen = weights.gather(-1, targets[counted][:, None])[:, 0]
    return -(chosen / weights.sum(-1)).log().mean()


@challenge.mistake(
    "own-dtype",
    "You computed in the dtype of the logits: in bfloat16 the loss has two or three digits.",
    hint="logits.float() first.",
)
def in_its_own_dtype(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[:, 1:]
    if not (targets != IGNORED).any():
        raise ValueError("no labels")
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten())


challenge.mistake(
    "nan-for-nothing",
    "Without any label you return NaN. One such batch makes every weight NaN.",
    hint="If no label but -100 is left after the shift: raise ValueError(...).",
    answer=losing(refuses=False),
)


challenge.alternative(losing())


@challenge.alternative
def by_flattening(logits: Tensor, labels: Tensor) -> Tensor:
    """Another right answer: everything in one row."""
    if int((labels[:, 1:] >= 0).sum()) == 0:
        raise ValueError("no labels")
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).to(torch.float32)
    return torch.nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=-100)


@challenge.alternative
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


challenge.equivalent(
    "NotEq->Gt | counted = targets != -100",
    because="No label is below -100.",
)


challenge.equivalent(
    "dim=-1->1 | log_probabilities = logits[:, :-1][counted].float().log_softmax(dim=-1)",
    because="What the mask picks has two dimensions: the last is 1.",
)


challenge.equivalent(
    "-1->1 | return -log_probabilities.gather(-1, targets[counted][:, None]).mean()",
    because="Two dimensions again: the last is 1.",
)
