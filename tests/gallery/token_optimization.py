"""Answers to the challenges of lesson 03 as people write them: right ones and wrong ones.

Written apart from the imitations in labkit/challenges. A wrong one names the mistake that must be
diagnosed; where it names none, the general message has to do.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections import Counter, defaultdict

from tests.gallery.answers import Gallery

gallery = Gallery()

# ---------------------------------------------------------------- learn_merges, right


@gallery.right("learn_merges")
def b_textbook(words, count):
    """As in Sennrich's paper: words as tuples, statistics, merge."""
    vocab = {tuple(w): n for w, n in words.items()}
    order = {c: i for i, c in enumerate(sorted({c for w in words for c in w}))}
    merges = []
    for _ in range(count):
        stats = defaultdict(int)
        for symbols, n in vocab.items():
            for i in range(len(symbols) - 1):
                stats[symbols[i], symbols[i + 1]] += n
        if not stats:
            return merges
        top = max(stats.values())
        a, b = min(
            (p for p, n in stats.items() if n == top), key=lambda p: [order[p[0]], order[p[1]]]
        )
        merges.append((a, b))
        order.setdefault(a + b, len(order))
        merged = defaultdict(int)
        for symbols, n in vocab.items():
            out = []
            for s in symbols:
                out.append(s)
                if out[-2:] == [a, b]:
                    out[-2:] = [a + b]
            merged[tuple(out)] += n
        vocab = merged
    return merges


# ---------------------------------------------------------------- learn_merges, refused


@gallery.refused("learn_merges")
def b_library(words, count):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    text = [w for w, n in words.items() for _ in range(n)]
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=9999, show_progress=False))
    return [tuple(m) for m in json.loads(t.to_str())["model"]["merges"]][:count]


@gallery.refused("learn_merges")
def b_ready_made(words, count):
    import tokenizers

    t = tokenizers.SentencePieceBPETokenizer(add_prefix_space=False)
    t.train_from_iterator([w for w, n in words.items() for _ in range(n)], show_progress=False)
    return [tuple(m) for m in json.loads(t.to_str())["model"]["merges"]][:count]


# ---------------------------------------------------------------- learn_merges, wrong


def b_learn(words, count, stats_of=None, choose=None, join=None, least=1):
    """Learn merges with a part of another kind."""
    parts = {w: list(w) for w in words}
    age = {c: i for i, c in enumerate(sorted(set("".join(words))))}
    merges = []
    for _ in range(count):
        stats = (stats_of or b_stats)(words, parts)
        if least and max(stats.values(), default=0) < least:
            break
        best = (choose or b_oldest)(stats, age)
        merges.append(best)
        age.setdefault("".join(best), len(age))
        parts = {w: (join or b_join)(tokens, best) for w, tokens in parts.items()}
    return merges


def b_stats(words, parts):
    stats = Counter()
    for w, n in words.items():
        for pair in zip(parts[w], parts[w][1:], strict=False):
            stats[pair] += n
    return stats


def b_oldest(stats, age):
    return min(stats, key=lambda p: (-stats[p], age[p[0]], age[p[1]]))


def b_join(tokens, pair):
    new, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == pair
        new.append("".join(tokens[i : i + 1 + hit]))
        i += 1 + hit
    return new


@gallery.wrong("learn_merges", "counts-ignored")
def b_each_once(words, count):
    return b_learn(words, count, lambda words, parts: b_stats(dict.fromkeys(words, 1), parts))


@gallery.wrong("learn_merges", "across-words")
def b_across(words, count):
    def stats_of(words, parts):
        line = [t for w, n in words.items() for _ in range(n) for t in parts[w]]
        return Counter(itertools.pairwise(line))

    return b_learn(words, count, stats_of)


@gallery.wrong("learn_merges", "once-in-a-word")
def b_set(words, count):
    def stats_of(words, parts):
        return Counter(
            pair for w, n in words.items() for pair in [*set(itertools.pairwise(parts[w]))] * n
        )

    return b_learn(words, count, stats_of)


