"""Reference answers of lesson 02, The context window: one plain function per challenge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def truncate_chat(
    messages: list[dict[str, str]], budget: int, count_tokens: Callable[[dict[str, str]], int]
) -> list[dict[str, str]]:
    """Shorten a chat to a budget of tokens so that the system prompt and the question survive.

    messages      {"role": …, "content": …}: perhaps a "system" message first; then turns, each a
                  "user" message with all other messages up to the next one; last the question,
                  from the "user". Left as it is
    budget        tokens that all kept messages may have together
    count_tokens  count_tokens(message) gives the tokens of one message, marks of its role included
    returns       the kept messages in their order: the system message, the newest whole turns that
                  fit (when one does not, those before it are out too), the question
    raises        ValueError if the system message and the question alone are over the budget
    """
    system = [message for message in messages[:1] if message["role"] == "system"]
    *history, question = messages[len(system) :]
    left = budget - sum(count_tokens(message) for message in [*system, question])
    if left < 0:
        raise ValueError(f"system prompt and question are {-left} tokens over the budget")
    kept: list[dict[str, str]] = []
    starts = [i for i, message in enumerate(history) if message["role"] == "user"]
    for start in reversed(starts):
        turn = history[start : len(history) - len(kept)]
        left -= sum(count_tokens(message) for message in turn)
        if left < 0:
            break
        kept = turn + kept
    return [*system, *kept, question]


def kv_cache_bytes(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    """Bytes of a KV cache that keeps a key and a value per token, layer and key-value head.

    config            as in a config.json: num_hidden_layers, num_attention_heads, hidden_size;
                      num_key_value_heads (absent or None: as many as attention heads) and
                      head_dim (absent or None: hidden_size / attention heads)
    tokens, batch     tokens in the cache of each row, and the number of rows
    bytes_per_number  2 for float16 and bfloat16, 4 for float32
    returns           bytes, an int

    Llama-2-7B, 32 layers of 32 heads with 128 numbers each: 524,288 bytes for one token.
    """
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    numbers_per_token = 2 * config["num_hidden_layers"] * kv_heads * head_dim
    return numbers_per_token * tokens * batch * bytes_per_number


def pack_passages(
    passages: list[str],
    relevance: list[float],
    budget: int,
    count_tokens: Callable[[str], int],
) -> list[int]:
    """Choose passages for the window, by relevance per token, and put the most relevant last.

    passages      texts; of copies (the same words in the same order, whatever their case and the
                  white space between them) at most one is taken. Copies are equally relevant
    relevance     a number for each, 0 or more; what has 0 is never taken
    budget        tokens for all chosen; one takes count_tokens(text), and 1 more for its line end
    count_tokens  count_tokens(text) gives the tokens of a text
    returns       the positions (0, 1, ...) of the chosen passages in `passages`, the least relevant
                  first and the most relevant last

    Two things must hold of the choice:
    - it is full: no passage that was left out still fits (copies and relevance 0 aside);
    - its sum of relevance is at least what filling the budget by relevance per token (line end
      included, the largest first) gives, and at least that of the most relevant passage that fits.
    """
    costs = [count_tokens(text) + 1 for text in passages]
    useful = [i for i, value in enumerate(relevance) if value > 0 and costs[i] <= budget]
    by_density = sorted(useful, key=lambda i: relevance[i] / costs[i], reverse=True)
    best_alone = sorted(useful, key=lambda i: relevance[i], reverse=True)[:1]
    packings = []
    for order in (by_density, best_alone + by_density):
        chosen, seen, left = [], set(), budget
        for i in order:
            text = " ".join(passages[i].lower().split())
            if costs[i] <= left and text not in seen:
                chosen.append(i)
                seen.add(text)
                left -= costs[i]
        packings.append(chosen)
    best = max(packings, key=lambda chosen: sum(relevance[i] for i in chosen))
    return sorted(best, key=lambda i: relevance[i])
