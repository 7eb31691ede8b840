"""The share of a model's numbers that differ, over all its tensors.

Checked against plain Python, number by number. Two models are alike by name and shape, and a number
has changed however little it moved.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Weights = dict[str, Tensor]


def true_share(before: Weights, after: Weights) -> float:
    """Number by number."""
    pairs = [(before[n].flatten().tolist(), after[n].flatten().tolist()) for n in before]
    changed = sum(x != y for a, b in pairs for x, y in zip(a, b, strict=True))
    return changed / sum(len(a) for a, _ in pairs)


def check_share_changed(s: Submission) -> None:
    def expect(before: Weights, after: Weights, because: str) -> None:
        s.share_changed(before, after).close_to(true_share(before, after), because=because)

    zeros, step = torch.zeros(3), torch.tensor([0.0, 0.5, 0.0])
    count = "The numbers that differ, divided by all numbers."
    expect({"a": zeros}, {"a": step}, count)
    expect({"a": zeros}, {"a": zeros.clone()}, count)
    expect({"a": zeros}, {"a": zeros + 1}, count)
    expect({"a": torch.ones(2, 3)}, {"a": torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])}, count)

    several = "All tensors count together, each number once."
    two, eight = torch.zeros(2), torch.zeros(8)
    expect({"a": two, "b": eight}, {"a": two + 1, "b": eight.clone()}, several)
    x = torch.randn(4, 5, generator=s.generator)
    expect({"a": x, "b": x[0]}, {"a": x.round(), "b": x[0].clone()}, several)
    for shape in ((30, 40), (7, 11, 13)):
        old = torch.randn(shape, generator=s.generator)
        moved = torch.rand(shape, generator=s.generator) < 0.1 + 0.1 * draw(s, 8)
        expect({"a": old, "b": old[0]}, {"a": old + moved, "b": old[0] - 1}, several)
    order = "Names belong together, whatever their order."
    expect({"a": zeros, "b": step}, {"b": step.clone(), "a": zeros.clone()}, order)

    little = "A number that differs ever so little has changed."
    expect({"a": torch.ones(2)}, {"a": torch.tensor([1.0, 1.0000001])}, little)
    expect({"a": torch.tensor([1.0, -1.0])}, {"a": torch.tensor([-1.0, 1.0])}, "Signs count.")
    expect({"a": zeros.bfloat16()}, {"a": step.bfloat16()}, "Any dtype will do.")

    names = "Weights of other names are another model's."
    s.share_changed.raises(ValueError, {"a": zeros}, {"b": zeros}, because=names)
    s.share_changed.raises(ValueError, {"a": zeros}, {"a": zeros, "b": step}, because=names)
    s.share_changed.raises(ValueError, {"a": zeros, "b": step}, {"a": zeros}, because=names)
    shapes = "One name with two shapes can't be compared, though broadcasting would."
    s.share_changed.raises(ValueError, {"a": zeros}, {"a": torch.zeros(1)}, because=shapes)
    s.share_changed.raises(ValueError, {"a": torch.zeros(1)}, {"a": zeros}, because=shapes)
    one_of_two = {"a": step, "b": torch.zeros(1)}
    s.share_changed.raises(ValueError, {"a": step, "b": zeros}, one_of_two, because=shapes)


challenge = Challenge(
    name="share_changed",
    title="How much of the model changed?",
    check=check_share_changed,
    points=1,
    hints=(
        "`a != b` on two tensors gives True wherever they differ.",
        "Two tensors of 2 and 8 numbers: both numbers of the first changed, none of the second. "
        "What share is that of all? Which two sums do you need for it? And what can't be compared "
        "at all?",
        "2 of 10 numbers, 0.2. Refuse other names and shapes first; then go through the names, "
        "add up (before[name] != after[name]).sum() and before[name].numel(), and divide once, at "
        "the end.",
    ),
)

DIFFERENT = "torch.ne(before[name], after[name])"
COUNT = f"int({DIFFERENT}.sum())"
TOTAL = "sum(tensor.numel() for tensor in before.values())"


# ---- what is counted -----------------------------------------------------------------------------

challenge.mistake(
    "mean-of-shares",
    "You averaged the shares of the tensors, so that a small tensor weighs as much as a large one.",
    hint="Add up the changed numbers of all tensors, then divide once by all numbers.",
    answer=spoiled(COUNT, f"float({DIFFERENT}.float().mean())", TOTAL, "len(before)"),
)

challenge.mistake(
    "tensors",
    "You counted tensors. One changed number in a tensor of a million makes it 'changed'.",
    hint="Count numbers: (before != after).sum() for each tensor.",
    answer=spoiled(COUNT, f"bool({DIFFERENT}.any())", TOTAL, "len(before)"),
)

challenge.mistake(
    "how-far",
    "You measured how far the numbers moved, not how many did.",
    hint="Compare with `!=`, which gives True or False for each number, and count.",
    answer=spoiled(COUNT, "float((before[name] - after[name]).abs().sum())"),
)

challenge.mistake(
    "count",
    "You returned how many numbers changed. Divide that by how many there are.",
    hint="numel() says how many numbers a tensor has.",
    answer=spoiled(f" / {TOTAL}", ""),
)

challenge.mistake(
    "unchanged",
    "That is the share of numbers that stayed.",
    hint="Count where they differ: `!=`.",
    answer=spoiled("torch.ne", "torch.eq"),
)


# ---- what is a difference ------------------------------------------------------------------------

challenge.mistake(
    "tolerance",
    "You compare within a tolerance. A number that moved a little has moved.",
    hint="Use `!=` and not isclose.",
    answer=spoiled(DIFFERENT, "(~torch.isclose(before[name], after[name]))"),
)

challenge.mistake(
    "magnitudes",
    "You compare magnitudes: from 1 to -1 is a change too.",
    hint="Leave abs() out.",
    answer=spoiled(DIFFERENT, "torch.ne(before[name].abs(), after[name].abs())"),
)


# ---- what belongs together -----------------------------------------------------------------------

challenge.mistake(
    "by-position",
    "You compare the first tensor with the first one, whatever their names are.",
    hint="Look the second one up by name: after[name].",
    answer=spoiled(
        f"{COUNT} for name in before",
        "int(torch.ne(a, b).sum()) for a, b in zip(before.values(), after.values())",
    ),
)

challenge.mistake(
    "shapes-unchecked",
    "You compare tensors of different shapes: broadcasting stretches one of them.",
    hint="Compare the shapes first, and raise ValueError where they differ.",
    answer=spoiled('raise ValueError("a name has two shapes")', "pass"),
)


@challenge.mistake(
    "names-unchecked",
    "You skip names that only one side has, and compare two different models without a word.",
    hint="before.keys() != after.keys() is a ValueError.",
)
def common_names_only(before: Weights, after: Weights) -> float:
    both = [name for name in before if name in after]
    if any(before[name].shape != after[name].shape for name in both):
        raise ValueError("a name has two shapes")
    changed = sum(int((before[name] != after[name]).sum()) for name in both)
    return changed / max(1, sum(before[name].numel() for name in both))


@challenge.alternative
def as_one_tensor(before: Weights, after: Weights) -> float:
    """All numbers of either side in a row; the shapes are compared as one dict with the other."""
    shapes = [{name: weight.shape for name, weight in some.items()} for some in (before, after)]
    if shapes[0] != shapes[1]:
        raise ValueError("not the same model")
    old, new = (torch.cat([some[name].flatten() for name in before]) for some in (before, after))
    return (old != new).double().mean().item()


@challenge.alternative
def by_subtracting(before: Weights, after: Weights) -> float:
    """Two numbers are equal whose difference is 0."""
    if set(before) ^ set(after):
        raise ValueError("other names")
    changed = total = 0
    for name, old in before.items():
        if old.shape != after[name].shape:
            raise ValueError(f"other shapes of {name}")
        changed += int(torch.count_nonzero(old - after[name]))
        total += old.numel()
    return changed / total


challenge.equivalent(
    "before->after | if any(before[name].shape != after[name].shape for name in before): #2",
    f"before->after | changed = sum({COUNT} for name in before) #2",
    f"before->after | return changed / {TOTAL}",
    because="By then both have the same names, and each name the same shape.",
)
