"""A chat cut to a budget: system prompt and question always, and the newest whole turns that fit.

Checked against the longest end of the history that fits, found by trying each number of turns.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from labkit.grading import Challenge, Submission
from labkit.grading.checks.drawing import draw
from labkit.grading.source.spoiling import spoiled

Message = dict[str, str]
Chat = list[Message]
MessageCounter = Callable[[Message], int]


def parts_of(messages: Chat) -> tuple[Chat, list[Chat], Message]:
    """The system message (or none), the turns, and the question."""
    system = [m for m in messages[:1] if m["role"] == "system"]
    turns: list[Chat] = []
    for message in messages[len(system) : -1]:
        if message["role"] == "user":
            turns.append([])
        turns[-1].append(message)
    return system, turns, messages[-1]


def joined(system: Chat, turns: list[Chat], question: Message) -> Chat:
    """The chat of these parts."""
    return [*system, *(message for turn in turns for message in turn), question]


def true_truncation(messages: Chat, budget: int, count: MessageCounter) -> Chat:
    """The most turns from the end that fit, found by trying every number of them."""
    system, turns, question = parts_of(messages)
    for left_out in range(len(turns) + 1):
        kept = joined(system, turns[left_out:], question)
        if sum(map(count, kept)) <= budget:
            return kept
    raise ValueError("over the budget")


def said(role: str, words: int, first: str = "word") -> Message:
    """A message of so many words."""
    return {"role": role, "content": " ".join([first, *["word"] * (words - 1)])}


def chat(*lengths: int, system: int = 0, question: int = 2) -> Chat:
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
    return words_of(message) + {"system": 3, "user": 1, "assistant": 4}[message["role"]]


def check_truncate_chat(s: Submission) -> None:
    def expect(messages: Chat, budget: int, because: str, count: MessageCounter = words_of) -> None:
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
    unanswered = [said("system", 1), said("user", 1), said("user", 2), said("assistant", 2)]
    for budget in (2, 5, 6, 7):
        expect([*unanswered, said("user", 1)], budget, tools)
    open_end = [*chat(3, 2, system=1)[:-1], said("user", 2, "open"), said("user", 1)]
    for budget in (2, 4, 6, 9):
        expect(open_end, budget, tools)
    noted = [said("user", 1), said("system", 2), *chat(3), said("system", 1), said("user", 2)]
    for budget in (2, 7, 8, 11):
        expect(noted, budget, "Only the first message can be the system prompt.")
    again = [said("user", 2), said("assistant", 2)] * 3 + [said("user", 2)]
    for budget in (2, 5, 6, 10, 14):
        expect(again, budget, "Messages with the same words are still different messages.")

    for _ in range(6):
        lengths = torch.randint(2, 9, (7,), generator=s.generator).tolist()
        expect(chat(*lengths, system=3, question=4), 12 + draw(s, 28), newest)
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

STARTS = '[i for i, message in enumerate(history) if message["role"] == "user"]'
PAY = "left -= sum(count_tokens(message) for message in turn)"
STOP = "if left < 0:\n            break"


def refuse_if_too_small(messages: Chat, budget: int, count: MessageCounter) -> None:
    """ValueError as the contract wants it."""
    system, _, question = parts_of(messages)
    if sum(map(count, [*system, question])) > budget:
        raise ValueError("the budget is too small")


# ---- what is cut off -----------------------------------------------------------------------------


@challenge.mistake(
    "system-dropped",
    "You cut from the beginning until it fits, and the system prompt goes first: after a few "
    "turns the assistant forgets who it is.",
    hint="Put the system message aside before you shorten, and put it back in front.",
)
def cut_from_the_beginning(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    refuse_if_too_small(messages, budget, count_tokens)
    while sum(map(count_tokens, messages)) > budget:
        messages = messages[1:]
    return messages


@challenge.mistake(
    "question-dropped",
    "You cut from the end, and the question goes first. A model without its question goes on "
    "with whatever stood last.",
    hint="The last message always stays. Drop turns from the beginning of the history.",
)
def cut_from_the_end(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    refuse_if_too_small(messages, budget, count_tokens)
    while sum(map(count_tokens, messages)) > budget:
        messages = messages[:-1]
    return messages


@challenge.mistake(
    "oldest-kept",
    "You keep the oldest turns and drop the newest. What was said last is what a question like "
    "'and the other one?' refers to.",
    hint="Go through the turns from the newest back, and stop at the first that does not fit.",
)
def oldest_kept(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    refuse_if_too_small(messages, budget, count_tokens)
    system, turns, question = parts_of(messages)
    while sum(map(count_tokens, joined(system, turns, question))) > budget:
        turns = turns[:-1]
    return joined(system, turns, question)


challenge.mistake(
    "no-history",
    "You keep the system prompt and the question only. Turns that fit should stay: the next "
    "question may refer to them.",
    hint="Spend what is left of the budget on the newest turns.",
    answer=spoiled("*kept, ", ""),
)


# ---- what a turn is ------------------------------------------------------------------------------

challenge.mistake(
    "message-by-message",
    "You drop single messages, so the history can begin with an answer whose question is gone.",
    hint="A turn is a user's message with all that follows it: keep it whole, or not at all.",
    answer=spoiled(STARTS, "range(len(history))"),
)

challenge.mistake(
    "pairs-assumed",
    "You take the history in pairs of two messages. A turn can have more answers than one, or "
    "none yet.",
    hint="A new turn begins wherever the role is 'user'.",
    answer=spoiled(STARTS, "range(0, len(history), 2)"),
)


@challenge.mistake(
    "gaps-left",
    "You skip a turn that does not fit and keep older ones: the chat has a gap that nobody can "
    "see.",
    hint="Stop (break) at the first turn that does not fit.",
)
def gaps_left(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    refuse_if_too_small(messages, budget, count_tokens)
    system, turns, question = parts_of(messages)
    kept: list[Chat] = []
    for turn in reversed(turns):
        if sum(map(count_tokens, joined(system, [turn, *kept], question))) <= budget:
            kept = [turn, *kept]
    return joined(system, kept, question)


# ---- what is counted -----------------------------------------------------------------------------

challenge.mistake(
    "system-not-counted",
    "You did not count the system message: the result is over the budget.",
    hint="Take the tokens of the system message and of the question off the budget first.",
    answer=spoiled(STOP, STOP.replace("left", "left + sum(map(count_tokens, system))")),
)

challenge.mistake(
    "question-not-counted",
    "You did not count the question: the result is over the budget.",
    hint="Take the tokens of the system message and of the question off the budget first.",
    answer=spoiled(STOP, STOP.replace("left", "left + count_tokens(question)")),
)

challenge.mistake(
    "characters-counted",
    "You counted characters. A budget is in tokens, and only count_tokens knows how many a "
    "message takes.",
    hint="Call count_tokens(message) for every message.",
    answer=spoiled(
        "count_tokens(message) for message in [",
        'len(message["content"]) for message in [',
        "count_tokens(message) for message in turn",
        'len(message["content"]) for message in turn',
    ),
)

challenge.mistake(
    "exact-fit-refused",
    "You drop a turn that fits exactly. A budget of 8 tokens has room for 8.",
    hint="Compare with <=.",
    answer=spoiled(STOP, STOP.replace("<", "<=")),
)

challenge.mistake(
    "one-turn-too-many",
    "You look whether anything is left before you add a turn, not whether the turn fits: the "
    "result is over the budget.",
    hint="Compare the turn's own tokens with what is left.",
    answer=spoiled(f"{PAY}\n        {STOP}", f"{STOP.replace('<', '<=')}\n        {PAY}"),
)


# ---- what comes back -----------------------------------------------------------------------------

challenge.mistake(
    "newest-first",
    "You kept the right turns and put them in the wrong order.",
    hint="If you collect from the newest back, put each turn in front of what you have.",
    answer=spoiled("turn + kept", "kept + turn"),
)

challenge.mistake(
    "no-refusal",
    "Where the system message and the question alone are over the budget you return them all "
    "the same, and leave it to others to cut them, or to refuse.",
    hint="raise ValueError, and say by how many tokens.",
    answer=spoiled(
        'raise ValueError(f"system prompt and question are {-left} tokens over the budget")',
        "return [*system, question]",
    ),
)

challenge.mistake(
    "changed-in-place",
    "You took messages out of the caller's list: the whole chat is then lost.",
    hint="Build a new list; `messages` stays as it is.",
    answer=spoiled(
        "return [*system, *kept, question]",
        "messages[:] = [*system, *kept, question]\n    return messages",
    ),
)


@challenge.alternative
def by_deleting(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    """The oldest turn goes, message by message, until the rest fits."""
    kept, first = list(messages), int(messages[0]["role"] == "system")
    while sum(map(count_tokens, kept)) > budget:
        if len(kept) == first + 1:
            raise ValueError("the budget is too small")
        del kept[first]
        while kept[first]["role"] != "user":
            del kept[first]
    return kept


@challenge.alternative
def by_recursion(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    """A chat that fits as it is, or what becomes of it without its oldest turn."""
    if sum(map(count_tokens, messages)) <= budget:
        return list(messages)
    first = int(messages[0]["role"] == "system")
    later = (i for i in range(first + 1, len(messages)) if messages[i]["role"] == "user")
    if (second := next(later, None)) is None:
        raise ValueError("the budget is too small")
    return by_recursion(messages[:first] + messages[second:], budget, count_tokens)


@challenge.alternative
def by_cuts(messages: Chat, budget: int, count_tokens: MessageCounter) -> Chat:
    """The earliest cut that fits, of all those before a user's message; the last is a question."""
    costs, first = [*map(count_tokens, messages)], int(messages[0]["role"] == "system")
    cuts = [i for i, m in enumerate(messages) if m["role"] == "user"]
    fitting = [cut for cut in cuts if sum(costs[:first] + costs[cut:]) <= budget]
    if not fitting:
        raise ValueError("the budget is too small")
    return messages[:first] + messages[min(fitting) :]


challenge.equivalent(
    'Eq->LtE | system = [message for message in messages[:1] if message["role"] == "system"]',
    'Eq->GtE | starts = [i for i, message in enumerate(history) if message["role"] == "user"]',
    because="Of the roles in a chat, a first message has user or system, and no role is above "
    "user.",
)
challenge.equivalent(
    "slice without lower | *history, question = messages[len(system) :]",
    because="Turns are cut out from a user's message on: what stands before the first is never "
    "taken.",
)
challenge.equivalent(
    "break->continue | break",
    because="Once the tokens that are left are below 0 they stay so: nothing more is kept.",
)
