"""The price of a request when the cache holds whole blocks of what two prompts begin with.

Checked against a bill that is added up block by block.
"""

from __future__ import annotations

from bisect import bisect_right

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

RATES = {"input": 2.0, "cached": 0.5, "output": 6.0}


def true_cost(
    prompt: list[int], output_tokens: int, rates: dict[str, float], cached: list[int], block: int
) -> float:
    """Counted block by block: a block is cached if all up to its end is the same."""
    hit = 0
    while hit + block <= len(prompt) and prompt[: hit + block] == cached[: hit + block]:
        hit += block
    bill = [(len(prompt) - hit, "input"), (hit, "cached"), (output_tokens, "output")]
    return sum(tokens * rates[kind] for tokens, kind in bill) / 1_000_000


def check_request_cost(s: Submission) -> None:
    def expect(
        prompt: list[int],
        output: int,
        cached: list[int],
        because: str,
        block: int = 2,
        rates: dict[str, float] = RATES,
    ) -> None:
        answer = s.request_cost(prompt, output, rates, cached, block)
        answer.close_to(
            true_cost(prompt, output, rates, cached, block), because=because, rtol=1e-9, atol=1e-15
        )

    plain = "Without a cache it is input tokens × input rate + output tokens × output rate."
    expect([5, 6, 7], 0, [], plain)
    expect([5, 6, 7], 4, [], plain)
    expect([], 4, [], plain)
    expect(list(range(1000)), 250, [], plain, 128)
    other = {"input": 0.15, "cached": 0.075, "output": 0.6}
    expect([1, 2, 3, 4], 9, [1, 2, 3, 4], "The rates are those that were given.", 2, other)
    hit = "Tokens that were read from the cache cost the cached rate instead of the input rate."
    expect([5, 6, 7, 8], 1, [5, 6, 7, 9], hit)
    expect([5, 6, 7, 8], 0, [5, 6, 7, 8], hit)
    expect([5, 6, 7, 8, 9, 10], 3, [5, 6, 7, 8], hit)
    expect([5, 6], 3, [5, 6, 7, 8], hit)
    first = "The common beginning ends at the first token that differs."
    expect([1, 6, 7, 8], 1, [2, 6, 7, 8], first)
    expect([1, 2, 9, 4, 5, 6], 1, [1, 2, 3, 4, 5, 6], first)
    expect([3, 4, 1, 2], 1, [1, 2, 3, 4], first)
    expect([9, 1, 2, 3, 4], 1, [1, 2, 3, 4], first)
    whole = "Only whole blocks are cached."
    expect([1, 2, 3, 4, 5], 1, [1, 2, 3, 4, 5], whole)
    expect([1, 2, 3, 4, 5], 1, [1, 2, 3, 9, 5], whole, 3)
    expect([1, 2], 1, [1, 2], whole, 3)
    expect([1, 2, 3], 1, [1, 2, 3, 4], whole, 4)
    expect([1, 2, 3], 2, [1, 2, 4], whole, 1)
    for _ in range(4):
        prompt = [draw(s, 50) for _ in range(40 + draw(s, 200))]
        kept = prompt[: draw(s, len(prompt))] + [draw(s, 50) for _ in range(30)]
        expect(prompt, draw(s, 90), kept, "Whole blocks of the common beginning.", 16)
    prompt = [i % 7 for i in range(300)]
    answer = s.request_cost(prompt, 10, RATES, prompt)
    expected = true_cost(prompt, 10, RATES, prompt, 128)
    answer.close_to(expected, because="A block has 128 tokens unless told otherwise.", rtol=1e-9)
    refuse = "A model can't write fewer than 0 tokens."
    s.request_cost.raises(ValueError, [1, 2], -1, RATES, [], 2, because=refuse)


challenge = Challenge(
    name="request_cost",
    title="The bill, with a cache",
    check=check_request_cost,
    points=2,
    hints=(
        "A bill has three lines: new input tokens, input tokens from the cache, output tokens. "
        "How do you find how many are on the second?",
        "By hand, with block=2: [5, 6, 7, 8] after [5, 6, 7, 9]. How many tokens are equal before "
        "the first difference, and how many of them fill whole blocks? What are the others?",
        "3 are equal, so 2 are cached: count up to the first difference, and round down to whole "
        "blocks. The rest of the prompt is new. At input 2, cached 0.5, output 6 and 1 token of "
        "output: (2 × 2 + 2 × 0.5 + 1 × 6) / 1e6 = 0.000011.",
    ),
)

HIT = "same // block * block"
NEW = "(len(prompt) - hit)"


# ---- how many tokens are cached ------------------------------------------------------------------

challenge.mistake(
    "cache-ignored",
    "The cache makes no difference in your price.",
    hint="Count how many tokens at the beginning of prompt and cached are the same.",
    answer=spoiled(HIT, "0"),
)

challenge.mistake(
    "not-in-blocks",
    "You count every common token as cached. A cache holds whole blocks: what is left over "
    "after the last whole one is new.",
    hint="hit = same // block * block",
    answer=spoiled(HIT, "same"),
)

