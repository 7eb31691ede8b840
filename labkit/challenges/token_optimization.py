"""Lesson 03, Token optimization: what is right, the mistakes known by name, the hints.

Merges are expected as the `tokenizers` library learns them. What a table means is read by Python's
own csv module and, in Markdown, letter by letter; prices are whole numbers of dollars per million
tokens, counted token by token.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from labkit.grading import Challenge, Mistake, Submission
from labkit.grading.comparison import difference, wrong_kind
from labkit.grading.diagnosis import same_values
from labkit.grading.drawing import draw, draw_text
from labkit.grading.transport import Reply, Returned
from labkit.instruments.tokens import library_merges

Pair = tuple[str, str]
Records = list[dict[str, Any]]


# ------------------------------------------------------------------------------------------------
# learn_merges

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


def joined_from_the_right(tokens: list[str], pair: Pair) -> list[str]:
    turned = joined(tokens[::-1], (pair[1], pair[0])) if pair[0] == pair[1] else None
    return turned[::-1] if turned is not None else joined(tokens, pair)


def joined_once(tokens: list[str], pair: Pair) -> list[str]:
    for i, neighbours in enumerate(pairwise(tokens)):
        if neighbours == pair:
            return [*tokens[:i], "".join(pair), *tokens[i + 2 :]]
    return tokens


def pair_counts(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    """How often each pair of neighbours occurs, in the order in which they are met."""
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairwise(parts[word]):
            counts[pair] += times
    return counts


def counts_of_words(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    return pair_counts(dict.fromkeys(words, 1), parts)


def counts_across_words(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    text = [token for word, times in words.items() for _ in range(times) for token in parts[word]]
    return Counter(pairwise(text))


def once_in_a_word(words: dict[str, int], parts: dict[str, list[str]]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in dict.fromkeys(pairwise(parts[word])):
            counts[pair] += times
    return counts


Age = dict[str, int]
Choose = Callable[[Counter[Pair], Age], Pair]


def oldest_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))


def first_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return max(counts, key=lambda p: counts[p])


def last_of_the_most(counts: Counter[Pair], age: Age) -> Pair:
    return max(reversed(counts), key=lambda p: counts[p])


def alphabetical(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (-counts[p], p))


def alphabetical_last(counts: Counter[Pair], age: Age) -> Pair:
    return max(counts, key=lambda p: (counts[p], p))


def rarest(counts: Counter[Pair], age: Age) -> Pair:
    return min(counts, key=lambda p: (counts[p], age[p[0]], age[p[1]]))


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


def counted_once(words: dict[str, int], count: int) -> list[Pair]:
    parts = {word: list(word) for word in words}
    age = {letter: i for i, letter in enumerate(sorted({x for word in words for x in word}))}
    counts = pair_counts(words, parts)
    return sorted(counts, key=lambda p: (-counts[p], age[p[0]], age[p[1]]))[:count]


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


def tokens_returned(words: dict[str, int], count: int) -> list[str]:
    return [a + b for a, b in trainer()(words, count)]


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


MERGE_MISTAKES = (
    Mistake(
        "counts-ignored",
        trainer(counts_of_words),
        "You count each word once. A word that stands five times in the corpus brings each of its "
        "pairs five times.",
        "Add the word's number: pairs[pair] += times.",
    ),
    Mistake(
        "across-words",
        trainer(counts_across_words),
        "You counted pairs from the end of one word to the beginning of the next. Merges never "
        "cross words: that is what the cutting into words before BPE is for.",
        "Count in each word by itself: for word, times in words.items(): pairwise(tokens of word).",
    ),
    Mistake(
        "once-in-a-word",
        trainer(once_in_a_word),
        "A pair that stands twice in one word counts twice; you counted it once.",
        "Don't put the pairs of a word in a set: go through all neighbours.",
    ),
    Mistake(
        "counted-once",
        counted_once,
        "You counted the pairs once and took the most frequent ones. Each merge changes the "
        "neighbours: the second merge must be found in the merged words.",
        "Put the counting inside the loop, after the words have been merged.",
    ),
    Mistake(
        "first-met",
        trainer(choose=first_of_the_most),
        "Among equally frequent pairs you took the one that you met first. Then the merges depend "
        "on the order of the corpus.",
        "max(pairs, key=pairs.get) keeps the first of equals. Let the age of the tokens decide: "
        "min(pairs, key=lambda p: (-pairs[p], age[p[0]], age[p[1]])).",
    ),
    Mistake(
        "last-met",
        trainer(choose=last_of_the_most),
        "Among equally frequent pairs you took the one that you met last.",
        "Let the age of the tokens decide between equals: letters in alphabetical order first, "
        "then merged tokens in the order of their merges.",
    ),
    Mistake(
        "alphabetical",
        trainer(choose=alphabetical),
        "Among equally frequent pairs you took the alphabetically first. That is right for "
        "letters, but a merged token is younger than every letter, however it is spelled.",
        "Keep the age of each token in a dict, and give each merged token the next number.",
    ),
    Mistake(
        "alphabetical-last",
        trainer(choose=alphabetical_last),
        "Among equally frequent pairs you took the alphabetically last (max of (count, pair) does "
        "that).",
        "Use min with the count negated, and the tokens' ages after it.",
    ),
    Mistake(
        "rarest",
        trainer(choose=rarest),
        "You merge the rarest pair first.",
        "The most frequent pair is wanted: min over -count, or max over count.",
    ),
    Mistake(
        "from-the-right",
        trainer(join=joined_from_the_right),
        "You join a run such as aaa from the right: a and aa. It is joined from the left.",
        "Go through the tokens from the first to the last, and skip two after a merge.",
    ),
    Mistake(
        "letters-replaced",
        letters_replaced,
        "You joined letters with str.replace, which does not stop at the ends of tokens: in "
        "`xa b` it finds `a b`, whose a is only the end of a token. Whole tokens are joined.",
        "Keep each word as a list of tokens, and compare neighbours in that list.",
    ),
    Mistake(
        "runs-counted-once",
        trainer(runs_counted_once),
        "You count the pair (a, a) once in a run such as aaa. It has two: the first and second a, "
        "and the second and third. Only joining takes each token once.",
        "Count all neighbours: itertools.pairwise(tokens).",
    ),
    Mistake(
        "only-the-first-place",
        trainer(join=joined_once),
        "You joined the pair in one place of a word only. It is joined wherever it stands.",
        "Go on after the first place, to the end of the word.",
    ),
    Mistake(
        "rare-pairs-left",
        trainer(least=2),
        "You stop when the best pair occurs only once. Here merging goes on while there is a pair.",
        "Stop only when there are no pairs at all, or when count is reached.",
    ),
    Mistake(
        "no-end",
        trainer(stop=False),
        "When every word is one token there are no pairs left, and taking the best of none fails.",
        "Leave the loop when there are no pairs: if not pairs: break.",
    ),
    Mistake(
        "tokens-returned",
        tokens_returned,
        "You returned the joined tokens. A merge is the pair: ('l', 'o') and not 'lo'.",
        "Append the pair itself to the list.",
    ),
)

MERGE_HINTS = (
    "Start with each word as a list of its letters. Which pair of neighbours stands most often in "
    "the corpus, if every word counts as often as it occurs?",
    "By hand: low five times and lower twice. Which two pairs stand 7 times, and what decides "
    "between them? How must the words look before you count again? And what is there to choose "
    "when every word is one token?",
    "l-o and o-w stand 7 times; l is older than o, so l-o goes first, and lo-w is next. Again and "
    "again: count the pairs, choose one, note it, join it in every word. Keep how old each token "
    "is in a dict; as a key for min: (-pairs[p], age[p[0]], age[p[1]]).",
)


# ------------------------------------------------------------------------------------------------
# write_table and read_table: what a table means


BARS = str.maketrans({"|": "\\|", "\\": "\\\\"})  # in a cell of Markdown


def true_leaves(record: dict[str, Any]) -> dict[str, Any]:
    """Column → value, by a stack and not by recursion."""
    found, todo = {}, [([key], value) for key, value in reversed(record.items())]
    while todo:
        path, value = todo.pop()
        if type(value) is dict and value:
            todo += [([*path, key], inner) for key, inner in reversed(value.items())]
        else:
            escaped = (key.replace("\\", "\\\\").replace(".", "\\.") for key in path)
            found[".".join(escaped)] = value
    return found


def true_columns(records: Records) -> list[str]:
    """The columns of all records in the order of first appearance."""
    columns: list[str] = []
    for record in records:
        columns += [name for name in true_leaves(record) if name not in columns]
    return columns


def is_json(text: str) -> bool:
    """Whether Python's json module reads it."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def stands_bare(text: str) -> bool:
    """Whether a text can stand in a cell as it is."""
    return bool(text) and text == text.strip() and text.isprintable() and not is_json(text)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def true_cell(value: Any) -> str:
    """One right way to write a value."""
    return value if type(value) is str and stands_bare(value) else compact(value)


