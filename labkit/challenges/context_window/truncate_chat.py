"""System message and question always; of the turns the newest whole ones that fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.drawing import draw

Message = dict[str, str]


MessageCounter = Callable[[Message], int]


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


def _joined(system: list[Message], turns: list[list[Message]], question: Message) -> list[Message]:
    return [*system, *(message for turn in turns for message in turn), question]


challenge = Challenge(
    name="truncate_chat",
    title="Shorten a chat, keep what matters",
    check=check_truncate_chat,
    points=3,
    hints=(
        "Two messages are worth more than all others. Which, and what is left of the budget once "
        "they are paid for?",
        "By hand: system 3 tokens, turns of 4, 2 and 5, question 2, budget 12. What is left for "
        "turns, and which of them stay? Then: how does your code see where a turn begins?",
        "12 - 3 - 2 = 7 are left. A turn begins at a user's message; go through them from the "
        "newest back. 5: 2 left. 2: 0 left. 4 does not fit: stop there. Kept: system, the turns "
        "of 2 and 5, question.",
    ),
)


def checked(messages: list[Message], budget: int, count: MessageCounter) -> int:
    """Tokens left for the turns; ValueError as the contract wants it."""
    system, _, question = parts_of(messages)
    left = budget - sum(map(count, [*system, question]))
    if left < 0:
        raise ValueError("the budget is too small")
    return left


@challenge.mistake(
    "system-dropped",
    "You cut from the beginning until it fits, and the system prompt goes first: after a few "
    "turns the assistant forgets who it is.",
    hint="Put the system message aside before you shorten, and put it back in front.",
)
def system_dropped(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    kept = list(messages)
    while len(kept) > 1 and sum(map(count_tokens, kept)) > budget:
        kept = kept[1:]
    return kept


@challenge.mistake(
    "question-dropped",
    "You cut from the end, and the question goes first. A model without its question goes on "
    "with whatever stood last.",
    hint="The last message always stays. Drop turns from the beginning of the history.",
)
def question_dropped(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    kept = list(messages)
    while kept and sum(map(count_tokens, kept)) > budget:
        kept = kept[:-1]
    return kept


@challenge.mistake(
    "oldest-kept",
    "You keep the oldest turns and drop the newest. What was said last is what a question like "
    "'and the other one?' refers to.",
    hint="Go through the turns from the newest back, and stop at the first that does not fit.",
)
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


@challenge.mistake(
    "message-by-message",
    "You drop single messages, so the history can begin with an answer whose question is gone.",
    hint="A turn is a user's message with all that follows it: keep it whole, or not at all.",
)
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


@challenge.mistake(
    "pairs-assumed",
    "You take the history in pairs of two messages. A turn can have more answers than one, or "
    "none yet.",
    hint="A new turn begins wherever the role is 'user'.",
)
def pairs_assumed(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    checked(messages, budget, count_tokens)
    first = 1 if messages[0]["role"] == "system" else 0
    history = messages[first:-1]
    while history and sum(map(count_tokens, [*messages[:first], *history, messages[-1]])) > budget:
        history = history[2:]
    return [*messages[:first], *history, messages[-1]]


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


def fits_exactly(cost: int, left: int) -> bool:
    return cost <= left


challenge.mistake(
    "gaps-left",
    "You skip a turn that does not fit and keep older ones: the chat has a gap that nobody can "
    "see.",
    hint="Stop (break) at the first turn that does not fit.",
    answer=newest_with(fits_exactly, gaps=True),
)


challenge.mistake(
    "exact-fit-refused",
    "You drop a turn that fits exactly. A budget of 8 tokens has room for 8.",
    hint="Compare with <=.",
    answer=newest_with(lambda cost, left: cost < left),
)


challenge.mistake(
    "one-turn-too-many",
    "You look whether anything is left before you add a turn, not whether the turn fits: the "
    "result is over the budget.",
    hint="Compare the turn's own tokens with what is left.",
    answer=newest_with(lambda cost, left: left > 0),
)


challenge.mistake(
    "system-not-counted",
    "You did not count the system message: the result is over the budget.",
    hint="Take the tokens of the system message and of the question off the budget first.",
    answer=newest_with(fits_exactly, counted="without system"),
)


challenge.mistake(
    "question-not-counted",
    "You did not count the question: the result is over the budget.",
    hint="Take the tokens of the system message and of the question off the budget first.",
    answer=newest_with(fits_exactly, counted="without question"),
)


@challenge.alternative
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


def _total(
    system: list[Message], turns: list[list[Message]], question: Message, count: MessageCounter
) -> int:
    return sum(count(message) for message in _joined(system, turns, question))


@challenge.mistake(
    "characters-counted",
    "You counted characters. A budget is in tokens, and only count_tokens knows how many a "
    "message takes.",
    hint="Call count_tokens(message) for every message.",
)
def characters_counted(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    return by_counting_down(messages, budget, lambda message: len(message["content"]))


@challenge.mistake(
    "newest-first",
    "You kept the right turns and put them in the wrong order.",
    hint="If you collect from the newest back, put each turn in front of what you have.",
)
def newest_first(
    messages: list[Message], budget: int, count_tokens: MessageCounter
) -> list[Message]:
    kept = by_counting_down(messages, budget, count_tokens)
    system, turns, question = parts_of(kept)
    return _joined(system, turns[::-1], question)


@challenge.mistake(
    "no-history",
    "You keep the system prompt and the question only. Turns that fit should stay: the next "
    "question may refer to them.",
    hint="Spend what is left of the budget on the newest turns.",
)
def no_history(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    checked(messages, budget, count_tokens)
    system, _, question = parts_of(messages)
    return [*system, question]


@challenge.mistake(
    "no-refusal",
    "Where the system message and the question alone are over the budget you return them all "
    "the same, and leave it to others to cut them, or to refuse.",
    hint="raise ValueError, and say by how many tokens.",
)
def no_refusal(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    system, turns, question = parts_of(messages)
    while turns and _total(system, turns, question, count_tokens) > budget:
        turns = turns[1:]
    return _joined(system, turns, question)


@challenge.mistake(
    "changed-in-place",
    "You took messages out of the caller's list: the whole chat is then lost.",
    hint="Build a new list; `messages` stays as it is.",
)
def popped(messages: list[Message], budget: int, count_tokens: MessageCounter) -> list[Message]:
    first = 1 if messages[0]["role"] == "system" else 0
    checked(messages, budget, count_tokens)
    while sum(map(count_tokens, messages)) > budget:
        messages.pop(first)
        while messages[first]["role"] == "assistant":
            messages.pop(first)
    return messages


@challenge.alternative
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


challenge.alternative(newest_with(fits_exactly))


challenge.equivalent(
    'Eq->LtE | system = [message for message in messages[:1] if message["role"] == "system"]',
    'Eq->GtE | starts = [i for i, message in enumerate(history) if message["role"] == "user"]',
    because=(
        "Of the roles in a chat, a first message has user or system, and no role is above user."
    ),
)


challenge.equivalent(
    "slice without lower | *history, question = messages[len(system) :]",
    because=(
        "Turns are cut out from a user's message on: what stands before the first is never taken."
    ),
)


challenge.equivalent(
    "break->continue | break",
    because="Once the tokens that are left are below 0 they stay so: nothing more is kept.",
)
