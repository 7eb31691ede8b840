"""Hinton et al. 2015 (arXiv:1503.02531): T² · KL(teacher || student) of both softened.

Checked against the definition, token by token in float64, its gradient written out, and against
torch.distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw, normal
from labkit.grading.source.spoiling import spoiled


def true_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """By the definition of KL, token by token, in float64."""
    total = 0.0
    for q_row, p_row in zip(exact(student), exact(teacher), strict=True):
        log_q, log_p = log_softmax(q_row / temperature), log_softmax(p_row / temperature)
        both = zip(log_p, log_q, strict=True)
        total += sum(math.exp(p) * (p - q) for p, q in both if p > -math.inf)
    return torch.tensor(temperature**2 * total / len(student))


def true_gradient(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """For the student's logits: temperature · (q - p) / tokens."""
    rows = [
        np.exp(log_softmax(q / temperature)) - np.exp(log_softmax(p / temperature))
        for q, p in zip(exact(student), exact(teacher), strict=True)
    ]
    return torch.tensor(np.array(rows) * temperature / len(rows)).float()


def library_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """By torch.distributions."""
    p, q = (Categorical(logits=x / temperature) for x in (teacher, student))
    return temperature**2 * kl_divergence(p, q).mean()


def exact(tensor: Tensor) -> np.ndarray:
    """The numbers in float64."""
    return tensor.detach().double().numpy()


def log_softmax(row: np.ndarray) -> np.ndarray:
    """Of one row; the largest number is taken off before exp."""
    shifted = row - row.max()
    return np.asarray(shifted - math.log(np.exp(shifted).sum()))


def check_distillation_loss(s: Submission) -> None:
    def expect(
        student: Tensor, teacher: Tensor, temperature: float, because: str,
        truth: Callable[..., Tensor] = true_loss,
    ) -> None:  # fmt: skip
        answer = s.distillation_loss(student, teacher, temperature)
        expected = truth(student, teacher, temperature)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-5)
        answer.is_tensor(shape=(), dtype=torch.float32)

    def expect_gradient(student: Tensor, teacher: Tensor, temperature: float, because: str) -> None:
        answer = s.distillation_loss.gradient(0, student, teacher, temperature)
        expected = true_gradient(student, teacher, temperature)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-5)

    def refuses(student: Tensor, teacher: Tensor, temperature: float, because: str) -> None:
        s.distillation_loss.raises(ValueError, student, teacher, temperature, because=because)

    plain = "At temperature 1 it is KL(teacher || student)."
    expect(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.5, 0.5]]).log(), 1.0, plain)
    expect(2 * normal(s, 1, 4), 2 * normal(s, 1, 4), 1.0, plain)
    mean = "The mean over tokens of a sum over the vocabulary."
    expect(2 * normal(s, 3, 5), 2 * normal(s, 3, 5), 1.0, mean)
    expect(2 * normal(s, 6, 2), 2 * normal(s, 6, 2), 1.0, mean)
    soft = "Both are softened, and temperature² keeps the gradient's size."
    for temperature in (2.0, 4.0, 0.5):
        expect(3 * normal(s, 1, 4), 3 * normal(s, 1, 4), temperature, soft)
        expect(3 * normal(s, 4, 6), 3 * normal(s, 4, 6), temperature, soft)
    same = normal(s, 3, 4)
    expect(same, same, 2.0, "A student that agrees with its teacher has nothing to learn.")
    far = (
        "Logits far apart: the logarithm of a tiny probability is a plain number, which neither "
        "rounding to 0 nor a floor under it may spoil."
    )
    expect(torch.tensor([[0.0, 300.0]]), torch.tensor([[1.0, 0.0]]), 1.0, far)
    for away in (150.0 + draw(s, 150), -150.0 - draw(s, 150)):
        apart, teacher = torch.tensor([[0.0, away]]), normal(s, 1, 2)
        expect(apart, teacher, 1.0, far)
        expect_gradient(apart, teacher, 1.0, far)
    ruled_out = "What the teacher rules out (-inf) adds nothing."
    forbidding = torch.tensor([[1.0, -math.inf, 0.0], [0.5, 2.0, -math.inf]])
    expect(normal(s, 2, 3), forbidding, 2.0, ruled_out)
    forbidding = normal(s, 3, 4)
    forbidding[torch.arange(3), torch.randint(4, (3,), generator=s.generator)] = -math.inf
    expect(normal(s, 3, 4), forbidding, 2.0, ruled_out)
    half = "bfloat16 logits are taken to float32 before anything else."
    expect(normal(s, 4, 8).bfloat16(), normal(s, 4, 8).bfloat16(), 2.0, half)
    by_library = "torch.distributions' kl_divergence gives this, times temperature²."
    expect(normal(s, 5, 7), normal(s, 5, 7), 3.0, by_library, library_loss)
    back = "The student learns through this loss: a gradient has to reach its logits."
    expect_gradient(2 * normal(s, 1, 3), 2 * normal(s, 1, 3), 1.0, back)
    expect_gradient(2 * normal(s, 4, 5), 2 * normal(s, 4, 5), 2.0, back)
    other = "Another vocabulary, or another number of tokens, can't be compared."
    for shape in ((3, 5), (1, 4), (3, 1)):
        refuses(normal(s, 3, 4), normal(s, *shape), 2.0, other)
    refuses(torch.zeros(0, 4), torch.zeros(0, 4), 2.0, "There is no token to take a mean of.")
    for temperature in (0.0, -1.0):
        refuses(same, same, temperature, "A temperature is more than 0.")