def true_table(records: Records, form: str) -> str:
    """One right table: every CSV cell quoted that may be."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]
    cells = [[true_cell(row[c]) if c in row else "" for c in columns] for row in rows]
    if form == "csv":
        quoted = ([f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line] for line in cells)
        head = ",".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in columns)
        return "\n".join([head, *map(",".join, quoted)]) + "\n"
    lines = [columns, ["---"] * len(columns), *cells]
    return "".join("| " + " | ".join(x.translate(BARS) for x in line) + " |\n" for line in lines)


def true_table_plain(records: Records, form: str) -> str:
    """The table in the one spelling that write_table may choose."""
    head, *lines = lines_of(cells_of(true_table(records, form), form), form)
    if form == "markdown":
        lines[0] = f"| {' | '.join(['---'] * len(true_columns(records)))} |"
    return "".join(f"{line}\n" for line in [head, *lines])


def cells_of(text: str, form: str) -> list[list[str]]:
    """The cells of a table, line by line: by csv, or letter by letter."""
    if form == "csv":
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return [markdown_line(line) for line in text.split("\n") if line.strip()]


def markdown_line(line: str) -> list[str]:
    """The cells of a Markdown line; a backslash takes the next letter as it is."""
    cells: list[list[str]] = [[]]
    letters = iter(line.strip())
    for letter in letters:
        if letter == "|":
            cells.append([])
        else:
            cells[-1].append(next(letters, "") if letter == "\\" else letter)
    return ["".join(cell).strip() for cell in cells[1:-1]]


def other_table(records: Records, form: str) -> Callable[[Any], str | None]:
    """What a table says that the records don't."""
    columns, rows = true_columns(records), [true_leaves(record) for record in records]

    def problem(got: Any) -> str | None:
        if type(got) is not str:
            return wrong_kind(got, "str")
        lines = cells_of(got, form)
        if form == "markdown":
            dashes = lines[1] if len(lines) > 1 else []
            if len(dashes) != len(lines[0]) or not all(re.fullmatch(":?-+:?", x) for x in dashes):
                return "a Markdown table has dashes in each column after its header"
            del lines[1]
        if not lines or lines[0] != columns:
            return f"the columns are {lines[0] if lines else []}; {columns} were expected"
        if len(lines) - 1 != len(rows):
            return f"{len(lines) - 1} lines for {len(rows)} records"
        found = next((p for p in map(line_problem, lines[1:], rows) if p), None)
        plain = lines_of(lines, form)
        written = [line for line in re.split("\r?\n", got) if line]
        if form == "markdown":
            del written[1]
        return found or next((p for p in map(other_line, written, plain) if p), None)

    def line_problem(cells: list[str], row: dict[str, Any]) -> str | None:
        if len(cells) != len(columns):
            return f"a line has {len(cells)} cells, and there are {len(columns)} columns"
        for column, cell in zip(columns, cells, strict=True):
            if found := cell_problem(cell, column in row, row.get(column)):
                return f"in column {column!r} {found}"
        return None

    return problem


def minimal_quotes(lines: list[list[str]]) -> str:
    """As csv writes them: quotes only where they are needed, and Windows' line ends."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def lines_of(cells: list[list[str]], form: str) -> list[str]:
    """The lines of a table with these cells: quotes only where they are needed, one space on each
    side of a Markdown cell."""
    if form == "csv":
        return minimal_quotes(cells).split("\r\n")[:-1]
    return [f"| {' | '.join(cell.translate(BARS) for cell in line)} |" for line in cells]


def other_line(written: str, plain: str) -> str | None:
    """A line whose cells are right, but which is longer than it must be."""
    return None if written == plain else f"the line is {written!r}; {plain!r} says the same"


def cell_problem(cell: str, there: bool, value: Any) -> str | None:
    """What is wrong with a cell for this value; letters in JSON may be escaped or not."""
    if not there:
        return f"a missing key left {cell!r}" if cell else None
    if type(value) is str and stands_bare(value):
        return None if cell == value else f"the text {value!r} became {cell!r}"
    if cell in (compact(value), json.dumps(value, separators=(",", ":"), ensure_ascii=False)):
        return None
    return f"{value!r} became the cell {cell!r}; {compact(value)!r} was expected"


def same_json(left: Any, right: Any) -> bool:
    """Equal, with 1, 1.0 and true kept apart."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def other_records(expected: Records) -> Callable[[Any], str | None]:
    """Where records differ from the expected ones, types included."""

    def problem(got: Any) -> str | None:
        found = difference(got, expected)
        if found is None and not same_json(got, expected):
            found = f"{got!r} came back, {expected!r} was expected"
        return found

    return problem


