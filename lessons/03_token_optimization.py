# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Token optimization
#     minutes: 45
#     models: [base]
#     summary: What a text costs in eight formats and thirteen languages, and what a model finds.
# ---

# %% [markdown]
# # Token optimization
#
# A model reads tokens, and you pay by the token: in money, in time, and in room in the context
# window. The same facts can cost several times as much in one form as in another. This lesson
# measures what decides that: the tokenizer, the format, the language, and the order in which you
# say things.
#
# You will build byte-pair encoding and prove that it learns what the `tokenizers` library learns;
# a lossless way from JSON to CSV and Markdown and back; and a bill that knows the provider's cache.
# And you will measure when saving tokens costs you answers.

# %%
from collections import Counter
from typing import Any

from labkit import Lab, load_model
from labkit.experiments.real import reading_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import costs, formats, languages, quantity_plots, tokens
from labkit.instruments.budget import affordable
from labkit.widgets import TokenExplorer

lab = Lab("03_token_optimization")
model, tokenizer = load_model()

# %% [markdown]
# ## One text, three tokenizers
#
# Two of these read for models in production, and are here as files: that of Mistral 7B (32,000
# tokens), called **SentencePiece** here after the library that made it, and **Tekken** of [Mistral
# NeMo](https://mistral.ai/news/mistral-nemo/) (2024, 131,072 tokens). The third is the course's
# own, with 2,769 tokens, made for the small world of the bundled model. All three are byte-pair
# encodings, which you will build.

# %%
token_readers = {name: tokens.reader(name) for name in ("tekken", "sentencepiece", "course")}
ferry_notice = "The ferry to Łódź leaves at 7:30."
lab.claim("tokens that Tekken knows", token_readers["tekken"].vocabulary)
lab.claim("tokens that SentencePiece knows", token_readers["sentencepiece"].vocabulary)
lab.claim("tokens that the course's tokenizer knows", token_readers["course"].vocabulary)
tokens.side_by_side(token_readers, ferry_notice)

# %% [markdown]
# A dot is a space, and `‹c5›` is half a letter: where a tokenizer has no token for a letter, it
# writes the letter's UTF-8 bytes one by one. So **the number of tokens is no property of a text**.
# It belongs to a text and a tokenizer.
#
# Try your own. Point at a token, or go through them with the arrow keys, and see what the other
# tokenizers make of the same place. Paste something from your own work: a log line, JSON, another
# language, code.

# %%
rate_card = costs.RateCard(  # an example in round numbers, no provider's offer: put in your own
    "Example card, made up for this course", as_of="2026-11-01", input=2.0, cached=0.2, output=6.0
)
print(rate_card)

# %%
sample_texts = {
    "A sentence": "Unbelievable: the ferry to the island leaves at half past seven.",
    "JSON": formats.pretty_json(formats.employees(2)),
    "CSV": "id,name,active\n1001,Hugo Lopez,true\n1002,Mira Abel,false",
    "Greek": languages.NOTICE["Greek"],
    "Korean": languages.NOTICE["Korean"],
    "Code": "def area(radius: float) -> float:\n    return 3.14159 * radius**2",
}
TokenExplorer(token_readers, sample_texts, rate=rate_card.input)

# %%
lab.ask("what-decides")

# %% [markdown]
# ## Build it: byte-pair encoding
#
# Where do tokens come from? From counting. Byte-pair encoding ([Sennrich et al.
# 2016](https://arxiv.org/abs/1508.07909)) starts with single letters (or bytes), looks for the
# most frequent pair of neighbours in a corpus, makes it one token, and does that again, thousands
# of times. What was frequent in the corpus gets short; everything else stays in pieces.


# %%
def learn_merges(words: dict[str, int], count: int) -> list[tuple[str, str]]:
    """Learn the merges of byte-pair encoding: join the most frequent pair, again and again.

    words    how often each word occurs in a corpus; pairs are counted inside words only, every
             two neighbours: aaa has the pair (a, a) twice, and is joined from the left
    count    how many merges to learn; fewer when no word has two tokens left
    returns  the merged pairs in the order in which they were learned, each a tuple of two tokens

    Of equally frequent pairs the one is merged whose first token is older, then the one whose
    second is: letters are the oldest tokens, in alphabetical order, then the results of the merges.
    Write it in Python: the trainer of `tokenizers` is what it is compared with.

    learn_merges({"low": 5, "lower": 2}, 2)  →  [("l", "o"), ("lo", "w")]
    """
    ...


