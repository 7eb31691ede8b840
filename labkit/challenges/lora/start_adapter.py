"""A fresh LoRA adapter (arXiv:2106.09685, section 4.1): A is drawn, B is zero, B times A is zero.

Checked in float64 against the draws spread evenly over ±1/sqrt(in), which is what torch's
kaiming_uniform_ with a=sqrt(5) makes of the same draws; nn.Linear and peft's lora_A start by it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labkit.challenges.lora.peft_layers import OF_PEFT
from labkit.grading import Challenge, Submission
from labkit.grading.checks.diagnosis import same_values
from labkit.grading.checks.drawing import draw, normal
from labkit.grading.source.spoiling import spoiled
from labkit.grading.transports.transport import Reply, Returned

Adapter = dict[str, Tensor]


def true_start(out_features: int, uniform: Tensor) -> Adapter:
    """In float64, rounded at the end."""
    rank, in_features = uniform.shape
    a = (2 * uniform.double() - 1) / math.sqrt(in_features)
    return {"lora_A": a.float(), "lora_B": torch.zeros(out_features, rank)}


def check_start_adapter(s: Submission) -> None:
    def expect(out_features: int, in_features: int, rank: int, because: str) -> None:
        weight = normal(s, out_features, in_features)
        uniform = torch.rand(rank, in_features, generator=s.generator)
        answer = s.start_adapter(weight, rank, uniform)
        answer.close_to(true_start(out_features, uniform), because=because)
        answer.holds(other_than_float32, because="Both matrices are float32, as the weight is.")

    shape = "A is drawn between -1/sqrt(in) and 1/sqrt(in), B is zero; their product is (out, in)."
    expect(3, 4, 1, shape)
    expect(4, 3, 2, shape)
    expect(5, 5, 3, shape)
    expect(2, 16, 2, shape)
    expect(8, 2, 4, "A rank above the smaller side is a waste, and allowed.")
    expect(1, 4, 1, shape)
    refuse = "An adapter of rank 0 is none."
    for rank in (0, -1, -2 - draw(s, 1000)):
        weight = normal(s, 2, 2)
        s.start_adapter.raises(ValueError, weight, rank, torch.ones(0, 2), because=refuse)


def other_than_float32(adapter: Adapter) -> str | None:
    """What is wrong with the types of the two matrices."""
    kinds = {name: matrix.dtype for name, matrix in adapter.items()}
    return f"they are {kinds}" if set(kinds.values()) != {torch.float32} else None


def same_start(left: Reply, right: Reply) -> bool:
    """The same mistake: equal values, or in both of them draws that were not given."""
    return same_values(left, right) or (has_own_draws(left) and has_own_draws(right))


def has_own_draws(reply: Reply) -> bool:
    """Whether lora_A varies from place to place, and not as the given draws do."""
    if not isinstance(reply, Returned) or type(reply.value) is not dict:
        return False
    a, uniform = reply.value.get("lora_A"), reply.arguments[2]
    if type(a) is not Tensor or a.shape != uniform.shape or len(a.unique()) < 3:
        return False
    both = torch.stack([a.flatten().double(), uniform.flatten().double()])
    return abs(float(both.corrcoef()[0, 1])) < 0.9999


challenge = Challenge(
    name="start_adapter",
    title="An adapter that changes nothing yet",
    check=check_start_adapter,
    points=2,
    hints=(
        "Two matrices whose product is as large as the weight. Which of them is zero decides what "
        "the model does before the first step, and whether a gradient gets through.",
        "The draws have the shape of one of the two. They lie in [0, 1): what has to be done to "
        "them before they lie between minus and plus the bound? And which side of the weight is "
        "`in`?",
        "For a weight (3, 4) and one row of draws 0, 0.25, 0.5, 0.75: times two minus one gives "
        "-1, -0.5, 0, 0.5; divided by sqrt(4): -0.5, -0.25, 0, 0.25. B is three zeros in a column.",
    ),
    alike=same_start,
    not_allowed=OF_PEFT,
)

A, B = "(2 * uniform - 1) * bound", "torch.zeros(out_features, rank)"


# ---- which of the two is zero --------------------------------------------------------------------

challenge.mistake(
    "both-zero",
    "Both matrices are zero. Then neither gets a gradient: that of A is B's transpose times "
    "something, and that of B holds A. The adapter never leaves zero.",
    hint="Only B starts at zero; A takes the draws.",
    answer=spoiled(A, "torch.zeros_like(uniform)"),
)

challenge.mistake(
    "b-not-zero",
    "B does not start at zero: the adapter changes the model before it has learned anything.",
    hint="lora_B is torch.zeros(out, rank). Then B times A is zero, whatever A is.",
    answer=spoiled(B, "torch.full((out_features, rank), 0.01)"),
)

challenge.mistake(
    "a-zero",
    "You let A start at zero and B at random. It would train too, but it is not how LoRA and "
    "peft begin.",
    hint="lora_A takes the draws, lora_B is zeros.",
    answer=spoiled(
        A, "torch.zeros_like(uniform)",
        B, "((2 * uniform[:, 0] - 1) * bound).repeat(out_features, 1)",
    ),
)  # fmt: skip


# ---- the draws and their bound -------------------------------------------------------------------

challenge.mistake(
    "draws-not-used",
    "Your lora_A does not follow `uniform`: it looks like random numbers of your own. The "
    "draws are given, so that the same adapter can be made twice.",
    hint="uniform lies in [0, 1). Stretch it and shift it; no other random numbers.",
    answer=spoiled(
        "2 * uniform",
        "2 * torch.rand(uniform.shape, generator=torch.Generator().manual_seed(0))",
    ),
)

challenge.mistake(
    "never-negative",
    "Your A has no negative numbers: the draws from [0, 1) have to be spread over both signs.",
    hint="2 * uniform - 1 lies in [-1, 1).",
    answer=spoiled("(2 * uniform - 1)", "uniform"),
)

challenge.mistake(
    "not-scaled",
    "Your draws go from -1 to 1 whatever the size of the layer.",
    hint="Multiply them by 1/sqrt(in).",
    answer=spoiled(" * bound", ""),
)

challenge.mistake(
    "bound-for-relu",
    "Your bound is sqrt(6 / in), that of kaiming_uniform_ for a ReLU. torch's linear layers "
    "and peft call it with a=sqrt(5), and then it is 1/sqrt(in).",
    hint="The bound is 1/sqrt(in), without the root of 6.",
    answer=spoiled("1 / math.sqrt(in_features)", "math.sqrt(6 / in_features)"),
)

challenge.mistake(
    "bound-without-root",
    "You divided the draws by `in` itself.",
    hint="The bound is 1/sqrt(in): the root is missing.",
    answer=spoiled("math.sqrt(in_features)", "in_features"),
)

challenge.mistake(
    "bound-by-out",
    "You scaled the draws by the layer's output size. What goes into A has the input's size.",
    hint="The bound is 1/sqrt(in): in is weight.shape[1].",
    answer=spoiled("sqrt(in_features)", "sqrt(out_features)"),
)

challenge.mistake(
    "bound-by-rank",
    "You scaled the draws by the rank.",
    hint="The bound is 1/sqrt(in): in is weight.shape[1].",
    answer=spoiled("sqrt(in_features)", "sqrt(rank)"),
)


# ---- shapes and ranks ----------------------------------------------------------------------------

challenge.mistake(
    "a-turned",
    "Your lora_A is (in, rank). As a layer of its own it goes from in to rank: (rank, in).",
    hint="A linear layer's weight is (out, in); for A that is (rank, in).",
    answer=spoiled("2 * uniform", "2 * uniform.T"),
)

challenge.mistake(
    "b-turned",
    "Your lora_B is (rank, out). As a layer of its own it goes from rank to out: (out, rank).",
    hint="A linear layer's weight is (out, in); for B that is (out, rank).",
    answer=spoiled("(out_features, rank)", "(rank, out_features)"),
)

challenge.mistake(
    "rank-unchecked",
    "You accept a rank of 0 or below.",
    hint="Begin with: if rank < 1: raise ValueError(...).",
    answer=spoiled(
        'raise ValueError(f"rank must be 1 or more, got {rank}")', "rank = len(uniform)"
    ),
)


@challenge.alternative
def between_two_bounds(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    """From the lower bound to the upper one, as far as each draw says."""
    if rank < 1:
        raise ValueError("rank must be 1 or more")
    high = torch.tensor(weight.shape[1] ** -0.5)
    return {
        "lora_A": torch.lerp(-high, high, uniform),
        "lora_B": weight.new_zeros(len(weight), rank),
    }


@challenge.alternative
def by_the_gain(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    """As kaiming_uniform_ works its bound out, from the gain of a leaky ReLU."""
    if rank < 1:
        raise ValueError("rank must be 1 or more")
    gain = nn.init.calculate_gain("leaky_relu", math.sqrt(5))
    spread = (uniform - 0.5) * (2 * gain * math.sqrt(3 / weight.shape[1]))
    return {"lora_A": spread, "lora_B": torch.zeros((weight.shape[0], rank))}