STEPS: tuple[tuple[str, tuple[Records, ...]], ...] = (
    (
        "One column for each key, one line for each record.",
        ([{"name": "Ada", "age": 36}], [{"city": "Porto", "n": 2}, {"city": "Graz", "n": 15}]),
    ),
    (
        "The columns are the keys of all records, in the order of first appearance.",
        (
            [{"b": 1}, {"a": 2, "b": 3}],
            [{"b": 1, "a": 2}, {"a": 3, "b": 4}],
            [{"x": 1, "y": 2}, {"z": 5}],
        ),
    ),
    (
        "A missing key is an empty cell; null and an empty text are not missing.",
        (
            [{"a": 1, "b": 2}, {"b": 3}],
            [{"a": None, "b": 1}],
            [{"a": "", "b": 1}],
            [{"a": 1}, {}, {"a": 2}],
        ),
    ),
    (
        "Numbers, true and false are as in JSON.",
        ([{"a": True, "b": False}], [{"a": 1.5, "b": -3, "c": 0.0, "d": 12345678901234567890}]),
    ),
    (
        "Text that JSON could read is quoted, so that it comes back as text.",
        (
            [{"zip": "0815", "n": "42"}],
            [{"a": "true", "b": "null", "c": "1e5", "d": "-7"}],
            [{"a": "[1]", "b": "{}", "c": '"x"', "d": "NaN"}],
            [{"a": "007", "b": "1_000", "c": "True", "d": "None", "e": "0x1F"}],
        ),
    ),
    (
        "Commas and quotes inside a text are the text's own.",
        ([{"a": "x, y", "b": 1}], [{"a": 'say "hi"', "b": "'tis"}], [{"a": '",",', "b": '"'}]),
    ),
    (
        "Spaces at the ends of a text, and line ends in it, stay.",
        (
            [{"a": " x", "b": "y "}],
            [{"a": "one\ntwo", "b": "tab\tbed"}],
            [{"a": " ", "b": "\n", "c": "a\r\nb"}],
            [{"a": "x\u2028y", "b": "p\x85q", "c": "Łódź 東京"}],
        ),
    ),
    (
        "A dict inside a record makes a column outer.inner for each of its keys.",
        (
            [{"at": {"city": "Porto", "zip": "4000"}, "id": 1}],
            [{"a": {"b": {"c": 1, "d": 2}, "e": 3}}, {"a": {"b": {"d": 5}}}],
            [{"a": 1}, {"a": {"b": 2}}],
            [{"a": {"b": None}}, {"a": {"b": ""}}],
        ),
    ),
    (
        "Lists and empty dicts are JSON in their cell.",
        (
            [{"tags": ["x", "y"], "n": 1}],
            [{"a": [], "b": {}}],
            [{"a": [{"b": 1}, {"b": "2"}], "c": [[]]}, {"c": {"d": {}}}],
        ),
    ),
    (
        "A dot or a backslash in a key has a backslash before it.",
        (
            [{"a.b": 1, "a": {"b": 2}}],
            [{"v1.0.2": "x", "w": {"1.5": "y"}}],
            [{"a\\": {"b": 1}, "c\\d": 2}],
            [{"a\\.b": 1}],
        ),
    ),
    (
        "Keys may hold what cells may: commas, quotes, bars.",
        ([{"a,b": 1, 'c"d': 2}], [{"a|b": 1, "c d": {"e|f": 2}}]),
    ),
    (
        "The header holds the columns as they are, a key that JSON could read too.",
        ([{"7": "x", "true": 1}], [{"null": {"1": 2}, "[]": 3}, {"-1e5": "y"}]),
    ),
    (
        "A bar in a text does not end the cell, and a backslash stays a backslash.",
        (
            [{"a": "x|y", "b": 1}],
            [{"a": "C:\\temp", "b": "\\"}, {"a": "||", "b": "\\|"}],
            [{"a": "end\\", "b": "|", "c": "\\n"}],
            [{"a": ["|", "\\"], "b": "- | -"}],
        ),
    ),
)
LEAVES: tuple[Any, ...] = (
    None,
    True,
    7,
    -2.5,
    "",
    "x",
    "12",
    " y",
    "a,b",
    "p|q",
    "\\",
    '"',
    [1],
    {},
)
KEYS = ("a", "b", "c.d", "e|f", "g,h", "i\\", "7", "null")


def drawn_records(s: Submission) -> Records:
    """Some records with two levels of keys, from the check's own generator."""

    def drawn_value(deep: bool) -> Any:
        if deep and draw(s, 4) == 0:
            return drawn_record(False)
        return LEAVES[draw(s, len(LEAVES))]

    def drawn_record(deep: bool = True) -> dict[str, Any]:
        return {key: drawn_value(deep) for key in KEYS if draw(s, 2)}

    return [{"id": 0}, *(drawn_record() for _ in range(4))]


def check_write_table(s: Submission) -> None:
    """Tables that say what the records say, cell by cell; how CSV is quoted is free."""
    for form in ("csv", "markdown"):
        for because, cases in STEPS:
            for records in cases:
                answer = s.write_table(records, form)
                answer.holds(other_table(records, form), because=f"{form}: {because}")
    together = "All of it together, on drawn records."
    for form in ("csv", "markdown") * 3:
        records = drawn_records(s)
        s.write_table(records, form).holds(other_table(records, form), because=together)
    s.write_table([{"a": 1}]).holds(other_table([{"a": 1}], "csv"), because="CSV is the default.")
    s.write_table.raises(ValueError, [], "csv", because="No records make no table.")
    s.write_table.raises(ValueError, [{}, {}], "markdown", because="No keys make no table.")
    for form in ("tsv", "CSV", "Markdown"):
        s.write_table.raises(ValueError, [{"a": 1}], form, because="There are two forms only.")


def check_read_table(s: Submission) -> None:
    """The records that the table was made of, types included."""
    for form in ("csv", "markdown"):
        for because, cases in STEPS:
            for records in cases:
                answer = s.read_table(true_table(records, form), form)
                answer.holds(other_records(records), because=f"{form}: {because}")
    bare = "csv: Quotes around a cell are needed only where there is a comma or a quote in it."
    plain = [{"a": "x", "b": "y z", "c": 1}]
    s.read_table("a,b,c\nx,y z,1\n", "csv").holds(other_records(plain), because=bare)
    last = "The last newline may be missing."
    s.read_table('a\n"""7"""', "csv").holds(other_records([{"a": "7"}]), because=last)
    s.read_table("| a |\n| --- |\n| 1 |", "markdown").holds(other_records([{"a": 1}]), because=last)
    together = "All of it together, on drawn records."
    for form in ("csv", "markdown") * 3:
        records = drawn_records(s)
        s.read_table(true_table(records, form), form).holds(
            other_records(records), because=together
        )
    s.read_table("a\n1\n").holds(other_records([{"a": 1}]), because="CSV is the default.")
    for form in ("tsv", "CSV", "Markdown"):
        s.read_table.raises(ValueError, "a\n1\n", form, because="There are two forms only.")
    ragged = "A line with more or fewer cells than the header was not written by write_table."
    s.read_table.raises(ValueError, "a,b\n1\n", "csv", because=ragged)
    s.read_table.raises(ValueError, "a,b\n1,2,3\n", "csv", because=ragged)
    bars = "| a | b |\n| --- | --- |\n| 1 |\n"
    s.read_table.raises(ValueError, bars, "markdown", because=ragged)