# %%
lab.check(learn_merges)

# %% [markdown]
# Stuck? `lab.hint(learn_merges)` gives three hints, one at a time. After a pass or three tries
# `lab.solution(learn_merges)` shows ours. Until yours passes, the cells below use the reference.
#
# Now on real words: all that stands in the notice that you will meet below in thirteen languages.

# %%
my_merges = lab.use(learn_merges)
notice_words = Counter(" ".join(languages.NOTICE.values()).split())
merges_learned, merges_of_library = (
    my_merges(notice_words, 150),
    tokens.library_merges(notice_words, 150),
)
print(" ".join("".join(pair) for pair in merges_learned[:24]))
share_equal = sum(a == b for a, b in zip(merges_learned, merges_of_library, strict=True)) / len(
    merges_of_library
)
lab.claim("merges equal to those of tokenizers", share_equal)

# %%
lab.ask("merge-by-hand")

# %% [markdown]
# ## The same records, eight formats
#
# A hundred employees with six fields each. First as JSON is usually pasted into prompts:

# %%
people_records = formats.employees(100)
print(formats.pretty_json(people_records[:1]))

# %% [markdown]
# Every record repeats every key, with quotes, spaces and a line end. A table says the keys once.
# How much is that? Commit to a guess:

# %%
lab.ask("csv-share")

# %% [markdown]
# ## Build it: records to a table, nothing lost
#
# `",".join(values)` is not a format. Text holds commas, quotes and line ends; the text `42` must
# not come back as a number, and a key that is missing is not the same as `null`, or as an empty
# text. One rule is enough for all of it: *text stands as it is, unless it could be taken for
# something else; everything else is JSON*.


# %%
def write_table(records: list[dict[str, Any]], form: str = "csv") -> str:
    """Write records as a table that loses nothing: CSV (RFC 4180) or a Markdown table.

    records  what JSON can hold; a key is printable (str.isprintable: no line end, no tab, no other
             control character), not empty, and has no spaces at its ends
    form     "csv" or "markdown"; anything else is a ValueError, and so are records of which none
             has a key; a record without keys among others is a line of empty cells
    returns  a header of the columns, then one line for each record, each with a line end. CSV
             quotes a cell only where it must; a line whose only cell is empty is `""`. Markdown
             lines are `| a | b |`, with dashes after the header; a backslash is written as two,
             and | as \\|

    A column for each key, in the order of first appearance. A key inside a dict makes a column
    `outer.inner`, where a dot or a backslash in a key has a backslash before it. Cells below the
    header, which holds the columns as they are:
      a missing key       nothing
      text                as it is, if str.isprintable holds, it is not empty, without spaces at its
                          ends, and no JSON (json.loads refuses it, as it does 0815); else, quoted,
                          as JSON
      everything else     JSON without spaces: numbers, true, false, null, lists, empty dicts

    write_table([{"id": 7, "at": {"zip": "4000"}}])  →  'id,at.zip\\n7,\"\"\"4000\"\"\"\\n'
    """
    ...


# %%
lab.check(write_table)

# %%
my_table = lab.use(write_table)
format_counts = formats.token_counts(people_records, my_table, token_readers)
quantity_plots.amounts(
    {
        name: {r.name: format_counts[name][key] for key, r in token_readers.items()}
        for name in formats.FORMATS
    },
    x_label="tokens for 100 records",
    alt=lab.alt("tokens-by-format"),
)

# %%
tekken_counts = {name: format_counts[name]["tekken"] for name in formats.FORMATS}
course_counts = {name: format_counts[name]["course"] for name in formats.FORMATS}
lab.compare("csv-share", 100 * tekken_counts["CSV"] / tekken_counts["pretty JSON"])

# %%
lab.claim("CSV / pretty JSON", tekken_counts["CSV"] / tekken_counts["pretty JSON"])
lab.claim("compact JSON / JSON, Tekken", tekken_counts["compact JSON"] / tekken_counts["JSON"])
lab.claim(
    "compact JSON / JSON, our tokenizer", course_counts["compact JSON"] / course_counts["JSON"]
)

