"""The map of experts by domains, of counts made by hand and of a tiny untrained mixture."""

from __future__ import annotations

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

from labkit.instruments.experts import maps
from labkit.models import routing
from labkit.models.training.batches import Batch

BY_HAND = torch.tensor([[[[3.0, 1], [0, 4]], [[3, 1], [4, 0]]]])  # 1 layer, 2 rows of text
NAMES = ["code", "news"]


@pytest.fixture(scope="module")
def counts() -> torch.Tensor:
    """Two layers, three rows, two domains of other words, four experts; the last token is
    padding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MixtralForCausalLM(
            MixtralConfig(
                vocab_size=40, hidden_size=16, intermediate_size=8, num_hidden_layers=2,
                num_attention_heads=2, num_key_value_heads=1, num_local_experts=4,
                num_experts_per_tok=2, max_position_embeddings=32,
            )
        ).eval()  # fmt: skip
    ids = torch.arange(3, 21).view(3, 6)
    document = torch.ones_like(ids)
    document[:, -1] = 0
    texts = {n: Batch(ids + 18 * i, document.float(), document) for i, n in enumerate(NAMES)}
    return routing.counts(model, texts)


def test_shares_by_hand() -> None:
    shares = maps.domain_shares(BY_HAND, NAMES, 0)
    assert shares.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert maps.bits_by_layer(BY_HAND) == [routing.mutual_information(BY_HAND[0].sum(0))]


def test_the_map_of_a_mixture_has_words_and_all_numbers(counts: torch.Tensor) -> None:
    assert counts.shape == (2, 3, 2, 4)
    for layer in range(2):
        figure = maps.expert_map(counts, NAMES, layer)
        shares = maps.domain_shares(counts, NAMES, layer)
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, dtype=torch.float64))
        assert figure.png.startswith(b"\x89PNG")
        assert f"Layer {layer}, 2 domains by 4 experts" in figure.alt
        assert "code most to expert" in figure.alt and "even spread would be 25%" in figure.alt
        assert figure.table["domain"] == NAMES
        for expert in range(4):
            cells = figure.table[f"expert {expert}"]
            assert cells == [f"{share:.1%}" for share in shares[:, expert]]
    bits = maps.bits_by_layer(counts)
    assert len(bits) == 2 and all(0 <= b <= 1 for b in bits)


def test_the_same_map_is_the_same_bytes(counts: torch.Tensor) -> None:
    once, again = (maps.expert_map(counts, NAMES, 1).png for _ in range(2))
    assert once == again


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="give \\(layers, rows, domains, experts\\)"):
        maps.expert_map(BY_HAND[0], NAMES)
    with pytest.raises(ValueError, match="1 names for 2 domains"):
        maps.expert_map(BY_HAND, ["code"])
    with pytest.raises(ValueError, match="no layer 1: give 0 to 0"):
        maps.expert_map(BY_HAND, NAMES, 1)
    none = torch.tensor([[[[3.0, 1], [0, 0]]]])
    with pytest.raises(ValueError, match="no token was counted of 'news'"):
        maps.expert_map(none, NAMES)