@gallery.wrong("learn_merges", "runs-counted-once")
def b_runs_once(words, count):
    """As str.count does: no place overlaps the one before."""

    def stats_of(words, parts):
        stats = Counter()
        for w, n in words.items():
            counted = None
            for i, pair in enumerate(itertools.pairwise(parts[w])):
                if counted != (i - 1, pair):
                    stats[pair] += n
                    counted = (i, pair)
        return stats

    return b_learn(words, count, stats_of)


@gallery.wrong("learn_merges", "counted-once")
def most_common(words, count):
    stats = Counter()
    for w, n in words.items():
        for pair in itertools.pairwise(w):
            stats[pair] += n
    ranked = sorted(stats.items(), key=lambda item: (-item[1], item[0]))
    return [pair for pair, _ in ranked[:count]]


@gallery.wrong("learn_merges", "first-met")
def b_minbpe_first(words, count):
    """minbpe's max(stats, key=stats.get): the first of equals."""
    parts = {w: list(w) for w in words}
    merges = []
    while len(merges) < count:
        stats = {}
        for w, n in words.items():
            for pair in zip(parts[w], parts[w][1:], strict=False):
                stats[pair] = stats.get(pair, 0) + n
        if not stats:
            break
        pair = max(stats, key=stats.get)
        merges.append(pair)
        for w, old in parts.items():
            new, i = [], 0
            while i < len(old):
                if tuple(old[i : i + 2]) == pair:
                    new.append(old[i] + old[i + 1])
                    i += 2
                else:
                    new.append(old[i])
                    i += 1
            parts[w] = new
    return merges


@gallery.wrong("learn_merges", "last-met")
def last_seen(words, count):
    """sorted(...)[-1] of an insertion-ordered dict: the last of equals."""
    parts = {w: list(w) for w in words}
    merges = []
    for _ in range(count):
        stats = {}
        for w, n in words.items():
            for a, b in zip(parts[w], parts[w][1:], strict=False):
                stats[a, b] = stats.get((a, b), 0) + n
        if not stats:
            break
        a, b = sorted(stats.items(), key=lambda item: item[1])[-1][0]
        merges.append((a, b))
        for w in parts:
            out = []
            for t in parts[w]:
                if out and (out[-1], t) == (a, b):
                    out[-1] = a + b
                else:
                    out.append(t)
            parts[w] = out
    return merges


@gallery.wrong("learn_merges", "alphabetical")
def b_by_text(words, count):
    return b_learn(words, count, choose=lambda stats, age: min(stats, key=lambda p: (-stats[p], p)))


@gallery.wrong("learn_merges", "alphabetical-last")
def b_by_text_down(words, count):
    return b_learn(words, count, choose=lambda stats, age: max((n, p) for p, n in stats.items())[1])


@gallery.wrong("learn_merges", "rarest")
def b_rarest(words, count):
    return b_learn(words, count, choose=lambda stats, age: min((n, p) for p, n in stats.items())[1])


def b_join_from_the_right(old, pair):
    new = list(old)
    i = len(new) - 2
    while i >= 0:
        if (new[i], new[i + 1]) == pair:
            new[i : i + 2] = ["".join(pair)]
            i -= 1
        i -= 1
    return new


@gallery.wrong("learn_merges", "from-the-right")
def b_right(words, count):
    return b_learn(words, count, join=b_join_from_the_right)


def b_join_once(old, pair):
    for i in range(len(old) - 1):
        if (old[i], old[i + 1]) == pair:
            return [*old[:i], "".join(pair), *old[i + 2 :]]
    return old


@gallery.wrong("learn_merges", "only-the-first-place")
def b_one_place(words, count):
    return b_learn(words, count, join=b_join_once)


