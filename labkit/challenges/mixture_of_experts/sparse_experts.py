"""The weighted sum of what each token's experts say, where experts without a token stay unused:
the layer of Mixtral (arXiv:2401.04088).

Checked against float64, token by token, and against MixtralExperts of transformers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

from labkit.challenges.mixture_of_experts.not_allowed import BLOCKS, MIXTRAL, OLMOE
from labkit.challenges.mixture_of_experts.truths import exact
from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import normal
from labkit.grading.source.spoiling import spoiled


def silu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / (1 + np.exp(-x)))


def true_experts(
    x: Tensor, index: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """Token by token, in float64."""
    inner = down.shape[-1]
    mixed = np.zeros(x.shape)
    for token, row in enumerate(exact(x)):
        for expert, weight in zip(index[token].tolist(), exact(weights[token]), strict=True):
            both = exact(gate_up[expert]) @ row
            mixed[token] += weight * exact(down[expert]) @ (silu(both[:inner]) * both[inner:])
    return torch.from_numpy(mixed).float()


@torch.no_grad()
def library_experts(
    x: Tensor, index: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor
) -> Tensor:
    """Mixtral's experts with these numbers in them."""
    experts, hidden, inner = down.shape
    config = MixtralConfig(hidden_size=hidden, intermediate_size=inner, num_local_experts=experts)
    config._experts_implementation = "eager"
    theirs = MixtralExperts(config)
    theirs.gate_up_proj.copy_(gate_up)
    theirs.down_proj.copy_(down)
    found: Tensor = theirs(x, index, weights)
    return found


def check_sparse_experts(s: Submission) -> None:
    """Layers of many sizes, experts that nobody chose, and numbers that are no expert's."""

    def layer(experts: int, hidden: int, inner: int) -> tuple[Tensor, Tensor]:
        return normal(s, experts, 2 * inner, hidden), normal(s, experts, hidden, inner)

    def routed(tokens: int, experts: int, k: int) -> tuple[Tensor, Tensor]:
        scores, index = torch.rand(tokens, experts, generator=s.generator).topk(k)
        return index, scores

    def expect(
        tokens: int, experts: int, hidden: int, inner: int, k: int, because: str,
        truth: Callable[..., Tensor] = true_experts,
    ) -> None:  # fmt: skip
        numbers = (normal(s, tokens, hidden), *routed(tokens, experts, k))
        weights = layer(experts, hidden, inner)
        answer = s.sparse_experts(*numbers, *weights)
        answer.close_to(truth(*numbers, *weights), because=because, rtol=1e-4, atol=1e-4)

    rule = "Each expert says down(silu(gate(x)) · up(x)), weighted."
    by_hand = (
        torch.tensor([[1.0, 2.0]]), torch.tensor([[0]]), torch.tensor([[0.5]]),
        torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]), torch.tensor([[[1.0], [0.0]]]),
    )  # fmt: skip
    s.sparse_experts(*by_hand).close_to(true_experts(*by_hand), because=rule)
    expect(1, 2, 3, 2, 1, rule)
    expect(1, 3, 2, 4, 2, "What a token's experts say is added up.")
    expect(4, 3, 4, 2, 2, "What a token's experts say is added up.")
    expect(6, 4, 3, 5, 3, rule)
    expect(3, 4, 4, 4, 4, "Every expert can have every token.")
    unused = "An expert that no token chose is not used: whatever is in it does not show."
    gate_up, down = layer(3, 4, 2)
    gate_up[1], down[1] = torch.nan, torch.inf
    without_1 = torch.tensor([[0, 2], [2, 0], [2, 0]])
    apart = (normal(s, 3, 4), without_1, torch.rand(3, 2, generator=s.generator))
    s.sparse_experts(*apart, gate_up, down).close_to(
        true_experts(*apart, gate_up, down), because=unused, atol=1e-4
    )
    crowd = (normal(s, 4, 3), torch.full((4, 1), 2), torch.rand(4, 1, generator=s.generator))
    all_to_one = layer(3, 3, 2)
    s.sparse_experts(*crowd, *all_to_one).close_to(
        true_experts(*crowd, *all_to_one), because="All tokens may go to one expert.", atol=1e-4
    )
    expect(0, 3, 4, 2, 2, "No token: the answer is (0, hidden).")
    expect(8, 8, 6, 4, 2, "MixtralExperts of transformers gives this.", library_experts)
    beyond = "There is no expert of that number."
    for number in (3, -1):
        s.sparse_experts.raises(
            ValueError, normal(s, 2, 4), torch.tensor([[0, 1], [number, 0]]), torch.ones(2, 2),
            *layer(3, 4, 2), because=beyond,
        )  # fmt: skip


