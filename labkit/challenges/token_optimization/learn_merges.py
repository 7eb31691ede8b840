"""Byte-pair encoding, learned: the most frequent pair of neighbours is joined, again and again.

Sennrich et al. 2016, arXiv:1508.07909. Checked against the BpeTrainer of tokenizers, which learns
from the same words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from labkit.grading import Challenge, Submission
from labkit.grading.answers.comparison import wrong_kind
from labkit.grading.checks.drawing import draw, draw_text
from labkit.grading.source.spoiling import spoiled
from labkit.instruments.tokens import library_merges

Pair = tuple[str, str]
HUG = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}  # the example of the HF course
TRAINERS = (
    "tokenizers.Tokenizer",
    "tokenizers.trainers.BpeTrainer",
    "tokenizers.implementations.ByteLevelBPETokenizer",
    "tokenizers.implementations.CharBPETokenizer",
    "tokenizers.implementations.SentencePieceBPETokenizer",
)


def check_learn_merges(s: Submission) -> None:
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

COUNTING = """\
for word, times in words.items():
            for pair in pairwise(tokens[word]):
                pairs[pair] += times"""
OLDEST = "(-pairs[pair], age[pair[0]], age[pair[1]])"
BEST = f"min(pairs, key=lambda pair: {OLDEST})"
JOINED = "_merged(parts, best)"


# ---- what is counted -----------------------------------------------------------------------------

challenge.mistake(
    "counts-ignored",
    "You count each word once. A word that stands five times in the corpus brings each of its "
    "pairs five times.",
    hint="Add the word's number: pairs[pair] += times.",
    answer=spoiled("+= times", "+= 1"),
)

challenge.mistake(
    "across-words",
    "You counted pairs from the end of one word to the beginning of the next. Merges never "
    "cross words: that is what the cutting into words before BPE is for.",
    hint="Count in each word by itself: for word, times in words.items(): pairwise(tokens of "
    "word).",
    answer=spoiled(
        COUNTING, "pairs.update(pairwise(t for w, n in words.items() for t in tokens[w] * n))"
    ),
)

challenge.mistake(
    "once-in-a-word",
    "A pair that stands twice in one word counts twice; you counted it once.",
    hint="Don't put the pairs of a word in a set: go through all neighbours.",
    answer=spoiled("pairwise(tokens[word])", "set(pairwise(tokens[word]))"),
)

challenge.mistake(
    "runs-counted-once",
    "You count the pair (a, a) once in a run such as aaa. It has two: the first and second a, "
    "and the second and third. Only joining takes each token once.",
    hint="Count all neighbours: itertools.pairwise(tokens).",
    answer=spoiled(
        "pairwise(tokens[word])",
        "set(pairwise(tokens[word]))",
        "+= times",
        "+= times * (len(tokens[word]) - len(_merged(tokens[word], pair)))",
    ),
)

challenge.mistake(
    "counted-once",
    "You counted the pairs once and took the most frequent ones. Each merge changes the "
    "neighbours: the second merge must be found in the merged words.",
    hint="Put the counting inside the loop, after the words have been merged.",
    answer=spoiled(
        "if not pairs:\n            break",
        f"return sorted(pairs, key=lambda pair: {OLDEST})[:count]",
    ),
)


# ---- which pair is the best ----------------------------------------------------------------------

challenge.mistake(
    "first-met",
    "Among equally frequent pairs you took the one that you met first. Then the merges depend "
    "on the order of the corpus.",
    hint="max(pairs, key=pairs.get) keeps the first of equals. Let the age of the tokens decide: "
    "min(pairs, key=lambda p: (-pairs[p], age[p[0]], age[p[1]])).",
    answer=spoiled(BEST, "max(pairs, key=pairs.get)"),
)

challenge.mistake(
    "last-met",
    "Among equally frequent pairs you took the one that you met last.",
    hint="Let the age of the tokens decide between equals: letters in alphabetical order first, "
    "then merged tokens in the order of their merges.",
    answer=spoiled(BEST, "sorted(pairs, key=pairs.get)[-1]"),
)

challenge.mistake(
    "alphabetical",
    "Among equally frequent pairs you took the alphabetically first. That is right for "
    "letters, but a merged token is younger than every letter, however it is spelled.",
    hint="Keep the age of each token in a dict, and give each merged token the next number.",
    answer=spoiled(OLDEST, "(-pairs[pair], pair)"),
)

challenge.mistake(
    "alphabetical-last",
    "Among equally frequent pairs you took the alphabetically last (max of (count, pair) does "
    "that).",
    hint="Use min with the count negated, and the tokens' ages after it.",
    answer=spoiled(BEST, "max(pairs, key=lambda pair: (pairs[pair], pair))"),
)

challenge.mistake(
    "rarest",
    "You merge the rarest pair first.",
    hint="The most frequent pair is wanted: min over -count, or max over count.",
    answer=spoiled("-pairs[pair]", "pairs[pair]"),
)


# ---- how it is joined ----------------------------------------------------------------------------

challenge.mistake(
    "from-the-right",
    "You join a run such as aaa from the right: a and aa. It is joined from the left.",
    hint="Go through the tokens from the first to the last, and skip two after a merge.",
    answer=spoiled(JOINED, f"{JOINED} if best[0] != best[1] else _merged(parts[::-1], best)[::-1]"),
)

challenge.mistake(
    "letters-replaced",
    "You joined letters with str.replace, which does not stop at the ends of tokens: in "
    "`xa b` it finds `a b`, whose a is only the end of a token. Whole tokens are joined.",
    hint="Keep each word as a list of tokens, and compare neighbours in that list.",
    answer=spoiled(
        JOINED,
        '" ".join(parts).replace(" ".join(best), "".join(best)).split()',
        "best = min",
        "for token in sum(tokens.values(), []):\n            age.setdefault(token, len(age))\n"
        "        best = min",
    ),
)

challenge.mistake(
    "only-the-first-place",
    "You joined the pair in one place of a word only. It is joined wherever it stands.",
    hint="Go on after the first place, to the end of the word.",
    answer=spoiled(
        "for token in tokens:",
        "for place, token in enumerate(tokens):",
        "if joined and",
        "if joined and len(joined) == place and",
    ),
)


# ---- when it ends, and what comes back -----------------------------------------------------------

challenge.mistake(
    "rare-pairs-left",
    "You stop when the best pair occurs only once. Here merging goes on while there is a pair.",
    hint="Stop only when there are no pairs at all, or when count is reached.",
    answer=spoiled("if not pairs:", "if not pairs or max(pairs.values()) < 2:"),
)

challenge.mistake(
    "no-end",
    "When every word is one token there are no pairs left, and taking the best of none fails.",
    hint="Leave the loop when there are no pairs: if not pairs: break.",
    answer=spoiled("break", "pass"),
)

challenge.mistake(
    "tokens-returned",
    "You returned the joined tokens. A merge is the pair: ('l', 'o') and not 'lo'.",
    hint="Append the pair itself to the list.",
    answer=spoiled("merges.append(best)", 'merges.append("".join(best))'),
)


@challenge.alternative
def as_in_the_paper(words: dict[str, int], count: int) -> list[Pair]:
    """Words are texts with spaces between their tokens; a pattern joins what stands alone."""
    corpus = {" ".join(word): times for word, times in words.items()}
    vocabulary = sorted({letter for word in words for letter in word})
    merges: list[Pair] = []
    while len(merges) < count:
        pairs = Counter(p for text, n in corpus.items() for p in n * [*pairwise(text.split())])
        if not pairs:
            break
        most = [pair for pair, times in pairs.items() if times == max(pairs.values())]
        best = min(most, key=lambda pair: [vocabulary.index(token) for token in pair])
        merges.append(best)
        new = "".join(best)
        vocabulary += [new] * (new not in vocabulary)
        alone = re.compile(rf"(?<!\S){re.escape(' '.join(best))}(?!\S)")
        corpus = {new.join(alone.split(text)): times for text, times in corpus.items()}
    return merges


@challenge.alternative
def by_numbers(words: dict[str, int], count: int) -> list[Pair]:
    """Tokens are numbers in the order of their age, as in minbpe."""
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


def replaced(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """minbpe's merge: from the left, each pair for the new id."""
    out: list[int] = []
    while ids:
        met = tuple(ids[:2]) == pair
        out, ids = [*out, new if met else ids[0]], ids[1 + met :]
    return out


challenge.equivalent(
    "list() left out | tokens = {word: list(word) for word in words}",
    because="A text gives its letters one by one as a list does; _merged makes lists of them.",
)
challenge.equivalent(
    f"1->-1 | best = {BEST}",
    because="The second of two is the last.",
)
