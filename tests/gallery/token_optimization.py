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

# ---------------------------------------------------------------- learn_merges


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


def apart(pairs):
    kept = []
    for i, pair in enumerate(pairs):
        if not (kept and kept[-1] == (i - 1, pair)):
            kept.append((i, pair))
    return [pair for _, pair in kept]


def bpe_variant(count_in=1, key=None, across=False, guard=True, result=tuple, least=1, join=None):
    def merge(old, pair):
        new, i = [], 0
        while i < len(old):
            hit = tuple(old[i : i + 2]) == pair
            new.append("".join(old[i : i + 1 + hit]))
            i += 1 + hit
        return new

    def learn(words, count):
        parts = {w: list(w) for w in words}
        age = {c: i for i, c in enumerate(sorted(set("".join(words))))}
        merges = []
        for _ in range(count):
            stats = Counter()
            if across:
                line = [t for w, n in words.items() for _ in range(n) for t in parts[w]]
                stats.update(itertools.pairwise(line))
            for w, n in words.items() if not across else ():
                pairs = list(zip(parts[w], parts[w][1:], strict=False))
                if count_in == "runs":  # as str.count does: no place overlaps the one before
                    pairs = apart(pairs)
                for pair in set(pairs) if count_in == "set" else pairs:
                    stats[pair] += n if count_in else 1
            if (guard and not stats) or (stats and max(stats.values()) < least):
                break
            ranked = key or (lambda n, p: (-n, age[p[0]], age[p[1]]))
            best = min((ranked(n, p), p) for p, n in stats.items())[1]
            merges.append(result(best))
            age.setdefault("".join(best), len(age))
            parts = {w: (join or merge)(old, best) for w, old in parts.items()}
        return merges

    return learn


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


def named(name, function):
    function.__name__ = name
    return function


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


def right_to_left(old, pair):
    new = list(old)
    i = len(new) - 2
    while i >= 0:
        if (new[i], new[i + 1]) == pair:
            new[i : i + 2] = ["".join(pair)]
            i -= 1
        i -= 1
    return new


def only_first(old, pair):
    for i in range(len(old) - 1):
        if (old[i], old[i + 1]) == pair:
            return [*old[:i], "".join(pair), *old[i + 2 :]]
    return old


@gallery.wrong("learn_merges", "counted-once")
def most_common(words, count):
    stats = Counter()
    for w, n in words.items():
        for pair in itertools.pairwise(w):
            stats[pair] += n
    ranked = sorted(stats.items(), key=lambda item: (-item[1], item[0]))
    return [pair for pair, _ in ranked[:count]]


@gallery.wrong("learn_merges")
def nothing_learned(words, count):
    return []


# ---------------------------------------------------------------- write_table


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


def table_variant(flat=w_flat, cell=w_cell, names=None, line=None, text=None, esc=None, **more):
    def write(records, form="csv"):
        if form not in {"csv", "markdown"} and not more.get("any_form"):
            raise ValueError(form)
        rows = [flat(r) for r in records]
        columns = names(rows) if names and rows else list(dict.fromkeys(c for r in rows for c in r))
        if not columns and not more.get("empty"):
            raise ValueError("no columns")
        pick = line or (lambda row: [cell(row[c]) if c in row else "" for c in columns])
        grid = [
            columns,
            *([pick(r) for r in rows] if not line else [line(r, columns) for r in rows]),
        ]
        grid[0] = [more["head"](c) for c in grid[0]] if "head" in more else grid[0]
        if form != "markdown":
            return (text or w_csv)(grid)
        marks = esc or (lambda c: c.replace("\\", "\\\\").replace("|", "\\|"))
        lines = ["| " + " | ".join(marks(c) for c in cells) + " |" for cells in grid]
        dashes = ["| " + " | ".join(["---"] * len(columns)) + " |"]
        return (
            "\n".join(lines[:1] + (dashes if more.get("dashes", True) else []) + lines[1:]) + "\n"
        )

    return write


def w_csv(grid):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(grid)
    return out.getvalue()


def w_quote_all(grid):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(grid)
    return out.getvalue()