@gallery.wrong("learn_merges", "letters-replaced")
def b_replace(words, count):
    """On one string for each word, with spaces between the tokens."""
    lines = {w: " ".join(w) for w in words}
    rank = {c: i for i, c in enumerate(sorted(set("".join(words))))}
    merges = []
    for _ in range(count):
        stats = Counter()
        for w, n in words.items():
            for pair in itertools.pairwise(lines[w].split(" ")):
                stats[pair] += n
        if not stats:
            break
        a, b = min(stats, key=lambda p: (-stats[p], rank[p[0]], rank[p[1]]))
        merges.append((a, b))
        lines = {w: line.replace(f"{a} {b}", a + b) for w, line in lines.items()}
        for token in [a + b, *(t for line in lines.values() for t in line.split(" "))]:
            rank.setdefault(token, len(rank))
    return merges


@gallery.wrong("learn_merges", "rare-pairs-left")
def b_two_at_least(words, count):
    return b_learn(words, count, least=2)


@gallery.wrong("learn_merges", "no-end")
def b_unguarded(words, count):
    return b_learn(words, count, least=0)


@gallery.wrong("learn_merges", "tokens-returned")
def b_strings(words, count):
    return ["".join(pair) for pair in b_textbook(words, count)]


@gallery.wrong("learn_merges")
def nothing_learned(words, count):
    return []


# ---------------------------------------------------------------- write_table, right


@gallery.right("write_table")
def w_plain(records, form="csv"):
    if form not in {"csv", "markdown"}:
        raise ValueError(form)
    rows = [w_flat(r) for r in records]
    names = []
    for row in rows:
        for name in row:
            if name not in names:
                names.append(name)
    if not names:
        raise ValueError("empty")
    grid = [names] + [[w_cell(row[n]) if n in row else "" for n in names] for row in rows]
    if form == "csv":
        out = io.StringIO()
        w = csv.writer(out, lineterminator="\n")
        for line in grid:
            w.writerow(line)
        return out.getvalue()
    esc = [[c.replace("\\", "\\\\").replace("|", "\\|") for c in line] for line in grid]
    esc.insert(1, ["-" * 3 for _ in names])
    return "\n".join("| " + " | ".join(line) + " |" for line in esc)


def w_flat(record, before=()):
    out = {}
    for k, v in record.items():
        path = (*before, k.replace("\\", "\\\\").replace(".", "\\."))
        if v and type(v) is dict:
            out.update(w_flat(v, path))
        else:
            out[".".join(path)] = v
    return out


def w_cell(v):
    dumped = json.dumps(v, separators=(",", ":"))
    if not isinstance(v, str) or v == "" or v.strip() != v or not v.isprintable():
        return dumped
    try:
        json.loads(v)
        return dumped
    except json.JSONDecodeError:
        return v


# ---------------------------------------------------------------- write_table, wrong


def w_table(
    records, form, flat=w_flat, names=None, line=None, cell=w_cell, head=str, text=None, esc=None,
    dashes=1, empty=False,
):  # fmt: skip
    """Write a table with a part of another kind."""
    if form not in {"csv", "markdown"}:
        raise ValueError(form)
    rows = [flat(r) for r in records]
    columns = names(rows) if names and rows else list(dict.fromkeys(c for r in rows for c in r))
    if not columns and not empty:
        raise ValueError("no columns")
    line = line or (lambda row, columns: [cell(row[c]) if c in row else "" for c in columns])
    grid = [[head(c) for c in columns], *(line(row, columns) for row in rows)]
    if form == "csv":
        return (text or w_csv)(grid)
    esc = esc or (lambda c: c.replace("\\", "\\\\").replace("|", "\\|"))
    lines = [[esc(c) for c in cells] for cells in grid]
    lines[1:1] = [["---"] * len(columns)] * dashes
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def w_csv(grid):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(grid)
    return out.getvalue()


@gallery.wrong("write_table")
def w_dictwriter(records, form="csv"):
    """csv.DictWriter and str(): what one writes without thinking."""
    out = io.StringIO()
    w = csv.DictWriter(out, records[0].keys(), extrasaction="ignore", lineterminator="\n")
    w.writeheader()
    w.writerows(records)
    return out.getvalue()