challenge = Challenge(
    name="distillation_loss",
    title="Learn from a teacher's distribution",
    check=check_distillation_loss,
    points=4,
    hints=(
        "Two distributions for each token, both softened in the same way; how many nats does one "
        "lose who believes the student while the teacher is right?",
        "Take one token first, at temperature 1. KL is a sum over the vocabulary: which of the "
        "two gives the weights, and which logarithm is taken from which? What becomes of many "
        "tokens and of the temperature stands in the docstring. F.kl_div does a part: what is its "
        "first argument?",
        "Teacher [0.5, 0.5], student [0.25, 0.75], T 1: 0.5 · log(0.5 / 0.25) + 0.5 · log(0.5 / "
        "0.75) = 0.3466 - 0.2027 = 0.1438.",
    ),
)

STUDENT = "(student_logits.float() / temperature)"
TEACHER = "(teacher_logits.float() / temperature)"
KL = 'F.kl_div(student, teacher, reduction="batchmean")'


# ---- the temperature -----------------------------------------------------------------------------

challenge.mistake(
    "no-t-squared",
    "You left out temperature². Softened distributions lie closer together, and the gradient "
    "shrinks by that factor: beside the loss on the data, distillation would not count.",
    hint="Multiply by temperature ** 2.",
    answer=spoiled("temperature**2 * ", ""),
)

challenge.mistake(
    "t-once",
    "You multiplied by the temperature once. The gradient shrinks twice: through the division "
    "and through distributions that have come closer.",
    hint="Multiply by temperature ** 2.",
    answer=spoiled("temperature**2", "temperature"),
)

challenge.mistake(
    "divided-by-t-squared",
    "You divided by temperature².",
    hint="Multiply by temperature ** 2.",
    answer=spoiled("temperature**2", "temperature**-2"),
)

BOTH_SOFT = "Divide both by the temperature, then softmax."

challenge.mistake(
    "student-not-softened",
    "You softened the teacher only: a student that agrees with it would have to be as soft.",
    hint=BOTH_SOFT,
    answer=spoiled(STUDENT, "student_logits.float()"),
)

challenge.mistake(
    "teacher-not-softened",
    "You softened the student only.",
    hint=BOTH_SOFT,
    answer=spoiled(TEACHER, "teacher_logits.float()"),
)

challenge.mistake(
    "multiplied",
    "You multiplied the logits by the temperature: a high one then sharpens.",
    hint=BOTH_SOFT,
    answer=spoiled(STUDENT, STUDENT.replace("/", "*"), TEACHER, TEACHER.replace("/", "*")),
)


# ---- which distance ------------------------------------------------------------------------------

challenge.mistake(
    "reversed",
    "You have KL(student || teacher). It lets the student leave out what the teacher holds "
    "possible; distillation weighs by the teacher's probabilities.",
    hint="F.kl_div takes the student's logarithms first and the teacher's probabilities second.",
    answer=spoiled(f"student = {STUDENT}", f"student = {TEACHER}",
                   f"teacher = {TEACHER}", f"teacher = {STUDENT}"),
)  # fmt: skip

