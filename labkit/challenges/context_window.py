"""Lesson 02, The context window: what is right, the mistakes known by name, the hints.

The truth of a truncated chat is found by trying every number of turns; that of a cache is the bytes
of a real `DynamicCache`; a packing is held to the properties in its contract, and to a greedy sum
in exact fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import torch

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.drawing import draw, draw_text

Message = dict[str, str]
MessageCounter = Callable[[Message], int]
TextCounter = Callable[[str], int]


# ------------------------------------------------------------------------------------------------
# truncate_chat


def said(role: str, words: int, first: str = "word") -> Message:
    """A message of so many words."""
    return {"role": role, "content": " ".join([first, *["word"] * (words - 1)])}


def chat(*lengths: int, system: int = 0, question: int = 2) -> list[Message]:
    """Turns of a user's and an assistant's message with `lengths` words in all, and a question."""
    messages = [said("system", system, "rules")] if system else []
    for number, words in enumerate(lengths):
        messages.append(said("user", 1, f"question{number}"))
        messages.append(said("assistant", words - 1, f"answer{number}"))
    return [*messages, said("user", question, "last")]


def words_of(message: Message) -> int:
    """A counter without marks."""
    return len(message["content"].split())


def words_and_marks(message: Message) -> int:
    """A counter whose marks depend on the role, as those of chat templates do."""
    marks = {"system": 3, "user": 1, "assistant": 4}
    return len(message["content"].split()) + marks[message["role"]]


def parts_of(messages: list[Message]) -> tuple[list[Message], list[list[Message]], Message]:
    """The system message (or none), the turns, and the question."""
    system = [m for m in messages[:1] if m["role"] == "system"]
    turns: list[list[Message]] = []
    for message in messages[len(system) : -1]:
        if message["role"] == "user":
            turns.append([])
        turns[-1].append(message)
    return system, turns, messages[-1]


def true_truncation(messages: list[Message], budget: int, count: MessageCounter) -> list[Message]:
    """The most turns from the end that fit, found by trying every number of them."""
    system, turns, question = parts_of(messages)
    for left_out in range(len(turns) + 1):
        kept = _joined(system, turns[left_out:], question)
        if sum(map(count, kept)) <= budget:
            return kept
    raise ValueError("over the budget")


def check_truncate_chat(s: Submission) -> None:
    """System message and question always; of the turns the newest whole ones that fit."""

    def expect(messages: list[Message], budget: int, because: str, count: Any = words_of) -> None:
        answer = s.truncate_chat(messages, budget, count)
        answer.equals(true_truncation(messages, budget, count), because=because)

    whole = "A chat that fits stays as it is."
    expect(chat(), 9, whole)
    expect(chat(4), 20, whole)
    expect(chat(4, 3, system=2), 11, whole)
    newest = "The newest turns that fit are kept, and the oldest go."
    expect(chat(3, 3), 7, newest)
    for budget in range(5, 16):
        expect(chat(4, 2, 5, system=3), budget, newest)
    for budget in (2, 4, 5, 9):
        expect(chat(2, 3, 4), budget, newest)

    gap = "When a turn does not fit, those before it are out too: a chat has no gaps."
    expect(chat(2, 9, 2, system=1), 8, gap)
    expect(chat(2, 2, 9), 8, gap)

    marks = "A message takes what count_tokens says, marks included."
    for budget in (8, 14, 15, 22):
        expect(chat(3, 3, 2, system=1), budget, marks, words_and_marks)
    tools = "A turn is a user's message with all other messages up to the next user's."
    tooled = chat(3, 3, system=1)
    tooled.insert(3, said("assistant", 3, "tool"))
    for budget in (5, 6, 8, 9, 12):
        expect(tooled, budget, tools)
    alone = [
        said("system", 1),
        said("user", 1),
        said("user", 2),
        said("assistant", 2),
        said("user", 1),
    ]
    for budget in (2, 5, 6, 7):
        expect(alone, budget, tools)

    open_end = [*chat(3, 2, system=1)[:-1], said("user", 2, "open"), said("user", 1)]
    for budget in (2, 4, 6, 9):
        expect(open_end, budget, tools)
    noted = [said("user", 1), said("system", 2), *chat(3), said("system", 1), said("user", 2)]
    for budget in (2, 7, 8, 11):
        expect(noted, budget, "Only the first message can be the system prompt.")

    same = "Messages with the same words are still different messages."
    again = [said("user", 2), said("assistant", 2)] * 3 + [said("user", 2)]
    for budget in (2, 5, 6, 10, 14):
        expect(again, budget, same)

    for _ in range(6):
        lengths = torch.randint(2, 9, (7,), generator=s.generator).tolist()
        budget = int(torch.randint(12, 40, (1,), generator=s.generator))
        expect(chat(*lengths, system=3, question=4), budget, newest)
        tooled = chat(*lengths)
        tooled.insert(2 * draw(s, 7) + 2, said("assistant", 1 + draw(s, 9), "tool"))
        expect(tooled, 9 + draw(s, 60), tools, words_and_marks)

    refuse = "When the system message and the question alone do not fit, say so."
    s.truncate_chat.raises(ValueError, chat(2, system=3), 4, words_of, because=refuse)
    s.truncate_chat.raises(ValueError, chat(2, 2), 1, words_of, because=refuse)
    s.truncate_chat.raises(ValueError, chat(question=3), 2, words_of, because=refuse)
    system, question = 2 + draw(s, 999), 2 + draw(s, 999)
    drawn = chat(2 + draw(s, 99), system=system, question=question)
    s.truncate_chat.raises(ValueError, drawn, system + question - 1, words_of, because=refuse)


def by_counting_down(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    """A right answer that drops the oldest turn until the rest fits."""
    system, turns, question = parts_of(messages)
    while turns and _total(system, turns, question, count_tokens) > budget:
        turns = turns[1:]
    if _total(system, turns, question, count_tokens) > budget:
        raise ValueError("the budget is too small")
    return _joined(system, turns, question)


def _joined(system: list[Message], turns: list[list[Message]], question: Message) -> list[Message]:
    return [*system, *(message for turn in turns for message in turn), question]


def _total(
    system: list[Message], turns: list[list[Message]], question: Message, count: MessageCounter
) -> int:
    return sum(count(message) for message in _joined(system, turns, question))


def by_recursion(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    """A right answer: whole, or without its oldest turn."""
    if sum(map(count_tokens, messages)) <= budget:
        return list(messages)
    system, turns, question = parts_of(messages)
    if not turns:
        raise ValueError("the budget is too small")
    return by_recursion(_joined(system, turns[1:], question), budget, count_tokens)


def checked(messages: list[Message], budget: int, count: MessageCounter) -> int:
    """Tokens left for the turns; ValueError as the contract wants it."""
    system, _, question = parts_of(messages)
    left = budget - sum(map(count, [*system, question]))
    if left < 0:
        raise ValueError("the budget is too small")
    return left


def oldest_kept(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    left = checked(messages, budget, count_tokens)
    system, turns, question = parts_of(messages)
    kept = []
    for turn in turns:
        left -= sum(map(count_tokens, turn))
        if left < 0:
            break
        kept.append(turn)
    return _joined(system, kept, question)


def system_dropped(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    kept = list(messages)
    while len(kept) > 1 and sum(map(count_tokens, kept)) > budget:
        kept = kept[1:]
    return kept


def question_dropped(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    kept = list(messages)
    while kept and sum(map(count_tokens, kept)) > budget:
        kept = kept[:-1]
    return kept


def message_by_message(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    left = checked(messages, budget, count_tokens)
    system, _, question = parts_of(messages)
    kept: list[Message] = []
    for message in reversed(messages[len(system) : -1]):
        left -= count_tokens(message)
        if left < 0:
            break
        kept.insert(0, message)
    return [*system, *kept, question]


def newest_with(
    fits: Callable[[int, int], bool], *, gaps: bool = False, counted: str = "all"
) -> Callable[..., list[Message]]:
    """Newest turns first; `fits(cost, left)` decides, gaps may be left, parts may go uncounted."""

    def truncate_chat(
        messages: list[Message], budget: int, count_tokens: MessageCounter
    ) -> list[Message]:
        left = checked(messages, budget, count_tokens)
        system, turns, question = parts_of(messages)
        if counted == "without system":
            left += sum(map(count_tokens, system))
        if counted == "without question":
            left += count_tokens(question)
        kept: list[list[Message]] = []
        for turn in reversed(turns):
            cost = sum(map(count_tokens, turn))
            if fits(cost, left):
                kept.insert(0, turn)
                left -= cost
            elif not gaps:
                break
        return _joined(system, kept, question)

    return truncate_chat


def characters_counted(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    return by_counting_down(messages, budget, lambda message: len(message["content"]))


def newest_first(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    kept = by_counting_down(messages, budget, count_tokens)
    system, turns, question = parts_of(kept)
    return _joined(system, turns[::-1], question)


def no_refusal(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    system, turns, question = parts_of(messages)
    while turns and _total(system, turns, question, count_tokens) > budget:
        turns = turns[1:]
    return _joined(system, turns, question)


def no_history(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    checked(messages, budget, count_tokens)
    system, _, question = parts_of(messages)
    return [*system, question]


def popped(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    first = 1 if messages[0]["role"] == "system" else 0
    checked(messages, budget, count_tokens)
    while sum(map(count_tokens, messages)) > budget:
        messages.pop(first)
        while messages[first]["role"] == "assistant":
            messages.pop(first)
    return messages


def pairs_assumed(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    first = 1 if messages[0]["role"] == "system" else 0
    history = messages[first:-1]
    while history and sum(map(count_tokens, [*messages[:first], *history, messages[-1]])) > budget:
        history = history[2:]
    return [*messages[:first], *history, messages[-1]]


def fits_exactly(cost: int, left: int) -> bool:
    return cost <= left


CHAT_MISTAKES = (
    Mistake(
        "system-dropped",
        system_dropped,
        "You cut from the beginning until it fits, and the system prompt goes first: after a few "
        "turns the assistant forgets who it is.",
        "Put the system message aside before you shorten, and put it back in front.",
    ),
    Mistake(
        "question-dropped",
        question_dropped,
        "You cut from the end, and the question goes first. A model without its question goes on "
        "with whatever stood last.",
        "The last message always stays. Drop turns from the beginning of the history.",
    ),
    Mistake(
        "oldest-kept",
        oldest_kept,
        "You keep the oldest turns and drop the newest. What was said last is what a question like "
        "'and the other one?' refers to.",
        "Go through the turns from the newest back, and stop at the first that does not fit.",
    ),
    Mistake(
        "message-by-message",
        message_by_message,
        "You drop single messages, so the history can begin with an answer whose question is gone.",
        "A turn is a user's message with all that follows it: keep it whole, or not at all.",
    ),
    Mistake(
        "pairs-assumed",
        pairs_assumed,
        "You take the history in pairs of two messages. A turn can have more answers than one, or "
        "none yet.",
        "A new turn begins wherever the role is 'user'.",
    ),
    Mistake(
        "gaps-left",
        newest_with(fits_exactly, gaps=True),
        "You skip a turn that does not fit and keep older ones: the chat has a gap that nobody can "
        "see.",
        "Stop (break) at the first turn that does not fit.",
    ),
    Mistake(
        "exact-fit-refused",
        newest_with(lambda cost, left: cost < left),
        "You drop a turn that fits exactly. A budget of 8 tokens has room for 8.",
        "Compare with <=.",
    ),
    Mistake(
        "one-turn-too-many",
        newest_with(lambda cost, left: left > 0),
        "You look whether anything is left before you add a turn, not whether the turn fits: the "
        "result is over the budget.",
        "Compare the turn's own tokens with what is left.",
    ),
    Mistake(
        "system-not-counted",
        newest_with(fits_exactly, counted="without system"),
        "You did not count the system message: the result is over the budget.",
        "Take the tokens of the system message and of the question off the budget first.",
    ),
    Mistake(
        "question-not-counted",
        newest_with(fits_exactly, counted="without question"),
        "You did not count the question: the result is over the budget.",
        "Take the tokens of the system message and of the question off the budget first.",
    ),
    Mistake(
        "characters-counted",
        characters_counted,
        "You counted characters. A budget is in tokens, and only count_tokens knows how many a "
        "message takes.",
        "Call count_tokens(message) for every message.",
    ),
    Mistake(
        "newest-first",
        newest_first,
        "You kept the right turns and put them in the wrong order.",
        "If you collect from the newest back, put each turn in front of what you have.",
    ),
    Mistake(
        "no-history",
        no_history,
        "You keep the system prompt and the question only. Turns that fit should stay: the next "
        "question may refer to them.",
        "Spend what is left of the budget on the newest turns.",
    ),
    Mistake(
        "no-refusal",
        no_refusal,
        "Where the system message and the question alone are over the budget you return them all "
        "the same, and leave it to others to cut them, or to refuse.",
        "raise ValueError, and say by how many tokens.",
    ),
    Mistake(
        "changed-in-place",
        popped,
        "You took messages out of the caller's list: the whole chat is then lost.",
        "Build a new list; `messages` stays as it is.",
    ),
)

CHAT_HINTS = (
    "Two messages are worth more than all others. Which, and what is left of the budget once they "
    "are paid for?",
    "By hand: system 3 tokens, turns of 4, 2 and 5, question 2, budget 12. What is left for turns, "
    "and which of them stay? Then: how does your code see where a turn begins?",
    "12 - 3 - 2 = 7 are left. A turn begins at a user's message; go through them from the newest "
    "back. 5: 2 left. 2: 0 left. 4 does not fit: stop there. Kept: system, the turns of 2 and 5, "
    "question.",
)


# ------------------------------------------------------------------------------------------------
# kv_cache_bytes

DTYPES = {1: torch.int8, 2: torch.bfloat16, 4: torch.float32}
SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 8},
    "llama-2-7b": {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_size": 4096,
        "num_key_value_heads": 32,
    },
    "llama-3.1-8b": {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_size": 4096,
        "num_key_value_heads": 8,
    },
    "qwen2.5-7b": {
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "hidden_size": 3584,
        "num_key_value_heads": 4,
        "head_dim": None,
    },
    "mistral-nemo": {
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "hidden_size": 5120,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    "gemma-2b": {
        "num_hidden_layers": 18,
        "num_attention_heads": 8,
        "hidden_size": 2048,
        "num_key_value_heads": 1,
        "head_dim": 256,
    },
    "old": {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768},
    "null": {
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 32,
        "num_key_value_heads": None,
        "head_dim": 16,
    },
}


def true_cache_bytes(config: dict[str, Any], tokens: int, batch: int, bytes_per_number: int) -> int:
    """The bytes of transformers' own cache of this shape."""
    return measured_bytes(tuple(config.items()), tokens, batch, bytes_per_number)