@gallery.wrong("write_table", "columns-of-the-first")
def w_first(records, form="csv"):
    return w_table(records, form, names=lambda rows: list(rows[0]))


@gallery.wrong("write_table", "columns-sorted")
def w_set(records, form="csv"):
    return w_table(records, form, names=lambda rows: sorted({c for r in rows for c in r}))


def flat_keys_only(record):
    return {k.replace("\\", "\\\\").replace(".", "\\."): v for k, v in record.items()}


@gallery.wrong("write_table", "nested-as-json")
def w_shallow(records, form="csv"):
    return w_table(records, form, flat=flat_keys_only)


def flat_one(record):
    out = {}
    for k, v in flat_keys_only(record).items():
        if isinstance(v, dict) and v:
            out.update({f"{k}.{i}": x for i, x in flat_keys_only(v).items()})
        else:
            out[k] = v
    return out


@gallery.wrong("write_table", "one-level")
def w_one(records, form="csv"):
    return w_table(records, form, flat=flat_one)


def flat_unescaped(record, before=""):
    out = {}
    for k, v in record.items():
        out.update(
            flat_unescaped(v, before + k + ".") if isinstance(v, dict) and v else {before + k: v}
        )
    return out


@gallery.wrong("write_table", "dots-not-escaped")
def w_dots(records, form="csv"):
    return w_table(records, form, flat=flat_unescaped)


def flat_lists(record):
    out = {}
    for k, v in w_flat(record).items():
        if isinstance(v, list) and v:
            inner = flat_lists({str(i): x for i, x in enumerate(v)})
            out.update({f"{k}.{i}": x for i, x in inner.items()})
        else:
            out[k] = v
    return out


@gallery.wrong("write_table", "lists-as-columns")
def w_lists(records, form="csv"):
    return w_table(records, form, flat=flat_lists)


def flat_no_empties(record, before=()):
    out = {}
    for k, v in record.items():
        path = (*before, k.replace("\\", "\\\\").replace(".", "\\."))
        out.update(flat_no_empties(v, path) if isinstance(v, dict) else {".".join(path): v})
    return out


@gallery.wrong("write_table", "empty-dicts-lost")
def w_no_empties(records, form="csv"):
    return w_table(records, form, flat=flat_no_empties)


@gallery.wrong("write_table", "keys-quoted")
def w_quoted_head(records, form="csv"):
    return w_table(records, form, head=w_cell)


@gallery.wrong("write_table", "own-order")
def w_values(records, form="csv"):
    return w_table(records, form, line=lambda row, columns: [w_cell(v) for v in row.values()])


@gallery.wrong("write_table", "missing-as-null")
def w_get(records, form="csv"):
    return w_table(records, form, line=lambda row, columns: [w_cell(row.get(c)) for c in columns])


@gallery.wrong("write_table", "null-as-missing")
def w_none(records, form="csv"):
    return w_table(records, form, cell=lambda v: "" if v is None else w_cell(v))


@gallery.wrong("write_table", "empty-text-as-missing")
def w_blank(records, form="csv"):
    return w_table(records, form, cell=lambda v: w_cell(v) if v != "" else v)


@gallery.wrong("write_table", "text-always-bare")
def w_bare(records, form="csv"):
    return w_table(records, form, cell=lambda v: v if isinstance(v, str) else w_cell(v))


@gallery.wrong("write_table", "only-digits-quoted")
def w_digits(records, form="csv"):
    def cell(v):
        plain = isinstance(v, str) and v and v.strip() == v and v.isprintable()
        if plain and not v.replace(".", "").replace("-", "").isdigit():
            return v
        return json.dumps(v, separators=(",", ":"))

    return w_table(records, form, cell=cell)