challenge.mistake(
    "cross-entropy",
    "You have the cross-entropy. It is KL plus the teacher's entropy: a student that agrees "
    "with its teacher does not get 0. (The gradients are the same.)",
    hint="The sum of p · (log p - log q).",
    answer=spoiled(KL, "-(teacher * student).sum(-1).mean()"),
)

challenge.mistake(
    "hard-labels",
    "You took the teacher's likeliest token as the label. What it holds of all others is what "
    "distillation is about.",
    hint="Use the whole distribution of the teacher.",
    answer=spoiled(KL, "F.nll_loss(student, teacher.argmax(-1))"),
)

challenge.mistake(
    "squares-of-logits",
    "You compared logits. Adding 1 to all of them changes no probability.",
    hint="KL of the two softmax distributions.",
    answer=spoiled(KL, f"({STUDENT} - {TEACHER}).square().sum(-1).mean()"),
)


# ---- what is summed, and over what ---------------------------------------------------------------

challenge.mistake(
    "mean-over-vocabulary",
    "You took the mean over the vocabulary as well (kl_div's own reduction, 'mean'). KL is a "
    "sum over it; with a vocabulary of 32,000 the loss would all but vanish.",
    hint="reduction='batchmean', or .sum(-1).mean()",
    answer=spoiled('"batchmean")', '"none").mean()'),  # "mean" would warn, in the learner's cell
)

challenge.mistake(
    "summed",
    "You summed over the tokens: a longer batch would teach harder.",
    hint="reduction='batchmean', or .sum(-1).mean()",
    answer=spoiled("batchmean", "sum"),
)

challenge.mistake(
    "softmax-over-tokens",
    "Your softmax runs over the tokens.",
    hint="dim=-1: over the vocabulary.",
    answer=spoiled(".log_softmax(-1)", ".log_softmax(0)", ".softmax(-1)", ".softmax(0)"),
)


# ---- logarithms ----------------------------------------------------------------------------------

challenge.mistake(
    "student-without-log",
    "You took the student's probabilities where their logarithms belong. (F.kl_div wants "
    "logarithms for its first argument.)",
    hint="F.log_softmax for the student.",
    answer=spoiled(".log_softmax", ".softmax"),
)

challenge.mistake(
    "teacher-as-logarithms",
    "All that you return is NaN. F.kl_div does that to a teacher given as logarithms: unless "
    "log_target=True it wants probabilities, and takes the logarithm itself.",
    hint="F.softmax for the teacher.",
    answer=spoiled(".softmax", ".log_softmax"),
)

challenge.mistake(
    "ruled-out-is-nan",
    "Where the teacher rules a token out you compute 0 · (-inf), which is NaN. By the "
    "definition such a token adds 0.",
    hint="F.kl_div with the teacher's probabilities, or torch.xlogy(p, p), has it right.",
    answer=spoiled(".softmax", ".log_softmax", '"batchmean"', '"batchmean", log_target=True'),
)

challenge.mistake(
    "log-of-softmax",
    "You took the logarithm of a softmax. A small probability is rounded to 0 and its "
    "logarithm is -inf: one token makes the loss infinite.",
    hint="F.log_softmax does both in one step, safely.",
    answer=spoiled(".log_softmax(-1)", ".softmax(-1).log()"),
)

challenge.mistake(
    "exp-overflows",
    "You add up plain exponentials. exp(300) is more than float32 can hold, so the sum is "
    "infinite.",
    hint="F.log_softmax (or torch.logsumexp) takes the largest logit off first.",
    answer=spoiled(
        f"{STUDENT}.log_softmax(-1)",
        f"(logits := {STUDENT}) - logits.exp().sum(-1, keepdim=True).log()",
    ),
)

challenge.mistake(
    "softmax-of-plain-exponentials",
    "You divide plain exponentials. exp(300) is more than float32 can hold, and infinite / "
    "infinite is NaN; exp(-300) is rounded to 0, whose logarithm is -inf.",
    hint="F.log_softmax takes the largest logit off first, and never leaves the logarithms.",
    answer=spoiled(
        f"{STUDENT}.log_softmax(-1)",
        f"((powers := {STUDENT}.exp()) / powers.sum(-1, keepdim=True)).log()",
    ),
)


