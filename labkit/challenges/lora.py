"""Lesson 09, LoRA: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy, written out sum by sum, and once for each challenge from
peft itself, with the same numbers in its layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.diagnosis import same_values, same_words
from labkit.grading.drawing import draw
from labkit.grading.transport import Reply, Returned

Adapter = dict[str, Tensor]
Shapes = dict[str, list[int]]
OF_PEFT = ("peft.get_peft_model", "peft.inject_adapter_in_model", "peft.LoraConfig")


def exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def normal(s: Submission, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=s.generator)


@torch.no_grad()
def adapted(weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, lora_alpha: float) -> Any:
    """A linear layer inside peft with an adapter of its own, all with these numbers."""
    config = LoraConfig(r=len(a), lora_alpha=lora_alpha, target_modules=["layer"])
    with torch.random.fork_rng(devices=[]):  # both draw numbers, which are overwritten here
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        both = get_peft_model(nn.ModuleDict({"layer": layer}), config).base_model.model["layer"]
    for theirs, ours in (
        (layer.weight, weight), (layer.bias, bias),
        (both.lora_A["default"].weight, a), (both.lora_B["default"].weight, b),
    ):  # fmt: skip
        theirs.copy_(ours)
    return both


# ------------------------------------------------------------------------------------------------
# start_adapter


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


def zero_b(draws: Tensor, out: int) -> Tensor:
    return torch.zeros(out, len(draws))


def right_start(draws: Tensor, out: int, width: int) -> tuple[Tensor, Tensor]:
    return draws / math.sqrt(width), zero_b(draws, out)


def kaiming_by_gain(draws: Tensor, out: int, width: int) -> tuple[Tensor, Tensor]:
    gain = nn.init.calculate_gain("leaky_relu", math.sqrt(5))
    return draws * gain * math.sqrt(3 / width), torch.zeros((out, draws.shape[0]))


def rank_unchecked(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    out_features, in_features = weight.shape
    a, b = right_start(2 * uniform - 1, out_features, in_features)
    return {"lora_A": a, "lora_B": b}


def undrawn(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    if rank < 1:
        raise ValueError("rank")
    return {"lora_A": uniform / math.sqrt(weight.shape[1]), "lora_B": zero_b(uniform, len(weight))}


def drawn_anew(weight: Tensor, rank: int, uniform: Tensor) -> Adapter:
    if rank < 1:
        raise ValueError("rank")
    generator = torch.Generator().manual_seed(0)
    others = torch.rand(uniform.shape, generator=generator)
    a, b = right_start(2 * others - 1, len(weight), weight.shape[1])
    return {"lora_A": a, "lora_B": b}


START_MISTAKES = (
    Mistake(
        "draws-not-used",
        drawn_anew,
        "Your lora_A does not follow `uniform`: it looks like random numbers of your own. The "
        "draws are given, so that the same adapter can be made twice.",
        "uniform lies in [0, 1). Stretch it and shift it; no other random numbers.",
    ),
    Mistake(
        "bound-for-relu",
        starting(lambda draws, out, width: (draws * math.sqrt(6 / width), zero_b(draws, out))),
        "Your bound is sqrt(6 / in), that of kaiming_uniform_ for a ReLU. torch's linear layers "
        "and peft call it with a=sqrt(5), and then it is 1/sqrt(in).",
        "The bound is 1/sqrt(in), without the root of 6.",
    ),
    Mistake(
        "b-not-zero",
        starting(lambda draws, out, width: (draws / math.sqrt(width), zero_b(draws, out) + 0.01)),
        "B does not start at zero: the adapter changes the model before it has learned anything.",
        "lora_B is torch.zeros(out, rank). Then B times A is zero, whatever A is.",
    ),
    Mistake(
        "both-zero",
        starting(lambda draws, out, width: (0 * draws, zero_b(draws, out))),
        "Both matrices are zero. Then neither gets a gradient: that of A is B's transpose times "
        "something, and that of B holds A. The adapter never leaves zero.",
        "Only B starts at zero; A takes the draws.",
    ),
    Mistake(
        "a-zero",
        starting(
            lambda draws, out, width: (
                0 * draws,
                draws[:, :1].T.repeat(out, 1) / math.sqrt(width),
            )
        ),
        "You let A start at zero and B at random. It would train too, but it is not how LoRA and "
        "peft begin.",
        "lora_A takes the draws, lora_B is zeros.",
    ),
    Mistake(
        "bound-by-out",
        starting(lambda draws, out, width: (draws / math.sqrt(out), zero_b(draws, out))),
        "You scaled the draws by the layer's output size. What goes into A has the input's size.",
        "The bound is 1/sqrt(in): in is weight.shape[1].",
    ),
    Mistake(
        "bound-without-root",
        starting(lambda draws, out, width: (draws / width, zero_b(draws, out))),
        "You divided the draws by `in` itself.",
        "The bound is 1/sqrt(in): the root is missing.",
    ),
    Mistake(
        "bound-by-rank",
        starting(lambda draws, out, width: (draws / math.sqrt(len(draws)), zero_b(draws, out))),
        "You scaled the draws by the rank.",
        "The bound is 1/sqrt(in): in is weight.shape[1].",
    ),
    Mistake(
        "not-scaled",
        starting(lambda draws, out, width: (draws, zero_b(draws, out))),
        "Your draws go from -1 to 1 whatever the size of the layer.",
        "Multiply them by 1/sqrt(in).",
    ),
    Mistake(
        "never-negative",
        undrawn,
        "Your A has no negative numbers: the draws from [0, 1) have to be spread over both signs.",
        "2 * uniform - 1 lies in [-1, 1).",
    ),
    Mistake(
        "a-turned",
        starting(lambda draws, out, width: (draws.T / math.sqrt(width), zero_b(draws, out))),
        "Your lora_A is (in, rank). As a layer of its own it goes from in to rank: (rank, in).",
        "A linear layer's weight is (out, in); for A that is (rank, in).",
    ),
    Mistake(
        "b-turned",
        starting(lambda draws, out, width: (draws / math.sqrt(width), zero_b(draws, out).T)),
        "Your lora_B is (rank, out). As a layer of its own it goes from rank to out: (out, rank).",
        "A linear layer's weight is (out, in); for B that is (out, rank).",
    ),
    Mistake(
        "rank-unchecked",
        rank_unchecked,
        "You accept a rank of 0 or below.",
        "Begin with: if rank < 1: raise ValueError(...).",
    ),
)

START_HINTS = (
    "Two matrices whose product is as large as the weight. Which of them is zero decides what the "
    "model does before the first step, and whether a gradient gets through.",
    "The draws have the shape of one of the two. They lie in [0, 1): what has to be done to them "
    "before they lie between minus and plus the bound? And which side of the weight is `in`?",
    "For a weight (3, 4) and one row of draws 0, 0.25, 0.5, 0.75: times two minus one gives -1, "
    "-0.5, 0, 0.5; divided by sqrt(4): -0.5, -0.25, 0, 0.25. B is three zeros in a column.",
)


# ------------------------------------------------------------------------------------------------
# lora_linear


def true_linear(
    x: Tensor, weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, alpha: float
) -> Tensor:
    """Written out in float64."""
    frozen = np.einsum("...i,oi->...o", exact(x), exact(weight)) + exact(bias)
    low = np.einsum("...i,ri->...r", exact(x), exact(a))
    added = np.einsum("...r,or->...o", low, exact(b)) * (alpha / a.shape[0])
    return torch.from_numpy(frozen + added).float()


def pefts_linear(x: Tensor, *numbers: Any) -> Tensor:
    """What peft's layer gives with these numbers in it."""
    found: Tensor = adapted(*numbers)(x)
    return found.detach()


