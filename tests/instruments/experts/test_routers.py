"""What is told of a mixture's experts, against counting by hand and the model itself."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import AutoTokenizer, MixtralForCausalLM, PreTrainedTokenizerBase

from labkit.instruments.experts import routers
from labkit.models import load_model, routing
from labkit.models.domains import loss_of_texts
from labkit.models.moe_family import active_parameters
from labkit.models.training import architectures
from labkit.models.training.batches import Batch
from labkit.models.zoo import WEIGHTS
from tests.models.training.test_architectures import TINY_MIXTURE

TEXT = "Mira lives in the old town. 12 + 7 = 19"
any_time = settings(deadline=None, max_examples=40)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(WEIGHTS / "base")


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> MixtralForCausalLM:
    """Untrained: two layers of four experts, two for a token."""
    shape = {**TINY_MIXTURE.shape, "num_hidden_layers": 2}
    recipe = replace(TINY_MIXTURE, shape=shape, vocab_size=2816)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return architectures.mixtral(recipe, tokenizer).eval()


@pytest.fixture(scope="module")
def texts() -> dict[str, Batch]:
    """Two domains, three rows of 16 tokens each, the last two of a row padding."""
    ids = torch.randint(5, 2000, (6, 16), generator=torch.Generator().manual_seed(1))
    document = torch.ones_like(ids)
    document[:, -2:] = 0
    weights = document.float()
    weights[:, 0] = 0
    parts = zip(ids.split(3), weights.split(3), document.split(3), strict=True)
    return dict(zip(("one", "other"), (Batch(*part) for part in parts), strict=True))


def test_a_text_is_routed_as_the_model_routes_it(
    model: MixtralForCausalLM, tokenizer: PreTrainedTokenizerBase
) -> None:
    router = routers.Router(model, tokenizer)
    routes = router(TEXT)
    assert "".join(routes.texts) == TEXT
    assert [way.k for way in routes.ways] == [1, 2, 3, 4]
    ids = tokenizer(TEXT, return_tensors="pt", add_special_tokens=False)["input_ids"]
    chosen = routing.choices(model, ids)
    own = routes.ways[1]
    for layer in range(2):
        assert torch.equal(own.chosen(layer), chosen[layer, 0])
        torch.testing.assert_close(own.layers[layer].sum(-1), torch.ones(ids.shape[1]))
    with torch.inference_mode():
        logits = model(ids).logits[0, :-1]
    assert own.loss == pytest.approx(F.cross_entropy(logits, ids[0, 1:]).item(), abs=1e-5)
    chips = router.chips("12 <3", 1)
    firsts = [some[0] for some in router("12 <3").ways[1].chosen(1).tolist()]
    assert [some[0] for some in chips.chosen] == firsts
    assert repr(chips).startswith(f"layer 1: 1→{firsts[0]} 2→{firsts[1]}")
    assert "&lt;" in chips._repr_html_() and f"<sub>{firsts[-1]}</sub>" in chips._repr_html_()


def test_another_k_changes_the_later_layers_and_goes_away_again(
    model: MixtralForCausalLM, tokenizer: PreTrainedTokenizerBase
) -> None:
    routes = routers.Router(model, tokenizer)(TEXT)
    one, every = routes.ways[0], routes.ways[-1]
    torch.testing.assert_close(one.layers[0], every.layers[0])
    assert not torch.allclose(one.layers[1], every.layers[1])
    assert [layer.mlp.gate.top_k for layer in model.model.layers] == [2, 2]
    with pytest.raises(KeyError), routers.experts_per_token(model, 3):
        raise KeyError
    assert [layer.mlp.gate.top_k for layer in model.model.layers] == [2, 2]


@pytest.mark.parametrize("k", [0, 5])
def test_as_many_experts_as_there_are(model: MixtralForCausalLM, k: int) -> None:
    with (
        pytest.raises(ValueError, match=f"k is {k}: give 1 to 4"),
        routers.experts_per_token(model, k),
    ):
        pytest.fail("it went in")


@pytest.mark.parametrize("text", [None, "", "  \n", "x" * 401])
def test_what_is_no_text_is_refused(
    model: MixtralForCausalLM, tokenizer: PreTrainedTokenizerBase, text: object
) -> None:
    with pytest.raises(ValueError, match="1 to 400 characters"):
        routers.Router(model, tokenizer)(text)


def test_a_dense_model_has_no_experts() -> None:
    dense, tokenizer = load_model("draft")
    with pytest.raises(TypeError, match="LlamaForCausalLM was given, which has no experts"):
        routers.Router(dense, tokenizer)


def test_one_token_has_a_loss_of_nothing(
    model: MixtralForCausalLM, tokenizer: PreTrainedTokenizerBase
) -> None:
    (first, *_) = routers.Router(model, tokenizer)("a").ways
    assert first.loss == 0.0


def test_what_goes_in_and_comes_out_is_the_blocks(model: MixtralForCausalLM) -> None:
    given, said = routers.inside(model, torch.arange(12).view(2, 6) + 5, layer=1)
    assert given.shape == said.shape == (12, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.model.layers[1].mlp(given[None])[0], said)


def test_the_loss_with_its_own_k_is_the_models(
    model: MixtralForCausalLM, texts: dict[str, Batch]
) -> None:
    by_k = routers.loss_by_k(model, texts)
    assert list(by_k) == [1, 2, 3, 4]
    own = sum(loss_of_texts(model, items) for items in texts.values()) / 2
    assert by_k[2] == pytest.approx(own) and by_k[1] != by_k[4]


def test_choices_are_those_of_the_real_tokens(
    model: MixtralForCausalLM, texts: dict[str, Batch]
) -> None:
    chosen, ids = routers.choices(model, texts)
    assert chosen.shape == (2, 2 * 3 * 14, 2)
    counted = routing.counts(model, texts).sum((1, 2))
    for layer in range(2):
        assert chosen[layer].flatten().bincount(minlength=4).tolist() == counted[layer].tolist()
    real = torch.cat([items.input_ids[items.document > 0] for items in texts.values()])
    assert not torch.equal(ids, real) and torch.equal(ids.sort().values, real.sort().values)


def test_the_untrained_mixture_is_the_recipes(tokenizer: PreTrainedTokenizerBase) -> None:
    state = torch.random.get_rng_state()
    once, again = (routers.untrained(tokenizer) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert once.config.num_local_experts == 8
    for p, q in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)


def test_held_out_texts_are_of_all_domains(tokenizer: PreTrainedTokenizerBase) -> None:
    found = routers.held_out(tokenizer, rows=2)
    assert len(found) == 9 and all(len(items.input_ids) == 2 for items in found.values())


def test_busy_experts_by_hand() -> None:
    same = torch.tensor([[0, 1]] * 10)
    assert routers.busy(same, 1) == routers.busy(same, 10) == 2
    apart = torch.arange(8).view(4, 2)
    assert routers.busy(apart, 3) == 6
    with pytest.raises(ValueError, match="a batch of 5 tokens: there are 4"):
        routers.busy(apart, 5)


def test_busy_experts_of_an_even_router() -> None:
    """Expected are E (1 - (1 - k/E)^n)."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.rand(4000, 8, generator=generator).topk(2).indices
    for tokens in (1, 4, 16):
        assert routers.busy(chosen, tokens) == pytest.approx(8 * (1 - 0.75**tokens), abs=0.15)