def is_float(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@gallery.wrong("write_table", "quoted-by-float")
def w_float(records, form="csv"):
    def cell(v):
        return json.dumps(v) if isinstance(v, str) and is_float(v) else w_cell(v)

    return w_table(records, form, cell=cell)


@gallery.wrong("write_table", "spaces-at-the-ends")
def w_ends(records, form="csv"):
    def cell(v):
        bare = isinstance(v, str) and v.isprintable() and v.strip() not in ("", v)
        return v if bare else w_cell(v)

    return w_table(records, form, cell=cell)


@gallery.wrong("write_table", "line-ends-bare")
def w_lines(records, form="csv"):
    def cell(v):
        return v if isinstance(v, str) and not v.isprintable() and v.strip() == v else w_cell(v)

    return w_table(records, form, cell=cell)


@gallery.wrong("write_table", "text-never-bare")
def w_always(records, form="csv"):
    return w_table(records, form, cell=lambda v: json.dumps(v, separators=(",", ":")))


@gallery.wrong("write_table", "python-values")
def w_str(records, form="csv"):
    return w_table(records, form, cell=lambda v: w_cell(v) if isinstance(v, str) else str(v))


@gallery.wrong("write_table", "spaces-in-json")
def w_spaced(records, form="csv"):
    return w_table(records, form, cell=lambda v: w_cell(v) if isinstance(v, str) else json.dumps(v))


@gallery.wrong("write_table", "commas-not-quoted")
def w_join(records, form="csv"):
    return w_table(records, form, text=lambda grid: "\n".join(map(",".join, grid)) + "\n")


@gallery.wrong("write_table", "quotes-not-doubled")
def w_hand_quoted(records, form="csv"):
    def text(grid):
        return "".join(",".join(f'"{c}"' for c in cells) + "\n" for cells in grid)

    return w_table(records, form, text=text)


@gallery.wrong("write_table", "every-cell-quoted")
def w_quote_all(records, form="csv"):
    def text(grid):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(grid)
        return out.getvalue()

    return w_table(records, form, text=text)


@gallery.wrong("write_table", "no-dashes")
def w_no_dashes(records, form="csv"):
    return w_table(records, form, dashes=0)


@gallery.wrong("write_table", "bars-not-escaped")
def w_bars(records, form="csv"):
    return w_table(records, form, esc=lambda c: c.replace("\\", "\\\\"))


@gallery.wrong("write_table", "bars-as-entities")
def w_entity(records, form="csv"):
    return w_table(records, form, esc=lambda c: c.replace("\\", "\\\\").replace("|", "&#124;"))


@gallery.wrong("write_table", "backslashes-not-escaped")
def w_backslash(records, form="csv"):
    return w_table(records, form, esc=lambda c: c.replace("|", "\\|"))


@gallery.wrong("write_table", "bars-before-backslashes")
def w_bars_first(records, form="csv"):
    return w_table(records, form, esc=lambda c: c.replace("|", "\\|").replace("\\", "\\\\"))


@gallery.wrong("write_table", "nothing-refused")
def w_empty(records, form="csv"):
    return w_table(records, form, empty=True)


@gallery.wrong("write_table", "any-form")
def w_any(records, form="csv"):
    return w_table(records, "markdown" if form == "markdown" else "csv")


# ---------------------------------------------------------------- read_table, right


@gallery.right("read_table")
def r_plain(text, form="csv"):
    if form == "csv":
        grid = list(csv.reader(text.splitlines()))
    elif form == "markdown":
        grid = []
        for line in text.splitlines():
            cells = re.split(r"(?<!\\)(?:\\\\)*\|", line) if "\\\\|" in line else None
            cells = cells or re.split(r" \| |^\| | \|$", line)
            grid.append([re.sub(r"\\(.)", r"\1", c.strip()) for c in cells[1:-1]])
        del grid[1]
    else:
        raise ValueError(form)
    return [r_record(grid[0], line) for line in grid[1:]]


def r_record(head, cells, cut=None, value=None, put=None, kept=bool):
    if len(head) != len(cells):
        raise ValueError("cells")
    out = {}
    for name, c in zip(head, cells, strict=True):
        if kept(c):
            (put or r_put)(out, (cut or r_cut)(name), (value or r_value)(c))
    return out


def r_cut(name):
    parts = re.split(r"(?<!\\)\.", name.replace("\\\\", "\0"))
    return [p.replace("\\.", ".").replace("\0", "\\") for p in parts]


def r_value(c):
    try:
        return json.loads(c)
    except json.JSONDecodeError:
        return c


def r_put(out, path, v):
    for key in path[:-1]:
        out = out.setdefault(key, {})
    out[path[-1]] = v


def r_table(text, form, lines=None, bars=None, body=2, record=r_record, **parts):
    """Read a table with a part of another kind."""
    if form not in {"csv", "markdown"}:
        raise ValueError(form)
    if form == "csv":
        head, *rows = lines(text) if lines else csv.reader(io.StringIO(text))
    else:
        grid = [(bars or r_bars)(line) for line in text.strip().split("\n")]
        head, rows = grid[0], grid[body:]
    return [record(head, cells, **parts) for cells in rows]


def r_bars(line):
    cells, now, i = [], "", 1
    while i < len(line):
        if line[i] == "\\":
            now, i = now + line[i + 1], i + 1
        elif line[i] == "|":
            cells, now = [*cells, now.strip()], ""
        else:
            now += line[i]
        i += 1
    return cells


@gallery.right("read_table")
def r_letter_by_letter(text, form="csv"):
    return r_table(text, form)


# ---------------------------------------------------------------- read_table, wrong


@gallery.wrong("read_table", "all-text")
def r_text(text, form="csv"):
    return r_table(text, form, value=str)


def v_number(c):
    try:
        return int(c)
    except ValueError:
        try:
            return float(c)
        except ValueError:
            return c


@gallery.wrong("read_table", "numbers-only")
def r_number(text, form="csv"):
    return r_table(text, form, value=v_number)


def v_eval(c):
    import ast

    try:
        return ast.literal_eval(c)
    except (ValueError, SyntaxError):
        return c


@gallery.wrong("read_table", "python-literals")
def r_eval(text, form="csv"):
    return r_table(text, form, value=v_eval)


@gallery.wrong("read_table", "read-twice")
def r_twice(text, form="csv"):
    def value(c):
        v = r_value(c)
        return r_value(v) if isinstance(v, str) else v

    return r_table(text, form, value=value)


@gallery.wrong("read_table", "quotes-stripped")
def r_strip(text, form="csv"):
    def value(c):
        return c.strip('"') if c.startswith('"') or c.endswith('"') else r_value(c)

    return r_table(text, form, value=value)


@gallery.wrong("read_table", "missing-as-null")
def r_none(text, form="csv"):
    return r_table(text, form, value=lambda c: r_value(c) if c else None, kept=lambda c: True)


@gallery.wrong("read_table", "missing-as-empty-text")
def r_blank(text, form="csv"):
    return r_table(text, form, kept=lambda c: True)


@gallery.wrong("read_table", "not-nested")
def r_flat(text, form="csv"):
    def put(out, path, v):
        out[".".join(path)] = v

    return r_table(text, form, put=put)


@gallery.wrong("read_table", "neighbours-overwritten")
def r_new(text, form="csv"):
    def put(out, path, v):
        for key in path[:0:-1]:
            v = {key: v}
        out[path[0]] = v

    return r_table(text, form, put=put)


@gallery.wrong("read_table", "escaped-dots-cut")
def r_dots(text, form="csv"):
    def cut(name):
        return [part.replace("\\\\", "\\") for part in name.split(".")]

    return r_table(text, form, cut=cut)


@gallery.wrong("read_table", "backslashes-left-in-keys")
def r_raw_keys(text, form="csv"):
    return r_table(text, form, cut=lambda name: re.findall(r"(?:\\.|[^.\\])+", name))


@gallery.wrong("read_table", "cut-at-commas")
def r_commas(text, form="csv"):
    def lines(text):
        for line in text.rstrip("\n").split("\n"):
            yield [c.strip('"').replace('""', '"') for c in line.split(",")]

    return r_table(text, form, lines=lines)


@gallery.wrong("read_table", "cut-at-bars")
def r_split(text, form="csv"):
    def bars(line):
        return [re.sub(r"\\(.)", r"\1", c.strip()) for c in line.strip().strip("|").split("|")]

    return r_table(text, form, bars=bars)


@gallery.wrong("read_table", "escapes-kept")
def r_raw(text, form="csv"):
    def bars(line):
        return [c.strip() for c in re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])]

    return r_table(text, form, bars=bars)