def same_table(left: Reply, right: Reply) -> bool:
    """Two tables with the same cells, however they are quoted; otherwise the same values."""
    if not (isinstance(left, Returned) and isinstance(right, Returned)):
        return same_values(left, right)
    if type(left.value) is not str or type(right.value) is not str:
        return same_values(left, right)
    form = "markdown" if left.value.startswith("|") else "csv"
    try:
        return alike_cells(left.value, form) == alike_cells(right.value, form)
    except csv.Error:
        return left.value == right.value


def alike_cells(text: str, form: str) -> list[list[str]]:
    """The cells of a table with JSON written in one way."""
    return [
        [json.dumps(json.loads(cell)) if is_json(cell) else cell for cell in line]
        for line in cells_of(text, form)
    ]


# ---- write_table: answers ------------------------------------------------------------------------

Leaves = Callable[[dict[str, Any]], dict[str, Any]]
Cell = Callable[[Any], str]


def csv_lines(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def every_cell_quoted(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue()


def joined_lines(lines: list[list[str]]) -> str:
    return "\n".join(map(",".join, lines)) + "\n"


def quoted_lines(lines: list[list[str]]) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n"


def bars_escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")


def only_bars_escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def bars_before_backslashes(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\\", "\\\\")


def bars_left(cell: str) -> str:
    return cell.replace("\\", "\\\\")


def entity_for_bars(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "&#124;")


def line_by_columns(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(row[c]) if c in row else "" for c in columns]


def line_in_its_own_order(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(value) for value in row.values()]


def missing_as_null(columns: list[str], row: dict[str, Any], cell: Cell) -> list[str]:
    return [cell(row.get(c)) for c in columns]


def columns_of_all(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(c for row in rows for c in row))


def columns_of_the_first(rows: list[dict[str, Any]]) -> list[str]:
    return list(rows[0])


def columns_sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(columns_of_all(rows))


def no_dashes(columns: list[str]) -> list[list[str]]:
    return []


def dashes(columns: list[str]) -> list[list[str]]:
    return [["---"] * len(columns)]


def leaves_by_recursion(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Column → value, dictionary by dictionary."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = above + re.sub(r"([\\\\.])", r"\\\1", key)
        inner = isinstance(value, dict) and leaves_by_recursion(value, f"{name}.")
        found |= inner or {name: value}
    return found


def cell_read_back(value: Any) -> str:
    """Text as it is, where nothing else comes back from it."""
    if isinstance(value, str) and value.isprintable() and value == value.strip() != "":
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, separators=(",", ":"))


def writer(
    leaves: Leaves = leaves_by_recursion,
    cell: Cell = cell_read_back,
    columns: Callable[[list[dict[str, Any]]], list[str]] = columns_of_all,
    line: Callable[[list[str], dict[str, Any], Cell], list[str]] = line_by_columns,
    csv_text: Callable[[list[list[str]]], str] = csv_lines,
    escape: Callable[[str], str] = bars_escaped,
    second: Callable[[list[str]], list[list[str]]] = dashes,
    refuse: bool = True,
    head: Cell = str,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged."""

    def write_table(records: Records, form: str = "csv") -> str:
        rows = [leaves(record) for record in records]
        if refuse and not any(rows):
            raise ValueError("no columns")
        if form not in ("csv", "markdown"):
            raise ValueError(f"unknown form {form!r}")
        names = columns(rows) if rows else []
        body = [line(names, row, cell) for row in rows]
        header = [head(name) for name in names]
        if form == "csv":
            return csv_text([header, *body])
        lines = [header, *second(names), *body]
        return "".join("| " + " | ".join(map(escape, cells)) + " |\n" for cells in lines)

    return write_table


def any_form(records: Records, form: str = "csv") -> str:
    return writer()(records, form if form == "markdown" else "csv")


def quoted_where_needed(lines: list[list[str]]) -> str:
    """Right too: by hand, and with Windows' line ends."""
    needed = re.compile('[,"\r\n]')
    escaped = [[f'"{x.replace(chr(34), 2 * chr(34))}"' if needed.search(x) else x for x in line]
               for line in lines]  # fmt: skip
    return "".join(f"{','.join(line) or 2 * chr(34)}\r\n" for line in escaped)


def spaced_cell(value: Any) -> str:
    return value if isinstance(value, str) and stands_bare(value) else json.dumps(value)


def unescaped_cell(value: Any) -> str:
    """Right too: JSON with its letters as they are."""
    if isinstance(value, str) and stands_bare(value):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def text_bare(value: Any) -> str:
    return value if isinstance(value, str) else compact(value)


def text_never_bare(value: Any) -> str:
    return compact(value)


def empty_text_bare(value: Any) -> str:
    return "" if value == "" else true_cell(value)


def none_as_nothing(value: Any) -> str:
    return "" if value is None else true_cell(value)


def python_values(value: Any) -> str:
    return value if isinstance(value, str) and stands_bare(value) else as_python(value)


def as_python(value: Any) -> str:
    return compact(value) if isinstance(value, str) else str(value)


def by_float(value: Any) -> str:
    """Quotes what float() reads, and 0815 and 1_000 are among that."""
    if not isinstance(value, str) or not stands_bare(value):
        return compact(value)
    try:
        float(value)
    except ValueError:
        return value
    return compact(value)


def only_digits_quoted(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and value.isprintable():
        return compact(value) if value.lstrip("-").replace(".", "", 1).isdigit() else value
    return compact(value)


def spaces_bare(value: Any) -> str:
    if isinstance(value, str) and value.strip() and not is_json(value) and value.isprintable():
        return value
    return compact(value)


def line_ends_bare(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and not is_json(value):
        return value
    return compact(value)


def not_nested(record: dict[str, Any]) -> dict[str, Any]:
    keys = ((key.replace("\\", "\\\\").replace(".", "\\."), v) for key, v in record.items())
    return dict(keys)


def one_level(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in not_nested(record).items():
        inner = not_nested(value) if isinstance(value, dict) and value else None
        found |= {key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()}
    return found


def plain_dots(record: dict[str, Any], outer: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in record.items():
        deep = isinstance(value, dict) and value
        found |= plain_dots(value, f"{outer}{key}.") if deep else {outer + key: value}
    return found


def lists_too(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in true_leaves(record).items():
        if isinstance(value, list) and value:
            inner = lists_too({str(i): item for i, item in enumerate(value)})
            found |= {f"{column}.{key}": item for key, item in inner.items()}
        else:
            found[column] = value
    return found


def empty_dicts_lost(record: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in true_leaves(record).items() if value != {}}


WRITE_MISTAKES = (
    Mistake(
        "commas-not-quoted",
        writer(csv_text=joined_lines),
        "You joined the cells with commas. A comma or a quote inside a text then makes cells of "
        "its own.",
        "Let csv.writer put the quotes: csv.writer(text, lineterminator='\\n').writerows(lines), "
        "with text = io.StringIO().",
    ),
    Mistake(
        "quotes-not-doubled",
        writer(csv_text=quoted_lines),
        'You put quotes around the cells, but a quote inside a cell must be doubled: "say ""hi""".',
        "csv.writer does that for you.",
    ),
    Mistake(
        "columns-of-the-first",
        writer(columns=columns_of_the_first),
        "Your columns are the keys of the first record. What only later records have is lost.",
        "Collect the columns of all records; list(dict.fromkeys(...)) keeps the first of equals "
        "and the order.",
    ),
    Mistake(
        "columns-sorted",
        writer(columns=columns_sorted),
        "You sorted the columns. They come in the order of first appearance (a set forgets it).",
        "dict.fromkeys(...) is a set that keeps the order.",
    ),
    Mistake(
        "own-order",
        writer(line=line_in_its_own_order),
        "Each line has its record's own values in its own order, so values stand under the wrong "
        "column when a key is missing or the order differs.",
        "Go through the columns, not through the record: row[c] if c in row else ''.",
    ),
    Mistake(
        "missing-as-null",
        writer(line=missing_as_null),
        "A missing key became null (row.get(c) gives None for it). Then it can't be told from a "
        "key whose value is null.",
        "Write an empty cell when the column is not in the record, and null only for None.",
    ),
    Mistake(
        "null-as-missing",
        writer(cell=none_as_nothing),
        "null became an empty cell, which means that the key is missing.",
        "None is written as JSON: null.",
    ),
    Mistake(
        "empty-text-as-missing",
        writer(cell=empty_text_bare),
        'An empty text became an empty cell, which means that the key is missing. Write it as "".',
        "Quote the empty text as JSON: json.dumps('') is two quotes.",
    ),
    Mistake(
        "text-always-bare",
        writer(cell=text_bare),
        "You write every text as it is. The text 42 then comes back as a number, and the text "
        "true as a truth value.",
        "Ask json.loads whether it could read the text. If it can, write json.dumps(text).",
    ),
    Mistake(
        "only-digits-quoted",
        writer(cell=only_digits_quoted),
        "You quote text that looks like a number, and forget what else JSON reads: true, null, "
        "1e5, NaN, [1], a text in quotes.",
        "Don't guess from the letters: try json.loads(text), and quote if it does not raise.",
    ),
    Mistake(
        "quoted-by-float",
        writer(cell=by_float),
        "You asked float() which texts need quotes. It reads more than JSON does: 0815, 1_000, "
        "infinity are no JSON, so these texts stay as they are.",
        "Ask json.loads: what it refuses can't be taken for anything but text.",
    ),
    Mistake(
        "keys-quoted",
        writer(head=true_cell),
        'You wrote the header\'s cells by the rule for values: the key 7 became "7". A header '
        "holds nothing but names, so it has no need of that.",
        "Leave the columns as they are; only what CSV or Markdown itself needs is done to them.",
    ),
    Mistake(
        "text-never-bare",
        writer(cell=text_never_bare),
        "You put every text in quotes. Nothing is lost, but each pair of quotes costs tokens, and "
        "CSV doubles them.",
        "Only text that could be taken for something else needs quotes.",
    ),
    Mistake(
        "python-values",
        writer(cell=python_values),
        "You wrote values as Python shows them: True, None, ['x']. JSON has true, null, [\"x\"].",
        "json.dumps(value), not str(value).",
    ),
    Mistake(
        "every-cell-quoted",
        writer(csv_text=every_cell_quoted),
        "You put quotes around every cell. CSV needs them only where a comma, a quote or a line "
        "end is inside, and each pair costs tokens.",
        "csv.writer's own rule, QUOTE_MINIMAL, is the right one.",
    ),
    Mistake(
        "spaces-in-json",
        writer(cell=spaced_cell),
        "Your JSON has spaces after commas and colons, as json.dumps writes it by default.",
        "json.dumps(value, separators=(',', ':')).",
    ),
    Mistake(
        "spaces-at-the-ends",
        writer(cell=spaces_bare),
        "Text with spaces at its ends stands bare. A Markdown reader drops those spaces.",
        "Quote the text when text != text.strip().",
    ),
    Mistake(
        "line-ends-bare",
        writer(cell=line_ends_bare),
        "A line end inside a text breaks the line of the table.",
        "Quote the text when it is not printable: text.isprintable(). json.dumps writes \\n then.",
    ),
    Mistake(
        "nested-as-json",
        writer(leaves=not_nested),
        "A dict inside a record became JSON in one cell. It makes a column for each of its keys.",
        "Go into dicts by recursion, with outer + '.' + key as the column.",
    ),
    Mistake(
        "one-level",
        writer(leaves=one_level),
        "You went into dicts one level deep; a dict inside a dict inside a record stayed JSON.",
        "Let the function call itself for every dict that is not empty.",
    ),
    Mistake(
        "dots-not-escaped",
        writer(leaves=plain_dots),
        "The key a.b and the key b inside a make the same column, and one of them is lost.",
        "Put a backslash before each dot and each backslash of a key: "
        "re.sub(r'([.\\\\])', r'\\\\\\1', key).",
    ),
    Mistake(
        "lists-as-columns",
        writer(leaves=lists_too),
        "You made a column of each item of a list. Here a list is JSON in one cell, so that the "
        "longest list does not decide how many columns all others get.",
        "Go into dicts only.",
    ),
    Mistake(
        "empty-dicts-lost",
        writer(leaves=empty_dicts_lost),
        "An empty dict has no keys, so your columns say nothing of it, and it is lost.",
        "Treat an empty dict like a list: {} as JSON in its cell.",
    ),
    Mistake(
        "bars-not-escaped",
        writer(escape=bars_left),
        "A bar | inside a text ends the Markdown cell.",
        "Write it as \\| - and do that in the header too.",
    ),
    Mistake(
        "bars-as-entities",
        writer(escape=entity_for_bars),
        "You wrote a bar as an HTML entity. A model, and read_table, see the entity and not a bar.",
        "Write | as \\|.",
    ),
    Mistake(
        "backslashes-not-escaped",
        writer(escape=only_bars_escaped),
        "A backslash inside a text now looks like the beginning of an escape: the text \\| and the "
        "text | come out the same.",
        "Write each backslash as two, before you write | as \\|.",
    ),
    Mistake(
        "bars-before-backslashes",
        writer(escape=bars_before_backslashes),
        "You escaped the bars first and the backslashes after them, so the backslash that you had "
        "put before a bar was doubled too, and the bar ends the cell.",
        "The other way round: first each backslash as two, then | as \\|.",
    ),
    Mistake(
        "no-dashes",
        writer(second=no_dashes),
        "A Markdown table has a line of dashes after the header; without it, it is no table.",
        "Put ['---'] * len(columns) after the header.",
    ),
    Mistake(
        "nothing-refused",
        writer(refuse=False),
        "You accept records without any key. The table would be empty, and reading it can't work.",
        "Raise ValueError when there are no columns.",
    ),
    Mistake(
        "any-form",
        any_form,
        "You take every unknown form for one of the two.",
        'Raise ValueError for a form that is neither "csv" nor "markdown".',
    ),
)

WRITE_HINTS = (
    "Three steps: make each record flat (column → value), collect the columns of all of them, then "
    "write line by line. What must a reader see to tell missing, null, the empty text and the "
    "text null apart?",
    'By hand: which columns has {"id": 7, "at": {"zip": "4000"}}, and which of its two cells would '
    "come back as something else if it stood there as it is? What tells you so for any text? Give "
    "each step a function of its own.",
    'Flat, by recursion: {"id": 7, "at.zip": "4000"}. json.loads takes the text 4000 for a number, '
    'so its cell is "4000" with quotes, and csv.writer (lineterminator="\\n") makes """4000""" of '
    "it: it knows where CSV needs quotes. In Markdown double the backslashes first, then put one "
    "before each bar.",
)


# ---- read_table: answers -------------------------------------------------------------------------


def true_keys(column: str) -> list[str]:
    """A column's name cut at its plain dots, letter by letter."""
    keys, letters = [""], iter(column)
    for letter in letters:
        if letter == ".":
            keys.append("")
        else:
            keys[-1] += next(letters, "") if letter == "\\" else letter
    return keys


def true_value(cell: str) -> Any:
    return json.loads(cell) if is_json(cell) else cell


def put(record: dict[str, Any], keys: list[str], value: Any) -> None:
    """Into a record, at the end of a way of keys."""
    *outer, last = keys
    for key in outer:
        record = record.setdefault(key, {})
    record[last] = value


def put_alone(record: dict[str, Any], keys: list[str], value: Any) -> None:
    first, *rest = keys
    for key in reversed(rest):
        value = {key: value}
    record[first] = value


def put_flat(record: dict[str, Any], keys: list[str], value: Any) -> None:
    record[".".join(keys)] = value


def csv_cells(text: str) -> list[list[str]]:
    return [line for line in csv.reader(io.StringIO(text)) if line]


def cut_at_commas(text: str) -> list[list[str]]:
    lines = text.rstrip("\n").split("\n")
    return [[cell.strip('"').replace('""', '"') for cell in line.split(",")] for line in lines]


def markdown_cells(text: str) -> list[list[str]]:
    return [markdown_line(line) for line in text.strip().split("\n")]


def cut_at_bars(text: str) -> list[list[str]]:
    lines = (line.strip().strip("|").split("|") for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]


def escapes_kept(text: str) -> list[list[str]]:
    found = (re.findall(r"((?:\\.|[^|\\])*)\|", line[1:]) for line in text.strip().split("\n"))
    return [[cell.strip() for cell in line] for line in found]


def spaces_kept(text: str) -> list[list[str]]:
    found = (re.findall(r"((?:\\.|[^|\\])*)\|", line[1:]) for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in line] for line in found]


def after_dashes(lines: list[list[str]]) -> list[list[str]]:
    return lines[2:]


def after_header(lines: list[list[str]]) -> list[list[str]]:
    return lines[1:]


Put = Callable[[dict[str, Any], list[str], Any], None]


def loader(
    csv_part: Callable[[str], list[list[str]]] = csv_cells,
    markdown_part: Callable[[str], list[list[str]]] = markdown_cells,
    body: Callable[[list[list[str]]], list[list[str]]] = after_dashes,
    keys: Callable[[str], list[str]] = true_keys,
    value: Callable[[str], Any] = true_value,
    put_in: Put = put,
    missing: Iterable[Any] = (),
    refuse: bool = True,
    whole: bool = True,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged; `missing` holds what an empty cell becomes."""

    def read_table(text: str, form: str = "csv") -> Records:
        if refuse and form not in ("csv", "markdown"):
            raise ValueError(f"unknown form {form!r}")
        lines = csv_part(text) if form == "csv" else markdown_part(text)
        records: Records = []
        for cells in body(lines) if form != "csv" else lines[1:]:
            record: dict[str, Any] = {}
            for column, cell in zip(lines[0], cells, strict=whole):
                if cell:
                    put_in(record, keys(column), value(cell))
                for stand_in in missing if not cell else ():
                    put_in(record, keys(column), stand_in)
            records.append(record)
        return records

    return read_table


def numbers_only(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell


def python_literal(cell: str) -> Any:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError):
        return cell


def read_twice(cell: str) -> Any:
    once = true_value(cell)
    return true_value(once) if isinstance(once, str) else once


def as_text(cell: str) -> Any:
    return cell


def quotes_stripped(cell: str) -> Any:
    bare = cell.strip('"')
    return bare if bare != cell else true_value(cell)


def dots_cut(column: str) -> list[str]:
    return [key.replace("\\\\", "\\") for key in column.split(".")]


def backslashes_in_keys(column: str) -> list[str]:
    return re.findall(r"(?:\\.|[^.\\])+", column)


def bars_after_spaces(text: str) -> list[list[str]]:
    """Right too: a bar that ends a cell has a space before it, an escaped one a backslash."""
    lines = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.strip().split("\n"))
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]


def by_dictreader(text: str, form: str = "csv") -> Records:
    """Another right answer: csv.DictReader, and Markdown made into CSV first."""
    if form == "markdown":
        head, _, *rows = [markdown_line(line) for line in text.splitlines()]
        again = io.StringIO()
        csv.writer(again, quoting=csv.QUOTE_ALL).writerows([head, *rows])
        text = again.getvalue()
    elif form != "csv":
        raise ValueError("csv or markdown")
    records = []
    for line in csv.DictReader(io.StringIO(text, newline="")):
        record: dict[str, Any] = {}
        if None in line or None in line.values():
            raise ValueError("a line of another length")
        for column, cell in line.items():
            if cell != "":
                put(record, true_keys(column), true_value(cell))
        records.append(record)
    return records


READ_MISTAKES = (
    Mistake(
        "all-text",
        loader(value=as_text),
        "Every value came back as text: numbers, true, null and lists too.",
        "Try json.loads(cell), and keep the text where it raises ValueError.",
    ),
    Mistake(
        "numbers-only",
        loader(value=numbers_only),
        "You read numbers only. true, null, lists and quoted text are JSON too - and int() reads "
        "0815 and 1_000, which are texts here.",
        "One rule for all of it: json.loads(cell), or the text where that raises ValueError.",
    ),
    Mistake(
        "python-literals",
        loader(value=python_literal),
        "You read cells as Python literals: True and 1_000 are Python, and true and null are not.",
        "json.loads instead of ast.literal_eval (or eval, which would run what it reads).",
    ),
    Mistake(
        "read-twice",
        loader(value=read_twice),
        "You read the JSON of a text again: the quoted text 42 became a number.",
        "json.loads once. What comes out is the value.",
    ),
    Mistake(
        "quotes-stripped",
        loader(value=quotes_stripped),
        "You took the quotes off instead of reading the JSON: \\n and \\u2028 inside stay escaped.",
        "json.loads(cell) reads a quoted text too.",
    ),
    Mistake(
        "missing-as-null",
        loader(missing=(None,)),
        "An empty cell became None. It means that the key is missing.",
        "Leave the key out when the cell is empty: if not cell: continue.",
    ),
    Mistake(
        "missing-as-empty-text",
        loader(missing=("",)),
        "An empty cell became an empty text. It means that the key is missing; an empty text is "
        'written as "".',
        "Leave the key out when the cell is empty: if not cell: continue.",
    ),
    Mistake(
        "cut-at-commas",
        loader(csv_part=cut_at_commas),
        "You cut the lines at commas. A comma inside quotes belongs to the cell.",
        "csv.reader(io.StringIO(text)) gives the cells of each line.",
    ),
    Mistake(
        "not-nested",
        loader(put_in=put_flat),
        "The columns a.b stayed keys with a dot. They are the key b in a dict under a.",
        "Cut the column's name at its dots; make the dicts on the way with setdefault(key, {}).",
    ),
    Mistake(
        "neighbours-overwritten",
        loader(put_in=put_alone),
        "Each column a.x made a new dict under a, and the one before it was lost.",
        "inner = record.setdefault('a', {}) takes the dict that is there already.",
    ),
    Mistake(
        "escaped-dots-cut",
        loader(keys=dots_cut),
        "You cut columns at every dot. A dot with a backslash before it belongs to the key.",
        r"re.findall(r'(?:\\.|[^.\\])+', column) cuts at plain dots only.",
    ),
    Mistake(
        "backslashes-left-in-keys",
        loader(keys=backslashes_in_keys),
        "The backslashes before dots stayed in the keys.",
        r"Take them out after cutting: re.sub(r'\\(.)', r'\1', key).",
    ),
    Mistake(
        "dashes-as-record",
        loader(body=after_header),
        "The line of dashes became a record.",
        "In Markdown the records begin at the third line.",
    ),
    Mistake(
        "cut-at-bars",
        loader(markdown_part=cut_at_bars),
        "You cut Markdown lines at every bar. One with a backslash before it belongs to the cell.",
        r"re.findall(r'((?:\\.|[^|\\])*)\|', line[1:]) gives the cells.",
    ),
    Mistake(
        "escapes-kept",
        loader(markdown_part=escapes_kept),
        "The backslashes of Markdown's escapes stayed in the cells.",
        r"Take them out of each cell: re.sub(r'\\(.)', r'\1', cell).",
    ),
    Mistake(
        "spaces-kept",
        loader(markdown_part=spaces_kept),
        "The spaces beside the bars stayed in the cells.",
        "cell.strip(): text that has spaces of its own at its ends is in quotes.",
    ),
    Mistake(
        "other-lengths-accepted",
        loader(whole=False),
        "You accept a line with more or fewer cells than the header has columns: values are lost, "
        "or stand under the wrong key, and nobody hears of it.",
        "zip(columns, cells, strict=True) raises ValueError for such a line.",
    ),
    Mistake(
        "any-form",
        loader(refuse=False),
        "You take every unknown form for one of the two.",
        'Raise ValueError for a form that is neither "csv" nor "markdown".',
    ),
)

READ_HINTS = (
    "Go the way back: text → lines of cells → values → nested records. Which of these steps has "
    "the standard library for CSV, and for values?",
    r"By hand: which record is the column a\.b.c with the cell 7, and which with the cell "
    '"7" in quotes? Which dot and which bar may you cut at, and which not? What is a cell that '
    "json.loads refuses, and what is an empty one?",
    r'The column is cut at its plain dots, into a\.b and c: {"a.b": {"c": 7}}, and with quotes '
    '{"a.b": {"c": "7"}}. csv.reader for one form; for the other go letter by letter: a backslash '
    "takes the next letter along, a bar ends the cell. record.setdefault(key, {}) goes down a key.",
)


# ------------------------------------------------------------------------------------------------
# request_cost

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
    """Dollars, token by token; the cache holds whole blocks of the common beginning."""

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


def common(prompt: list[int], cached: list[int]) -> int:
    """How many tokens both begin with."""
    same = 0
    while same < min(len(prompt), len(cached)) and prompt[same] == cached[same]:
        same += 1
    return same


def whole_blocks(prompt: list[int], cached: list[int], block: int) -> int:
    return common(prompt, cached) // block * block


def every_token(prompt: list[int], cached: list[int], block: int) -> int:
    return common(prompt, cached)


def rounded_up(prompt: list[int], cached: list[int], block: int) -> int:
    return min(len(prompt), -(-common(prompt, cached) // block) * block)


def tokens_anywhere(prompt: list[int], cached: list[int], block: int) -> int:
    return sum(token in set(cached) for token in prompt) // block * block


def equal_places(prompt: list[int], cached: list[int], block: int) -> int:
    return sum(a == b for a, b in zip(prompt, cached, strict=False)) // block * block


def all_or_nothing(prompt: list[int], cached: list[int], block: int) -> int:
    hit = prompt == cached[: len(prompt)] or cached == prompt[: len(cached)]
    return min(len(prompt), len(cached)) // block * block if hit else 0


def whole_cache(prompt: list[int], cached: list[int], block: int) -> int:
    return min(len(prompt), len(cached)) // block * block


def no_cache(prompt: list[int], cached: list[int], block: int) -> int:
    return 0


def blocks_counted(prompt: list[int], cached: list[int], block: int) -> int:
    return common(prompt, cached) // block


Bill = Callable[[int, int, int, dict[str, float]], float]


def right_bill(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return (new * rates["input"] + hit * rates["cached"] + output * rates["output"]) / 1e6


def for_a_thousand(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return 1000 * right_bill(new, hit, output, rates)


def hit_paid_twice(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(new + hit, hit, output, rates)


def hit_for_nothing(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(new, 0, output, rates)


def hit_taken_off(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(new + hit, -hit, output, rates)


def output_as_input(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(new + output, hit, 0, rates)


def output_forgotten(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(new, hit, 0, rates)


def rates_swapped(new: int, hit: int, output: int, rates: dict[str, float]) -> float:
    return right_bill(hit, new, output, rates)


def price(
    cached_tokens: Callable[[list[int], list[int], int], int] = whole_blocks,
    bill: Bill = right_bill,
    refuse: bool = True,
) -> Callable[..., Any]:
    """A complete answer with one part exchanged."""

    def request_cost(
        prompt: list[int],
        output_tokens: int,
        rates: dict[str, float],
        cached: list[int],
        block: int = 128,
    ) -> float:
        if refuse and output_tokens < 0:
            raise ValueError("output_tokens is negative")
        hit = cached_tokens(prompt, cached, block)
        return bill(len(prompt) - hit, hit, output_tokens, rates)

    return request_cost


def with_commonprefix(
    prompt: list[int],
    output_tokens: int,
    rates: dict[str, float],
    cached: list[int],
    block: int = 128,
) -> float:
    """Another right answer, by the first place that differs."""
    if output_tokens < 0:
        raise ValueError("negative")
    shorter = min(len(prompt), len(cached))
    same = next((i for i in range(shorter) if prompt[i] != cached[i]), shorter)
    hit = same - same % block
    per_token = {kind: rate / 1_000_000 for kind, rate in rates.items()}
    cost = per_token["input"] * len(prompt) + per_token["output"] * output_tokens
    return cost - hit * (per_token["input"] - per_token["cached"])


COST_MISTAKES = (
    Mistake(
        "for-a-thousand",
        price(bill=for_a_thousand),
        "Your price is a thousand times too high: the rates are for a million tokens.",
        "Divide by 1e6.",
    ),
    Mistake(
        "cache-ignored",
        price(no_cache),
        "The cache makes no difference in your price.",
        "Count how many tokens at the beginning of prompt and cached are the same.",
    ),
    Mistake(
        "hit-paid-twice",
        price(bill=hit_paid_twice),
        "Tokens from the cache are paid twice: at the input rate and at the cached rate.",
        "New tokens are len(prompt) - hit.",
    ),
    Mistake(
        "hit-for-nothing",
        price(bill=hit_for_nothing),
        "Tokens from the cache cost nothing in your bill. They are cheaper, not free.",
        'Add hit * rates["cached"].',
    ),
    Mistake(
        "hit-taken-off",
        price(bill=hit_taken_off),
        "You took the cached rate off the full price. It takes the place of the input rate.",
        'The saving of a token is rates["input"] - rates["cached"].',
    ),
    Mistake(
        "rates-swapped",
        price(bill=rates_swapped),
        "New tokens cost the cached rate in your bill, and cached ones the input rate.",
        "hit tokens at the cached rate, the others at the input rate.",
    ),
    Mistake(
        "output-as-input",
        price(bill=output_as_input),
        "You charged the output at the input rate. Writing costs several times what reading does.",
        'output_tokens * rates["output"].',
    ),
    Mistake(
        "output-forgotten",
        price(bill=output_forgotten),
        "The output is not in your bill.",
        'Add output_tokens * rates["output"].',
    ),
    Mistake(
        "not-in-blocks",
        price(every_token),
        "You count every common token as cached. A cache holds whole blocks: what is left over "
        "after the last whole one is new.",
        "hit = same // block * block",
    ),
    Mistake(
        "blocks-rounded-up",
        price(rounded_up),
        "You rounded up to whole blocks. A block that differs in its last token is not cached.",
        "Round down: same // block * block.",
    ),
    Mistake(
        "blocks-counted",
        price(blocks_counted),
        "You counted cached blocks and took them for tokens.",
        "Multiply by block again: same // block * block.",
    ),
    Mistake(
        "tokens-anywhere",
        price(tokens_anywhere),
        "You count tokens that occur anywhere in the cached prompt. What a token means to a model "
        "depends on all tokens before it, so only a common beginning can be used again.",
        "Compare place by place from the start, and stop at the first difference.",
    ),
    Mistake(
        "equal-places",
        price(equal_places),
        "You go on counting after the first difference. From there on nothing can be used again, "
        "though tokens may be equal.",
        "break at the first pair of tokens that differ.",
    ),
    Mistake(
        "all-or-nothing",
        price(all_or_nothing),
        "You use the cache only when one prompt is the beginning of the other. Whole blocks before "
        "the first difference count too.",
        "Count the common beginning, wherever it ends.",
    ),
    Mistake(
        "not-compared",
        price(whole_cache),
        "You take everything for cached that has the length of the cached prompt, without "
        "comparing the tokens.",
        "Compare prompt and cached token by token.",
    ),
    Mistake(
        "negative-allowed",
        price(refuse=False),
        "You accept an output of fewer than 0 tokens.",
        'Begin with: if output_tokens < 0: raise ValueError("...").',
    ),
)

COST_HINTS = (
    "A bill has three lines: new input tokens, input tokens from the cache, output tokens. How do "
    "you find how many are on the second?",
    "By hand, with block=2: [5, 6, 7, 8] after [5, 6, 7, 9]. How many tokens are equal before the "
    "first difference, and how many of them fill whole blocks? What are the others?",
    "3 are equal, so 2 are cached: count up to the first difference, and round down to whole "
    "blocks. The rest of the prompt is new. At input 2, cached 0.5, output 6 and 1 token of "
    "output: (2 × 2 + 2 × 0.5 + 1 × 6) / 1e6 = 0.000011.",
)


# The library's own, which learn the same merges from the same words.
TRAINERS = (
    "tokenizers.Tokenizer",
    "tokenizers.trainers.BpeTrainer",
    "tokenizers.implementations.ByteLevelBPETokenizer",
    "tokenizers.implementations.CharBPETokenizer",
    "tokenizers.implementations.SentencePieceBPETokenizer",
)

CHALLENGES = (
    Challenge(
        name="learn_merges",
        title="Byte-pair encoding, learned",
        points=3,
        check=check_learn_merges,
        mistakes=MERGE_MISTAKES,
        alternatives=(trainer(), by_numbers),
        hints=MERGE_HINTS,
        not_allowed=TRAINERS,
    ),
    Challenge(
        name="write_table",
        title="Records to CSV and Markdown, nothing lost",
        points=3,
        check=check_write_table,
        mistakes=WRITE_MISTAKES,
        alternatives=(writer(), writer(csv_text=quoted_where_needed), writer(cell=unescaped_cell)),
        hints=WRITE_HINTS,
        alike=same_table,
    ),
    Challenge(
        name="read_table",
        title="And back again",
        points=2,
        check=check_read_table,
        mistakes=READ_MISTAKES,
        alternatives=(loader(), loader(markdown_part=bars_after_spaces), by_dictreader),
        hints=READ_HINTS,
    ),
    Challenge(
        name="request_cost",
        title="The bill, with a cache",
        points=2,
        check=check_request_cost,
        mistakes=COST_MISTAKES,
        alternatives=(price(), with_commonprefix),
        hints=COST_HINTS,
    ),
)


# Mutants of the reference that are as right as the reference itself (see `labkit verify`).
EQUIVALENT: dict[str, str] = {
    "learn_merges: list() left out | tokens = {word: list(word) for word in words}": (
        "A text gives its letters one by one as a list does; _merged makes lists of them."
    ),
    "learn_merges: 1->-1 | best = min(pairs, key=lambda pair: "
    "(-pairs[pair], age[pair[0]], age[pair[1]]))": "The second of two is the last.",
    "write_table: list() left out | columns = list(dict.fromkeys("
    "column for row in rows for column in row))": (
        "A dict gives its keys in their order, as a list of them does."
    ),
    'write_table: lineterminator= dropped | csv.writer(text, lineterminator="\\n")'
    ".writerows([columns, *cells])": "RFC 4180 ends lines so; readers take both line ends.",
    "request_cost: strict= dropped | for ours, theirs in zip(prompt, cached, strict=False):": (
        "zip is not strict unless told so."
    ),
}