@lru_cache
def measured_bytes(
    items: tuple[tuple[str, Any], ...], tokens: int, batch: int, bytes_per_number: int
) -> int:
    """A cache filled with tensors without storage ("meta")."""
    from transformers import DynamicCache, LlamaConfig

    shape = LlamaConfig(**dict(items))
    cache = DynamicCache()
    for layer in range(shape.num_hidden_layers):
        pair = torch.empty(
            (2, batch, shape.num_key_value_heads, tokens, shape.head_dim),
            dtype=DTYPES[bytes_per_number],
            device="meta",
        )
        cache.update(pair[0], pair[1], layer)
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def check_kv_cache_bytes(s: Submission) -> None:
    """2 · layers · key-value heads · head_dim · tokens · batch · bytes, as real caches measure."""

    def expect(shape: str, because: str, tokens: int, batch: int = 1, size: int = 2) -> None:
        expect_of(SHAPES[shape], because, tokens, batch, size)

    def expect_of(config: dict[str, Any], because: str, tokens: int, batch: int, size: int) -> None:
        answer = s.kv_cache_bytes(config, tokens, batch, size)
        answer.equals(true_cache_bytes(config, tokens, batch, size), because=because)
        answer.holds(is_whole, because="Bytes are a whole number.")

    both = "For each token every layer keeps a key and a value."
    expect("one layer", both, 1)
    expect("old", both, 1)
    expect("llama-2-7b", both, 1)
    expect("llama-2-7b", "Each token takes the same again.", 4096)
    default = "batch is 1 and bytes_per_number 2 unless they are given."
    s.kv_cache_bytes(SHAPES["old"], 10).equals(
        true_cache_bytes(SHAPES["old"], 10, 1, 2), because=default
    )
    shared = (
        "With grouped queries there are fewer key-value heads than attention heads, and each is as "
        "wide as an attention head."
    )
    expect("llama-3.1-8b", shared, 1)
    expect("qwen2.5-7b", shared, 100)
    own = "head_dim counts where the config gives it; heads times head_dim need not be hidden_size."
    expect("mistral-nemo", own, 1)
    expect("gemma-2b", own, 7)
    expect("null", "None in a config means the same as absent.", 3)
    expect("llama-3.1-8b", "Every row of a batch has a cache of its own.", 50, batch=8)
    expect("llama-3.1-8b", "float32 takes 4 bytes a number, int8 one.", 50, size=4)
    expect("mistral-nemo", "float32 takes 4 bytes a number, int8 one.", 128_000, batch=2, size=1)
    for because, heads, own_dim in ((both, False, False), (shared, True, False), (own, True, True)):
        config = drawn_shape(s, heads, own_dim)
        expect_of(config, because, 1 + draw(s, 9_000), 1 + draw(s, 8), (1, 2, 4)[draw(s, 3)])