def refuse(student: Tensor, teacher: Tensor, temperature: float) -> None:
    """ValueErrors as the contract wants them."""
    if student.shape != teacher.shape or student.numel() == 0 or not temperature > 0:
        raise ValueError("shapes or temperature")


@challenge.mistake(
    "infinite-where-rounded-to-zero",
    "Your distance is infinite where the student's probability is too small for float32 and is "
    "rounded to 0, though its logarithm is known: torch.distributions' kl_divergence does "
    "that. One token makes the loss infinite.",
    hint="Take the logarithms straight from the logits: F.log_softmax.",
)
def by_distributions(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    refuse(student_logits, teacher_logits, temperature)
    return library_loss(student_logits.float(), teacher_logits.float(), temperature)


# ---- dtype and gradient --------------------------------------------------------------------------

challenge.mistake(
    "in-the-logits-dtype",
    "You computed in bfloat16, whose numbers have three digits at best: a difference of "
    "logarithms is all rounding.",
    hint="student_logits.float() and teacher_logits.float() first.",
    answer=spoiled("student_logits.float()", "student_logits",
                   "teacher_logits.float()", "teacher_logits"),
)  # fmt: skip

challenge.mistake(
    "no-gradient",
    "The number is right, but no gradient leads from it back to student_logits: no student "
    "could learn from it.",
    hint="float(), .item(), .tolist(), .detach(), NumPy, torch.tensor(...) and no_grad cut the way "
    "off: stay with operations on tensors.",
    answer=spoiled("student_logits.float()", "student_logits.detach().float()"),
)


# ---- what is refused -----------------------------------------------------------------------------

challenge.mistake(
    "shapes-unchecked",
    "You compare whatever torch can stretch. A teacher with another vocabulary means other "
    "tokens by the same numbers.",
    hint="if student_logits.shape != teacher_logits.shape: raise ValueError(...)",
    answer=spoiled("student_logits.shape != teacher_logits.shape or ", ""),
)

challenge.mistake(
    "empty-unchecked",
    "Of no token you make NaN, which would spoil every weight at the next step.",
    hint="raise ValueError for a batch without a token.",
    answer=spoiled(" or not len(student_logits)", ""),
)

challenge.mistake(
    "temperature-unchecked",
    "You accept a temperature of 0 or below.",
    hint="if temperature <= 0: raise ValueError(...)",
    answer=spoiled("temperature <= 0", "False"),
)


@challenge.alternative
def by_logarithms(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """By the definition, with logsumexp, and a floor under logarithms so that 0 · log 0 is 0."""
    refuse(student_logits, teacher_logits, temperature)
    q, p = student_logits.float() / temperature, teacher_logits.float() / temperature
    log_q = q - torch.logsumexp(q, -1, keepdim=True)
    log_p = (p - torch.logsumexp(p, -1, keepdim=True)).clamp_min(-1e30)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()


@challenge.alternative
def by_token(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Token by token with kl_div."""
    refuse(student_logits, teacher_logits, temperature)
    each = [
        F.kl_div((q / temperature).log_softmax(0), (p / temperature).softmax(0), reduction="sum")
        for q, p in zip(student_logits.float(), teacher_logits.float(), strict=True)
    ]
    return torch.stack(each).mean() * temperature**2


@challenge.alternative
def by_cross_entropy(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Cross-entropy less the teacher's own entropy, in float64."""
    refuse(student_logits, teacher_logits, temperature)
    p = torch.softmax(teacher_logits.double() / temperature, 1)
    crossed = F.cross_entropy(student_logits.double() / temperature, p)
    own = torch.special.entr(p).sum(1).mean()
    return ((crossed - own) * temperature * temperature).float()


challenge.equivalent(
    "student_logits->teacher_logits | if student_logits.shape != teacher_logits.shape or not "
    "len(student_logits): #2",
    because="There both have the same shape.",
)
challenge.equivalent(
    f"-1->1 | student = {STUDENT}.log_softmax(-1)",
    f"-1->1 | teacher = {TEACHER}.softmax(-1)",
    because="Logits have two dimensions: the last is number 1.",
)