@gallery.wrong("read_table", "spaces-kept")
def r_spaces(text, form="csv"):
    def bars(line):
        cells = re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])
        return [re.sub(r"\\(.)", r"\1", c) for c in cells]

    return r_table(text, form, bars=bars)


@gallery.wrong("read_table", "dashes-as-record")
def r_dashes(text, form="csv"):
    return r_table(text, form, body=1)


@gallery.wrong("read_table", "other-lengths-accepted")
def r_short(text, form="csv"):
    def record(head, cells):
        cells = cells[: len(head)]
        return r_record(head[: len(cells)], cells)

    return r_table(text, form, record=record)


@gallery.wrong("read_table", "other-lengths-accepted")
def r_lengths(text, form="csv"):
    def record(head, cells):
        return r_record(head[: len(cells)], cells[: len(head)])

    return r_table(text, form, record=record)


@gallery.wrong("read_table", "any-form")
def r_any(text, form="csv"):
    return r_table(text, "csv" if form == "csv" else "markdown")


# ---------------------------------------------------------------- request_cost, right


@gallery.right("request_cost")
def c_loop(prompt, output_tokens, rates, cached, block=128):
    if output_tokens < 0:
        raise ValueError("negative")
    n = 0
    while n < len(prompt) and n < len(cached) and prompt[n] == cached[n]:
        n += 1
    n -= n % block
    new = len(prompt) - n
    return (
        new * rates["input"] / 1e6
        + n * rates["cached"] / 1e6
        + output_tokens * rates["output"] / 1e6
    )