# %% [markdown]
# The [TOON
# project](https://github.com/toon-format/toon/blob/75f276e/benchmarks/results/retrieval-accuracy.md)
# publishes the same comparison with another tokenizer and a hundred employees of its own (July
# 2026): CSV 2,336 tokens, compact JSON 3,919, YAML 4,982, pretty JSON 6,326, XML 7,286. That is CSV
# / pretty JSON = 0.37; ours lies near it, and the order of the five is the same:

# %%
toon_order = ["CSV", "compact JSON", "YAML", "pretty JSON", "XML"]
our_order = sorted(toon_order, key=lambda name: tekken_counts[name])
lab.claim("formats in TOON's order", float(our_order == toon_order))

# %% [markdown]
# Look at the two claims about compact JSON above. With Tekken you save a fifth by taking the spaces
# out of JSON. With the course's tokenizer the same step makes it a quarter **longer**: it learned
# JSON *with* spaces, where `", "` is one token. Advice about tokens holds for a tokenizer. Count
# with the one you pay for.
#
# ## Build it: and back again
#
# A table that can't be read back is not smaller data, it is less data.


# %%
def read_table(text: str, form: str = "csv") -> list[dict[str, Any]]:
    """Read what write_table has written; the records come back as they were.

    text     a table in the form that write_table describes; its last newline may be missing
    form     "csv" or "markdown"; anything else is a ValueError, and so is a line with more or
             fewer cells than the header
    returns  a record for each line after the header, dicts inside dicts where a column has a dot

    read_table('id,at.zip\\n7,\"\"\"4000\"\"\"\\n')  →  [{"id": 7, "at": {"zip": "4000"}}]
    """
    ...


# %%
lab.check(read_table)

# %%
my_reader = lab.use(read_table)
part_records, order_records = formats.catalogue(40), formats.orders(30)
came_back = [
    my_reader(my_table(records, form), form) == records
    for records in (people_records, part_records, order_records)
    for form in ("csv", "markdown")
]
lab.claim("tables that came back as they were", sum(came_back) / len(came_back))

# %% [markdown]
# ## What does the model still find?
#
# Fewer tokens are worth nothing if the answers get worse. So we ask: 200 small tables about
# people whom the model has never met, one question about a cell of each, the same questions in
# every format. The bundled model saw such tables in its training as CSV, as Markdown, as
# key-value lines and as JSON with spaces, all equally often. It has **never** seen a table in
# YAML, XML, pretty or compact JSON.

# %%
print(formats.table_questions(1, 4)[0].question)
lab.ask("yaml-right")

# %%
questions_asked = affordable(200, model, tokenizer, tokens=200 * len(formats.FORMATS))
row_questions = formats.table_questions(questions_asked, rows=4)
looked_up = formats.look_up(model, tokenizer, row_questions, my_table)
quantity_plots.trade_off(
    {name: (each.tokens, each.right) for name, each in looked_up.items()},
    x_label="tokens of the prompt, in the model's own tokenizer",
    y_label="share of questions answered",
    chance=0.25,
    alt=lab.alt("right-against-tokens"),
)

# %%
share_right_in = {name: each.right for name, each in looked_up.items()}
yaml_low, yaml_high = share_right_in["YAML"].interval
lab.compare("yaml-right", 100 * share_right_in["YAML"].value, 100 * yaml_low, 100 * yaml_high)

# %%
lab.claim("found in CSV", share_right_in["CSV"].value)
lab.claim("found in JSON with spaces", share_right_in["JSON"].value)
lab.claim("found in compact JSON", share_right_in["compact JSON"].value)
lab.claim("found in YAML", share_right_in["YAML"].value)