@any_time
@given(st.data(), st.integers(1, 6), st.integers(1, 20), st.floats(0.1, 4))
def test_no_expert_takes_more_than_its_capacity(
    data: st.DataObject, number: int, tokens: int, factor: float
) -> None:
    k = data.draw(st.integers(1, number))
    seed = data.draw(st.integers(0, 99))
    chosen = torch.rand(tokens, number, generator=torch.Generator().manual_seed(seed))
    chosen = chosen.topk(k).indices
    gone = routers.dropped(chosen, number, factor)
    room = {e: math.ceil(factor * tokens * k / number) for e in range(number)}
    for choice in range(k):  # all first choices, then all second ones
        for token in range(tokens):
            expert = int(chosen[token, choice])
            assert bool(gone[token, choice]) == (room[expert] == 0)
            room[expert] -= room[expert] > 0


def test_dropped_by_hand() -> None:
    chosen = torch.tensor([[0, 1], [0, 2], [0, 1], [1, 0]])
    gone = routers.dropped(chosen, 4, 1.0)  # two places each
    assert gone.tolist() == [[False, False], [False, False], [True, True], [False, True]]
    with pytest.raises(ValueError, match="capacity factor is 0"):
        routers.dropped(chosen, 4, 0)


def test_with_room_for_all_nothing_changes(
    model: MixtralForCausalLM, texts: dict[str, Batch]
) -> None:
    own = sum(loss_of_texts(model, items) for items in texts.values()) / 2
    share, loss = routers.with_full_experts(model, texts, 4.0)
    assert (share, loss) == (0.0, pytest.approx(own))
    tight, worse = routers.with_full_experts(model, texts, 0.5)
    assert tight >= 0.5 - 1 / 14 and worse != pytest.approx(own)
    again = sum(loss_of_texts(model, items) for items in texts.values()) / 2
    assert again == own


def test_padding_takes_no_room(model: MixtralForCausalLM, texts: dict[str, Batch]) -> None:
    """The share dropped is that of the real tokens alone."""
    items = texts["one"]
    with routers.with_capacity(model, 1.0, items.document > 0) as shares:
        loss_of_texts(model, items)
    chosen = routing.choices(model, items.input_ids, items.attention_mask)[0]
    gone = routers.dropped(chosen[items.document > 0], 4, 1.0)
    assert len(shares) == 2 and shares[0] == pytest.approx(float(gone.float().mean()))


def test_a_mixed_batch_has_a_row_of_every_domain(texts: dict[str, Batch]) -> None:
    batches = list(routers.mixed(texts).values())
    assert len(batches) == 3
    for i, items in enumerate(batches):
        for place, domain in enumerate(texts.values()):
            for name in ("input_ids", "weights", "document"):
                assert torch.equal(getattr(items, name)[place], getattr(domain, name)[i])


@any_time
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=8, max_size=60))
def test_a_tokens_first_half_predicts_its_second(
    pairs: list[tuple[int, int]],
) -> None:
    ids, chosen = (torch.tensor(column) for column in zip(*pairs, strict=True))
    seen, rest = pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    asked = [(i, e) for i, e in rest if any(i == j for j, _ in seen)]
    if not asked:
        return
    hits = 0
    for i, expert in asked:
        votes = Counter(e for j, e in seen if i == j)
        hits += expert == min(e for e, n in votes.items() if n == max(votes.values()))
    assert routers.share_predicted(chosen, ids) == pytest.approx(hits / len(asked))


def test_costs_are_counted(model: MixtralForCausalLM) -> None:
    threads = torch.get_num_threads()
    found = routers.cost(model, tokens=16)
    assert found.resident == 4 * sum(p.numel() for p in model.parameters())
    assert found.used == 4 * active_parameters(model) < found.resident
    assert found.reading > 0 and found.writing > 0
    assert torch.get_num_threads() == threads
