"""Completions in batches: repeatable by seed, and without a trace in the global random state."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.context.kv_cache import filled_cache, measured_bytes
from labkit.instruments.sampling import next_token_logits, next_token_probabilities
from labkit.models import complete, complete_grid, generation, load_model
from labkit.models.generation import Sampler

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return load_model("base")


PROMPTS = ["An idea for a shop: ", "# the sum of the numbers\n", "Once upon a time", "Q: Who"]


@pytest.mark.parametrize("stop", ["\n", None])
def test_greedy_is_what_generate_gives(base: Loaded, stop: str | None) -> None:
    """Prompts of different lengths and rows that end at different steps, against the library."""
    model, tokenizer = base
    inputs = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    output = model.generate(**inputs, do_sample=False, max_new_tokens=30)
    new = output[:, inputs["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(new, skip_special_tokens=True)
    expected = [[text.split(stop)[0] if stop else text] for text in texts]
    assert complete(model, tokenizer, PROMPTS, max_new_tokens=30, stop=stop) == expected


@pytest.mark.parametrize("settings", [{}, {"top_k": 5}, {"top_p": 0.8}, {"min_p": 0.1}])
def test_draws_have_the_probabilities_of_the_librarys_processors(
    base: Loaded, settings: dict[str, float]
) -> None:
    """Total variation of 2,000 draws at each of two temperatures in one batch; greedy rows."""
    logits = next_token_logits(*base, "An idea for a shop: a ")
    n, heat = 2000, torch.tensor([0.0, 0.7, 1.3])
    sampler = Sampler(generation.filters(**settings), torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    drawn = sampler.next_tokens(logits.expand(3 * n, -1), heat.repeat(n)).view(n, 3)
    assert (drawn[:, 0] == logits.argmax()).all()
    for column in (1, 2):
        expected = next_token_probabilities(logits, float(heat[column]), **settings)  # type: ignore[arg-type]
        shares = drawn[:, column].bincount(minlength=len(logits)) / n
        noise = 0.4 * (expected * (1 - expected) / n).sqrt().sum()  # the mean of what chance gives
        assert (shares - expected).abs().sum() / 2 < 1.3 * noise + 0.02
        assert not shares[expected == 0].any()


def test_a_grid_holds_every_temperature_and_greedy_once(base: Loaded) -> None:
    grid = complete_grid(*base, PROMPTS, (0.0, 1.0), samples=3, max_new_tokens=8)
    assert [len(row) for row in grid[0.0]] == [1] * 4
    assert [len(row) for row in grid[1.0]] == [3] * 4
    assert grid[0.0] == complete(*base, PROMPTS, max_new_tokens=8)


@pytest.mark.parametrize(
    ("temperatures", "said"),
    [
        ((0.5, 1.0, 0.5), r"temperature 0\.5 was given 2 times, expected each once; .* `samples`"),
        ((0, 1.0, -0.0), r"temperature 0 was given 2 times"),
        ((1, 1.0, True), r"temperature 1 was given 3 times"),
        ((1.0, -0.5), r"temperature of -0\.5 was given, expected 0 \(greedy decoding\) or more"),
        ((math.nan,), r"temperature of nan was given, expected 0"),
        ((math.inf,), r"temperature of inf was given, expected 0"),
        ((), r"no temperatures were given, expected one or more"),
    ],
)
def test_temperatures_that_make_no_grid_are_refused(
    base: Loaded, temperatures: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        complete_grid(*base, PROMPTS, temperatures, max_new_tokens=1)


def test_impossible_samples_are_refused(base: Loaded) -> None:
    with pytest.raises(ValueError, match=r"temperature of -1 was given, expected 0"):
        complete(*base, PROMPTS, temperature=-1)
    with pytest.raises(ValueError, match=r"temperature of -1 was given, expected 0"):
        next_token_probabilities(torch.zeros(3), -1)
    for counts in ({"samples": 0}, {"max_new_tokens": -2}):
        ((name, count),) = counts.items()
        for call in (complete, lambda *given, **more: complete_grid(*given, (1.0,), **more)):
            with pytest.raises(ValueError, match=f"{name}={count} was given, expected 1 or more"):
                call(*base, PROMPTS, **counts)  # type: ignore[arg-type]


def test_a_seed_repeats_and_another_does_not(base: Loaded) -> None:
    def drawn(seed: int) -> list[list[str]]:
        return complete(*base, ["Once upon a time"], temperature=1.0, samples=4, seed=seed)

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(drawn(1)[0]) == 4


def test_the_global_random_state_is_left_alone(base: Loaded) -> None:
    before = torch.random.get_rng_state()
    complete(*base, ["Once"], temperature=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_filter_is_applied_unasked(base: Loaded) -> None:
    """generate keeps 50 tokens by default; very hot sampling must reach beyond them."""
    texts = complete(*base, ["Once "], temperature=50.0, samples=200, max_new_tokens=1, stop=None)
    assert len(set(texts[0])) > 100


def test_long_prompts_go_in_smaller_batches_and_answer_the_same(
    base: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = complete(*base, PROMPTS, samples=2, max_new_tokens=8)
    assert list(generation._chunks(PROMPTS, 2, 8, 1)) == [[3, 2, 0, 1]]
    monkeypatch.setattr(generation, "MAX_CHARACTERS", 70)
    assert list(generation._chunks(PROMPTS, 2, 8, 1)) == [[3, 2], [0], [1]]
    assert complete(*base, PROMPTS, samples=2, max_new_tokens=8) == together


def test_beginnings_that_are_read_once_give_the_same_texts(base: Loaded) -> None:
    """Beginnings of different lengths, with one ending and with several of different lengths."""
    beginnings = [
        "Anna Kell has a goat.\n",
        "Once upon a time\nthere was a king.\n" * 4,
        "Q: Who\n",
    ]
    endings = [["Q: Which pet does Anna Kell have?\nA: "], ["An idea", "Once upon a time"], ["A"]]
    prompts = [b + e for b, some in zip(beginnings, endings, strict=True) for e in some]
    separate = iter(complete(*base, prompts, max_new_tokens=8))
    expected = [[next(separate)[0] for _ in some] for some in endings]
    assert generation.complete_after(*base, beginnings, endings, max_new_tokens=8) == expected


def test_a_beginning_without_an_ending_is_refused(base: Loaded) -> None:
    with pytest.raises(ValueError, match="needs a list of one ending"):
        generation.complete_after(*base, ["Once"], [[]])
    with pytest.raises(ValueError, match="2 beginnings and 1 lists"):
        generation.complete_after(*base, ["Once", "Twice"], [["upon"]])
    with pytest.raises(ValueError, match="a beginning is empty"):
        generation.complete_after(*base, [""], [["Once"]])


def test_a_token_takes_what_a_filled_cache_shows(base: Loaded) -> None:
    assert generation.bytes_a_token(base[0]) == measured_bytes(filled_cache(base[0], 1))


def test_the_memory_of_the_caches_is_bounded() -> None:
    """Rows of a prompt of 40 characters and 30 new tokens, at a thousand bytes a token."""
    prompts = ["x" * 40] * 7
    for most, sizes in ((3 * 2 * 40_000, [3, 3, 1]), (1, [1] * 7), (500e6, [7])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(generation, "MAX_CACHE", most)
            found = [len(chunk) for chunk in generation._chunks(prompts, 2, 30, 1000)]
        assert found == sizes


def test_that_bound_splits_nothing_of_the_bundled_models(base: Loaded) -> None:
    for length in (1, 150, 195, 400, 3000):
        rows = min(generation.MAX_ROWS, generation.MAX_CHARACTERS // length)
        (whole,) = generation._chunks(
            ["x" * length] * rows, 1, 70, generation.bytes_a_token(base[0])
        )
        assert len(whole) == rows