# %% [markdown]
# Three things are in this picture.
#
# - **A format that the model does not know costs the answers**, not only tokens. A guess among the
#   rows would be right in a quarter of the cases.
# - **Seen equally often is not equally easy.** CSV and JSON with spaces had the same share of the
#   training, yet a third of the answers is missing in JSON. A likely reason: in CSV a place in the
#   line says which column a value is in; in JSON the keys of all records have to be told apart.
# - **Compact JSON is known data in an unknown dress**: the same letters without the spaces are
#   other tokens. In production such a change looks harmless.
#
# *Here our model is not like large ones.* Those have read every format there is, and which one they
# read best is open. In TOON's benchmark (the page above) four models answer 58 to 63 % about flat
# tables of at most a hundred rows in any of six formats, and the intervals overlap. But
# GPT-4.1-nano, given a thousand rows, found 60.7 % of the cells in key-value lines and 44.3 % in
# CSV, which had 2.7 times fewer tokens ([Improving
# Agents](https://www.improvingagents.com/blog/best-input-data-format-for-llms)). So: for a large
# model and a short table the format is first a question of cost; for a small or specialized model,
# or a long table, measure accuracy first.
#
# ## Where CSV loses
#
# A table wants records that are alike. Here are two kinds that are not: parts with three of forty
# possible measures each, and orders with a list of items.

# %%
uneven_counts = {
    "40 ragged parts": formats.token_counts(part_records, my_table, token_readers),
    "30 nested orders": formats.token_counts(order_records, my_table, token_readers),
}
production_readers = ("tekken", "sentencepiece")
formats_shown = ("compact JSON", "YAML", "key-value lines", "Markdown", "CSV")
quantity_plots.amounts(
    {
        f"{kind}: {name}": {token_readers[key].name: some[name][key] for key in production_readers}
        for kind, some in uneven_counts.items()
        for name in formats_shown
    },
    x_label="tokens",
    alt=lab.alt("tokens-by-records"),
)

# %%
ragged_counts, nested_counts = uneven_counts.values()
lab.claim(
    "ragged: CSV / compact JSON, Tekken",
    ragged_counts["CSV"]["tekken"] / ragged_counts["compact JSON"]["tekken"],
)
lab.claim(
    "ragged: CSV / compact JSON, SentencePiece",
    ragged_counts["CSV"]["sentencepiece"] / ragged_counts["compact JSON"]["sentencepiece"],
)

# %% [markdown]
# Ragged records leave rows of commas, and Markdown a bar and spaces for each cell that is not
# there. SentencePiece pays less for a row of commas than for the keys; Tekken pays more. Lists are
# JSON in their cell, and CSV has to double every quote in them; Markdown does not. What helps most
# with nested records is another table: one line for each *item*, with the order's number on it, as
# a database would have it. (It says nothing of an order without items. Know your data.)

# %%
line_items = formats.line_items(order_records)
tokens_flat = token_readers["tekken"].count(formats.write(line_items, "CSV", my_table))
lab.claim("one line an item / compact JSON", tokens_flat / nested_counts["compact JSON"]["tekken"])

# %%
lab.ask("which-format")

# %% [markdown]
# ## The same message, thirteen languages
#
# A vocabulary is learned from a corpus, and what the corpus is short of stays in pieces. Here is
# one notice of a ferry company, three sentences, written for this course in thirteen languages.
# (Tokens *per word* would be the usual measure; but Japanese and Chinese put no spaces between
# words, so we compare the whole message.)

# %%
notice_tokens = languages.tokens_of_notice({key: token_readers[key] for key in production_readers})
quantity_plots.amounts(
    {
        language: {token_readers[key].name: number for key, number in each.items()}
        for language, each in notice_tokens.items()
    },
    x_label="tokens for the same message",
    alt=lab.alt("tokens-by-language"),
)

# %%
# NBVAL_CHECK_OUTPUT
saved_by_tekken = {
    name: each["sentencepiece"] / each["tekken"] for name, each in notice_tokens.items()
}
for some_language in ("English", "German", "Greek"):
    with_sentencepiece, with_tekken = (
        languages.fertility(some_language, token_readers[key]) for key in production_readers[::-1]
    )
    per_word = f"{with_sentencepiece:.1f} with SentencePiece, {with_tekken:.1f} with Tekken"
    print(f"{some_language:8} tokens per word: {per_word}")

# %%
for other_language in ("Korean", "Arabic", "Chinese", "Russian"):
    print(f"{other_language:8} SentencePiece / Tekken: {saved_by_tekken[other_language]:.2f}")

