"""The merges that tokenizers' BpeTrainer learns from the same words, in its order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from labkit.grading import Challenge, Submission
from labkit.grading.comparison import wrong_kind
from labkit.grading.drawing import draw, draw_text
from labkit.instruments.tokens import library_merges

Pair = tuple[str, str]


HUG = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}  # the example of the HF course


def check_learn_merges(s: Submission) -> None:
    """The merges that tokenizers' BpeTrainer learns from the same words, in its order."""

    def expect(words: dict[str, int], count: int, because: str) -> None:
        answer = s.learn_merges(words, count)
        answer.holds(other_merges(library_merges(words, count)), because=because)

    rule = "Each time the most frequent pair of neighbours in the corpus is joined."
    expect({"low": 5, "lower": 2}, 2, rule)
    expect({"ab": 3, "cd": 2}, 1, rule)
    expect({"abc": 3, "bcd": 2}, 2, rule)
    weights = "A word that occurs n times counts n times."
    expect({"ax": 1, "ay": 1, "az": 1, "bc": 4}, 1, weights)
    expect({"ba": 2, "bac": 2, "bad": 1, "ca": 6}, 2, weights)
    inside = "Pairs are counted inside words, never from one word to the next."
    expect({"ab": 2, "ca": 3}, 2, inside)
    expect({"xa": 2, "by": 2, "cc": 1}, 3, inside)
    again = "After a merge the pairs are counted anew: the joined token is a neighbour now."
    expect({"abcd": 5, "cd": 3, "ab": 1}, 3, again)
    expect(HUG, 3, again)
    tied = "Of equally frequent pairs the one with the older first token is merged, then second."
    expect({"zb": 2, "ab": 2}, 1, tied)
    expect({"ba": 1, "ab": 1, "aa": 1}, 3, tied)
    expect({"bcbc": 1, "aaaa": 1, "abc": 1}, 4, tied)
    expect({"zz": 4, "zzb": 2, "bab": 2, "zzba": 2}, 4, tied)
    expect({"ac": 1, "ab": 1}, 2, tied)
    borders = "Whole tokens are joined: where a token ends is never inside the pair."
    expect({"ab": 5, "abb": 3, "cabb": 2, "bab": 2, "aab": 1}, 4, borders)
    expect({"xaxa": 4, "xax": 3, "axa": 3, "xa": 2}, 4, borders)
    often = "A pair counts at each of its places in a word."
    expect({"abab": 2, "cd": 3}, 1, often)
    expect({"xyzxy": 2, "zb": 3, "yz": 1}, 2, often)
    runs = "A run such as aaa holds the pair (a, a) twice."
    expect({"aaa": 2, "bc": 3}, 1, runs)
    twice = "A run such as aaa is joined from the left: aa and a."
    expect({"aaa": 3, "ab": 1}, 2, twice)
    expect({"aaaaa": 2, "baaab": 3}, 3, twice)
    end = "When no word has two tokens left there is nothing to merge."
    expect({"ab": 1}, 9, end)
    expect({"a": 3, "b": 1}, 2, end)
    expect({}, 2, end)
    expect(HUG, 0, "With count=0 nothing is merged.")
    expect({"été": 2, "tête": 3, "東京": 1}, 4, rule)
    corpus = "These are the merges that tokenizers learns from the same words."
    for letters, size in (("ab", 3), ("abc", 4), ("abcd", 8), ("aehlnst", 12)):
        drawn = {draw_text(s, letters, 7): 1 + draw(s, 4) for _ in range(size)}
        expect(drawn, 12, corpus)


def other_merges(expected: list[Pair]) -> Callable[[Any], str | None]:
    """Where a list of merges leaves the expected one; a pair may be a list too."""

    def problem(got: Any) -> str | None:
        if type(got) is not list:
            return wrong_kind(got, "list")
        for i, (ours, theirs) in enumerate(zip(got, expected, strict=False), start=1):
            if type(ours) not in (tuple, list) or tuple(ours) != theirs:
                return f"merge {i} is {ours!r}; {theirs!r} was expected"
        if len(got) != len(expected):
            return f"{len(got)} merges came back, {len(expected)} were expected"
        return None

    return problem


# The library's own, which learn the same merges from the same words.
TRAINERS = (
    "tokenizers.Tokenizer",
    "tokenizers.trainers.BpeTrainer",
    "tokenizers.implementations.ByteLevelBPETokenizer",
    "tokenizers.implementations.CharBPETokenizer",
    "tokenizers.implementations.SentencePieceBPETokenizer",
)


challenge = Challenge(
    name="learn_merges",
    title="Byte-pair encoding, learned",
    check=check_learn_merges,
    points=3,
    hints=(
        "Start with each word as a list of its letters. Which pair of neighbours stands most "
        "often in the corpus, if every word counts as often as it occurs?",
        "By hand: low five times and lower twice. Which two pairs stand 7 times, and what decides "
        "between them? How must the words look before you count again? And what is there to choose "
        "when every word is one token?",
        "l-o and o-w stand 7 times; l is older than o, so l-o goes first, and lo-w is next. Again "
        "and again: count the pairs, choose one, note it, join it in every word. Keep how old "
        "each token is in a dict; as a key for min: (-pairs[p], age[p[0]], age[p[1]]).",
    ),
    not_allowed=TRAINERS,
)


