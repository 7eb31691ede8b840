"""Answers to lesson 02 in the styles of other people: right ones, wrong ones by their mistake."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

import torch

from tests.gallery.answers import Gallery

gallery = Gallery()


# ---- truncate_chat


@gallery.right("truncate_chat")
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


@gallery.right("truncate_chat")
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


def c_refuse(messages, budget, count_tokens):
    core = [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]
    if sum(count_tokens(m) for m in core) > budget:
        raise ValueError("too small")


def turns_of(messages):
    first = int(messages[0]["role"] == "system")
    starts = [i for i, m in enumerate(messages) if m["role"] == "user"]
    return messages[:first], [messages[a:b] for a, b in pairwise(starts)], messages[-1]


@gallery.wrong("truncate_chat", "question-dropped")
def c_tail(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    out, total = [], 0
    for m in messages:
        total += count_tokens(m)
        if total > budget:
            break
        out.append(m)
    return out


@gallery.wrong("truncate_chat", "system-dropped")
def c_head(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    start = 0
    while sum(count_tokens(m) for m in messages[start:]) > budget:
        start += 1
    return messages[start:]


@gallery.wrong("truncate_chat", "oldest-kept")
def c_oldest(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    system, turns, last = turns_of(messages)
    flat = [m for turn in turns for m in turn]
    while sum(map(count_tokens, [*system, *flat, last])) > budget:
        flat = flat[: -len(turns.pop())]
    return [*system, *flat, last]


def c_steps(messages, budget, count_tokens, step):
    c_refuse(messages, budget, count_tokens)
    first = int(messages[0]["role"] == "system")
    history = messages[first:-1]
    fixed = sum(count_tokens(m) for m in messages[:first] + messages[-1:])
    while fixed + sum(count_tokens(m) for m in history) > budget:
        history = history[step:]
    return messages[:first] + history + messages[-1:]


@gallery.wrong("truncate_chat", "message-by-message")
def c_single(messages, budget, count_tokens):
    return c_steps(messages, budget, count_tokens, 1)


@gallery.wrong("truncate_chat", "pairs-assumed")
def c_two_by_two(messages, budget, count_tokens):
    return c_steps(messages, budget, count_tokens, 2)


def within(used, cost, budget):
    return used + cost <= budget


def c_from_the_end(messages, budget, count_tokens, fits=within, head=1, question=1, stop=True):
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


@gallery.wrong("truncate_chat", "gaps-left")
def c_gaps(messages, budget, count_tokens):
    return c_from_the_end(messages, budget, count_tokens, stop=False)


@gallery.wrong("truncate_chat", "exact-fit-refused")
def c_strict(messages, budget, count_tokens):
    return c_from_the_end(messages, budget, count_tokens, lambda u, c, b: u + c < b)


@gallery.wrong("truncate_chat", "one-turn-too-many")
def c_one_more(messages, budget, count_tokens):
    return c_from_the_end(messages, budget, count_tokens, lambda u, c, b: u < b)


@gallery.wrong("truncate_chat", "system-not-counted")
def c_free_system(messages, budget, count_tokens):
    return c_from_the_end(messages, budget, count_tokens, head=0)


@gallery.wrong("truncate_chat", "question-not-counted")
def c_free_question(messages, budget, count_tokens):
    return c_from_the_end(messages, budget, count_tokens, question=0)


@gallery.wrong("truncate_chat", "characters-counted")
def c_characters(messages, budget, count_tokens):
    return c_while(messages, budget, lambda m: len(m["content"]))


@gallery.wrong("truncate_chat", "newest-first")
def c_backwards(messages, budget, count_tokens):
    system, turns, last = turns_of(c_while(messages, budget, count_tokens))
    return system + [m for turn in reversed(turns) for m in turn] + [last]


@gallery.wrong("truncate_chat", "no-history")
def c_no_turns(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    return [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]


@gallery.wrong("truncate_chat", "no-refusal")
def c_never_refuses(messages, budget, count_tokens):
    try:
        return c_while(messages, budget, count_tokens)
    except ValueError:
        return [m for m in messages[:1] if m["role"] == "system"] + messages[-1:]


@gallery.wrong("truncate_chat", "changed-in-place")
def c_del(messages, budget, count_tokens):
    c_refuse(messages, budget, count_tokens)
    first = int(messages[0]["role"] == "system")
    while sum(map(count_tokens, messages)) > budget:
        del messages[first]
        while messages[first]["role"] == "assistant":
            del messages[first]
    return messages


@gallery.wrong("truncate_chat")
def c_nothing(messages, budget, count_tokens):
    return messages[-1]


# ---- kv_cache_bytes


@gallery.right("kv_cache_bytes")
def k_plain(config, tokens, batch=1, bytes_per_number=2):
    n_heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads")
    if kv is None:
        kv = n_heads
    dim = config.get("head_dim")
    if dim is None:
        dim = config["hidden_size"] // n_heads
    return batch * tokens * config["num_hidden_layers"] * (kv * dim + kv * dim) * bytes_per_number


@gallery.right("kv_cache_bytes")
def k_tensor(config, tokens, batch=1, bytes_per_number=2):
    kv = config.get("num_key_value_heads") or config["num_attention_heads"]
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    one = torch.empty((2, config["num_hidden_layers"], kv, dim), dtype=torch.int8)
    return one.nbytes * tokens * batch * bytes_per_number


@gallery.wrong("kv_cache_bytes", "values-forgotten")
def k_keys_only(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) // 2


@gallery.wrong("kv_cache_bytes", "query-heads")
def k_attention_heads(config, tokens, batch=1, bytes_per_number=2):
    h = config["num_attention_heads"]
    d = config.get("head_dim") or config["hidden_size"] // h
    return tokens * batch * h * d * bytes_per_number * config["num_hidden_layers"] * 2


@gallery.wrong("kv_cache_bytes", "hidden-size-kept")
def k_hidden(config, tokens, batch=1, bytes_per_number=2):
    return (
        2 * config["hidden_size"] * config["num_hidden_layers"] * tokens * batch * bytes_per_number
    )


@gallery.wrong("kv_cache_bytes", "head-dim-computed")
def k_dim(config, tokens, batch=1, bytes_per_number=2):
    return k_plain({**config, "head_dim": None}, tokens, batch, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "head-dim-of-key-value-heads")
def k_wide(config, tokens, batch=1, bytes_per_number=2):
    shared = config.get("num_key_value_heads") or config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // shared
    return k_plain({**config, "head_dim": width}, tokens, batch, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "layers-forgotten")
def k_layer(config, tokens, batch=1, bytes_per_number=2):
    return k_plain({**config, "num_hidden_layers": 1}, tokens, batch, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "tokens-forgotten")
def k_token(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, 1, batch, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "batch-ignored")
def k_row(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, 1, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "always-half-precision")
def k_half(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch)


@gallery.wrong("kv_cache_bytes", "bits")
def k_bits(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, 8 * bytes_per_number)


@gallery.wrong("kv_cache_bytes", "gibibytes")
def k_gib(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) / 1024**3


@gallery.wrong("kv_cache_bytes", "float-returned")
def k_float(config, tokens, batch=1, bytes_per_number=2):
    return k_plain(config, tokens, batch, bytes_per_number) * 1.0


@gallery.wrong("kv_cache_bytes", "key-missing")
def k_key_error(config, tokens, batch=1, bytes_per_number=2):
    kv = config["num_key_value_heads"]
    return k_plain({**config, "num_key_value_heads": kv}, tokens, batch, bytes_per_number)


@gallery.wrong("kv_cache_bytes", "null-multiplied")
def k_none(config, tokens, batch=1, bytes_per_number=2):
    n_heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads", n_heads)
    dim = config.get("head_dim", config["hidden_size"] // n_heads)
    return kv * dim * 2 * config["num_hidden_layers"] * tokens * batch * bytes_per_number


@gallery.wrong("kv_cache_bytes")
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


@gallery.right("pack_passages")
def p_dynamic(passages, relevance, budget, count_tokens):
    chosen = knapsack(passages, relevance, budget, count_tokens)
    return sorted(chosen, key=relevance.__getitem__)


def greedy(
    passages, relevance, budget, count_tokens, key, *,
    start=(), same=clean, useless=False, stop=False,
):  # fmt: skip
    cost = [count_tokens(text) + 1 for text in passages]
    order = [*start, *sorted(range(len(passages)), key=lambda i: -key(relevance[i], cost[i]))]
    out, used, seen = [], 0, set()
    for i in order:
        if i in out or same(passages[i]) in seen or (relevance[i] <= 0 and not useless):
            continue
        if used + cost[i] > budget:
            if stop:
                break
            continue
        used += cost[i]
        seen.add(same(passages[i]))
        out.append(i)
    return out


def density(value, cost):
    return value / cost


@gallery.right("pack_passages")
def p_two(passages, relevance, budget, count_tokens, order=1, **options):
    fitting = [i for i, t in enumerate(passages) if count_tokens(t) + 1 <= budget]
    given = (passages, relevance, budget, count_tokens)
    one = greedy(*given, density, **options)
    best = [max(fitting, key=lambda i: relevance[i])] if fitting else []
    two = greedy(*given, density, start=best, **options)
    winner = two if sum(relevance[i] for i in two) > sum(relevance[i] for i in one) else one
    return sorted(winner, key=lambda i: order * relevance[i])


@gallery.right("pack_passages")
def p_pairs(passages, relevance, budget, count_tokens):
    chosen = p_two(passages, relevance, budget, count_tokens)
    return [i for _, i in sorted((relevance[i], i) for i in chosen)]


@gallery.wrong("pack_passages", "first-come")
def p_arrival(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: 0)
    return sorted(out, key=lambda i: relevance[i])


@gallery.wrong("pack_passages", "by-relevance")
def p_top(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: value)
    return out[::-1]


@gallery.wrong("pack_passages", "shortest-first")
def p_short(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, lambda value, cost: -cost)
    return sorted(out, key=lambda i: relevance[i])


@gallery.wrong("pack_passages", "best-one-only")
def p_one(passages, relevance, budget, count_tokens):
    fitting = [i for i, t in enumerate(passages) if count_tokens(t) < budget and relevance[i]]
    return [max(fitting, key=lambda i: relevance[i])] if fitting else []


@gallery.wrong("pack_passages", "density-only")
def p_density(passages, relevance, budget, count_tokens):
    out = greedy(passages, relevance, budget, count_tokens, density)
    return sorted(out, key=lambda i: relevance[i])


@gallery.wrong("pack_passages", "stops-at-the-first")
def p_break(passages, relevance, budget, count_tokens):
    small = [i for i, t in enumerate(passages) if count_tokens(t) < budget]
    given = [passages[i] for i in small], [relevance[i] for i in small]
    out = greedy(*given, budget, count_tokens, density, stop=True)
    return sorted((small[i] for i in out), key=lambda i: relevance[i])


@gallery.wrong("pack_passages", "copies-kept")
def p_copies(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: object())


@gallery.wrong("pack_passages", "copies-by-exact-text")
def p_exact(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: text)


@gallery.wrong("pack_passages", "copies-but-for-case")
def p_lower(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: text.casefold())


@gallery.wrong("pack_passages", "copies-only-stripped")
def p_strip(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=str.strip)


@gallery.wrong("pack_passages", "copies-but-for-ends")
def p_ends(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, same=lambda text: text.lower().strip())


@gallery.wrong("pack_passages", "copies-but-for-space")
def p_spaces(passages, relevance, budget, count_tokens):
    given = passages, relevance, budget, count_tokens
    return p_two(*given, same=lambda text: re.sub(r"\s+", " ", text.strip()))


@gallery.wrong("pack_passages", "copies-without-space")
def p_glued(passages, relevance, budget, count_tokens):
    given = passages, relevance, budget, count_tokens
    return p_two(*given, same=lambda text: re.sub(r"\s", "", text.casefold()))


@gallery.wrong("pack_passages", "irrelevant-kept")
def p_useless(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, useless=True)


@gallery.wrong("pack_passages", "line-end-forgotten")
def p_no_line_end(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, lambda text: count_tokens(text) - 1)


@gallery.wrong("pack_passages", "exact-fit-refused")
def p_less(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget - 1, count_tokens)


@gallery.wrong("pack_passages", "words-counted")
def p_words(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, lambda text: len(text.split(" ")))


@gallery.wrong("pack_passages", "best-first")
def p_best_first(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget, count_tokens, order=-1)


@gallery.wrong("pack_passages", "order-of-arrival")
def p_unsorted(passages, relevance, budget, count_tokens):
    return sorted(p_two(passages, relevance, budget, count_tokens))


@gallery.wrong("pack_passages", "texts-returned")
def p_texts(passages, relevance, budget, count_tokens):
    return [passages[i] for i in p_two(passages, relevance, budget, count_tokens)]


@gallery.wrong("pack_passages")
def p_over(passages, relevance, budget, count_tokens):
    return p_two(passages, relevance, budget + 5, count_tokens)
