"""B is zero, A is drawn as torch draws a linear layer."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from labkit.challenges.lora.shared import OF_PEFT, exact, normal
from labkit.grading import Challenge, Submission
from labkit.grading.diagnosis import same_values
from labkit.grading.drawing import draw
from labkit.grading.transport import Reply, Returned

Adapter = dict[str, Tensor]


def check_start_adapter(s: Submission) -> None:
    """B is zero, A is drawn as torch draws a linear layer."""

    def expect(out_features: int, in_features: int, rank: int, because: str) -> None:
        weight = normal(s, out_features, in_features)
        uniform = torch.rand(rank, in_features, generator=s.generator)
        drawn = torch.from_numpy((2 * exact(uniform) - 1) / math.sqrt(in_features)).float()
        answer = s.start_adapter(weight, rank, uniform)
        expected = {"lora_A": drawn, "lora_B": torch.zeros(out_features, rank)}
        answer.close_to(expected, because=because)
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


def zero_b(draws: Tensor, out: int) -> Tensor:
    return torch.zeros(out, len(draws))


def right_start(draws: Tensor, out: int, width: int) -> tuple[Tensor, Tensor]:
    return draws / math.sqrt(width), zero_b(draws, out)


@challenge.mistake(
    "draws-not-used",
    "Your lora_A does not follow `uniform`: it looks like random numbers of your own. The "
    "draws are given, so that the same adapter can be made twice.",
    hint="uniform lies in [0, 1). Stretch it and shift it; no other random numbers.",
)
def drawn_anew(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    if rank < 1:
        raise ValueError("rank")
    generator = torch.Generator().manual_seed(0)
    others = torch.rand(uniform.shape, generator=generator)
    a, b = right_start(2 * others - 1, len(weight), weight.shape[1])
    return {"lora_A": a, "lora_B": b}


def starting(
    make: Callable[[Tensor, int, int], tuple[Tensor, Tensor]],
) -> Callable[[Tensor, int, Tensor], Adapter]:
    """A complete answer; `make` gets the draws in [-1, 1), out and in."""

    def start_adapter(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
        if rank < 1:
            raise ValueError("rank must be 1 or more")
        out_features, in_features = weight.shape
        a, b = make(2 * uniform - 1, out_features, in_features)
        return {"lora_A": a, "lora_B": b}

    return start_adapter


challenge.mistake(
    "bound-for-relu",
    "Your bound is sqrt(6 / in), that of kaiming_uniform_ for a ReLU. torch's linear layers "
    "and peft call it with a=sqrt(5), and then it is 1/sqrt(in).",
    hint="The bound is 1/sqrt(in), without the root of 6.",
    answer=starting(lambda draws, out, width: (draws * math.sqrt(6 / width), zero_b(draws, out))),
)


challenge.mistake(
    "b-not-zero",
    "B does not start at zero: the adapter changes the model before it has learned anything.",
    hint="lora_B is torch.zeros(out, rank). Then B times A is zero, whatever A is.",
    answer=starting(
        lambda draws, out, width: (draws / math.sqrt(width), zero_b(draws, out) + 0.01)
    ),
)


challenge.mistake(
    "both-zero",
    "Both matrices are zero. Then neither gets a gradient: that of A is B's transpose times "
    "something, and that of B holds A. The adapter never leaves zero.",
    hint="Only B starts at zero; A takes the draws.",
    answer=starting(lambda draws, out, width: (0 * draws, zero_b(draws, out))),
)


challenge.mistake(
    "a-zero",
    "You let A start at zero and B at random. It would train too, but it is not how LoRA and "
    "peft begin.",
    hint="lora_A takes the draws, lora_B is zeros.",
    answer=starting(
        lambda draws, out, width: (
            0 * draws,
            draws[:, :1].T.repeat(out, 1) / math.sqrt(width),
        )
    ),
)


challenge.mistake(
    "bound-by-out",
    "You scaled the draws by the layer's output size. What goes into A has the input's size.",
    hint="The bound is 1/sqrt(in): in is weight.shape[1].",
    answer=starting(lambda draws, out, width: (draws / math.sqrt(out), zero_b(draws, out))),
)


challenge.mistake(
    "bound-without-root",
    "You divided the draws by `in` itself.",
    hint="The bound is 1/sqrt(in): the root is missing.",
    answer=starting(lambda draws, out, width: (draws / width, zero_b(draws, out))),
)


challenge.mistake(
    "bound-by-rank",
    "You scaled the draws by the rank.",
    hint="The bound is 1/sqrt(in): in is weight.shape[1].",
    answer=starting(lambda draws, out, width: (draws / math.sqrt(len(draws)), zero_b(draws, out))),
)


challenge.mistake(
    "not-scaled",
    "Your draws go from -1 to 1 whatever the size of the layer.",
    hint="Multiply them by 1/sqrt(in).",
    answer=starting(lambda draws, out, width: (draws, zero_b(draws, out))),
)


@challenge.mistake(
    "never-negative",
    "Your A has no negative numbers: the draws from [0, 1) have to be spread over both signs.",
    hint="2 * uniform - 1 lies in [-1, 1).",
)
def undrawn(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    if rank < 1:
        raise ValueError("rank")
    return {"lora_A": uniform / math.sqrt(weight.shape[1]), "lora_B": zero_b(uniform, len(weight))}


challenge.mistake(
    "a-turned",
    "Your lora_A is (in, rank). As a layer of its own it goes from in to rank: (rank, in).",
    hint="A linear layer's weight is (out, in); for A that is (rank, in).",
    answer=starting(lambda draws, out, width: (draws.T / math.sqrt(width), zero_b(draws, out))),
)


challenge.mistake(
    "b-turned",
    "Your lora_B is (rank, out). As a layer of its own it goes from rank to out: (out, rank).",
    hint="A linear layer's weight is (out, in); for B that is (out, rank).",
    answer=starting(lambda draws, out, width: (draws / math.sqrt(width), zero_b(draws, out).T)),
)


@challenge.mistake(
    "rank-unchecked",
    "You accept a rank of 0 or below.",
    hint="Begin with: if rank < 1: raise ValueError(...).",
)
def rank_unchecked(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    out_features, in_features = weight.shape
    a, b = right_start(2 * uniform - 1, out_features, in_features)
    return {"lora_A": a, "lora_B": b}


challenge.alternative(starting(right_start))


def kaiming_by_gain(draws: Tensor, out: int, width: int) -> tuple[Tensor, Tensor]:
    gain = nn.init.calculate_gain("leaky_relu", math.sqrt(5))
    return draws * gain * math.sqrt(3 / width), torch.zeros((out, draws.shape[0]))


challenge.alternative(starting(kaiming_by_gain))