# %%
lab.claim("SentencePiece / Tekken, Korean", saved_by_tekken["Korean"])
lab.claim(
    "SentencePiece / Tekken, Chinese and Russian at most",
    max(saved_by_tekken["Chinese"], saved_by_tekken["Russian"]),
)
lab.claim("tokens of the Greek notice, SentencePiece", notice_tokens["Greek"]["sentencepiece"])
lab.claim("tokens of the Greek notice, Tekken", notice_tokens["Greek"]["tekken"])
lab.claim(
    "Greek / English, SentencePiece",
    notice_tokens["Greek"]["sentencepiece"] / notice_tokens["English"]["sentencepiece"],
)

# %% [markdown]
# With Mistral 7B's tokenizer a Greek customer pays over five times what an English one pays for
# the same message, waits longer for the answer, and has a window a fifth as long. [Mistral
# says](https://mistral.ai/news/mistral-nemo/) of Tekken: about 30 % better for source code,
# Chinese and several European languages, 2 times for Korean, 3 times for Arabic, against its
# older tokenizers. Our three sentences agree for Korean, nearly for Arabic, and show less for
# Chinese and Russian. For a translation tool the tokenizer is a reason to choose a model.
#
# It is not free. Each token of the vocabulary has a vector at the entrance of these models and one
# at the exit:

# %%
mistral_table = (
    token_readers["sentencepiece"].vocabulary * 4096 * 2 / 1e9
)  # Mistral 7B: vectors of 4,096
nemo_table = (
    token_readers["tekken"].vocabulary * 5120 * 2 / 1e9
)  # Mistral NeMo 12B: vectors of 5,120
per_table = f"{mistral_table:.2f} billion for Mistral 7B, {nemo_table:.2f} billion for NeMo"
print(f"parameters in the two tables: {per_table}")

# %%
lab.ask("translation-tool")

# %% [markdown]
# ## Build it: the bill, with a cache
#
# $$\text{Cost} = \text{Tokens} \times \text{Rate}$$
#
# with three rates: output often costs several times what input does, and input that the provider
# has just read a fraction. A cache keeps what the model computed for a prompt. What it computed for
# a token depends on all tokens before it, so a cache helps **as far as two prompts begin alike**,
# and not one token further.
#
# The small print differs, and changes. OpenAI caches prompts of 1,024 tokens or more, in blocks of
# 128 ([for models before
# GPT-5.6](https://github.com/openai/openai-cookbook/blob/main/examples/Prompt_Caching_201.ipynb)).
# An entry lives for minutes. And writing it costs 1.25 times the input rate at
# [Anthropic](https://platform.claude.com/docs/en/build-with-claude/prompt-caching), as [since
# GPT-5.6](https://developers.openai.com/api/docs/guides/prompt-caching) at OpenAI. Our bill knows
# the blocks; smallest size, lifetime and price of writing it leaves out.


# %%
def request_cost(
    prompt: list[int],
    output_tokens: int,
    rates: dict[str, float],
    cached: list[int],
    block: int = 128,
) -> float:
    """The price of one request when the provider still holds an earlier prompt in its cache.

    prompt         token ids of this request
    output_tokens  how many tokens the model writes; below 0 is a ValueError
    rates          dollars for a million tokens: "input", "cached" (input that was read from the
                   cache, instead of "input") and "output"
    cached         token ids of the earlier prompt; empty when there is none
    block          a cache holds whole blocks of this many tokens: only as many tokens count as
                   cached as fill whole blocks that both prompts begin with
    returns        dollars

    With block=2, [5, 6, 7, 8] after [5, 6, 7, 9]: two tokens are cached, two are new.
    """
    ...


# %%
lab.check(request_cost)

# %% [markdown]
# Thirty questions about the hundred employees, one after another; every prompt holds the table,
# the time of day and a question, and every answer has 20 tokens. The only difference between the
# two ways: does the time stand at the beginning, or after the table?

# %%
request_price = lab.use(request_cost)