@gallery.wrong("write_table")
def w_dictwriter(records, form="csv"):
    """csv.DictWriter and str(): what one writes without thinking."""
    out = io.StringIO()
    w = csv.DictWriter(out, records[0].keys(), extrasaction="ignore", lineterminator="\n")
    w.writeheader()
    w.writerows(records)
    return out.getvalue()


def is_float(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def cell_with(**change):
    def cell(v):
        dumped = json.dumps(v, separators=(",", ":"))
        if "float" in change and isinstance(v, str) and is_float(v):
            return dumped
        if v is None and "none" in change:
            return change["none"]
        if v == "" and isinstance(v, str):
            return change.get("empty", dumped)
        if not isinstance(v, str):
            return (
                str(v) if "python" in change else (json.dumps(v) if "spaced" in change else dumped)
            )
        if "bare" in change:
            return v
        if "always" in change or (v.strip() != v and "ends" not in change):
            return dumped
        if not v.isprintable() and "lines" not in change:
            return dumped
        if "digits" in change:
            return dumped if v.replace(".", "").replace("-", "").isdigit() else v
        return w_cell(v) if v.isprintable() and v.strip() == v else (v if v.strip() else dumped)

    return cell


def flat_keys_only(record):
    return {k.replace("\\", "\\\\").replace(".", "\\."): v for k, v in record.items()}


def flat_one(record):
    out = {}
    for k, v in flat_keys_only(record).items():
        if isinstance(v, dict) and v:
            out.update({f"{k}.{i}": x for i, x in flat_keys_only(v).items()})
        else:
            out[k] = v
    return out


def flat_unescaped(record, before=""):
    out = {}
    for k, v in record.items():
        out.update(
            flat_unescaped(v, before + k + ".") if isinstance(v, dict) and v else {before + k: v}
        )
    return out


def flat_lists(record):
    out = {}
    for k, v in w_flat(record).items():
        if isinstance(v, list) and v:
            inner = flat_lists({str(i): x for i, x in enumerate(v)})
            out.update({f"{k}.{i}": x for i, x in inner.items()})
        else:
            out[k] = v
    return out


def flat_no_empties(record, before=()):
    out = {}
    for k, v in record.items():
        path = (*before, k.replace("\\", "\\\\").replace(".", "\\."))
        out.update(flat_no_empties(v, path) if isinstance(v, dict) else {".".join(path): v})
    return out


# ---------------------------------------------------------------- read_table


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


def r_record(head, cells, cut=None, value=None, empty=False, put=None):
    if len(head) != len(cells):
        raise ValueError("cells")
    out = {}
    for name, c in zip(head, cells, strict=True):
        if c == "" and empty is False:
            continue
        path = cut(name) if cut else r_cut(name)
        v = empty if c == "" else (value or r_value)(c)
        if put:
            put(out, path, v)
            continue
        here = out
        for key in path[:-1]:
            here = here.setdefault(key, {})
        here[path[-1]] = v
    return out


def r_cut(name):
    parts = re.split(r"(?<!\\)\.", name.replace("\\\\", "\0"))
    return [p.replace("\\.", ".").replace("\0", "\\") for p in parts]


def r_value(c):
    try:
        return json.loads(c)
    except json.JSONDecodeError:
        return c


def read_variant(lines=None, md=None, body=2, forms=("csv", "markdown"), **record):
    def read(text, form="csv"):
        if form not in forms and forms:
            raise ValueError(form)
        if form == "csv":
            grid = lines(text) if lines else list(csv.reader(io.StringIO(text)))
            return [record_of(grid[0], cells) for cells in grid[1:]]
        grid = [(md or r_md)(line) for line in text.strip().split("\n")]
        return [record_of(grid[0], cells) for cells in grid[body:]]

    make = record.pop("make", None) or r_record

    def record_of(head, cells):
        return make(head, cells, **record)

    return read


def r_md(line):
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


def md_split(line):
    return [re.sub(r"\\(.)", r"\1", c.strip()) for c in line.strip().strip("|").split("|")]


def md_raw(line):
    return [c.strip() for c in re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])]


def md_spaces(line):
    cells = re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])
    return [re.sub(r"\\(.)", r"\1", c) for c in cells]


