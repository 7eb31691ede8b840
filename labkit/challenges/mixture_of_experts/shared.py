"""What several challenges share.

Lesson 15, mixture of experts: what is right, the mistakes known by name, the hints.

Expected values come from float64 NumPy, token by token, and for each challenge also from the
mixtures of transformers themselves, with the same numbers in them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labkit.grading import Submission

GAP = 1 / 8


K_TOO_LARGE = "There are fewer experts than k."


K_TOO_SMALL = "A token goes to one expert at least."


def exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def normal(s: Submission, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=s.generator)


def spread(scores: Tensor) -> Tensor:
    """The same order with gaps between neighbours: no choice hangs on rounding, in bfloat16 too."""
    return scores + GAP * scores.argsort(dim=-1).argsort(dim=-1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis, in float64."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def refused(k: int, experts: int) -> None:
    if k < 1 or k > experts:
        raise ValueError(f"k {k} of {experts}")


MIXTRAL = "transformers.models.mixtral.modeling_mixtral"


OLMOE = "transformers.models.olmoe.modeling_olmoe"


BLOCKS = (f"{MIXTRAL}.MixtralSparseMoeBlock", f"{OLMOE}.OlmoeSparseMoeBlock")