def drawn_shape(s: Submission, shared: bool, own_dim: bool) -> dict[str, Any]:
    """A shape with heads that share keys, and a head_dim of its own, or without."""
    kv_heads, groups, head_dim = 1 + draw(s, 8), 2 + draw(s, 7), 8 * (1 + draw(s, 32))
    heads = kv_heads * groups
    config = {
        "num_hidden_layers": 1 + draw(s, 60),
        "num_attention_heads": heads,
        "hidden_size": heads * head_dim,
    }
    if shared:
        config["num_key_value_heads"] = kv_heads
    return config | ({"head_dim": head_dim + 8} if own_dim else {})


def is_whole(value: Any) -> str | None:
    return None if type(value) is int else f"{value!r} is not an int"


def by_sizes(config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2) -> int:
    """A right answer, key by key."""
    heads = config["num_attention_heads"]
    shared = config.get("num_key_value_heads")
    size = config.get("head_dim")
    kv_heads = heads if shared is None else shared
    head_dim = config["hidden_size"] // heads if size is None else size
    keys = batch * kv_heads * tokens * head_dim * bytes_per_number
    return sum(keys + keys for _ in range(config["num_hidden_layers"]))


def spoiled_cache(
    formula: Callable[[int, int, int, int, int, int], Any],
) -> Callable[..., Any]:
    """formula(layers, kv_heads, head_dim, tokens, batch, bytes) in the place of the product."""

    def kv_cache_bytes(
        config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
    ) -> Any:
        heads = config["num_attention_heads"]
        kv_heads = config.get("num_key_value_heads") or heads
        head_dim = config.get("head_dim") or config["hidden_size"] // heads
        layers = config["num_hidden_layers"]
        return formula(layers, kv_heads, head_dim, tokens, batch, bytes_per_number)

    return kv_cache_bytes