def thirty_days(name: str, first: bool) -> float:
    """Dollars for thirty requests, with the table in this format and the time first or late."""
    text = formats.write(people_records, name, my_table)
    prompts = []
    for i, person in enumerate(people_records[:30]):
        time, asked = f"It is 09:{i:02}.\n", f"\nWhat does {person['name']} earn?"
        prompt = time + text + asked if first else text + "\n" + time + asked
        prompts.append([token.id for token in token_readers["tekken"].tokens(prompt)])
    return sum(costs.in_a_row(prompts, 20, rate_card, request_price))


bill_dollars = {
    f"{name}, time {'first' if first else 'late'}": thirty_days(name, first)
    for name in ("pretty JSON", "CSV")
    for first in (True, False)
}
quantity_plots.amounts(
    {way: {"dollars": amount} for way, amount in bill_dollars.items()},
    x_label=f"dollars for 30 requests ({rate_card.name}, {rate_card.as_of})",
    alt=lab.alt("dollars-by-prompt"),
)

# %%
dearest_way, cheapest_way = bill_dollars["pretty JSON, time first"], bill_dollars["CSV, time late"]
lab.claim("from the dearest way to the cheapest, times", dearest_way / cheapest_way)
write_extra = 0.25 * tekken_counts["CSV"] * rate_card.input / 1e6  # dollars for one write at 1.25
lab.claim("writing the table once, share of the cheapest way", write_extra / cheapest_way)
in_vain = 30 * write_extra / bill_dollars["CSV, time first"]
print(f"Written thirty times in vain, the table adds {in_vain:.0%} to CSV, time first")

# %% [markdown]
# The format saved more than a half, and the order of the prompt did the rest: the same facts, the
# same question, less than a tenth of the price. Where a write costs 1.25 times the rate, the right
# order pays for it once, some 4 %; the wrong one pays each time and reads nothing, a quarter more.
# (With your own rate card the numbers change; run the cell with `costs.RateCard` again and then
# these.)

# %%
lab.ask("prompt-order")

# %%
lab.ask("cached-bill")

# %% [markdown]
# ## And in a real model
#
# SmolLM2-135M-Instruct ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)), thirty times as
# large and made by others, has read every one of these formats. The same kind of tables, four rows
# each, after one solved question in the same format; the intervals are over eight of those:

# %%
reading_figures.formats(lab.alt("real-formats"))

# %%
real_found = {name: reading_figures.found_in(name) for name in formats.FORMATS}
real_best = max(real_found, key=lambda name: real_found[name].value)
for format_name, cells_found in real_found.items():
    tokens_taken = reading_figures.tokens_of(format_name)
    print(f"{format_name:16} {tokens_taken:4.0f} tokens   {cells_found}")
csv_of_pretty = reading_figures.tokens_of("CSV") / reading_figures.tokens_of("pretty JSON")
lab.claim("real model: tokens of CSV / pretty JSON", csv_of_pretty)
lab.claim("real model: found in its best format", real_found[real_best].value)
lab.claim("real model: a guess among the rows", reading_figures.table_guess())
lab.claim(
    "real model: formats whose interval is above the guess",
    sum(found.low > reading_figures.table_guess() for found in real_found.values()),
)

# %% [markdown]
# **The tokens hold, the look-up does not.** In its own tokenizer, too, CSV takes less than half of
# pretty JSON. But in no format does it find more than a guess among the rows would, though it has
# read them all: at this size nothing is looked up unless training was for that, as ours was. So
# this model cannot tell which format reads best; for that you need one that reads. With it on your
# machine this measures a part again:

# %%
print(measured_again("real-formats"))

# %% [markdown]
# ## What to take away
#
# - Tokens belong to a text *and* a tokenizer. Count with the one that you pay for.
# - For records that are alike CSV takes less than half of pretty JSON. For ragged and nested ones
#   compact JSON, or another table, is the better one: measure.
# - A format that loses nothing takes a page of code. In formats that it had never read our model
#   lost most answers; for a large model measure it on tables as long as yours.
# - Languages far from the vocabulary's corpus pay a multiple. Tekken's larger vocabulary repaired
#   most of that, for a price in parameters.
# - What stays the same goes first, what changes goes last: a cache, where there is one, does the
#   rest.
#
# The same cells run on another model: `LABKIT_MODEL=smollm2` asks it as many of these questions as
# fit into its time (the claims about look-ups are about the bundled model, and are then shown
# without a verdict).

# %%
lab.progress()