def commas(text):
    lines = text.rstrip("\n").split("\n")
    return [[c.strip('"').replace('""', '"') for c in line.split(",")] for line in lines]


def v_number(c):
    try:
        return int(c)
    except ValueError:
        try:
            return float(c)
        except ValueError:
            return c


def v_eval(c):
    import ast

    try:
        return ast.literal_eval(c)
    except (ValueError, SyntaxError):
        return c


def v_twice(c):
    v = r_value(c)
    return r_value(v) if isinstance(v, str) else v


def v_strip(c):
    return c.strip('"') if c.startswith('"') or c.endswith('"') else r_value(c)


def cut_dots(name):
    return [part.replace("\\\\", "\\") for part in name.split(".")]


def cut_raw(name):
    return re.findall(r"(?:\\.|[^.\\])+", name)


def put_flat(out, path, v):
    out[".".join(path)] = v


def put_new(out, path, v):
    for key in path[:0:-1]:
        v = {key: v}
    out[path[0]] = v


def short_rows(head, cells):
    cells = cells[: len(head)]
    return r_record(head[: len(cells)], cells)


# ---------------------------------------------------------------- request_cost


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


def cost_variant(hit=None, total=None, refuse=True):
    def request_cost(prompt, output_tokens, rates, cached, block=128):
        if output_tokens < 0 and refuse:
            raise ValueError("negative")
        same = 0
        for a, b in zip(prompt, cached, strict=False):
            if a != b:
                break
            same += 1
        n = hit(prompt, cached, block, same) if hit else same // block * block
        new, i, c, o = len(prompt) - n, rates["input"], rates["cached"], rates["output"]
        if total:
            return total(new, n, output_tokens, i, c, o)
        return (new * i + n * c + output_tokens * o) / 1e6

    return request_cost