@gallery.right("request_cost")
def c_by_blocks(prompt, output_tokens, rates, cached, block=128):
    if output_tokens < 0:
        raise ValueError("negative")
    hit = 0
    for start in range(0, len(prompt) - block + 1, block):
        if prompt[start : start + block] != cached[start : start + block]:
            break
        hit = start + block
    total = rates["input"] * (len(prompt) - hit) + rates["cached"] * hit
    return (total + rates["output"] * output_tokens) / 1_000_000


# ---------------------------------------------------------------- request_cost, wrong


def c_same(prompt, cached):
    same = 0
    for a, b in zip(prompt, cached, strict=False):
        if a != b:
            break
        same += 1
    return same


def c_bill(prompt, output_tokens, rates, hit):
    if output_tokens < 0:
        raise ValueError("negative")
    new = len(prompt) - hit
    return (new * rates["input"] + hit * rates["cached"] + output_tokens * rates["output"]) / 1e6


@gallery.wrong("request_cost", "cache-ignored")
def c_none(prompt, output_tokens, rates, cached, block=128):
    return c_bill(prompt, output_tokens, rates, 0)


@gallery.wrong("request_cost", "not-in-blocks")
def c_tokens(prompt, output_tokens, rates, cached, block=128):
    return c_bill(prompt, output_tokens, rates, c_same(prompt, cached))


@gallery.wrong("request_cost", "blocks-rounded-up")
def c_up(prompt, output_tokens, rates, cached, block=128):
    hit = (c_same(prompt, cached) + block - 1) // block * block
    return c_bill(prompt, output_tokens, rates, min(len(prompt), hit))