def joined(tokens: list[str], pair: Pair) -> list[str]:
    """The pair made one token, from the left."""
    out, i = [], 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


def pair_counts(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    """How often each pair of neighbours occurs, in the order in which they are met."""
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairwise(parts[word]):
            counts[pair] += times
    return counts


def counts_of_words(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    return pair_counts(dict.fromkeys(words, 1), parts)


Age = dict[str, int]


Choose = Callable[[Counter[Pair], Age], Pair]


def oldest_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))


def trainer(
    count_pairs: Callable[..., Counter[Pair]] = pair_counts,
    choose: Choose = oldest_of_the_most,
    join: Callable[[list[str], Pair], list[str]] = joined,
    least: int = 1,
    stop: bool = True,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged."""

    def learn_merges(words: dict[str, int], count: int) -> list[Pair]:
        parts = {word: list(word) for word in words}
        age = {letter: i for i, letter in enumerate(sorted({x for word in words for x in word}))}
        merges: list[Pair] = []
        for _ in range(count):
            counts = count_pairs(words, parts)
            if (stop and not counts) or (counts and max(counts.values()) < least):
                break
            best = choose(counts, age)
            merges.append(best)
            age.setdefault(best[0] + best[1], len(age))
            parts = {word: join(tokens, best) for word, tokens in parts.items()}
        return merges

    return learn_merges


challenge.mistake(
    "counts-ignored",
    "You count each word once. A word that stands five times in the corpus brings each of its "
    "pairs five times.",
    hint="Add the word's number: pairs[pair] += times.",
    answer=trainer(counts_of_words),
)


def counts_across_words(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    text = [token for word, times in words.items() for _ in range(times) for token in parts[word]]
    return Counter(pairwise(text))


challenge.mistake(
    "across-words",
    "You counted pairs from the end of one word to the beginning of the next. Merges never "
    "cross words: that is what the cutting into words before BPE is for.",
    hint=(
        "Count in each word by itself: for word, times in words.items(): pairwise(tokens of word)."
    ),
    answer=trainer(counts_across_words),
)


def once_in_a_word(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in dict.fromkeys(pairwise(parts[word])):
            counts[pair] += times
    return counts


challenge.mistake(
    "once-in-a-word",
    "A pair that stands twice in one word counts twice; you counted it once.",
    hint="Don't put the pairs of a word in a set: go through all neighbours.",
    answer=trainer(once_in_a_word),
)


@challenge.mistake(
    "counted-once",
    "You counted the pairs once and took the most frequent ones. Each merge changes the "
    "neighbours: the second merge must be found in the merged words.",
    hint="Put the counting inside the loop, after the words have been merged.",
)
def counted_once(words: dict[str, int], count: int) -> list[Pair]:
    parts = {word: list(word) for word in words}
    age = {letter: i for i, letter in enumerate(sorted({x for word in words for x in word}))}
    counts = pair_counts(words, parts)
    return sorted(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))[:count]


def first_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return max(counts, key=lambda p: counts[p])


challenge.mistake(
    "first-met",
    "Among equally frequent pairs you took the one that you met first. Then the merges depend "
    "on the order of the corpus.",
    hint="max(pairs, key=pairs.get) keeps the first of equals. Let the age of the tokens decide: "
    "min(pairs, key=lambda p: (-pairs[p], age[p[0]], age[p[1]])).",
    answer=trainer(choose=first_of_the_most),
)


def last_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return max(reversed(counts), key=lambda p: counts[p])


challenge.mistake(
    "last-met",
    "Among equally frequent pairs you took the one that you met last.",
    hint="Let the age of the tokens decide between equals: letters in alphabetical order first, "
    "then merged tokens in the order of their merges.",
    answer=trainer(choose=last_of_the_most),
)


def alphabetical(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (-counts[p], p))


challenge.mistake(
    "alphabetical",
    "Among equally frequent pairs you took the alphabetically first. That is right for "
    "letters, but a merged token is younger than every letter, however it is spelled.",
    hint="Keep the age of each token in a dict, and give each merged token the next number.",
    answer=trainer(choose=alphabetical),
)


def alphabetical_last(counts: Counter[Pair], age: Age) -> Pair:
    return max(counts, key=lambda p: (counts[p], p))


challenge.mistake(
    "alphabetical-last",
    "Among equally frequent pairs you took the alphabetically last (max of (count, pair) does "
    "that).",
    hint="Use min with the count negated, and the tokens' ages after it.",
    answer=trainer(choose=alphabetical_last),
)


def rarest(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (counts[p], age[p[0]], age[p[1]]))


challenge.mistake(
    "rarest",
    "You merge the rarest pair first.",
    hint="The most frequent pair is wanted: min over -count, or max over count.",
    answer=trainer(choose=rarest),
)


def joined_from_the_right(tokens: list[str], pair: Pair) -> list[str]:
    turned = joined(tokens[::-1], (pair[1], pair[0])) if pair[0] == pair[1] else None
    return turned[::-1] if turned is not None else joined(tokens, pair)


challenge.mistake(
    "from-the-right",
    "You join a run such as aaa from the right: a and aa. It is joined from the left.",
    hint="Go through the tokens from the first to the last, and skip two after a merge.",
    answer=trainer(join=joined_from_the_right),
)


@challenge.mistake(
    "letters-replaced",
    "You joined letters with str.replace, which does not stop at the ends of tokens: in "
    "`xa b` it finds `a b`, whose a is only the end of a token. Whole tokens are joined.",
    hint="Keep each word as a list of tokens, and compare neighbours in that list.",
)
def letters_replaced(words: dict[str, int], count: int) -> list[Pair]:
    """Words with spaces between their tokens, and str.replace: it goes through tokens' borders."""
    spaced = {word: " ".join(word) for word in words}
    age = {letter: i for i, letter in enumerate(sorted({x for word in words for x in word}))}
    merges: list[Pair] = []
    for _ in range(count):
        counts: Counter[Pair] = Counter()
        for word, times in words.items():
            for pair in pairwise(spaced[word].split()):
                counts[pair] += times
        if not counts:
            break
        best = oldest_of_the_most(counts, age)
        merges.append(best)
        age.setdefault(best[0] + best[1], len(age))
        found, made = " ".join(best), "".join(best)
        spaced = {word: text.replace(found, made) for word, text in spaced.items()}
        for text in spaced.values():  # halves of tokens have been joined: they get an age too
            for token in text.split():
                age.setdefault(token, len(age))
    return merges


def runs_counted_once(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    """A pair that overlaps the one before it, as the second in aaa, is passed over."""
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        tokens, i = parts[word], 0
        while i + 1 < len(tokens):
            counts[tokens[i], tokens[i + 1]] += times
            i += 2 if i + 2 < len(tokens) and tokens[i] == tokens[i + 1] == tokens[i + 2] else 1
    return counts


challenge.mistake(
    "runs-counted-once",
    "You count the pair (a, a) once in a run such as aaa. It has two: the first and second a, "
    "and the second and third. Only joining takes each token once.",
    hint="Count all neighbours: itertools.pairwise(tokens).",
    answer=trainer(runs_counted_once),
)


def joined_once(tokens: list[str], pair: Pair) -> list[str]:
    for i, neighbours in enumerate(pairwise(tokens)):
        if neighbours == pair:
            return [*tokens[:i], "".join(pair), *tokens[i + 2 :]]
    return tokens


challenge.mistake(
    "only-the-first-place",
    "You joined the pair in one place of a word only. It is joined wherever it stands.",
    hint="Go on after the first place, to the end of the word.",
    answer=trainer(join=joined_once),
)


challenge.mistake(
    "rare-pairs-left",
    "You stop when the best pair occurs only once. Here merging goes on while there is a pair.",
    hint="Stop only when there are no pairs at all, or when count is reached.",
    answer=trainer(least=2),
)


challenge.mistake(
    "no-end",
    "When every word is one token there are no pairs left, and taking the best of none fails.",
    hint="Leave the loop when there are no pairs: if not pairs: break.",
    answer=trainer(stop=False),
)


@challenge.mistake(
    "tokens-returned",
    "You returned the joined tokens. A merge is the pair: ('l', 'o') and not 'lo'.",
    hint="Append the pair itself to the list.",
)
def tokens_returned(words: dict[str, int], count: int) -> list[str]:
    return [a + b for a, b in trainer()(words, count)]


challenge.alternative(trainer())


def replaced(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """minbpe's merge: from the left, each pair for the new id."""
    out: list[int] = []
    rest = list(ids)
    while rest:
        if tuple(rest[:2]) == pair:
            out, rest = [*out, new], rest[2:]
        else:
            out, rest = [*out, rest[0]], rest[1:]
    return out


@challenge.alternative
def by_numbers(words: dict[str, int], count: int) -> list[Pair]:
    """Another right answer: tokens are numbers in the order of their age, as in minbpe."""
    names = sorted(set("".join(words)))
    corpus = [([names.index(letter) for letter in word], times) for word, times in words.items()]
    merges: list[Pair] = []
    for _ in range(count):
        counts: dict[tuple[int, int], int] = {}
        for ids, times in corpus:
            for pair in pairwise(ids):
                counts[pair] = counts.get(pair, 0) + times
        if not counts:
            break
        _, first, second = min((-n, *pair) for pair, n in counts.items())
        merges.append((names[first], names[second]))
        text = names[first] + names[second]
        new = names.index(text) if text in names else len(names)
        names += [text] if new == len(names) else []
        corpus = [(replaced(ids, (first, second), new), times) for ids, times in corpus]
    return merges


challenge.equivalent(
    "list() left out | tokens = {word: list(word) for word in words}",
    because="A text gives its letters one by one as a list does; _merged makes lists of them.",
)


challenge.equivalent(
    "1->-1 | best = min(pairs, key=lambda pair: (-pairs[pair], age[pair[0]], age[pair[1]]))",
    because="The second of two is the last.",
)