gallery.right("read_table")(named("r_read_variant", read_variant()))
gallery.wrong("learn_merges", "counts-ignored")(named("b_each_once", bpe_variant(count_in=0)))
gallery.wrong("learn_merges", "across-words")(named("b_across", bpe_variant(across=True)))
gallery.wrong("learn_merges", "once-in-a-word")(named("b_set", bpe_variant(count_in="set")))
gallery.wrong("learn_merges", "alphabetical")(
    named("b_by_text", bpe_variant(key=lambda n, p: (-n, p)))
)
gallery.wrong("learn_merges", "alphabetical-last")(
    named(
        "b_by_text_down",
        bpe_variant(key=lambda n, p: (-n, [(*tuple(-ord(c) for c in t), 9) for t in p])),
    )
)
gallery.wrong("learn_merges", "rarest")(named("b_rarest", bpe_variant(key=lambda n, p: (n, p))))
gallery.wrong("learn_merges", "from-the-right")(named("b_right", bpe_variant(join=right_to_left)))
gallery.wrong("learn_merges", "only-the-first-place")(
    named("b_one_place", bpe_variant(join=only_first))
)
gallery.wrong("learn_merges", "rare-pairs-left")(named("b_two_at_least", bpe_variant(least=2)))
gallery.wrong("learn_merges", "no-end")(named("b_unguarded", bpe_variant(guard=False)))
gallery.wrong("learn_merges", "tokens-returned")(named("b_strings", bpe_variant(result="".join)))
gallery.wrong("learn_merges", "runs-counted-once")(
    named("b_runs_once", bpe_variant(count_in="runs"))
)
gallery.wrong("write_table", "commas-not-quoted")(
    named("w_join", table_variant(text=lambda g: "\n".join(map(",".join, g)) + "\n"))
)
gallery.wrong("write_table", "quotes-not-doubled")(
    named(
        "w_hand_quoted",
        table_variant(text=lambda g: "".join(",".join(f'"{c}"' for c in r) + "\n" for r in g)),
    )
)
gallery.wrong("write_table", "columns-of-the-first")(
    named("w_first", table_variant(names=lambda rows: list(rows[0])))
)
gallery.wrong("write_table", "columns-sorted")(
    named("w_set", table_variant(names=lambda rows: sorted({c for r in rows for c in r})))
)
gallery.wrong("write_table", "own-order")(
    named("w_values", table_variant(line=lambda r, _: [w_cell(v) for v in r.values()]))
)
gallery.wrong("write_table", "missing-as-null")(
    named("w_get", table_variant(line=lambda r, cols: [w_cell(r.get(c)) for c in cols]))
)
gallery.wrong("write_table", "null-as-missing")(
    named("w_none", table_variant(cell=cell_with(none="")))
)
gallery.wrong("write_table", "empty-text-as-missing")(
    named("w_blank", table_variant(cell=cell_with(empty="")))
)
gallery.wrong("write_table", "text-always-bare")(
    named("w_bare", table_variant(cell=lambda v: v if isinstance(v, str) else w_cell(v)))
)
gallery.wrong("write_table", "only-digits-quoted")(
    named("w_digits", table_variant(cell=cell_with(digits=1)))
)
gallery.wrong("write_table", "quoted-by-float")(
    named("w_float", table_variant(cell=cell_with(float=1)))
)
gallery.wrong("write_table", "keys-quoted")(named("w_quoted_head", table_variant(head=w_cell)))
gallery.wrong("write_table", "bars-before-backslashes")(
    named(
        "w_bars_first",
        table_variant(esc=lambda c: c.replace("|", "\\|").replace("\\", "\\\\")),
    )
)
gallery.wrong("write_table", "text-never-bare")(
    named("w_always", table_variant(cell=cell_with(always=1)))
)
gallery.wrong("write_table", "python-values")(
    named("w_str", table_variant(cell=cell_with(python=1)))
)
gallery.wrong("write_table", "every-cell-quoted")(
    named("w_quote_all", table_variant(text=w_quote_all))
)
gallery.wrong("write_table", "spaces-in-json")(
    named("w_spaced", table_variant(cell=cell_with(spaced=1)))
)
gallery.wrong("write_table", "spaces-at-the-ends")(
    named("w_ends", table_variant(cell=cell_with(ends=1)))
)
gallery.wrong("write_table", "line-ends-bare")(
    named("w_lines", table_variant(cell=cell_with(lines=1)))
)
gallery.wrong("write_table", "nested-as-json")(
    named("w_shallow", table_variant(flat=flat_keys_only))
)
gallery.wrong("write_table", "one-level")(named("w_one", table_variant(flat=flat_one)))
gallery.wrong("write_table", "dots-not-escaped")(
    named("w_dots", table_variant(flat=flat_unescaped))
)
gallery.wrong("write_table", "lists-as-columns")(named("w_lists", table_variant(flat=flat_lists)))
gallery.wrong("write_table", "empty-dicts-lost")(
    named("w_no_empties", table_variant(flat=flat_no_empties))
)
gallery.wrong("write_table", "bars-not-escaped")(
    named("w_bars", table_variant(esc=lambda c: c.replace("\\", "\\\\")))
)
gallery.wrong("write_table", "bars-as-entities")(
    named(
        "w_entity",
        table_variant(esc=lambda c: c.replace("\\", "\\\\").replace("|", "&#124;")),
    )
)
gallery.wrong("write_table", "backslashes-not-escaped")(
    named("w_backslash", table_variant(esc=lambda c: c.replace("|", "\\|")))
)
gallery.wrong("write_table", "no-dashes")(named("w_no_dashes", table_variant(dashes=False)))
gallery.wrong("write_table", "nothing-refused")(named("w_empty", table_variant(empty=True)))
gallery.wrong("write_table", "any-form")(named("w_any", table_variant(any_form=True)))
gallery.wrong("read_table", "all-text")(named("r_text", read_variant(value=str)))
gallery.wrong("read_table", "numbers-only")(named("r_number", read_variant(value=v_number)))
gallery.wrong("read_table", "python-literals")(named("r_eval", read_variant(value=v_eval)))
gallery.wrong("read_table", "read-twice")(named("r_twice", read_variant(value=v_twice)))
gallery.wrong("read_table", "quotes-stripped")(named("r_strip", read_variant(value=v_strip)))
gallery.wrong("read_table", "missing-as-null")(named("r_none", read_variant(empty=None)))
gallery.wrong("read_table", "missing-as-empty-text")(named("r_blank", read_variant(empty="")))
gallery.wrong("read_table", "cut-at-commas")(named("r_commas", read_variant(lines=commas)))
gallery.wrong("read_table", "not-nested")(named("r_flat", read_variant(put=put_flat)))
gallery.wrong("read_table", "neighbours-overwritten")(named("r_new", read_variant(put=put_new)))
gallery.wrong("read_table", "escaped-dots-cut")(named("r_dots", read_variant(cut=cut_dots)))
gallery.wrong("read_table", "backslashes-left-in-keys")(
    named("r_raw_keys", read_variant(cut=cut_raw))
)
gallery.wrong("read_table", "dashes-as-record")(named("r_dashes", read_variant(body=1)))
gallery.wrong("read_table", "cut-at-bars")(named("r_bars", read_variant(md=md_split)))
gallery.wrong("read_table", "escapes-kept")(named("r_raw", read_variant(md=md_raw)))
gallery.wrong("read_table", "spaces-kept")(named("r_spaces", read_variant(md=md_spaces)))
gallery.wrong("read_table", "other-lengths-accepted")(
    named("r_short", read_variant(make=short_rows))
)
gallery.wrong("read_table", "any-form")(named("r_any", read_variant(forms=())))
gallery.wrong("read_table", "other-lengths-accepted")(
    named(
        "r_lengths",
        read_variant(make=lambda h, c: r_record(h[: len(c)], c[: len(h)])),
    )
)
gallery.wrong("request_cost", "for-a-thousand")(
    named("c_thousand", cost_variant(total=lambda n, h, x, i, c, o: (n * i + h * c + x * o) / 1e3))
)
gallery.wrong("request_cost", "cache-ignored")(named("c_none", cost_variant(lambda *_: 0)))
gallery.wrong("request_cost", "hit-paid-twice")(
    named(
        "c_twice",
        cost_variant(total=lambda n, h, x, i, c, o: ((n + h) * i + h * c + x * o) / 1e6),
    )
)
gallery.wrong("request_cost", "hit-for-nothing")(
    named("c_free", cost_variant(total=lambda n, h, x, i, c, o: (n * i + x * o) / 1e6))
)
gallery.wrong("request_cost", "hit-taken-off")(
    named(
        "c_minus",
        cost_variant(total=lambda n, h, x, i, c, o: ((n + h) * i - h * c + x * o) / 1e6),
    )
)
gallery.wrong("request_cost", "rates-swapped")(
    named("c_swap", cost_variant(total=lambda n, h, x, i, c, o: (h * i + n * c + x * o) / 1e6))
)
gallery.wrong("request_cost", "output-as-input")(
    named("c_out", cost_variant(total=lambda n, h, x, i, c, o: ((n + x) * i + h * c) / 1e6))
)
gallery.wrong("request_cost", "output-forgotten")(
    named("c_no_out", cost_variant(total=lambda n, h, x, i, c, o: (n * i + h * c) / 1e6))
)
gallery.wrong("request_cost", "not-in-blocks")(
    named("c_tokens", cost_variant(lambda p, k, b, same: same))
)
gallery.wrong("request_cost", "blocks-rounded-up")(
    named("c_up", cost_variant(lambda p, k, b, same: min(len(p), (same + b - 1) // b * b)))
)
gallery.wrong("request_cost", "blocks-counted")(
    named("c_blocks", cost_variant(lambda p, k, b, same: same // b))
)
gallery.wrong("request_cost", "tokens-anywhere")(
    named("c_in", cost_variant(lambda p, k, b, _: len([t for t in p if t in k]) // b * b))
)
gallery.wrong("request_cost", "equal-places")(
    named(
        "c_places",
        cost_variant(lambda p, k, b, _: sum(x == y for x, y in zip(p, k, strict=False)) // b * b),
    )
)
gallery.wrong("request_cost", "all-or-nothing")(
    named(
        "c_whole",
        cost_variant(lambda p, k, b, same: same // b * b if same == min(len(p), len(k)) else 0),
    )
)
gallery.wrong("request_cost", "not-compared")(
    named("c_length", cost_variant(lambda p, k, b, _: min(len(p), len(k)) // b * b))
)
gallery.wrong("request_cost", "negative-allowed")(named("c_negative", cost_variant(refuse=False)))