def check_lora_linear(s: Submission) -> None:
    """The frozen answer plus alpha / rank times B A x."""

    def expect(
        shape: tuple[int, ...], out: int, rank: int, alpha: float, because: str,
        truth: Callable[..., Tensor] = true_linear,
    ) -> None:  # fmt: skip
        x, width = normal(s, *shape), shape[-1]
        frozen = normal(s, out, width), normal(s, out)
        numbers = (*frozen, normal(s, rank, width), normal(s, out, rank))
        answer = s.lora_linear(x, *numbers, alpha)
        answer.is_tensor(shape=(*shape[:-1], out), dtype=torch.float32)
        expected = truth(x, *numbers, alpha)
        answer.close_to(expected, because=because, rtol=1e-4, atol=1e-4)

    rule = "The frozen layer's answer plus lora_alpha / rank times the adapter's."
    one = torch.tensor
    s.lora_linear(
        one([1.0, 2.0]), one([[1.0, 0.0]]), one([0.5]), one([[1.0, 1.0]]), one([[2.0]]), 3.0
    ).close_to(one([19.5]), because=rule)
    expect((4,), 3, 2, 4.0, rule)
    expect((2, 4), 3, 2, 1.0, rule)
    expect((2, 3, 5), 4, 3, 6.0, "Any shape before the last dimension is kept.")
    expect((3, 4), 4, 4, 8.0, "A square layer hides what is turned: these sizes are equal.")
    expect((3, 6), 2, 1, 16.0, rule)
    expect((3, 6), 2, 5, 0.5, rule)
    expect((2, 4), 3, 2, 0.0, "With lora_alpha 0 the adapter adds nothing.")
    x, weight, bias = normal(s, 2, 4), normal(s, 3, 4), normal(s, 3)
    fresh = s.lora_linear(x, weight, bias, normal(s, 2, 4), torch.zeros(3, 2), 4.0)
    plain = torch.from_numpy(exact(x) @ exact(weight).T + exact(bias)).float()
    fresh.close_to(plain, because="With B at zero the layer does what it did.", atol=1e-4)
    expect((2, 4), 3, 2, 4.0, "peft's layer with the same numbers gives this.", pefts_linear)


