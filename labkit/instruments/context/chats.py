"""What does not fit: texts that are cut to a window, and chats that have grown too long."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from labkit.instruments.asking import short_answers
from labkit.models import exact_match
from labkit.models.world import World, passages
from labkit.models.world.passages import passage
from labkit.paths import nearest

RULES = ("head", "tail", "middle")
Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": …}
Shorten = Callable[[Sequence[Message], int], str]  # a chat and a budget → a prompt


def cut(tokenizer: PreTrainedTokenizerBase, text: str, budget: int, rule: str) -> str:
    """The text within `budget` tokens: without its "head", its "tail" or its "middle".

    Cutting the head and the tail is what `truncation_side` "left" and "right" do in transformers.
    """
    if rule not in RULES:
        raise LookupError(f"There is no rule {rule!r}: {nearest(rule, RULES)}")
    if budget < 2:
        raise ValueError(f"a budget of {budget} tokens was given; at least 2 are needed")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) <= budget:
        return text
    first = {"head": 0, "tail": budget, "middle": budget // 2}[rule]
    last = budget - first
    return str(tokenizer.decode(ids[:first])) + str(tokenizer.decode(ids[len(ids) - last :]))


@dataclass(frozen=True)
class Chat:
    """A conversation that ends in a question, and the answer, which the system prompt tells."""

    messages: tuple[Message, ...]
    answer: str


def chats(count: int, passages_each: int = 5, turns: int = 12, seed: int = 0) -> list[Chat]:
    """Chats whose system prompt holds passages about people; each turn asks for another of their
    facts and gets the right answer, and the last question was not asked before."""
    rng = random.Random(f"chats {seed}")
    world = World()
    return [_chat(world, rng, passages_each, turns) for _ in range(count)]


def _chat(world: World, rng: random.Random, count: int, turns: int) -> Chat:
    people = passages.different(world, rng, "person", count, "test")
    stories = [passages.told_of(world, person, None, rng) for person in people]
    last, *others = rng.sample(
        [fact for told in stories for fact in told], k=sum(map(len, stories))
    )
    system = "\n".join(passage(told, rng) for told in stories)
    messages: list[Message] = [{"role": "system", "content": system}]
    for fact in rng.choices(others or [last], k=turns):
        messages.append({"role": "user", "content": fact.asked(rng)})
        messages.append({"role": "assistant", "content": fact.value})
    return Chat((*messages, {"role": "user", "content": last.asked(rng)}), last.value)


def rendered(message: Message) -> str:
    """A message as it stands in the prompt: what a chat template does, in the bundled models' words
    (theirs are Q and A; other templates write `<|user|>` and the like)."""
    if message["role"] == "user":
        return f"Q: {message['content']}\nA: "
    return message["content"] + "\n"


def prompt_of(messages: Sequence[Message]) -> str:
    """The prompt that the model gets for a chat."""
    return "".join(map(rendered, messages))


def message_counter(tokenizer: PreTrainedTokenizerBase) -> Callable[[Message], int]:
    """Counts the tokens of a message with the marks of its role."""

    def count_tokens(message: Message) -> int:
        return len(tokenizer(rendered(message), add_special_tokens=False)["input_ids"])

    return count_tokens


def cutting(tokenizer: PreTrainedTokenizerBase, rule: str) -> Shorten:
    """Shortens a chat by cutting its prompt wherever the rule says, without a look at messages."""

    def shorten(messages: Sequence[Message], budget: int) -> str:
        return cut(tokenizer, prompt_of(messages), budget, rule)

    return shorten


def ask_chats(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[Chat],
    shorten: Shorten,
    budget: int,
) -> list[list[bool]]:
    """Whether each chat's question is answered exactly, once `shorten` has cut it to the budget."""
    prompts = [shorten(chat.messages, budget) for chat in chats]
    replies = short_answers(model, tokenizer, prompts)
    return [[exact_match(reply, chat.answer)] for reply, chat in zip(replies, chats, strict=True)]
