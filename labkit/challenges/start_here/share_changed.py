"""Numbers that differ, of all numbers, over all tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw

Weights = dict[str, Tensor]


def check_share_changed(s: Submission) -> None:
    """Numbers that differ, of all numbers, over all tensors."""

    def expect(before: Weights, after: Weights, because: str) -> None:
        pairs = [(before[n].flatten().tolist(), after[n].flatten().tolist()) for n in before]
        changed = sum(x != y for a, b in pairs for x, y in zip(a, b, strict=True))
        share = changed / sum(len(a) for a, _ in pairs)
        s.share_changed(before, after).close_to(share, because=because)

    zeros, step = torch.zeros(3), torch.tensor([0.0, 0.5, 0.0])
    count = "The numbers that differ, divided by all numbers."
    expect({"a": zeros}, {"a": step}, count)
    expect({"a": zeros}, {"a": zeros.clone()}, count)
    expect({"a": zeros}, {"a": zeros + 1}, count)
    expect({"a": torch.ones(2, 3)}, {"a": torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])}, count)

    several = "All tensors count together, each number once."
    expect(
        {"a": torch.zeros(2), "b": torch.zeros(8)},
        {"a": torch.ones(2), "b": torch.zeros(8)},
        several,
    )
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


def refused(before: Weights, after: Weights) -> None:
    if set(before) != set(after) or any(before[n].shape != after[n].shape for n in before):
        raise ValueError("not the same model")


def by(
    formula: Callable[[list[Tensor], list[Tensor]], float],
) -> Callable[[Weights, Weights], float]:
    """A complete answer with a formula of its own for tensors in the same order."""

    def share_changed(before: Weights, after: Weights) -> float:
        refused(before, after)
        return formula([before[name] for name in before], [after[name] for name in before])

    return share_changed


def mean_of_shares(before: list[Tensor], after: list[Tensor]) -> float:
    shares = [(a != b).float().mean().item() for a, b in zip(before, after, strict=True)]
    return sum(shares) / len(shares)


challenge.mistake(
    "mean-of-shares",
    "You averaged the shares of the tensors, so that a small tensor weighs as much as a large one.",
    hint="Add up the changed numbers of all tensors, then divide once by all numbers.",
    answer=by(mean_of_shares),
)


def tensors_that_changed(before: list[Tensor], after: list[Tensor]) -> float:
    changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    return sum(changed) / len(changed)


challenge.mistake(
    "tensors",
    "You counted tensors. One changed number in a tensor of a million makes it 'changed'.",
    hint="Count numbers: (before != after).sum() for each tensor.",
    answer=by(tensors_that_changed),
)


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.float().flatten() for tensor in tensors])


challenge.mistake(
    "tolerance",
    "You compare within a tolerance. A number that moved a little has moved.",
    hint="Use `!=` and not isclose.",
    answer=by(lambda a, b: 1 - torch.isclose(flat(a), flat(b)).float().mean().item()),
)


challenge.mistake(
    "unchanged",
    "That is the share of numbers that stayed.",
    hint="Count where they differ: `!=`.",
    answer=by(lambda a, b: (flat(a) == flat(b)).float().mean().item()),
)


challenge.mistake(
    "magnitudes",
    "You compare magnitudes: from 1 to -1 is a change too.",
    hint="Leave abs() out.",
    answer=by(lambda a, b: (flat(a).abs() != flat(b).abs()).float().mean().item()),
)


challenge.mistake(
    "how-far",
    "You measured how far the numbers moved, not how many did.",
    hint="Compare with `!=`, which gives True or False for each number, and count.",
    answer=by(lambda a, b: (flat(a) - flat(b)).abs().mean().item()),
)


challenge.mistake(
    "count",
    "You returned how many numbers changed. Divide that by how many there are.",
    hint="numel() says how many numbers a tensor has.",
    answer=by(lambda a, b: (flat(a) != flat(b)).sum().item()),
)


@challenge.mistake(
    "by-position",
    "You compare the first tensor with the first one, whatever their names are.",
    hint="Look the second one up by name: after[name].",
)
def by_position(before: Weights, after: Weights) -> float:
    refused(before, after)
    pairs = list(zip(before.values(), after.values(), strict=True))
    changed = sum(int((a != b).sum()) for a, b in pairs)
    return changed / sum(a.numel() for a, _ in pairs)


@challenge.mistake(
    "names-unchecked",
    "You skip names that only one side has, and compare two different models without a word.",
    hint="before.keys() != after.keys() is a ValueError.",
)
def names_unchecked(before: Weights, after: Weights) -> float:
    both = [name for name in before if name in after]
    if any(before[name].shape != after[name].shape for name in both):
        raise ValueError("shapes")
    changed = sum(int((before[name] != after[name]).sum()) for name in both)
    return changed / max(1, sum(before[name].numel() for name in both))


@challenge.mistake(
    "shapes-unchecked",
    "You compare tensors of different shapes: broadcasting stretches one of them.",
    hint="Compare the shapes first, and raise ValueError where they differ.",
)
def shapes_unchecked(before: Weights, after: Weights) -> float:
    if before.keys() != after.keys():
        raise ValueError("names")
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    return changed / sum(tensor.numel() for tensor in before.values())


def at_once(before: list[Tensor], after: list[Tensor]) -> float:
    """Another right answer: all tensors as one."""
    return (flat(before) != flat(after)).float().mean().item()


challenge.alternative(by(at_once))


def one_by_one(before: list[Tensor], after: list[Tensor]) -> float:
    """Another right answer: in plain Python."""
    numbers = zip(flat(before).tolist(), flat(after).tolist(), strict=True)
    different = [x != y for x, y in numbers]
    return sum(different) / len(different)


challenge.alternative(by(one_by_one))


challenge.equivalent(
    "before->after | if any(before[name].shape != after[name].shape for name in before): #2",
    (
        "before->after | changed = sum(int(torch.ne(before[name], after[name]).sum()) for name "
        "in before) #2"
    ),
    "before->after | return changed / sum(tensor.numel() for tensor in before.values())",
    because="By then both have the same names, and each name the same shape.",
)