def linear_with(
    scale: Callable[[float, int], float] = lambda alpha, rank: alpha / rank,
    combine: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda frozen, bias, added: (
        frozen + bias + added
    ),
) -> Callable[..., Tensor]:
    """A complete answer; `scale` from alpha and rank, `combine` from its three parts."""

    def lora_linear(
        x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
    ) -> Tensor:
        added = scale(lora_alpha, len(lora_A)) * (x @ lora_A.T @ lora_B.T)
        return combine(x @ weight.T, bias, added)

    return lora_linear


def turned(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    return x @ weight.T + bias + lora_alpha / len(lora_A) * (x @ lora_B @ lora_A)


def by_layers(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """Another right answer: with torch's linear, three times."""
    linear = nn.functional.linear
    low = linear(x, lora_A) * (lora_alpha / lora_A.size(0))
    return linear(x, weight, bias) + linear(low, lora_B)


def by_whole_matrix(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """Another right answer: merged first."""
    return x @ (weight + (lora_alpha / len(lora_A)) * lora_B @ lora_A).T + bias


LINEAR_MISTAKES = (
    Mistake(
        "rank-from-columns",
        lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
            x @ weight.T + bias + lora_alpha / lora_A.shape[1] * (x @ lora_A.T @ lora_B.T)
        ),
        "You divide by the number of lora_A's columns. That is `in`; lora_A is (rank, in).",
        "The rank is the size that lora_A and lora_B have in common.",
    ),
    Mistake(
        "rank-from-rows-of-b",
        lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
            x @ weight.T + bias + lora_alpha / lora_B.shape[0] * (x @ lora_A.T @ lora_B.T)
        ),
        "You divide by the number of lora_B's rows. That is `out`; lora_B is (out, rank).",
        "The rank is the size that lora_A and lora_B have in common.",
    ),
    Mistake(
        "bias-scaled",
        lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
            x @ weight.T + lora_alpha / len(lora_A) * (bias + x @ lora_A.T @ lora_B.T)
        ),
        "Your scale reaches the bias too. The bias belongs to the frozen layer.",
        "Scale what came through A and B, and nothing else.",
    ),
    Mistake(
        "alpha-alone",
        linear_with(lambda alpha, rank: alpha),
        "You scaled by lora_alpha alone. Divided by the rank, one value of lora_alpha serves for "
        "every rank.",
        "The factor is lora_alpha / rank; the rank is the number of rows of lora_A.",
    ),
    Mistake(
        "no-scale",
        linear_with(lambda alpha, rank: 1.0),
        "You left the scale out: lora_alpha changes nothing in your answer.",
        "Multiply the adapter's answer by lora_alpha / rank.",
    ),
    Mistake(
        "whole-division",
        linear_with(lambda alpha, rank: alpha // rank),
        "`//` throws away what stands behind the point: with lora_alpha 1 and rank 2 it gives 0.",
        "One slash: lora_alpha / rank.",
    ),
    Mistake(
        "rank-over-alpha",
        linear_with(lambda alpha, rank: rank / alpha if alpha else 0.0),
        "You scaled by rank / lora_alpha: the wrong way round.",
        "A larger lora_alpha means a larger scale: lora_alpha / rank.",
    ),
    Mistake(
        "root-of-rank",
        linear_with(lambda alpha, rank: alpha / math.sqrt(rank)),
        "You divided by the square root of the rank. That is rsLoRA (arXiv:2312.03732); LoRA "
        "divides by the rank.",
        "lora_alpha / rank, without the root.",
    ),
    Mistake(
        "scaled-twice",
        linear_with(lambda alpha, rank: (alpha / rank) ** 2),
        "You applied the scale twice, once on the way down and once on the way up.",
        "One factor lora_alpha / rank for the whole adapter.",
    ),
    Mistake(
        "all-scaled",
        lambda x, weight, bias, lora_A, lora_B, lora_alpha: (
            lora_alpha / len(lora_A) * (x @ weight.T + bias + x @ lora_A.T @ lora_B.T)
        ),
        "You scaled the frozen layer's answer too. The scale belongs to the adapter alone.",
        "Compute the frozen answer first, then add the scaled one of the adapter.",
    ),
    Mistake(
        "adapter-alone",
        linear_with(combine=lambda frozen, bias, added: added + bias),
        "The frozen layer's answer is missing: the adapter comes on top of it.",
        "Add x @ weight.T.",
    ),
    Mistake(
        "no-bias",
        linear_with(combine=lambda frozen, bias, added: frozen + added),
        "You left the bias out.",
        "The frozen layer is x @ weight.T + bias.",
    ),
    Mistake(
        "bias-twice",
        linear_with(combine=lambda frozen, bias, added: frozen + 2 * bias + added),
        "You added the bias twice: to the layer's answer and to the adapter's. An adapter has no "
        "bias.",
        "Add it once.",
    ),
    Mistake(
        "a-and-b-swapped",
        turned,
        "You sent x through B first. x has `in` numbers: A takes them down to rank, B takes those "
        "up to out.",
        "x @ lora_A.T is (..., rank); that @ lora_B.T is (..., out).",
    ),
    Mistake(
        "subtracted",
        linear_with(combine=lambda frozen, bias, added: frozen + bias - added),
        "You subtracted the adapter's answer.",
        "It is added.",
    ),
)

LINEAR_HINTS = (
    "Two layers side by side that see the same x; their answers are added.",
    "Follow x through the adapter and write down the shapes: (..., in) first, (..., out) in the "
    "end. What has to stand between, and which matrix leads there? Then ask of the scale which of "
    "the two answers it belongs to, and which size of lora_A and lora_B is the rank.",
    "x = [1, 2]: through A [[1, 1]] it is 3, through B [[2]] it is 6, times 3/1 it is 18. The "
    "layer gives 1 + 0.5. Together 19.5.",
)


# ------------------------------------------------------------------------------------------------
# trained_parameters


def true_parameters(shapes: Shapes, targets: list[str], rank: int) -> dict[str, int]:
    """Path by path: the last parts of a path against the parts of a target."""
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        *path, kind = name.split(".")
        matches = any(path[-len(t.split(".")) :] == t.split(".") for t in targets)
        if matches and kind == "weight" and len(shape) == 2:
            where = ".".join(path)
            found[f"{where}.lora_A.weight"] = rank * shape[1]
            found[f"{where}.lora_B.weight"] = shape[0] * rank
    return found


def llama_shapes(layers: int, width: int, middle: int) -> Shapes:
    shapes: Shapes = {"model.embed_tokens.weight": [50, width]}
    for i in range(layers):
        at = f"model.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            out = width // 2 if name in ("k_proj", "v_proj") else width
            shapes[f"{at}self_attn.{name}.weight"] = [out, width]
            shapes[f"{at}self_attn.{name}.bias"] = [out]
        shapes |= {
            f"{at}mlp.up_proj.weight": [middle, width],
            f"{at}mlp.down_proj.weight": [width, middle],
            f"{at}norm.weight": [width],
        }
    return shapes | {"model.norm.weight": [width]}


def drawn_shapes(s: Submission) -> Shapes:
    """A small model of drawn widths."""
    return llama_shapes(2 + draw(s, 2), 2 + 2 * draw(s, 4000), 2 + draw(s, 12_000))


def check_trained_parameters(s: Submission) -> None:
    """Which layers are meant, and what an adapter beside each costs."""

    def expect(shapes: Shapes, targets: list[str], rank: int, because: str) -> None:
        expected = true_parameters(shapes, targets, rank)
        answer = s.trained_parameters(shapes, targets, rank).equals(expected, because=because)
        answer.holds(lambda found: other_order(found, expected), because=order)

    def drawn(targets: list[str], because: str) -> None:
        expect(drawn_shapes(s), targets, 1 + draw(s, 64), because)

    order = "The layers stand in the order of `shapes`, whatever that of the targets is."
    count = "A has rank x in weights, B has out x rank; nothing else is trained."
    expect({"q_proj.weight": [4, 8], "q_proj.bias": [4]}, ["q_proj"], 2, count)
    expect({"q_proj.weight": [4, 8], "k_proj.weight": [4, 8]}, ["q_proj"], 1, count)
    expect({"down.weight": [3, 12], "up.weight": [12, 3]}, ["down", "up"], 2, count)
    expect({"q_proj.weight": [4, 8], "k_proj.weight": [2, 8]}, ["k_proj", "q_proj"], 1, order)
    small = llama_shapes(2, 8, 24)
    name = "A name means that layer in every block."
    expect(small, ["q_proj", "v_proj"], 4, name)
    expect(small, ["up_proj"], 3, name)
    drawn(["down_proj", "up_proj", "v_proj"], name)
    longer = "A target may be the last parts of a path: the longer, the fewer layers it means."
    expect(small, ["layers.1.self_attn.q_proj"], 2, longer)
    expect(small, ["self_attn.k_proj", "0.mlp.up_proj"], 2, longer)
    drawn(["mlp.down_proj", f"{draw(s, 2)}.self_attn.o_proj"], longer)
    path = "A whole path means one layer."
    expect(small, ["model.layers.0.mlp.up_proj"], 2, path)
    drawn([f"model.layers.{draw(s, 2)}.self_attn.v_proj"], path)
    whole = "A target is whole parts of a path: a piece of a part means nothing."
    expect(small, ["proj"], 2, whole)
    expect({"my_q_proj.weight": [4, 4], "q_proj.weight": [4, 4]}, ["q_proj"], 1, whole)
    expect({"q_proj.inner.weight": [4, 4], "q_proj_2.weight": [4, 4]}, ["q_proj"], 1, whole)
    expect({"qXproj.weight": [4, 4], "q.proj.weight": [4, 4]}, ["q.proj"], 1, whole)
    drawn(["proj", "attn.q_proj", "up_proj"], whole)
    expect(small, ["norm"], 2, "A weight of one dimension is no linear layer.")
    others = {"up.bias": [2, 2], "up.zero_points": [2, 2], "up.weight": [2, 2, 2]}
    expect(others, ["up"], 1, "Nor is anything else that is no weight of two dimensions.")
    twice = "A layer meant twice is there once."
    expect(small, ["q_proj", "layers.0.self_attn.q_proj"], 2, twice)
    drawn(["up_proj", "mlp.up_proj", "norm"], twice)
    expect(small, [], 2, "Without targets nothing is trained.")
    gpt3 = {
        f"h.{i}.{name}.weight": [12_288, 12_288] for i in range(96) for name in ("q", "k", "v", "o")
    }
    paper = "GPT-3 175B, as in table 4 of the LoRA paper: 4.7 million weights at rank 1."
    expect(gpt3, ["q", "v"], 1, paper)


def other_order(found: dict[str, int], expected: dict[str, int]) -> str | None:
    """What is wrong with the order of the layers; of one layer, A or B may come first."""
    layers = layers_of(found)
    return None if layers == layers_of(expected) else f"yours begin {', '.join(layers[:4])}"


def layers_of(names: Iterable[str]) -> list[str]:
    """The layers that entries belong to, as they follow each other."""
    return [layer for layer, _ in groupby(name.rsplit(".lora_", 1)[0] for name in names)]


def parameters_by(
    match: Callable[[str, str], bool] = lambda path, target: f".{path}".endswith(f".{target}"),
    a: Callable[[int, int, int], int] = lambda out, width, rank: rank * width,
    b: Callable[[int, int, int], int] = lambda out, width, rank: rank * out,
    also: Callable[[str, list[int]], dict[str, int]] = lambda name, shape: {},
) -> Callable[[Shapes, list[str], int], dict[str, int]]:
    """A complete answer with its own match, sizes, and what else it takes for trained."""

    def trained_parameters(shapes: Shapes, target_modules: list[str], rank: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, shape in shapes.items():
            path, kind = name.rsplit(".", 1)
            if not any(match(path, target) for target in target_modules):
                continue
            found |= also(name, shape)
            if kind == "weight" and len(shape) == 2:
                found[f"{path}.lora_A.weight"] = a(shape[0], shape[1], rank)
                found[f"{path}.lora_B.weight"] = b(shape[0], shape[1], rank)
        return found

    return trained_parameters


def frozen_too(shapes: Shapes, target_modules: list[str], rank: int) -> dict[str, int]:
    return {n: math.prod(s) for n, s in shapes.items()} | true_parameters(
        shapes, target_modules, rank
    )


def target_by_target(shapes: Shapes, target_modules: list[str], rank: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for target in target_modules:
        found |= parameters_by()(shapes, [target], rank)
    return found


def by_last_part(path: str, target: str) -> bool:
    return path.rsplit(".", 1)[-1] == target


def in_two_passes(shapes: Shapes, target_modules: list[str], rank: int) -> dict[str, int]:
    """Another right answer: the layers first, then their adapters."""
    linear = [name for name, shape in shapes.items() if len(shape) == 2]
    paths = [name.removesuffix(".weight") for name in linear if name.endswith(".weight")]
    meant = [
        path
        for path in paths
        if path in target_modules or any(path.endswith("." + target) for target in target_modules)
    ]
    return {
        f"{path}.lora_{name}.weight": rank * shapes[f"{path}.weight"][side]
        for path in meant
        for name, side in (("A", 1), ("B", 0))
    }


def by_all_tails(shapes: Shapes, target_modules: list[str], rank: int) -> dict[str, int]:
    """Another right answer: every end of a path is looked up among the targets."""
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        *parts, kind = name.split(".")
        tails = {".".join(parts[start:]) for start in range(len(parts))}
        if kind == "weight" and len(shape) == 2 and not tails.isdisjoint(target_modules):
            for matrix, side in (("lora_A", shape[1]), ("lora_B", shape[0])):
                found[".".join([*parts, matrix, kind])] = side * rank
    return found


TRAINED_MISTAKES = (
    Mistake(
        "another-order",
        target_by_target,
        "Every entry is right, but the layers do not stand in the order of `shapes`. Whoever goes "
        "through the targets first gets theirs.",
        "One loop over shapes on the outside; the targets are asked inside it.",
    ),
    Mistake(
        "frozen-weights-trained",
        frozen_too,
        "You list the model's own weights too. They are frozen: only the adapters are trained.",
        "Return nothing but the lora_A and lora_B entries.",
    ),
    Mistake(
        "bias-trained",
        parameters_by(also=lambda n, s: {n: s[0]} if n.endswith(".bias") else {}),
        "You train the biases of the targeted layers. LoRA leaves them frozen (peft: bias='none').",
        "Skip every name that ends in .bias.",
    ),
    Mistake(
        "layer-trained",
        parameters_by(also=lambda n, s: {n: math.prod(s)} if len(s) == 2 else {}),
        "You list the targeted layers' own weights beside their adapters. They are frozen.",
        "Return nothing but the lora_A and lora_B entries.",
    ),
    Mistake(
        "piece-of-a-name",
        parameters_by(match=lambda path, target: target in path),
        "You look whether the target occurs anywhere in the path: 'proj' would mean every "
        "projection, and 'q_proj' also 'my_q_proj'.",
        "A target fits the whole last part of a path, or several whole parts at its end.",
    ),
    Mistake(
        "ends-with",
        parameters_by(match=lambda path, target: path.endswith(target)),
        "endswith without the dot: 'my_q_proj' ends with 'q_proj' and is another layer.",
        "path == target or path.endswith('.' + target)",
    ),
    Mistake(
        "last-part-only",
        parameters_by(match=by_last_part),
        "You compare single parts of the path: a longer target such as "
        "'layers.1.self_attn.q_proj' finds nothing.",
        "path == target or path.endswith('.' + target)",
    ),
    Mistake(
        "whole-path-only",
        parameters_by(match=lambda path, target: path == target),
        "You want the whole path to be the target: 'q_proj' then finds no layer inside a block.",
        "path == target or path.endswith('.' + target)",
    ),
    Mistake(
        "whole-matrix",
        parameters_by(a=lambda out, width, rank: out * width, b=lambda out, width, rank: 0),
        "You count the whole matrix. That is full fine-tuning.",
        "A has rank x in weights, B has out x rank.",
    ),
    Mistake(
        "a-and-b-swapped",
        parameters_by(a=lambda out, width, rank: rank * out, b=lambda out, width, r: r * width),
        "You swapped the sizes of A and B: A has as many columns as the layer's input.",
        "The weight is [out, in]: A counts rank x in, B counts out x rank.",
    ),
    Mistake(
        "rank-forgotten",
        parameters_by(a=lambda out, width, rank: width, b=lambda out, width, rank: out),
        "Your counts are those of rank 1.",
        "Multiply both by the rank.",
    ),
)

TRAINED_HINTS = (
    "For each parameter: is it the weight of a linear layer? Is the layer meant by a target? Then "
    "it gets two matrices.",
    "Write 'layers.0.q_proj.weight' as its parts. Which part says what the parameter is, and which "
    "ones can a target speak of? 'q_proj' and '0.q_proj' mean this layer, 'proj' and "
    "'layers.0' do not: what do the first two have in common?",
    "'0.self_attn.q_proj' ends with '.q_proj', 'my_q_proj' does not. Its weight [4, 8] at rank 2: "
    "2 x 8 = 16 for A, 4 x 2 = 8 for B. A weight of 12,288 x 12,288 at rank 1: 12,288 each; q and "
    "v in 96 blocks: 96 x 2 x 24,576 = 4,718,592.",
)


# ------------------------------------------------------------------------------------------------
# merge_adapter


def true_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """Written out in float64, rounded once to the weight's dtype."""
    added = np.einsum("or,ri->oi", exact(b), exact(a)) * (alpha / a.shape[0])
    return torch.from_numpy(exact(weight) + added).float().to(weight.dtype)


def pefts_merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """The weight that is left after peft has merged."""
    both = adapted(weight, torch.zeros(len(weight)), a, b, alpha)
    both.merge()
    merged: Tensor = both.get_base_layer().weight
    return merged.detach()


def check_merge_adapter(s: Submission) -> None:
    """weight + alpha / rank times B A, in the weight's dtype."""

    def expect(
        out: int, width: int, rank: int, alpha: float, because: str,
        truth: Callable[..., Tensor] = true_merge,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        weight, a, b = normal(s, out, width).to(dtype), normal(s, rank, width), normal(s, out, rank)
        answer = s.merge_adapter(weight, a, b, alpha)
        answer.is_tensor(shape=(out, width), dtype=dtype)
        room = 1e-4 if dtype is torch.float32 else 1e-2
        answer.close_to(truth(weight, a, b, alpha), because=because, rtol=room, atol=room / 10)

    rule = "The weight plus lora_alpha / rank times B times A."
    one = torch.tensor
    s.merge_adapter(one([[1.0, 0.0]]), one([[1.0, 1.0]]), one([[2.0]]), 3.0).close_to(
        one([[7.0, 6.0]]), because=rule
    )
    expect(3, 4, 2, 4.0, rule)
    expect(4, 3, 2, 1.0, rule)
    expect(4, 4, 4, 8.0, "A square layer hides what is turned: these sizes are equal.")
    expect(2, 6, 5, 0.5, rule)
    expect(5, 2, 1, 16.0, rule)
    expect(3, 4, 2, 0.0, "With lora_alpha 0 the weight stays.")
    kind = "The merged weight has the dtype of the weight; it is rounded once, at the end."
    expect(3, 4, 2, 4.0, kind, dtype=torch.bfloat16)
    far = one([[1000.0, -1000.0]], dtype=torch.bfloat16)
    small = s.merge_adapter(far, one([[1.0, 1.0]]), one([[3.0]]), 1.0)
    small.close_to(one([[1004.0, -996.0]], dtype=torch.bfloat16), because=kind, rtol=1e-3)
    cancels = one([[-1000.0]], dtype=torch.bfloat16)
    small = s.merge_adapter(cancels, one([[1003.0]]), one([[1.0]]), 1.0)
    small.equals(one([[3.0]], dtype=torch.bfloat16), because=kind)
    for dtype in (torch.bfloat16, torch.float16):
        numbers = nearly_cancelling(s, 3, 5, dtype)
        s.merge_adapter(*numbers).equals(true_merge(*numbers), because=kind)
    expect(3, 4, 2, 4.0, "peft merges to this.", pefts_merge)


def nearly_cancelling(
    s: Submission, out: int, width: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Whole numbers, exact in float32 in whatever order they are added up, and so large that it
    shows if the adapter is rounded to the dtype before: little is left of their sum."""

    def whole(size: int, *shape: int) -> Tensor:
        return torch.randint(-size, size + 1, shape, generator=s.generator).float()

    a, b, alpha = whole(100, 2, width), whole(100, out, 2), float(2 << draw(s, 2))
    return (whole(50, out, width) - alpha / 2 * b @ a).to(dtype), a, b, alpha


def merge_with(
    scale: Callable[[float, int], float] = lambda alpha, rank: alpha / rank,
    combine: Callable[[Tensor, Tensor], Tensor] = lambda weight, added: weight + added,
    product: Callable[[Tensor, Tensor], Tensor] = lambda a, b: b @ a,
) -> Callable[..., Tensor]:
    """A complete answer with a scale, a product and a combination of its own."""

    def merge_adapter(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
        added = scale(lora_alpha, len(lora_A)) * product(lora_A, lora_B)
        return combine(weight.float(), added).to(weight.dtype)

    return merge_adapter


def merged_in_place(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    weight += (lora_alpha / len(lora_A) * lora_B @ lora_A).to(weight.dtype)
    return weight


def dtype_lost(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    return weight + lora_alpha / len(lora_A) * lora_B @ lora_A


def by_addmm(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """Another right answer: one fused product."""
    factor = lora_alpha / lora_A.shape[0]
    return torch.addmm(weight.to(torch.float32), lora_B, lora_A, alpha=factor).type(weight.dtype)


def by_outer_products(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """Another right answer: rank by rank."""
    merged = weight.double()
    for row, column in zip(lora_A, lora_B.T, strict=True):
        merged = merged + torch.outer(column, row).double() * lora_alpha / len(lora_A)
    return merged.to(weight.dtype)


def rounded_first(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    return weight + (lora_alpha / len(lora_A) * lora_B @ lora_A).to(weight.dtype)


MERGE_MISTAKES = (
    Mistake(
        "rounded-first",
        rounded_first,
        "You round the adapter's product to the weight's dtype before you add it. Then two "
        "numbers are rounded and their sum once more; bfloat16 has three digits.",
        "Add in float32; .to(weight.dtype) comes last.",
    ),
    Mistake(
        "rank-from-columns",
        lambda weight, lora_A, lora_B, lora_alpha: (
            weight.float() + lora_alpha / lora_A.shape[1] * (lora_B @ lora_A)
        ).to(weight.dtype),
        "You divide by the number of lora_A's columns. That is `in`; lora_A is (rank, in).",
        "The rank is the size that lora_A and lora_B have in common.",
    ),
    Mistake(
        "no-scale",
        merge_with(lambda alpha, rank: 1.0),
        "You merged without the scale. The merged layer then says something else than layer and "
        "adapter did.",
        "Multiply B @ A by lora_alpha / rank before you add it.",
    ),
    Mistake(
        "alpha-alone",
        merge_with(lambda alpha, rank: alpha),
        "You scaled by lora_alpha alone.",
        "The factor is lora_alpha / rank; the rank is the number of rows of lora_A.",
    ),
    Mistake(
        "whole-division",
        merge_with(lambda alpha, rank: alpha // rank),
        "`//` throws away what stands behind the point: with lora_alpha 1 and rank 2 it gives 0.",
        "One slash: lora_alpha / rank.",
    ),
    Mistake(
        "scaled-twice",
        merge_with(lambda alpha, rank: (alpha / rank) ** 2),
        "You applied the scale twice.",
        "One factor lora_alpha / rank.",
    ),
    Mistake(
        "root-of-rank",
        merge_with(lambda alpha, rank: alpha / math.sqrt(rank)),
        "You divided by the square root of the rank, which is rsLoRA's scale.",
        "lora_alpha / rank, without the root.",
    ),
    Mistake(
        "subtracted",
        merge_with(combine=lambda weight, added: weight - added),
        "You subtracted the adapter. That is how one takes it out again.",
        "Merging adds.",
    ),
    Mistake(
        "replaced",
        merge_with(combine=lambda weight, added: added),
        "You returned the adapter's product without the weight.",
        "Add it to the weight.",
    ),
    Mistake(
        "all-scaled",
        lambda weight, lora_A, lora_B, lora_alpha: (
            lora_alpha / len(lora_A) * (weight.float() + lora_B @ lora_A)
        ).to(weight.dtype),
        "You scaled the frozen weight too.",
        "Only B @ A is scaled.",
    ),
    Mistake(
        "a-times-b",
        merge_with(product=lambda a, b: a @ b),
        "You multiplied A by B. (out, rank) times (rank, in) is B @ A; the other way round it is "
        "(rank, rank), or fails.",
        "lora_B @ lora_A.",
    ),
    Mistake(
        "turned",
        merge_with(product=lambda a, b: (b @ a).T),
        "You turned the product round.",
        "B @ A has the weight's shape (out, in) as it is.",
    ),
    Mistake(
        "in-place",
        merged_in_place,
        "You merged into the caller's weight. Whoever wants to take the adapter out again, or to "
        "put in another one, has lost the base.",
        "`weight += …` writes into the caller's tensor. Return a new one.",
    ),
    Mistake(
        "dtype-lost",
        dtype_lost,
        "A bfloat16 weight comes back as float32: the merged model would take twice the memory.",
        "Add in float32 and end with .to(weight.dtype).",
    ),
)

MERGE_HINTS = (
    "x W^T + s (x A^T) B^T is x times one matrix. Which?",
    "Write down the shapes of weight, lora_A and lora_B, and see what can be multiplied to give "
    "that of the weight. What did the layer do to the adapter's answer before it added it? And "
    "bfloat16 holds some three digits: at which moment does rounding cost least?",
    "B [[2]] times A [[1, 1]] is [[2, 2]]; times 3/1 it is [[6, 6]]; plus [[1, 0]] it is [[7, 6]].",
)


CHALLENGES = (
    Challenge(
        name="start_adapter",
        title="An adapter that changes nothing yet",
        points=2,
        check=check_start_adapter,
        mistakes=START_MISTAKES,
        alternatives=(starting(right_start), starting(kaiming_by_gain)),
        hints=START_HINTS,
        alike=same_start,
        not_allowed=OF_PEFT,
    ),
    Challenge(
        name="lora_linear",
        title="A linear layer with LoRA",
        points=3,
        check=check_lora_linear,
        mistakes=LINEAR_MISTAKES,
        alternatives=(linear_with(), by_layers, by_whole_matrix),
        hints=LINEAR_HINTS,
        alike=same_words,
        not_allowed=OF_PEFT,
    ),
    Challenge(
        name="trained_parameters",
        title="Injection: what is trained",
        points=3,
        check=check_trained_parameters,
        mistakes=TRAINED_MISTAKES,
        alternatives=(parameters_by(), in_two_passes, by_all_tails),
        hints=TRAINED_HINTS,
        not_allowed=OF_PEFT,
    ),
    Challenge(
        name="merge_adapter",
        title="Merge",
        points=2,
        check=check_merge_adapter,
        mistakes=MERGE_MISTAKES,
        alternatives=(merge_with(), by_addmm, by_outer_products),
        hints=MERGE_HINTS,
        alike=same_words,
        not_allowed=OF_PEFT,
    ),
)


# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
SUM = (
    "merge_adapter: {} | return (weight.float() + lora_alpha / rank * (lora_B @ lora_A))"
    ".to(weight.dtype)"
)
EQUIVALENT = {
    SUM.format("float() left out"): "The product is float32, and so is then the sum.",
    SUM.format("float->double"): "The sum is only more exact than asked for.",
}