challenge.mistake(
    "blocks-rounded-up",
    "You rounded up to whole blocks. A block that differs in its last token is not cached.",
    hint="Round down: same // block * block.",
    answer=spoiled(HIT, "min(len(prompt), -(-same // block) * block)"),
)

challenge.mistake(
    "blocks-counted",
    "You counted cached blocks and took them for tokens.",
    hint="Multiply by block again: same // block * block.",
    answer=spoiled(HIT, "same // block"),
)

challenge.mistake(
    "tokens-anywhere",
    "You count tokens that occur anywhere in the cached prompt. What a token means to a model "
    "depends on all tokens before it, so only a common beginning can be used again.",
    hint="Compare place by place from the start, and stop at the first difference.",
    answer=spoiled(HIT, "sum(token in cached for token in prompt) // block * block"),
)

challenge.mistake(
    "equal-places",
    "You go on counting after the first difference. From there on nothing can be used again, "
    "though tokens may be equal.",
    hint="break at the first pair of tokens that differ.",
    answer=spoiled("break", "continue"),
)

challenge.mistake(
    "all-or-nothing",
    "You use the cache only when one prompt is the beginning of the other. Whole blocks before "
    "the first difference count too.",
    hint="Count the common beginning, wherever it ends.",
    answer=spoiled(HIT, f"{HIT} if same == min(len(prompt), len(cached)) else 0"),
)

challenge.mistake(
    "not-compared",
    "You take everything for cached that has the length of the cached prompt, without "
    "comparing the tokens.",
    hint="Compare prompt and cached token by token.",
    answer=spoiled(HIT, "min(len(prompt), len(cached)) // block * block"),
)


# ---- the bill ------------------------------------------------------------------------------------

challenge.mistake(
    "for-a-thousand",
    "Your price is a thousand times too high: the rates are for a million tokens.",
    hint="Divide by 1e6.",
    answer=spoiled("1e6", "1e3"),
)

challenge.mistake(
    "hit-paid-twice",
    "Tokens from the cache are paid twice: at the input rate and at the cached rate.",
    hint="New tokens are len(prompt) - hit.",
    answer=spoiled(NEW, "len(prompt)"),
)

challenge.mistake(
    "hit-for-nothing",
    "Tokens from the cache cost nothing in your bill. They are cheaper, not free.",
    hint='Add hit * rates["cached"].',
    answer=spoiled('+ hit * rates["cached"]', ""),
)

challenge.mistake(
    "hit-taken-off",
    "You took the cached rate off the full price. It takes the place of the input rate.",
    hint='The saving of a token is rates["input"] - rates["cached"].',
    answer=spoiled(NEW, "len(prompt)", "+ hit", "- hit"),
)

challenge.mistake(
    "rates-swapped",
    "New tokens cost the cached rate in your bill, and cached ones the input rate.",
    hint="hit tokens at the cached rate, the others at the input rate.",
    answer=spoiled(NEW, "hit", '+ hit * rates["cached"]', f'+ {NEW} * rates["cached"]'),
)

challenge.mistake(
    "output-as-input",
    "You charged the output at the input rate. Writing costs several times what reading does.",
    hint='output_tokens * rates["output"].',
    answer=spoiled('rates["output"]', 'rates["input"]'),
)

challenge.mistake(
    "output-forgotten",
    "The output is not in your bill.",
    hint='Add output_tokens * rates["output"].',
    answer=spoiled('+ output_tokens * rates["output"]', ""),
)

challenge.mistake(
    "negative-allowed",
    "You accept an output of fewer than 0 tokens.",
    hint='Begin with: if output_tokens < 0: raise ValueError("...").',
    answer=spoiled(
        'raise ValueError(f"output_tokens must be 0 or more, got {output_tokens}")', "pass"
    ),
)


@challenge.alternative
def by_savings(
    prompt: list[int], output_tokens: int,
    rates: dict[str, float], cached: list[int], block: int = 128,
) -> float:  # fmt: skip
    """The full price without what the cache saves, up to the first place that differs."""
    if output_tokens < 0:
        raise ValueError("negative")
    shorter = min(len(prompt), len(cached))
    same = next((i for i in range(shorter) if prompt[i] != cached[i]), shorter)
    per_token = {kind: rate / 1_000_000 for kind, rate in rates.items()}
    cost = per_token["input"] * len(prompt) + per_token["output"] * output_tokens
    return cost - (same - same % block) * (per_token["input"] - per_token["cached"])


@challenge.alternative
def by_bisection(
    prompt: list[int], output_tokens: int,
    rates: dict[str, float], cached: list[int], block: int = 128,
) -> float:  # fmt: skip
    """Halving: prompts that differ in their first n blocks differ in any more."""
    if not output_tokens >= 0:
        raise ValueError(output_tokens)
    ends = range(block, min(len(prompt), len(cached)) + 1, block)
    hit = block * bisect_right(ends, False, key=lambda end: prompt[:end] != cached[:end])
    kinds = ["cached"] * hit + ["input"] * (len(prompt) - hit) + ["output"] * output_tokens
    return sum(map(rates.__getitem__, kinds)) / 10**6


challenge.equivalent(
    "strict= dropped | for ours, theirs in zip(prompt, cached, strict=False):",
    because="zip is not strict unless told so.",
)