challenge = Challenge(
    name="sparse_experts",
    title="Experts that work on their own tokens",
    check=check_sparse_experts,
    points=4,
    hints=(
        "Turn it round: don't ask which experts a token has, ask which tokens an expert has.",
        "Take one expert. In which rows of top_k_index does it stand, and in which column of "
        "each? torch.where says both. What is each of the two needed for? And mind that another "
        "expert may have said something on the same token already.",
        "x = [1, 2], gate [0, 1] gives 2, up [1, 1] gives 3. silu(2) = 2 / (1 + e^-2) = 1.7616; "
        "times 3 is 5.2848; down [[1], [0]] gives [5.2848, 0]; weight 0.5: [2.6424, 0].",
    ),
    not_allowed=(f"{MIXTRAL}.MixtralExperts", f"{OLMOE}.OlmoeExperts", *BLOCKS),
)

WHERE = "torch.where(top_k_index == expert)"
WEIGHT = "top_k_weights[token, choice, None]"


def one_expert(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """What an expert says on tokens (…, hidden)."""
    gate, up = (x @ gate_up.T).chunk(2, -1)
    return (F.silu(gate) * up) @ down.T


def refuse(index: Tensor, experts: int) -> None:
    """What a right answer begins with."""
    if bool(((index < 0) | (index >= experts)).any()):
        raise ValueError("no such expert")


# ---- who works, and how it is put together -------------------------------------------------------


@challenge.mistake(
    "every-expert",
    "You let every expert work on every token and weighed most of it with 0. The sum is right "
    "and nothing is saved: all experts were computed.",
    hint="For each expert find its tokens (torch.where(top_k_index == expert)) and give it only "
    "those; skip one that has none.",
)
def every_expert(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    refuse(top_k_index, len(down_proj))
    shares = torch.zeros(len(hidden_states), len(down_proj))
    shares = shares.scatter(1, top_k_index, top_k_weights)
    said = [one_expert(hidden_states, g, d) for g, d in zip(gate_up_proj, down_proj, strict=True)]
    return torch.einsum("te,eth->th", shares, torch.stack(said))


challenge.mistake(
    "overwritten",
    "An expert's answer takes the place of what another has said on the same token. Only the "
    "expert of the highest number is heard.",
    hint="Add: mixed[token] += …, or index_add_.",
    answer=spoiled("+=", "="),
)

challenge.mistake(
    "first-choice-only",
    "You use each token's first expert only.",
    hint="All k choices count: look for the expert in every column of top_k_index.",
    answer=spoiled(WHERE, "torch.where(top_k_index[:, :1] == expert)"),
)

challenge.mistake(
    "input-added",
    "You added the input. The block around the experts does that, once.",
    hint="Start from zeros.",
    answer=spoiled("torch.zeros_like(hidden_states)", "hidden_states.clone()"),
)

challenge.mistake(
    "numbers-unchecked",
    "A token that goes to an expert there is not comes back as if nothing had been wrong, "
    "short of what that expert should have said.",
    hint="raise ValueError for numbers below 0, or not below the number of experts.",
    answer=spoiled(
        "top_k_index.numel()", "False", "top_k_index.unique().tolist()", "range(experts)"
    ),
)

# ---- weights -------------------------------------------------------------------------------------

challenge.mistake(
    "unweighted",
    "You added the experts' answers without their weights.",
    hint="Multiply by top_k_weights[token, choice, None].",
    answer=spoiled(f" * {WEIGHT}", ""),
)

challenge.mistake(
    "mean-of-experts",
    "You divided by k. The weights say already what each expert counts.",
    hint="A plain weighted sum.",
    answer=spoiled("return mixed", "return mixed / top_k_index.shape[1]"),
)

challenge.mistake(
    "scaled-again",
    "You scaled the weights to sum to 1. Whether they do is the router's affair.",
    hint="Use top_k_weights as they are.",
    answer=spoiled(WEIGHT, f"{WEIGHT} / top_k_weights.sum(dim=-1)[token, None]"),
)

challenge.mistake(
    "first-weight-for-all",
    "All experts of a token count like its first.",
    hint="torch.where gives two answers: the token, and which of its choices it was.",
    answer=spoiled(WEIGHT, "top_k_weights[token, 0, None]"),
)

challenge.mistake(
    "weights-by-number",
    "You give the first weight to the expert with the smallest number. It belongs to the "
    "expert that stands first.",
    hint="Weight and expert share their place: top_k_weights[token, choice].",
    answer=spoiled(WHERE, "torch.where(top_k_index.sort(dim=-1).values == expert)"),
)

# ---- inside an expert ----------------------------------------------------------------------------

challenge.mistake(
    "gate-and-up-swapped",
    "You put the up projection through silu. The first half of the rows is the gate.",
    hint="gate, up = (...).chunk(2, dim=-1)",
    answer=spoiled("gate, up =", "up, gate ="),
)

challenge.mistake(
    "interleaved",
    "You read gate and up from every other row, as gpt-oss stores them. Mixtral has all rows "
    "of the gate first.",
    hint="gate, up = (...).chunk(2, dim=-1)",
    answer=spoiled("chunk(2, dim=-1)", "unflatten(-1, (-1, 2)).unbind(dim=-1)"),
)

challenge.mistake(
    "no-silu",
    "You multiplied gate and up as they are.",
    hint="silu(gate) * up",
    answer=spoiled("F.silu(gate)", "gate"),
)

challenge.mistake(
    "gelu",
    "You put the gate through GELU. Mixtral's is SiLU: x times its sigmoid.",
    hint="torch.nn.functional.silu(gate)",
    answer=spoiled("F.silu", "F.gelu"),
)

challenge.mistake(
    "gate-added",
    "You added gate and up. A gate multiplies.",
    hint="silu(gate) * up",
    answer=spoiled("F.silu(gate) * up", "F.silu(gate) + up"),
)

# ---- other right answers -------------------------------------------------------------------------


@challenge.alternative
def token_by_token(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    """Slow, and in the words of the task."""
    refuse(top_k_index, len(down_proj))
    mixed = torch.zeros(hidden_states.shape)
    for t in range(len(hidden_states)):
        for j, e in enumerate(top_k_index[t].tolist()):
            said = one_expert(hidden_states[t], gate_up_proj[e], down_proj[e])
            mixed[t] = mixed[t] + top_k_weights[t, j] * said
    return mixed


@challenge.alternative
def by_sorted_choices(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    """Choices sorted by expert, one run for each."""
    refuse(top_k_index, len(down_proj))
    order = top_k_index.flatten().argsort(stable=True)
    token = order // top_k_index.shape[1]
    runs = top_k_index.flatten().bincount(minlength=len(down_proj)).tolist()
    said = [
        one_expert(hidden_states[rows], gate_up_proj[e], down_proj[e])
        for e, rows in enumerate(token.split(runs))
        if len(rows)
    ]
    mixed = torch.zeros_like(hidden_states)
    weighted = torch.cat([mixed[:0], *said]) * top_k_weights.flatten()[order, None]
    return mixed.index_add(0, token, weighted)


@challenge.alternative
def by_gathering(
    hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor,
    gate_up_proj: Tensor, down_proj: Tensor,
) -> Tensor:  # fmt: skip
    """A copy of its experts' matrices for each token: batched_mm of transformers."""
    refuse(top_k_index, len(down_proj))
    both = torch.einsum("th,tkih->tki", hidden_states, gate_up_proj[top_k_index])
    gate, up = both.chunk(2, dim=-1)
    said = torch.einsum("tki,tkhi->tkh", F.silu(gate) * up, down_proj[top_k_index])
    return torch.einsum("tkh,tk->th", said, top_k_weights)


# ---- mutants that are as right as the reference --------------------------------------------------

NUMBERS = "if top_k_index.numel() and not 0 <= top_k_index.min() <= top_k_index.max() < experts:"

challenge.equivalent(
    "gate_up_proj->down_proj | experts = len(gate_up_proj)",
    because="Both have one matrix for each expert.",
)

challenge.equivalent(
    f"top_k_index->hidden_states | {NUMBERS}",
    f"top_k_index->top_k_weights | {NUMBERS}",
    because="Without a token all three are empty.",
)

challenge.equivalent(
    "tolist() left out | for expert in top_k_index.unique().tolist():",
    because="A tensor of one number is an index as well.",
)

challenge.equivalent(
    "dim=-1->1 | gate, up = F.linear(hidden_states[token], gate_up_proj[expert]).chunk(2, dim=-1)",
    because="Logits and hidden states have two dimensions: the last is number 1.",
)
