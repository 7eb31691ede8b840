"""What LoRA trains: which layers `target_modules` means, and what an adapter beside each costs.

Checked against the parts of each path compared with those of each target. peft finds the same
names and counts in a small model (tests/challenges/test_lora.py), the LoRA paper in GPT-3 175B.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import groupby

from labkit.challenges.lora.peft_layers import OF_PEFT
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Shapes = dict[str, list[int]]
Counts = dict[str, int]


def true_parameters(shapes: Shapes, targets: list[str], rank: int) -> Counts:
    """Path by path: the last parts of a path against the parts of a target."""
    found: Counts = {}
    for name, shape in shapes.items():
        *path, kind = name.split(".")
        matches = any(path[-len(t.split(".")) :] == t.split(".") for t in targets)
        if matches and kind == "weight" and len(shape) == 2:
            where = ".".join(path)
            found[f"{where}.lora_A.weight"] = rank * shape[1]
            found[f"{where}.lora_B.weight"] = shape[0] * rank
    return found


def check_trained_parameters(s: Submission) -> None:
    def expect(shapes: Shapes, targets: list[str], rank: int, because: str) -> None:
        expected = true_parameters(shapes, targets, rank)
        answer = s.trained_parameters(shapes, targets, rank).equals(expected, because=because)
        answer.holds(lambda found: other_order(found, expected), because=order)

    def drawn(targets: list[str], because: str) -> None:
        shapes = llama_shapes(2 + draw(s, 2), 2 + 2 * draw(s, 4000), 2 + draw(s, 12_000))
        expect(shapes, targets, 1 + draw(s, 64), because)

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


def llama_shapes(layers: int, width: int, middle: int) -> Shapes:
    """The parameters of a model like Llama with narrower keys and values, and with biases."""
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


def other_order(found: Counts, expected: Counts) -> str | None:
    """What is wrong with the order of the layers; of one layer, A or B may come first."""
    layers = layers_of(found)
    return None if layers == layers_of(expected) else f"yours begin {', '.join(layers[:4])}"


def layers_of(names: Iterable[str]) -> list[str]:
    """The layers that entries belong to, as they follow each other."""
    return [layer for layer, _ in groupby(name.rsplit(".lora_", 1)[0] for name in names)]


challenge = Challenge(
    name="trained_parameters",
    title="Injection: what is trained",
    check=check_trained_parameters,
    points=3,
    hints=(
        "For each parameter: is it the weight of a linear layer? Is the layer meant by a target? "
        "Then it gets two matrices.",
        "Write 'layers.0.q_proj.weight' as its parts. Which part says what the parameter is, and "
        "which ones can a target speak of? 'q_proj' and '0.q_proj' mean this layer, 'proj' and "
        "'layers.0' do not: what do the first two have in common?",
        "'0.self_attn.q_proj' ends with '.q_proj', 'my_q_proj' does not. Its weight [4, 8] at "
        "rank 2: 2 x 8 = 16 for A, 4 x 2 = 8 for B. A weight of 12,288 x 12,288 at rank 1: 12,288 "
        "each; q and v in 96 blocks: 96 x 2 x 24,576 = 4,718,592.",
    ),
    not_allowed=OF_PEFT,
)


# ---- which layers a target means -----------------------------------------------------------------

MATCH = 'f".{path}".endswith(f".{target}")'

challenge.mistake(
    "piece-of-a-name",
    "You look whether the target occurs anywhere in the path: 'proj' would mean every "
    "projection, and 'q_proj' also 'my_q_proj'.",
    hint="A target fits the whole last part of a path, or several whole parts at its end.",
    answer=spoiled(MATCH, "target in path"),
)

challenge.mistake(
    "ends-with",
    "endswith without the dot: 'my_q_proj' ends with 'q_proj' and is another layer.",
    hint="path == target or path.endswith('.' + target)",
    answer=spoiled(MATCH, "path.endswith(target)"),
)

challenge.mistake(
    "last-part-only",
    "You compare single parts of the path: a longer target such as "
    "'layers.1.self_attn.q_proj' finds nothing.",
    hint="path == target or path.endswith('.' + target)",
    answer=spoiled(MATCH, "path.split('.')[-1] == target"),
)

challenge.mistake(
    "whole-path-only",
    "You want the whole path to be the target: 'q_proj' then finds no layer inside a block.",
    hint="path == target or path.endswith('.' + target)",
    answer=spoiled(MATCH, "path == target"),
)


@challenge.mistake(
    "another-order",
    "Every entry is right, but the layers do not stand in the order of `shapes`. Whoever goes "
    "through the targets first gets theirs.",
    hint="One loop over shapes on the outside; the targets are asked inside it.",
)
def target_by_target(shapes: Shapes, target_modules: list[str], rank: int) -> Counts:
    found: Counts = {}
    for target in target_modules:
        found |= by_all_endings(shapes, [target], rank)
    return found


# ---- what is trained -----------------------------------------------------------------------------


@challenge.mistake(
    "frozen-weights-trained",
    "You list the model's own weights too. They are frozen: only the adapters are trained.",
    hint="Return nothing but the lora_A and lora_B entries.",
)
def frozen_too(shapes: Shapes, target_modules: list[str], rank: int) -> Counts:
    frozen = {name: math.prod(shape) for name, shape in shapes.items()}
    return frozen | by_all_endings(shapes, target_modules, rank)


challenge.mistake(
    "layer-trained",
    "You list the targeted layers' own weights beside their adapters. They are frozen.",
    hint="Return nothing but the lora_A and lora_B entries.",
    answer=spoiled("= shape\n", "= shape\n            found[name] = out_features * in_features\n"),
)

challenge.mistake(
    "bias-trained",
    "You train the biases of the targeted layers. LoRA leaves them frozen (peft: bias='none').",
    hint="Skip every name that ends in .bias.",
    answer=spoiled(
        'if kind == "weight"',
        'if kind == "bias" and wanted:\n            found[name] = shape[0]\n'
        '        if kind == "weight"',
    ),
)


# ---- how much ------------------------------------------------------------------------------------

challenge.mistake(
    "whole-matrix",
    "You count the whole matrix. That is full fine-tuning.",
    hint="A has rank x in weights, B has out x rank.",
    answer=spoiled("rank * in_features", "out_features * in_features", "out_features * rank", "0"),
)

challenge.mistake(
    "a-and-b-swapped",
    "You swapped the sizes of A and B: A has as many columns as the layer's input.",
    hint="The weight is [out, in]: A counts rank x in, B counts out x rank.",
    answer=spoiled("out_features, in_features = shape", "in_features, out_features = shape"),
)

challenge.mistake(
    "rank-forgotten",
    "Your counts are those of rank 1.",
    hint="Multiply both by the rank.",
    answer=spoiled("rank * ", "", " * rank", ""),
)


@challenge.alternative
def by_all_endings(shapes: Shapes, target_modules: list[str], rank: int) -> Counts:
    """Every ending of a path is looked up among the targets."""
    found: Counts = {}
    for name, shape in shapes.items():
        *parts, kind = name.split(".")
        endings = {".".join(parts[start:]) for start in range(len(parts))}
        if kind == "weight" and len(shape) == 2 and not endings.isdisjoint(target_modules):
            for matrix, side in (("lora_A", shape[1]), ("lora_B", shape[0])):
                found[".".join([*parts, matrix, kind])] = side * rank
    return found


@challenge.alternative
def by_pattern(shapes: Shapes, target_modules: list[str], rank: int) -> Counts:
    """One regular expression for all targets."""
    targets = "|".join(map(re.escape, target_modules))
    meant = re.compile(rf"((?:.+\.)?(?:{targets}))\.weight")
    found: Counts = {}
    for name, shape in shapes.items():
        if len(shape) == 2 and (match := meant.fullmatch(name)):
            found |= {f"{match[1]}.lora_A.weight": rank * shape[1]}
            found |= {f"{match[1]}.lora_B.weight": rank * shape[0]}
    return found


@challenge.alternative
def in_two_passes(shapes: Shapes, target_modules: list[str], rank: int) -> Counts:
    """The layers first, then their adapters."""
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