@gallery.wrong("request_cost", "blocks-counted")
def c_blocks(prompt, output_tokens, rates, cached, block=128):
    return c_bill(prompt, output_tokens, rates, c_same(prompt, cached) // block)


@gallery.wrong("request_cost", "tokens-anywhere")
def c_in(prompt, output_tokens, rates, cached, block=128):
    hit = len([t for t in prompt if t in cached]) // block * block
    return c_bill(prompt, output_tokens, rates, hit)


@gallery.wrong("request_cost", "equal-places")
def c_places(prompt, output_tokens, rates, cached, block=128):
    same = sum(a == b for a, b in zip(prompt, cached, strict=False))
    return c_bill(prompt, output_tokens, rates, same // block * block)


@gallery.wrong("request_cost", "all-or-nothing")
def c_whole(prompt, output_tokens, rates, cached, block=128):
    same = c_same(prompt, cached)
    same = same if same == min(len(prompt), len(cached)) else 0
    return c_bill(prompt, output_tokens, rates, same // block * block)


@gallery.wrong("request_cost", "not-compared")
def c_length(prompt, output_tokens, rates, cached, block=128):
    hit = min(len(prompt), len(cached)) // block * block
    return c_bill(prompt, output_tokens, rates, hit)


def c_split(prompt, output_tokens, cached, block):
    """New tokens, and those from the cache."""
    if output_tokens < 0:
        raise ValueError("negative")
    hit = c_same(prompt, cached) // block * block
    return len(prompt) - hit, hit


@gallery.wrong("request_cost", "for-a-thousand")
def c_thousand(prompt, output_tokens, rates, cached, block=128):
    new, hit = c_split(prompt, output_tokens, cached, block)
    i, c, o = rates["input"], rates["cached"], rates["output"]
    return (new * i + hit * c + output_tokens * o) / 1e3


@gallery.wrong("request_cost", "hit-paid-twice")
def c_twice(prompt, output_tokens, rates, cached, block=128):
    _, hit = c_split(prompt, output_tokens, cached, block)
    i, c, o = rates["input"], rates["cached"], rates["output"]
    return (len(prompt) * i + hit * c + output_tokens * o) / 1e6


@gallery.wrong("request_cost", "hit-for-nothing")
def c_free(prompt, output_tokens, rates, cached, block=128):
    new, _ = c_split(prompt, output_tokens, cached, block)
    i, o = rates["input"], rates["output"]
    return (new * i + output_tokens * o) / 1e6


@gallery.wrong("request_cost", "hit-taken-off")
def c_minus(prompt, output_tokens, rates, cached, block=128):
    _, hit = c_split(prompt, output_tokens, cached, block)
    i, c, o = rates["input"], rates["cached"], rates["output"]
    return (len(prompt) * i - hit * c + output_tokens * o) / 1e6


@gallery.wrong("request_cost", "rates-swapped")
def c_swap(prompt, output_tokens, rates, cached, block=128):
    new, hit = c_split(prompt, output_tokens, cached, block)
    i, c, o = rates["input"], rates["cached"], rates["output"]
    return (hit * i + new * c + output_tokens * o) / 1e6


@gallery.wrong("request_cost", "output-as-input")
def c_out(prompt, output_tokens, rates, cached, block=128):
    new, hit = c_split(prompt, output_tokens, cached, block)
    i, c = rates["input"], rates["cached"]
    return ((new + output_tokens) * i + hit * c) / 1e6


@gallery.wrong("request_cost", "output-forgotten")
def c_no_out(prompt, output_tokens, rates, cached, block=128):
    new, hit = c_split(prompt, output_tokens, cached, block)
    i, c = rates["input"], rates["cached"]
    return (new * i + hit * c) / 1e6


@gallery.wrong("request_cost", "negative-allowed")
def c_negative(prompt, output_tokens, rates, cached, block=128):
    new, hit = c_split(prompt, 0, cached, block)
    return (new * rates["input"] + hit * rates["cached"] + output_tokens * rates["output"]) / 1e6