def query_heads(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * heads * head_dim * tokens * batch * bytes_per_number


def hidden_size_kept(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    hidden: int = config["hidden_size"]
    return 2 * config["num_hidden_layers"] * hidden * tokens * batch * bytes_per_number


def head_dim_computed(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


def dim_of_shared_heads(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    kv_heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // kv_heads
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


def absent_key(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    kv_heads = config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


def null_multiplied(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    head_dim = config.get("head_dim", config["hidden_size"] // heads)
    return 2 * config["num_hidden_layers"] * kv_heads * head_dim * tokens * batch * bytes_per_number


CACHE_MISTAKES = (
    Mistake(
        "values-forgotten",
        spoiled_cache(lambda n, h, d, t, b, size: n * h * d * t * b * size),
        "You are short by half: a cache keeps a key and a value for each head.",
        "KV: two vectors, so a factor of 2.",
    ),
    Mistake(
        "query-heads",
        query_heads,
        "You counted the query heads. Queries are not kept; with grouped-query attention there are "
        "fewer key-value heads than query heads, and that is what saves memory.",
        "Use num_key_value_heads where the config has it.",
    ),
    Mistake(
        "hidden-size-kept",
        hidden_size_kept,
        "You end up with hidden_size numbers for the keys of a token in a layer. There are "
        "num_key_value_heads × head_dim.",
        "heads × head_dim equals hidden_size only without grouped queries, and not always then.",
    ),
    Mistake(
        "head-dim-of-key-value-heads",
        dim_of_shared_heads,
        "You divided hidden_size by the number of key-value heads. The width of a head comes from "
        "the attention heads: key-value heads are as wide, there are only fewer of them.",
        "head_dim = hidden_size // num_attention_heads, where the config does not give it.",
    ),
    Mistake(
        "head-dim-computed",
        head_dim_computed,
        "You computed head_dim from hidden_size though the config gives it. In Mistral-Nemo "
        "hidden_size / heads is 160, and head_dim is 128.",
        "config.get('head_dim'), and the quotient only where that is absent or None.",
    ),
    Mistake(
        "layers-forgotten",
        spoiled_cache(lambda n, h, d, t, b, size: 2 * h * d * t * b * size),
        "You counted one layer. Every layer attends, so every layer keeps keys and values.",
        "Multiply by num_hidden_layers.",
    ),
    Mistake(
        "tokens-forgotten",
        spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * b * size),
        "You gave the bytes of one token whatever `tokens` is.",
        "Multiply by the number of tokens.",
    ),
    Mistake(
        "batch-ignored",
        spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * size),
        "You counted one row. Every request in a batch has a cache of its own, and that is what "
        "fills a server.",
        "Multiply by batch.",
    ),
    Mistake(
        "always-half-precision",
        spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * b * 2),
        "You counted 2 bytes a number whatever bytes_per_number says.",
        "Multiply by bytes_per_number.",
    ),
    Mistake(
        "bits",
        spoiled_cache(lambda n, h, d, t, b, size: 16 * n * h * d * t * b * size),
        "You gave bits: eight times too many.",
        "bytes_per_number is in bytes already.",
    ),
    Mistake(
        "gibibytes",
        spoiled_cache(lambda n, h, d, t, b, size: 2 * n * h * d * t * b * size / 2**30),
        "You gave GiB. Bytes were asked for.",
        "Leave the division to whoever prints the number.",
    ),
    Mistake(
        "float-returned",
        spoiled_cache(lambda n, h, d, t, b, size: float(2 * n * h * d * t * b * size)),
        "The number is right, but it is a float. Bytes are a whole number.",
        "hidden_size // heads, with two strokes.",
    ),
    Mistake(
        "key-missing",
        absent_key,
        "A config without num_key_value_heads stops your function. Older models do not have it: "
        "every attention head has keys and values of its own there.",
        "config.get('num_key_value_heads') or config['num_attention_heads'].",
    ),
    Mistake(
        "null-multiplied",
        null_multiplied,
        "A config may hold the key with the value None (null in the file), and dict.get then gives "
        "None, not your default.",
        "Use `or`: config.get('head_dim') or hidden_size // heads.",
    ),
)

CACHE_HINTS = (
    "What does a layer have to keep of a token so that later tokens can attend to it? And how many "
    "heads have one of their own?",
    "Begin with one token in one layer: how many vectors, how long is each, and which of the "
    "config's two counts of heads is it times? Two keys may be absent or None: what holds then?",
    "Llama-2-7B: 2 × 32 layers × 32 heads × 128 × 2 bytes = 524,288 bytes a token. Llama-3.1-8B "
    "has 8 key-value heads: 2 × 32 × 8 × 128 × 2 = 131,072, a quarter. Then times all tokens of "
    "all rows. `config.get(key) or ...` takes care of absent and of None.",
)


# ------------------------------------------------------------------------------------------------
# pack_passages


def words_in(text: str) -> int:
    """A counter of words."""
    return len(text.split())


def characters_in(text: str) -> int:
    """A counter under which white space and case make no difference to copies."""
    return len("".join(text.split()))


def text_of(words: int, name: str) -> str:
    """A passage of so many words that no other name shares."""
    return " ".join([name] * words)


def normal(text: str) -> str:
    return " ".join(text.lower().split())


def true_costs(passages: Sequence[str], count: TextCounter) -> list[int]:
    return [count(text) + 1 for text in passages]


def true_greedy_sum(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> float:
    """What taking by relevance per token gives, in exact fractions; no copies."""
    costs = true_costs(passages, count)
    order = sorted(range(len(passages)), key=lambda i: -Fraction(relevance[i]) / costs[i])
    total, seen = 0.0, set()
    for i in order:
        if relevance[i] > 0 and costs[i] <= budget and normal(passages[i]) not in seen:
            total, budget = total + relevance[i], budget - costs[i]
            seen.add(normal(passages[i]))
    return total


def true_best_alone(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> float:
    """The relevance of the best passage that fits alone."""
    costs = true_costs(passages, count)
    fitting = (value for value, cost in zip(relevance, costs, strict=True) if cost <= budget)
    return max(fitting, default=0.0)


def is_packing(
    passages: Sequence[str], relevance: Sequence[float], budget: int, count: TextCounter
) -> Callable[[Any], str | None]:
    """Says what the contract is broken by, if anything."""
    costs = true_costs(passages, count)
    bound = max(
        true_greedy_sum(passages, relevance, budget, count),
        true_best_alone(passages, relevance, budget, count),
    )

    def problem(chosen: Any) -> str | None:
        stray = not_indices(chosen, len(passages))
        if stray:
            return stray
        texts = [normal(passages[i]) for i in chosen]
        if len(set(texts)) < len(texts):
            return "the same text is taken twice"
        if any(relevance[i] == 0 for i in chosen):
            return "a passage of relevance 0 is taken"
        spent = sum(costs[i] for i in chosen)
        if spent > budget:
            return f"the chosen take {spent} tokens, and the budget is {budget}"
        values = [relevance[i] for i in chosen]
        if values != sorted(values):
            return f"their relevance in this order is {values}; it must never fall"
        return too_little(chosen, texts, budget - spent) or short_of(sum(values))

    def too_little(chosen: list[int], texts: list[str], left: int) -> str | None:
        for i, text in enumerate(passages):
            if relevance[i] > 0 and costs[i] <= left and normal(text) not in texts:
                return f"{left} tokens are left, and passage {i} would still fit with {costs[i]}"
        return None

    def short_of(total: float) -> str | None:
        if total >= bound - 1e-9:
            return None
        return f"their relevance adds up to {total:g}, and {bound:g} is to be had"

    return problem


def not_indices(chosen: Any, count: int) -> str | None:
    if type(chosen) is not list or any(type(i) is not int for i in chosen):
        return "a list of indices (int) was expected"
    if any(not 0 <= i < count for i in chosen):
        return f"an index is out of range: there are {count} passages"
    return "an index stands there twice" if len(set(chosen)) < len(chosen) else None


def check_pack_passages(s: Submission) -> None:
    """Within budget, no copies, ordered, nothing left that fits, and as relevant as must be."""

    def expect(
        sizes: Sequence[int],
        relevance: Sequence[float],
        budget: int,
        because: str,
        count: TextCounter = words_in,
    ) -> None:
        texts = [text_of(size, f"p{i}") for i, size in enumerate(sizes)]
        expect_texts(texts, relevance, budget, because, count)

    def expect_texts(
        texts: Sequence[str],
        relevance: Sequence[float],
        budget: int,
        because: str,
        count: TextCounter = words_in,
    ) -> None:
        given = [float(value) for value in relevance]
        answer = s.pack_passages(list(texts), given, budget, count)
        answer.holds(is_packing(texts, given, budget, count), because=because)

    simple = "Everything fits: all are taken, the most relevant last."
    expect([3], [1], 9, simple)
    expect([2, 3, 1], [5, 1, 3], 20, simple)
    density = "What counts is relevance per token."
    expect([9, 2, 2, 2], [6, 3, 4, 5], 10, density)
    expect([2, 2, 2, 9], [1, 2, 9, 8], 9, density)
    expect([1, 1, 1, 4, 4], [1, 2, 3, 10, 20], 11, density)
    expect([4, 3, 8, 1, 6, 2], [3, 7, 9, 1, 8, 5], 14, density)
    skip = "A passage that does not fit is passed over, and a later one may fit."
    expect([3, 9, 2], [8, 12, 1], 8, skip)
    expect([20, 3, 2], [90, 2, 1], 8, skip)
    line = "Each passage takes its tokens and 1 for its line end."
    expect([3, 3, 3], [5, 4, 3], 11, line)
    expect([4, 4], [5, 4], 10, line)
    expect([4, 4], [5, 4], 9, line)
    nothing = "When nothing fits, or nothing is relevant, the list is empty."
    expect([5, 6], [1, 2], 5, nothing)
    expect([], [], 5, nothing)
    expect([1, 2], [0, 0], 9, nothing)
    expect([2, 1, 3], [4, 0, 2], 20, "What has relevance 0 only costs: it is never taken.")

    copies = "Of copies, the same words whatever their case and the space between, one is taken."
    expect_texts(["a b", "c d e", "a b"], [5, 4, 5], 30, copies)
    expect_texts(["The cat sat", "a dog", "the  cat\nSAT ", "one two"], [6, 4, 6, 3], 12, copies)
    expect_texts(["X y", "x Y", "x  y", "z"], [3, 3, 3, 1], 5, copies)
    expect_texts(["a b", " a b", "c"], [3, 3, 1], 9, copies)
    expect_texts(["a b", "a B", "c d"], [3, 3, 1], 9, copies)
    expect_texts(["a b", "a   b", "a\tb", "c"], [3, 3, 3, 1], 15, copies)
    expect_texts(["A b", "a b", "a\nb", "d"], [2, 2, 2, 1], 15, copies)
    for blank in (" ", "  ", "\n", "\t "):
        first, second, worth = draw_text(s, "acegi", 9), draw_text(s, "bdfhj", 9), 1 + draw(s, 99)
        texts = [f"{first} {second}", second, f"{blank}{first.upper()}{blank}{second}"]
        expect_texts(texts, [worth, 1 + draw(s, 99), worth], 15, copies)
    no_copy = "Where the white space is parts the words: an other and another are no copies."
    expect_texts(["an other", "another", "c"], [3, 2, 1], 15, no_copy)
    expect_texts(["a b c", "ab c", "a bc"], [3, 2, 1], 15, no_copy)
    alone = "One long passage can be worth more than all the short ones that keep it out."
    expect([1, 20], [3, 30], 21, alone)
    expect([1, 20, 1], [3, 30, 2], 24, alone)
    expect([2, 2, 14, 9], [6, 6, 20, 1], 15, alone)
    expect([3, 20, 1], [6, 30, 1], 24, alone)
    expect([30, 1, 20], [90, 3, 30], 21, alone)
    counted = "Only count_tokens knows how many tokens a text takes."
    expect([3, 8, 2, 5], [4, 9, 3, 6], 24, counted, characters_in)
    for _ in range(6):
        sizes = torch.randint(1, 12, (9,), generator=s.generator).tolist()
        values = torch.rand(9, generator=s.generator).tolist()
        expect(sizes, values, 30, density)
        size = 10 + draw(s, 40)
        expect([1 + draw(s, 3), size], [400 + draw(s, 99), 999 + draw(s, 999)], size + 1, alone)


Picker = Callable[[list[str], list[float], int, TextCounter], list[int]]


def filled(order: Sequence[int], costs: Sequence[int], budget: int) -> list[int]:
    """Takes what still fits, in this order."""
    chosen: list[int] = []
    for i in order:
        if costs[i] <= budget:
            chosen.append(i)
            budget -= costs[i]
    return chosen


def firsts_by(key: Callable[[str], str]) -> Callable[[Sequence[str]], list[int]]:
    """The first of each group of texts that have the same key."""

    def dedup(passages: Sequence[str]) -> list[int]:
        found: dict[str, int] = {}
        for i, text in enumerate(passages):
            found.setdefault(key(text), i)
        return list(found.values())

    return dedup


firsts = firsts_by(normal)


def picker(
    choose: Callable[[list[int], list[float], list[int], int], list[int]],
    *,
    dedup: Callable[[Sequence[str]], list[int]] = firsts,
    cost: Callable[[str, TextCounter], int] = lambda text, count: count(text) + 1,
    useful: Callable[[float], bool] = lambda value: value > 0,
    order: Callable[[list[int], list[float]], list[int]] = lambda chosen, values: sorted(
        chosen, key=lambda i: values[i]
    ),
) -> Picker:
    """A complete packer of pieces: the right ones, unless another is given."""

    def pack_passages(
        passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
    ) -> list[int]:
        costs = [cost(text, count_tokens) for text in passages]
        candidates = [i for i in dedup(passages) if useful(relevance[i]) and costs[i] <= budget]
        return order(choose(candidates, relevance, costs, budget), relevance)

    return pack_passages


def dense(candidates: list[int], relevance: list[float], costs: list[int]) -> list[int]:
    return sorted(candidates, key=lambda i: -relevance[i] / costs[i])


def better_of_two(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    """The right choice: by density, or the best alone and then by density."""
    order = dense(candidates, relevance, costs)
    best = max(candidates, key=lambda i: relevance[i], default=None)
    rest = [] if best is None else [best, *(i for i in order if i != best)]
    first, second = filled(order, costs, budget), filled(rest, costs, budget)
    return max(first, second, key=lambda chosen: sum(relevance[i] for i in chosen))


def best_sum(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    """The best choice there is: the knapsack problem, solved token by token."""
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (budget + 1)
    for i in candidates:
        for room in range(budget, costs[i] - 1, -1):
            value, chosen = best[room - costs[i]]
            if value + relevance[i] > best[room][0]:
                best[room] = (value + relevance[i], [*chosen, i])
    return best[budget][1]


def density_only(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(dense(candidates, relevance, costs), costs, budget)


def relevance_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates, key=lambda i: -relevance[i]), costs, budget)


def as_they_came(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates), costs, budget)


def shortest_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return filled(sorted(candidates, key=lambda i: costs[i]), costs, budget)


def stops_at_the_first(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    chosen: list[int] = []
    for i in dense(candidates, relevance, costs):
        if costs[i] > budget:
            break
        chosen.append(i)
        budget -= costs[i]
    return chosen


def best_one_only(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return sorted(candidates, key=lambda i: -relevance[i])[:1]


def budget_full_at(
    candidates: list[int], relevance: list[float], costs: list[int], budget: int
) -> list[int]:
    return better_of_two([i for i in candidates if costs[i] < budget], relevance, costs, budget - 1)


def everything(passages: Sequence[str]) -> list[int]:
    return list(range(len(passages)))


def texts_returned(
    passages: list[str], relevance: list[float], budget: int, count_tokens: TextCounter
) -> list[str]:
    chosen = picker(better_of_two)(passages, relevance, budget, count_tokens)
    return [passages[i] for i in chosen]


def best_first(chosen: list[int], relevance: list[float]) -> list[int]:
    return sorted(chosen, key=lambda i: -relevance[i])


def order_of_arrival(chosen: list[int], relevance: list[float]) -> list[int]:
    return sorted(chosen)


PACK_MISTAKES = (
    Mistake(
        "first-come",
        picker(as_they_came),
        "You take passages in the order in which they came. Whoever comes first fills the window, "
        "relevant or not.",
        "Sort by relevance divided by tokens, largest first, and take what fits.",
    ),
    Mistake(
        "by-relevance",
        picker(relevance_first),
        "You take the most relevant first, however long they are. One long passage can cost as "
        "much as three short ones that are worth more together.",
        "What a token buys is relevance per token: sort by relevance[i] / cost[i].",
    ),
    Mistake(
        "shortest-first",
        picker(shortest_first),
        "You take the shortest first: many passages, but not the relevant ones.",
        "Divide relevance by tokens, and take the largest quotient first.",
    ),
    Mistake(
        "best-one-only",
        picker(best_one_only),
        "You take one passage and leave the rest of the budget unused.",
        "Go on with what still fits.",
    ),
    Mistake(
        "density-only",
        picker(density_only),
        "Relevance per token alone can go badly wrong: a tiny passage of high density may keep out "
        "a long one that is worth ten times as much.",
        "Make a second packing that begins with the most relevant passage that fits, and keep the "
        "better of the two.",
    ),
    Mistake(
        "stops-at-the-first",
        picker(stops_at_the_first),
        "You stop at the first passage that does not fit. A shorter one further down may.",
        "`continue` in place of `break`.",
    ),
    Mistake(
        "copies-kept",
        picker(better_of_two, dedup=everything),
        "You take copies: the same text twice costs twice and says nothing new.",
        "Keep a set of the texts that you have taken, in lower case and with white space evened "
        "out, and pass over what is in it.",
    ),
    Mistake(
        "copies-by-exact-text",
        picker(better_of_two, dedup=firsts_by(str)),
        "You find copies only when they are equal letter by letter. Case and white space make no "
        "new passage.",
        '" ".join(text.lower().split()) is the same for all of them.',
    ),
    Mistake(
        "copies-but-for-case",
        picker(better_of_two, dedup=firsts_by(str.lower)),
        "You even out upper and lower case, and not the white space: two spaces or a line end "
        "between the same words make no new passage.",
        "Compare the words: text.lower().split().",
    ),
    Mistake(
        "copies-but-for-ends",
        picker(better_of_two, dedup=firsts_by(lambda text: text.strip().lower())),
        "You take white space away at the ends only. Between two words one space and two, or a "
        "line end, are the same too.",
        "Compare the words: text.lower().split().",
    ),
    Mistake(
        "copies-only-stripped",
        picker(better_of_two, dedup=firsts_by(str.strip)),
        "You take white space away at the ends and compare the rest letter by letter. Case, and "
        "white space between words, make no new passage either.",
        "Compare the words: text.lower().split().",
    ),
    Mistake(
        "copies-but-for-space",
        picker(better_of_two, dedup=firsts_by(lambda text: " ".join(text.split()))),
        "You even out the white space, and not the case: The cat and the CAT are the same words.",
        "Compare in lower case: text.lower().split().",
    ),
    Mistake(
        "copies-without-space",
        picker(better_of_two, dedup=firsts_by(lambda text: "".join(text.lower().split()))),
        "You take all white space out before you compare: `an other` and `another` become one, "
        "and they are different words.",
        "Compare the words: text.lower().split().",
    ),
    Mistake(
        "irrelevant-kept",
        picker(better_of_two, useful=lambda value: value >= 0),
        "You fill the window up with passages of relevance 0. They cost tokens, and each one more "
        "is a distractor.",
        "Leave out what has relevance 0 before you begin.",
    ),
    Mistake(
        "line-end-forgotten",
        picker(better_of_two, cost=lambda text, count: count(text)),
        "You did not count the line end of each passage: the result is over the budget.",
        "A passage costs count_tokens(text) + 1.",
    ),
    Mistake(
        "exact-fit-refused",
        picker(budget_full_at),
        "You refuse a passage that fills the budget exactly.",
        "Compare with <=: 9 tokens fit into 9.",
    ),
    Mistake(
        "words-counted",
        picker(better_of_two, cost=lambda text, count: len(text.split()) + 1),
        "You counted words. Only count_tokens knows how many tokens a text takes.",
        "Call count_tokens(text) for each passage.",
    ),
    Mistake(
        "best-first",
        picker(better_of_two, order=best_first),
        "You put the most relevant passage first. It was asked for last, next to the question.",
        "Sort the chosen by relevance, smallest first.",
    ),
    Mistake(
        "order-of-arrival",
        picker(better_of_two, order=order_of_arrival),
        "You chose well, and left the chosen in the order in which they came. The most relevant "
        "belongs last.",
        "Sort the chosen by relevance, smallest first.",
    ),
    Mistake(
        "texts-returned",
        texts_returned,
        "You returned the texts. Indices were asked for.",
        "Collect i, not passages[i].",
    ),
)

PACK_HINTS = (
    "You have a sum to spend and goods with a price and a worth. What would you sort them by?",
    "A budget of 10, costs 10, 3, 3, 3, relevance 6, 3, 4, 5: what does relevance per token take? "
    "Now costs 2 and 10, relevance 3 and 10: what goes wrong, and which passage would you have "
    "begun with? And what must never be taken at all?",
    "First passages 3, 2 and 1, relevance 12. But of costs 2 and 10 it takes the small one: 3, "
    "where 10 was to be had. So make a second packing that begins with the most relevant passage "
    "that fits and goes on by relevance per token; keep the better of the two, sorted by "
    "relevance. A text's key for copies: ' '.join(text.lower().split()).",
)


CHALLENGES = (
    Challenge(
        name="truncate_chat",
        title="Shorten a chat, keep what matters",
        points=3,
        check=check_truncate_chat,
        mistakes=CHAT_MISTAKES,
        alternatives=(by_counting_down, by_recursion, newest_with(fits_exactly)),
        hints=CHAT_HINTS,
    ),
    Challenge(
        name="kv_cache_bytes",
        title="Bytes of a KV cache",
        points=2,
        check=check_kv_cache_bytes,
        mistakes=CACHE_MISTAKES,
        alternatives=(by_sizes,),
        hints=CACHE_HINTS,
    ),
    Challenge(
        name="pack_passages",
        title="Pack the window by relevance per token",
        points=4,
        check=check_pack_passages,
        mistakes=PACK_MISTAKES,
        alternatives=(picker(better_of_two), picker(best_sum)),
        hints=PACK_HINTS,
    ),
)

# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
ROLE = "Of the roles in a chat, a first message has user or system, and no role is above user."
EQUIVALENT = {
    'truncate_chat: Eq->LtE | system = [message for message in messages[:1] if message["role"] == '
    '"system"]': ROLE,
    'truncate_chat: Eq->GtE | starts = [i for i, message in enumerate(history) if message["role"] '
    '== "user"]': ROLE,
    "truncate_chat: slice without lower | *history, question = messages[len(system) :]": (
        "Turns are cut out from a user's message on: what stands before the first is never taken."
    ),
    "truncate_chat: break->continue | break": (
        "Once the tokens that are left are below 0 they stay so: nothing more is kept."
    ),
    **dict.fromkeys(
        (
            f"pack_passages: {change} | best_alone = sorted(useful, key=lambda i: relevance[i], "
            "reverse=True)[:1]"
            for change in ("slice without upper", "1->2", "1->-1")
        ),
        "The second packing begins with the most relevant passage all the same, and may then go on "
        "by relevance: the better of the two keeps every promise.",
    ),
    'pack_passages: lower->upper | text = " ".join(passages[i].lower().split())': (
        "Capitals even out case as well."
    ),
}
