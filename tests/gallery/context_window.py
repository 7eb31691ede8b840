"""Answers to lesson 02 in the styles of other people: right ones, wrong ones by their mistake."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

import torch


def c_groups(messages, budget, count_tokens):
    head = messages[:1] if messages[0]["role"] == "system" else []
    body, last = messages[len(head) : -1], messages[-1]
    groups = []
    for message in body:
        if message["role"] == "user":
            groups += [[message]]
        else:
            groups[-1] += [message]
    room = budget - sum(count_tokens(m) for m in head) - count_tokens(last)
    if room < 0:
        raise ValueError("no room for the question")
    costs = [sum(count_tokens(m) for m in group) for group in groups[::-1]]
    fitting = sum(total <= room for total in accumulate(costs))
    kept = groups[len(groups) - fitting :]
    return head + [m for group in kept for m in group] + [last]


def c_while(messages, budget, count_tokens):
    kept = [dict(m) for m in messages]
    first = int(kept[0]["role"] == "system")
    while sum(count_tokens(m) for m in kept) > budget:
        if len(kept) == first + 1:
            raise ValueError("the question does not fit")
        del kept[first]
        while kept[first]["role"] != "user":
            del kept[first]
    return kept


def c_tail(messages, budget, count_tokens):
    out, total = [], 0
    c_refuse(messages, budget, count_tokens)
    for m in messages:
        total += count_tokens(m)
        if total > budget:
            break
        out.append(m)
    return out


def c_refuse(messages, budget, count_tokens):
    core = [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]
    if sum(count_tokens(m) for m in core) > budget:
        raise ValueError("too small")


def c_head(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    start = 0
    while sum(count_tokens(m) for m in messages[start:]) > budget:
        start += 1
    return messages[start:]


def c_oldest(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    system, turns, last = turns_of(messages)
    flat = [m for turn in turns for m in turn]
    while sum(map(count_tokens, [*system, *flat, last])) > budget:
        flat = flat[: -len(turns.pop())]
    return [*system, *flat, last]


def c_single(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    first = int(messages[0]["role"] == "system")
    history = messages[first:-1]
    fixed = sum(count_tokens(m) for m in messages[:first] + messages[-1:])
    while fixed + sum(count_tokens(m) for m in history) > budget:
        history = history[1:]
    return messages[:first] + history + messages[-1:]


def c_two_by_two(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    first = int(messages[0]["role"] == "system")
    history = messages[first:-1]
    fixed = sum(count_tokens(m) for m in messages[:first] + messages[-1:])
    while fixed + sum(count_tokens(m) for m in history) > budget:
        history = history[2:]
    return messages[:first] + history + messages[-1:]


def turns_of(messages):
    first = int(messages[0]["role"] == "system")
    starts = [i for i, m in enumerate(messages) if m["role"] == "user"]
    pairs = pairwise(starts)
    return messages[:first], [messages[a:b] for a, b in pairs], messages[-1]


def c_from_the_end(fits, head=True, question=True, stop=True):
    def truncate_chat(messages, budget, count_tokens):
        c_refuse(messages, budget, count_tokens)
        system, turns, last = turns_of(messages)
        used = sum(map(count_tokens, system)) * head + count_tokens(last) * question
        kept = []
        for turn in turns[::-1]:
            cost = sum(map(count_tokens, turn))
            if fits(used, cost, budget):
                kept = [*turn, *kept]
                used += cost
            elif stop:
                break
        return [*system, *kept, last]

    return truncate_chat


def within(used, cost, budget):
    return used + cost <= budget


def named(function, name):
    function.__name__ = function.__qualname__ = name
    return function


c_gaps = named(c_from_the_end(within, stop=False), "c_gaps")
c_strict = named(c_from_the_end(lambda u, c, b: u + c < b), "c_strict")
c_one_more = named(c_from_the_end(lambda u, c, b: u < b), "c_one_more")
c_free_system = named(c_from_the_end(within, head=False), "c_free_system")
c_free_question = named(c_from_the_end(within, question=False), "c_free_question")


def c_characters(messages, budget, count_tokens):
    return c_while(messages, budget, lambda m: len(m["content"]))


def c_backwards(messages, budget, count_tokens):
    system, turns, last = turns_of(c_while(messages, budget, count_tokens))
    return system + [m for turn in reversed(turns) for m in turn] + [last]


def c_no_turns(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    return [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]


def c_never_refuses(messages, budget, count_tokens):
    try:
        return c_while(messages, budget, count_tokens)
    except ValueError:
        return [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]


def c_del(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    first = int(messages[0]["role"] == "system")
    while sum(map(count_tokens, messages)) > budget:
        del messages[first]
        while messages[first]["role"] == "assistant":
            del messages[first]
    return messages


def c_nothing(messages, budget, count_tokens):
    return messages[-1]


# ---- kv_cache_bytes


def k_plain(config, tokens, batch=1, bytes_per_number=2):
    n_heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads")
    if kv is None:
        kv = n_heads
    dim = config.get("head_dim")
    if dim is None:
        dim = config["hidden_size"] // n_heads
    return batch * tokens * config["num_hidden_layers"] * (kv * dim + kv * dim) * bytes_per_number


def k_tensor(config, tokens, batch=1, bytes_per_number=2):
    kv = config.get("num_key_value_heads") or config["num_attention_heads"]
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    one = torch.empty((2, config["num_hidden_layers"], kv, dim), dtype=torch.int8)
    return one.nbytes * tokens * batch * bytes_per_number


def k_keys_only(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) // 2


def k_attention_heads(config, tokens, batch=1, bytes_per_number=2):
    h = config["num_attention_heads"]
    d = config.get("head_dim") or config["hidden_size"] // h
    return tokens * batch * h * d * bytes_per_number * config["num_hidden_layers"] * 2


def k_hidden(config, tokens, batch=1, bytes_per_number=2):
    return (
        2 * config["hidden_size"] * config["num_hidden_layers"] * tokens * batch * bytes_per_number
    )


def k_dim(config, tokens, batch=1, bytes_per_number=2):
    return k_plain({**config, "head_dim": None}, tokens, batch, bytes_per_number)


def k_wide(config, tokens, batch=1, bytes_per_number=2):
    shared = config.get("num_key_value_heads") or config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // shared
    return k_plain({**config, "head_dim": width}, tokens, batch, bytes_per_number)


def k_layer(config, tokens, batch=1, bytes_per_number=2):
    return k_plain({**config, "num_hidden_layers": 1}, tokens, batch, bytes_per_number)


def k_token(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, 1, batch, bytes_per_number)


def k_row(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, 1, bytes_per_number)


def k_half(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch)


def k_bits(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, 8 * bytes_per_number)


def k_gib(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) / 1024**3


def k_float(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) * 1.0


def k_key_error(config, tokens, batch=1, bytes_per_number=2):
    kv = config["num_key_value_heads"]
    return k_plain({**config, "num_key_value_heads": kv}, tokens, batch, bytes_per_number)


def k_none(config, tokens, batch=1, bytes_per_number=2):
    n_heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads", n_heads)
    dim = config.get("head_dim", config["hidden_size"] // n_heads)
    return kv * dim * 2 * config["num_hidden_layers"] * tokens * batch * bytes_per_number


def k_megabytes(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) // 10**6


# ---- pack_passages


def clean(text):
    return tuple(text.casefold().split())


def knapsack(passages, relevance, budget, count_tokens):
    """Exhaustive, over sets of different texts."""
    items, seen = [], set()
    for i, text in enumerate(passages):
        if relevance[i] > 0 and clean(text) not in seen:
            seen.add(clean(text))
            items.append((i, count_tokens(text) + 1))
    states = {0: (0.0, ())}
    for i, cost in items:
        for used, (value, chosen) in list(states.items()):
            new = used + cost
            better = value + relevance[i]
            if new <= budget and better > states.get(new, (-1.0, ()))[0]:
                states[new] = (better, (*chosen, i))
    return max(states.values(), key=lambda state: state[0])[1]


def p_dynamic(passages, relevance, budget, count_tokens):
    chosen = knapsack(passages, relevance, budget, count_tokens)
    return sorted(chosen, key=relevance.__getitem__)


def greedy(passages, relevance, budget, count_tokens, key, **options):
    plus, start = options.get("plus", 1), options.get("start", ())
    same, useless = options.get("same", clean), options.get("useless", False)
    cost = [count_tokens(text) + plus for text in passages]
    order = [*start, *sorted(range(len(passages)), key=lambda i: -key(relevance[i], cost[i]))]
    out, used, seen = [], 0, set()
    for i in order:
        if i in out or same(passages[i]) in seen or (relevance[i] <= 0 and not useless):
            continue
        if used + cost[i] > budget:
            if options.get("stop"):
                break
            continue
        used += cost[i]
        seen.add(same(passages[i]))
        out.append(i)
    return out


def density(value, cost):
    return value / cost


def p_two(passages, relevance, budget, count_tokens, order=1, **options):
    fitting = [i for i, t in enumerate(passages) if count_tokens(t) + 1 <= budget]
    given = (passages, relevance, budget, count_tokens)
    one = greedy(*given, density, **options)
    best = [max(fitting, key=lambda i: relevance[i])] if fitting else []
    two = greedy(*given, density, start=best, **options)
    winner = two if sum(relevance[i] for i in two) > sum(relevance[i] for i in one) else one
    return sorted(winner, key=lambda i: order * relevance[i])


def p_pairs(passages, relevance, budget, count_tokens):
    return [
        i
        for _, i in sorted(
            (relevance[i], i) for i in p_two(passages, relevance, budget, count_tokens)
        )
    ]


def p_arrival(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: 0)
    return sorted(out, key=lambda i: relevance[i])


def p_top(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: value)
    return out[::-1]


def p_short(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: -cost)
    return sorted(out, key=lambda i: relevance[i])


def p_one(passages, relevance, budget, count_tokens):
    fitting = [i for i, t in enumerate(passages) if count_tokens(t) < budget and relevance[i]]
    return [max(fitting, key=lambda i: relevance[i])] if fitting else []


def p_density(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, density)
    return sorted(out, key=lambda i: relevance[i])


def p_break(passages, relevance, budget, count_tokens):
    small = [i for i, t in enumerate(passages) if count_tokens(t) < budget]
    given = [passages[i] for i in small], [relevance[i] for i in small]
    out = greedy(*given, budget, count_tokens, density, stop=True)
    return sorted((small[i] for i in out), key=lambda i: relevance[i])


def p_copies(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: object())


def p_exact(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: text)


def p_lower(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: text.casefold())


def p_strip(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=str.strip)


def p_ends(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda t: t.lower().strip())


def p_spaces(passages, relevance, budget, count_tokens):
    return p_two(
        passages, relevance, budget, count_tokens, same=lambda t: re.sub(r"\s+", " ", t.strip())
    )


def p_glued(passages, relevance, budget, count_tokens):
    return p_two(
        passages, relevance, budget, count_tokens, same=lambda t: re.sub(r"\s", "", t.casefold())
    )


def p_useless(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, useless=True)


def p_no_line_end(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, lambda text: count_tokens(text) - 1)


def p_less(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget - 1, count_tokens)


def p_words(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, lambda text: len(text.split(" ")))


def p_best_first(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, order=-1)


def p_unsorted(passages, relevance, budget, count_tokens):
    return sorted(p_two(passages, relevance, budget, count_tokens))


def p_texts(passages, relevance, budget, count_tokens):
    return [passages[i] for i in p_two(passages, relevance, budget, count_tokens)]


def p_over(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget + 5, count_tokens)


RIGHT = {
    "truncate_chat": [c_groups, c_while],
    "kv_cache_bytes": [k_plain, k_tensor],
    "pack_passages": [p_dynamic, p_two, p_pairs],
}

WRONG = {
    "truncate_chat": {
        c_head: "system-dropped",
        c_tail: "question-dropped",
        c_oldest: "oldest-kept",
        c_single: "message-by-message",
        c_two_by_two: "pairs-assumed",
        c_gaps: "gaps-left",
        c_strict: "exact-fit-refused",
        c_one_more: "one-turn-too-many",
        c_free_system: "system-not-counted",
        c_free_question: "question-not-counted",
        c_characters: "characters-counted",
        c_backwards: "newest-first",
        c_no_turns: "no-history",
        c_never_refuses: "no-refusal",
        c_del: "changed-in-place",
        c_nothing: None,
    },
    "kv_cache_bytes": {
        k_keys_only: "values-forgotten",
        k_attention_heads: "query-heads",
        k_hidden: "hidden-size-kept",
        k_dim: "head-dim-computed",
        k_wide: "head-dim-of-key-value-heads",
        k_layer: "layers-forgotten",
        k_token: "tokens-forgotten",
        k_row: "batch-ignored",
        k_half: "always-half-precision",
        k_bits: "bits",
        k_gib: "gibibytes",
        k_float: "float-returned",
        k_key_error: "key-missing",
        k_none: "null-multiplied",
        k_megabytes: None,
    },
    "pack_passages": {
        p_arrival: "first-come",
        p_top: "by-relevance",
        p_short: "shortest-first",
        p_one: "best-one-only",
        p_density: "density-only",
        p_break: "stops-at-the-first",
        p_copies: "copies-kept",
        p_exact: "copies-by-exact-text",
        p_lower: "copies-but-for-case",
        p_strip: "copies-only-stripped",
        p_ends: "copies-but-for-ends",
        p_spaces: "copies-but-for-space",
        p_glued: "copies-without-space",
        p_useless: "irrelevant-kept",
        p_no_line_end: "line-end-forgotten",
        p_less: "exact-fit-refused",
        p_words: "words-counted",
        p_best_first: "best-first",
        p_unsorted: "order-of-arrival",
        p_texts: "texts-returned",
        p_over: None,
    },
}
