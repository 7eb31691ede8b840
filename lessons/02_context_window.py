# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: The context window
#     minutes: 45
#     models: [base]
#     summary: What happens as a window fills up - to answers, to what is cut, and to memory.
# ---

# %% [markdown]
# # The context window
#
# The context window is a model's working memory: all that it can look at while it writes the next
# token. What is neither in there nor in its weights does not exist for it. So it is tempting to put
# everything in that fits. This lesson measures what that does: to the answers, to what falls out at
# the edge, and to the memory of the machine.
#
# You will build three functions that every application with a language model needs in some form:
# one that shortens a chat without losing what matters, one that computes what a KV cache takes, and
# one that packs passages into a budget.

# %%
from labkit import Lab, load_model
from labkit.experiments.real import reading_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import asking, models_table, plots, tokens
from labkit.instruments.context import chats, haystacks, kv_cache, packing
from labkit.widgets import ContextExplorer

lab = Lab("02_context_window")
model, tokenizer = load_model()
count_tokens = packing.token_counter(tokenizer)
window_tokens = model.config.max_position_embeddings
print(f"The window of this model: {window_tokens} tokens")

# %% [markdown]
# ## A window, token by token
#
# Our passages tell of people, towns, companies and products that no training text names. So an
# answer can only come from the window. Here are two passages and a question, as the model gets
# them:

# %%
rival_pair = haystacks.rival_haystacks(2, count=1, asked=1)[0]
rival_prompt = rival_pair.text + rival_pair.questions[0]
token_reader = tokens.reader_of(tokenizer)
tokens.Chips(
    f"{token_reader.count(rival_prompt)} of {window_tokens} tokens",
    token_reader.tokens(rival_prompt),
)

# %%
# NBVAL_CHECK_OUTPUT
print(asking.short_answers(model, tokenizer, [rival_prompt])[0], "- right:", rival_pair.answers[0])

# %% [markdown]
# Both passages tell the same kind of thing, of different names. Only the name says which value is
# right; the other one is a **rival**.
#
# ## Stuff it
#
# Now put more and more such passages into the window, and ask about one of them. Sixteen passages
# take about 410 tokens: they all fit. First your guess:

# %%
lab.ask("sixteen-passages")

# %%
passages_asked = {
    1: (200, 1),
    2: (100, 2),
    4: (50, 4),
    8: (34, 6),
    12: (34, 6),
    16: (36, 16),
    24: (23, 9),
}


def texts_asked(count, **reading):
    """All of them, or as many as another model has the time for."""
    return asking.affordable_texts(count, model, tokenizer, **reading)


passage_stacks = {
    n: haystacks.rival_haystacks(n, texts_asked(count, read=26 * n, asked=asked, sets=7), asked)
    for n, (count, asked) in passages_asked.items()
}
hits_by_count = {n: haystacks.ask(model, tokenizer, some) for n, some in passage_stacks.items()}
share_by_count = {
    n: haystacks.accuracy(f"{n} passages", found) for n, found in hits_by_count.items()
}

# %%
per_passage = (
    sum(count_tokens(stack.text) for stack in passage_stacks[16]) / len(passage_stacks[16]) / 16
)
plots.shares(
    {"right answers": share_by_count},
    x_label="passages in the window",
    y_label="share right",
    marks={"the window ends": window_tokens / per_passage},
    alt=lab.alt("right-by-passages"),
)

# %%
of_sixteen = share_by_count[16]
lab.compare("sixteen-passages", 100 * of_sixteen.value, 100 * of_sixteen.low, 100 * of_sixteen.high)

# %%
lab.claim("tokens of 16 passages", 16 * per_passage)
lab.claim("right with 1 passage", share_by_count[1].value)
lab.claim("right with 16 passages", share_by_count[16].value)

# %% [markdown]
# Nothing was cut off up to 16 passages, and still more than every third answer is wrong. **Fitting
# in is not the same as being read.**
#
# Is that a weakness of our tiny model? In part: its training texts held eight passages at most, so
# long before its window ends it is somewhere it has never been. But most large models have a gap
# between the window that they *have* and the window that they *use*. The RULER benchmark ([Hsieh et
# al. 2024](https://arxiv.org/abs/2404.06654)) calls the second one the effective length: up to
# where a model scores at least what Llama-2-7B-chat scores at 4K tokens, 85.6 %. From [its
# table](https://github.com/NVIDIA/RULER/tree/c3f5e3b4f87f97e048793bb510a3a6b19a46bf3a), where some
# models have no gap at 128K (Qwen3's row is by its authors):
#
# | model (RULER, NVIDIA 2026) | claimed | effective | score at 4K | 16K | 32K | 128K |
# |---|---|---|---|---|---|---|
# | Qwen3-32B | 128K | over 128K | 98.4 | 96.2 | 94.4 | 85.6 |
# | GPT-4-1106-preview | 128K | 64K | 96.6 | 95.2 | 93.2 | 81.2 |
# | Llama-3.1-70B | 128K | 64K | 96.5 | 95.4 | 94.8 | 66.6 |
# | Llama-3.1-8B | 128K | 32K | 95.5 | 91.6 | 87.4 | 77.0 |
# | Mistral-7B-v0.2 | 32K | 16K | 93.6 | 87.2 | 75.4 | 13.8 |
#
# ## Where the needle lies
#
# Does it matter *where* in the window the answer stands? We asked about every one of the 16
# passages, so we need not run anything again. Guess first:

# %%
lab.ask("early-needle")

# %%
by_quarter = haystacks.by_position(passage_stacks[16], hits_by_count[16], groups=4)
plots.bars(
    {
        f"{name} quarter": {"16 passages": found}
        for name, found in zip(("first", "second", "third", "last"), by_quarter, strict=True)
    },
    y_label="share right",
    alt=lab.alt("right-by-quarter"),
)

# %%
first_quarter, *other_quarters = by_quarter
lab.compare(
    "early-needle", 100 * first_quarter.value, 100 * first_quarter.low, 100 * first_quarter.high
)

# %%
lab.claim("right in the first quarter", first_quarter.value)
others_right = [quarter.value for quarter in other_quarters]
lab.claim("apart at most, of the other three quarters", max(others_right) - min(others_right))

# %% [markdown]
# Our model loses the beginning; between the other three quarters we see no difference that the
# intervals would bear. The well-known finding for large models is a **U**: they read the beginning
# and the end best and get *lost in the middle* ([Liu et al.
# 2023](https://arxiv.org/abs/2307.03172)). Here are figures that its authors publish [beside their
# code](https://github.com/nelson-liu/lost-in-the-middle/blob/d743bc3/EXPERIMENTS.md), for questions
# with 20 documents:

# %%
plots.lines(
    haystacks.PUBLISHED_POSITIONS,
    haystacks.PUBLISHED_BY_POSITION,
    x_label="position of the document with the answer, of 20",
    y_label="% right (Liu et al. 2023)",
    alt=lab.alt("published-by-position"),
)

# %% [markdown]
# So the shape is not a law of nature. It depends on the model: LongChat favours the beginning,
# Llama-2-70B the end, MPT hardly minds, and ours reads all but the beginning. And on the task: the
# same LongChat looks up keys best at the end (88.6 against 37.0 % at the beginning, same page of
# Liu et al.). The remedy is the same for all: **measure where your model reads best, and put the
# best things there.**
#
# ## What surrounds it
#
# Sixteen passages again, but this time the others are less like what is asked: they tell *other
# relations* of entities of the same kind, or they are about *other kinds* of entities altogether.

# %%
stacks_asked = texts_asked(102, read=26 * 16, asked=2, sets=2)
by_likeness = {"same relation (rivals)": share_by_count[16]} | {
    name: haystacks.accuracy(
        name,
        haystacks.ask(model, tokenizer, haystacks.haystacks_by_likeness(name, 16, stacks_asked)),
    )
    for name in ("other relation", "other kind")
}
plots.bars(
    {name: {"16 passages": found} for name, found in by_likeness.items()},
    y_label="share right",
    alt=lab.alt("right-by-others"),
)

# %%
lab.claim("right among other relations", by_likeness["other relation"].value)
lab.claim("right among other kinds", by_likeness["other kind"].value)

# %%
lab.ask("which-distractor")

# %% [markdown]
# So it is not the length that hurts most here, but the rivals: passages that could pass for the
# answer. (Between the other two we see no difference that the intervals would bear.) Larger models
# too are harmed by what a retriever ranks high and does not hold the answer ([Cuconasu et al.
# 2024](https://arxiv.org/abs/2401.14887)). That is bad news for search: what it ranks second and
# third *is* what is most like the answer.
#
# ## Past the end of the window
#
# A chat grows with every turn, and at some point something has to go. Who decides what? If you do
# not, a default does, and defaults differ:
#
# - `transformers` cuts nothing unless you ask for it, and then
#   [the end](https://huggingface.co/docs/transformers/pad_truncation).
# - Ollama drops the front and answers as if nothing had happened ([issue 3839, with a measurement
#   of July 2026](https://github.com/ollama/ollama/issues/3839)); its chat interface keeps [system
#   prompt and last message](https://github.com/ollama/ollama/blob/main/server/prompt.go).
# - Hosted interfaces mostly refuse, with an error: [Anthropic's since Claude
#   3.7](https://platform.claude.com/docs/en/build-with-claude/context-windows), and OpenAI's
#   Responses, whose [`truncation`](https://platform.openai.com/docs/api-reference/responses/create)
#   is off until you turn it on.
#
# So here a prompt that is too long goes in whole, past the window that the model was trained for:

# %%
too_long = passage_stacks[24][0].text + passage_stacks[24][0].questions[0]
print(f"24 passages and a question: {count_tokens(too_long)} tokens, the window: {window_tokens}")

# %% [markdown]
# Here are 200 chats. The system prompt holds passages about three people; eight turns ask about
# them and are answered; then comes a new question. The chat takes about 175 tokens, and we allow
# 112.

# %%
CHAT_BUDGET = asking.room(112, tokenizer)
long_chats = chats.chats(texts_asked(200, read=112, sets=4), passages_each=3, turns=8)
chat_tokens = [count_tokens(chats.prompt_of(chat.messages)) for chat in long_chats]
lab.claim("tokens of a whole chat", sum(chat_tokens) / len(chat_tokens))
for chat_message in long_chats[0].messages[:5]:
    print(f"{chat_message['role']:>9}: {chat_message['content']}")

# %% [markdown]
# ## Build it: shorten a chat
#
# Two messages must survive whatever happens: the system prompt, without which the assistant does
# not know its job, and the question. Between them, the newest turns are worth most. And a turn is a
# whole: an answer without its question only confuses.


# %%
from collections.abc import Callable


def truncate_chat(
    messages: list[dict[str, str]], budget: int, count_tokens: Callable[[dict[str, str]], int]
) -> list[dict[str, str]]:
    """Shorten a chat to a budget of tokens so that the system prompt and the question survive.

    messages      {"role": …, "content": …}: perhaps a "system" message first; then turns, each a
                  "user" message with all other messages up to the next one; last the question,
                  from the "user". Left as it is
    budget        tokens that all kept messages may have together
    count_tokens  count_tokens(message) gives the tokens of one message, marks of its role included
    returns       the kept messages in their order: the system message, the newest whole turns that
                  fit (when one does not, those before it are out too), the question
    raises        ValueError if the system message and the question alone are over the budget
    """
    ...


# %%
lab.check(truncate_chat)

# %% [markdown]
# Stuck? `lab.hint(truncate_chat)` gives three hints, one at a time. After a pass or three tries
# `lab.solution(truncate_chat)` shows ours. Until yours passes, the cells below use the reference.
#
# Now all the ways to 112 tokens, on the same 200 chats:

# %%
my_truncation = lab.use(truncate_chat)


def by_turns(messages, budget):
    return chats.prompt_of(my_truncation(list(messages), budget, chats.message_counter(tokenizer)))


cut_rules = {f"cut the {rule}": chats.cutting(tokenizer, rule) for rule in chats.RULES}
cut_rules["whole turns"] = by_turns
share_by_cut = {
    name: haystacks.accuracy(name, chats.ask_chats(model, tokenizer, long_chats, rule, CHAT_BUDGET))
    for name, rule in cut_rules.items()
}
plots.bars(
    {name: {"112 tokens": found} for name, found in share_by_cut.items()},
    y_label="share right",
    alt=lab.alt("right-by-cut"),
)

# %%
lab.claim("right with the tail cut", share_by_cut["cut the tail"].value)
lab.claim("right with whole turns", share_by_cut["whole turns"].value)
lab.claim("right with the middle cut", share_by_cut["cut the middle"].value)

# %%
lab.ask("what-the-cut-takes")

# %% [markdown]
# Cutting the tail is the disaster: no question, no answer, and where software cuts by itself, no
# error message either. Cutting the head takes the system prompt after some turns. Cutting the
# middle keeps both ends and does quite well, as long as the system prompt is shorter than the half
# that is kept.
#
# **All that fits can still be too much.** Your function keeps every turn that fits. Let 24 turns go
# by, and give the same chats 400 tokens, which is well inside the window, and 160:

# %%
longer_chats = chats.chats(texts_asked(60, read=280, sets=2), passages_each=4, turns=24, seed=1)
roomy_window, narrow_window = (
    haystacks.accuracy(
        f"{budget} tokens",
        chats.ask_chats(model, tokenizer, longer_chats, by_turns, asking.room(budget, tokenizer)),
    )
    for budget in (400, 160)
)
for some_window in (roomy_window, narrow_window):
    print(f"{some_window.name}: {some_window}")
lab.claim("gained with 160 tokens of chat over 400", narrow_window.value - roomy_window.value)

# %% [markdown]
# Fewer than half the tokens, and far more right answers. (Our model has read chats of six questions
# at most; after twenty it says *not stated*. Larger models bear more. Where old turns start to hurt
# yours, if they do, is a thing to measure.) A budget is a decision about quality, not only about
# space.
#
# ## What a token of context costs in memory
#
# For every token in the window, every layer keeps a key and a value vector for each key-value head,
# so that the prompt need not be read again for each new token. This **KV cache** is real memory. We
# fill one and count its bytes:

# %%
cache_lengths = [1, 64, 128, 256, 512]
measured_bytes = [kv_cache.measured_bytes(kv_cache.filled_cache(model, n)) for n in cache_lengths]
for token_count, cache_size in zip(cache_lengths, measured_bytes, strict=True):
    print(
        f"{token_count:4} tokens {cache_size:>10,} bytes   {cache_size / token_count:,.0f} a token"
    )

# %% [markdown]
# ## Build it: bytes of a KV cache
#
# Everything needed stands in a model's `config.json`. Two things to mind. With **grouped-query
# attention** ([Ainslie et al. 2023](https://arxiv.org/abs/2305.13245)) there are fewer key-value
# heads than attention heads. And `head_dim` is not always `hidden_size / num_attention_heads`.

# %%
from typing import Any


def kv_cache_bytes(
    config: dict[str, Any], tokens: int, batch: int = 1, bytes_per_number: int = 2
) -> int:
    """Bytes of a KV cache that keeps a key and a value per token, layer and key-value head.

    config            as in a config.json: num_hidden_layers, num_attention_heads, hidden_size;
                      num_key_value_heads (absent or None: as many as attention heads) and
                      head_dim (absent or None: hidden_size / attention heads)
    tokens, batch     tokens in the cache of each row, and the number of rows
    bytes_per_number  2 for float16 and bfloat16, 4 for float32
    returns           bytes, an int

    Llama-2-7B, 32 layers of 32 heads with 128 numbers each: 524,288 bytes for one token.
    """
    ...


# %%
lab.check(kv_cache_bytes)

# %%
my_cache_bytes = lab.use(kv_cache_bytes)
cache_by_formula = my_cache_bytes(model.config.to_dict(), 512, 1, model.dtype.itemsize)
lab.claim("formula against the measured cache, bytes apart", cache_by_formula - measured_bytes[-1])

# %% [markdown]
# The formula gives a real cache to the byte. So we may use it for models that are too large to
# load here. Their numbers are from the `config.json` that each has on the hub:

# %%
per_token_of = {m.name: my_cache_bytes(m.config, 1, 1, 2) for m in kv_cache.REAL_MODELS}
print("float16                KiB a token   tokens beside 16-bit weights, at most")
print("                                        8 GiB      24 GiB      80 GiB")
for real_model in kv_cache.REAL_MODELS:
    tokens_fitting = [
        kv_cache.tokens_that_fit(
            size * kv_cache.GIB, real_model.weight_bytes(16), per_token_of[real_model.name]
        )
        for size in (8, 24, 80)
    ]
    tokens_shown = "".join(f"{n:>12,}" if n else "  do not fit" for n in tokens_fitting)
    print(f"{real_model.name:20} {per_token_of[real_model.name] / 1024:>10.1f}   {tokens_shown}")

# %%
lab.ask("bytes-per-token")

# %%
window_sizes = [1_024, 4_096, 16_384, 32_768, 65_536, 131_072]
plots.lines(
    window_sizes,
    {
        m.name: [my_cache_bytes(m.config, n, 1, 2) / kv_cache.GIB for n in window_sizes]
        for m in kv_cache.REAL_MODELS
        if m.name in ("Llama-2-7B", "Phi-3.5-mini", "Llama-3.1-8B", "Qwen2.5-7B")
    },
    x_label="tokens in the window (one request)",
    y_label="GiB of KV cache",
    log=True,
    alt=lab.alt("cache-by-length"),
)

# %% [markdown]
# A window of 131,072 tokens would cost Llama-2-7B 64 GiB for *one* request (it has 4,096). With
# grouped queries Llama-3.1-8B needs 16. And a server keeps one cache for each request that it
# serves at once (a beginning that several share may be kept once).
#
# The formula counts every layer alike, with all tokens. That is so for the models above, and the
# *most* for others. Every other layer of Gemma 2 looks back 4,096 tokens and no further ([Gemma
# team 2024](https://arxiv.org/abs/2408.00118), section 2): at its 8,192 tokens a quarter less is
# enough. DeepSeek-V2 keeps one vector of 512 + 64 numbers for all 128 heads of a layer (*multi-head
# latent attention*, [DeepSeek-AI 2024](https://arxiv.org/abs/2405.04434), section 2.1).

# %%
whole_window = my_cache_bytes(kv_cache.REAL_MODELS[0].config, 131_072, 1, 2) / kv_cache.GIB
lab.claim("Llama-2-7B, GiB at 131,072 tokens", whole_window)
gemma_config = dict(models_table.find_model("Gemma-2-2B").config)
half_of_it = gemma_config | {"num_hidden_layers": gemma_config["num_hidden_layers"] // 2}
gemma_by_formula = my_cache_bytes(gemma_config, 8_192)
gemma_needs = my_cache_bytes(half_of_it, 8_192) + my_cache_bytes(half_of_it, 4_096)
lab.claim("Gemma-2-2B, needed of what the formula says", gemma_needs / gemma_by_formula)
one_layer = {
    "num_hidden_layers": 1,
    "num_attention_heads": 128,
    "hidden_size": 5120,
    "head_dim": 128,
}
per_layer = my_cache_bytes(one_layer, 1, 1, 1)
print(f"DeepSeek-V2 keeps {per_layer / (512 + 64):.0f} times less than the formula says")

# %%
lab.ask("what-shrinks-the-cache")

# %% [markdown]
# ## Build it: pack the window
#
# Back to quality. A help desk has about 950 tokens of passages, short ones and long ones, some of
# them twice, and 240 tokens of room. The log of past questions says how often each passage was
# needed. Which go in, in which order?
#
# It is the knapsack problem: every passage has a price (tokens) and a worth (relevance). Taking by
# *relevance per token* goes badly wrong only when one long passage is worth more than all the short
# ones that keep it out. So make two packings and keep the better one. As for the order: our model
# reads the first quarter worst, so let the most relevant passage stand last (for LongChat, above,
# you would turn the list round).

# %%
lab.ask("density-by-hand")


# %%
def pack_passages(
    passages: list[str],
    relevance: list[float],
    budget: int,
    count_tokens: Callable[[str], int],
) -> list[int]:
    """Choose passages for the window, by relevance per token, and put the most relevant last.

    passages      texts; of copies (the same words in the same order, whatever their case and the
                  white space between them) at most one is taken. Copies are equally relevant
    relevance     a number for each, 0 or more; what has 0 is never taken
    budget        tokens for all chosen; one takes count_tokens(text), and 1 more for its line end
    count_tokens  count_tokens(text) gives the tokens of a text
    returns       the positions (0, 1, ...) of the chosen passages in `passages`, the least relevant
                  first and the most relevant last

    Two things must hold of the choice:
    - it is full: no passage that was left out still fits (copies and relevance 0 aside);
    - its sum of relevance is at least what filling the budget by relevance per token (line end
      included, the largest first) gives, and at least that of the most relevant passage that fits.
    """
    ...


# %%
lab.check(pack_passages)

# %% [markdown]
# The judge is not the sum of relevance but the **answers**: 240 new questions at 30 desks, drawn
# from the same habits as the log, and not looked at while packing. Once with 240 tokens of room,
# and once with 400:

# %%
my_packer = lab.use(pack_passages)
thirty_desks = packing.desks(texts_asked(30, read=320, asked=8, sets=6))
desk_tokens = [sum(packing.costs_of(desk.passages, count_tokens)) for desk in thirty_desks]
lab.claim("tokens of a desk's passages", sum(desk_tokens) / len(desk_tokens))


def with_the_best_first(*given):
    return my_packer(*given)[::-1]


packing_trials = {
    "first come": (packing.first_come, 240),
    "by relevance": (packing.by_relevance, 240),
    "per token": (my_packer, 240),
    "by relevance, 400": (packing.by_relevance, 400),
    "per token, 400": (my_packer, 400),
    "best first, 400": (with_the_best_first, 400),
}
right_by_packer = {
    name: packing.answered(packer, thirty_desks, asking.room(budget, tokenizer), model, tokenizer)
    for name, (packer, budget) in packing_trials.items()
}
shares_by_packer = {
    name: haystacks.accuracy(name, found) for name, found in right_by_packer.items()
}

# %%
small_budget, large_budget = "240 tokens", "400 tokens"
plots.bars(
    {
        "first come": {small_budget: shares_by_packer["first come"]},
        "by relevance": {
            small_budget: shares_by_packer["by relevance"],
            large_budget: shares_by_packer["by relevance, 400"],
        },
        "per token": {
            small_budget: shares_by_packer["per token"],
            large_budget: shares_by_packer["per token, 400"],
        },
        "per token, best first": {large_budget: shares_by_packer["best first, 400"]},
    },
    y_label="share of new questions answered",
    alt=lab.alt("right-by-packing"),
)

# %%
density_gain = packing.gain(right_by_packer["per token"], right_by_packer["by relevance"])
longer_budget_gain = packing.gain(
    right_by_packer["by relevance, 400"], right_by_packer["by relevance"]
)
best_last_gain = packing.gain(right_by_packer["per token, 400"], right_by_packer["best first, 400"])
for row_name, share_found in {
    "per token": density_gain,
    "400 tokens": longer_budget_gain,
    "best last": best_last_gain,
}.items():
    print(f"{row_name:12} {share_found}")

# %%
lab.claim("gain of per token over by relevance", density_gain.value)
lab.claim("gain of 400 tokens over 240, by relevance", longer_budget_gain.value)
lab.claim("gain of the best last over the best first", best_last_gain.value)
share_packed = {
    budget: packing.holding(
        packing.by_relevance, thirty_desks, asking.room(budget, tokenizer), count_tokens
    )
    for budget in (240, 400)
}
lab.claim(
    "questions whose passage 400 tokens hold, and 240 do not", share_packed[400] - share_packed[240]
)

# %% [markdown]
# Same window, same passages to choose from. The gain over *by relevance* (what a top-k search hands
# over) comes from copies that were not packed twice, and from long passages that gave way to
# several short ones. And look at 400 tokens: two thirds more room, more of the right passages in
# it, and no more right answers. What the extra passages bring is lost in reading, by our model.
# (Whether the best last helps it is open: with 30 desks the interval of the gain still holds zero.)
#
# ## Play with it
#
# One desk, token by token. Drag the budget, and watch what is packed, what falls out and what the
# model answers. Find a budget at which *first come* fails and *per token* does not; and one at
# which **more** budget turns a right answer wrong.

# %%
one_desk = packing.desks(1, entities=16, asked=6, seed=7)[0]
packer_names = {
    "per token": my_packer,
    "by relevance": packing.by_relevance,
    "first come": packing.first_come,
}
explorer_budgets = range(32, 449, 32)
budgets_tried = texts_asked(len(explorer_budgets), read=240, asked=6, sets=3)
ContextExplorer(
    passages=[[token.text for token in token_reader.tokens(text)] for text in one_desk.passages],
    relevance=one_desk.relevance,
    questions=one_desk.questions,
    answers=one_desk.answers,
    sources=one_desk.sources,
    packings=packing.tried(
        packer_names, one_desk, asking.some_of(explorer_budgets, budgets_tried), model, tokenizer
    ),
)

# %% [markdown]
# ## And in a real model
#
# SmolLM2-135M-Instruct ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)) is thirty times as
# large, was made by others, and was never trained on such passages. After four solved questions it
# reads one passage well. Then rivals. The intervals are over eight sets of solved questions; with
# it is drawn how often an answer names *any* value of the text, and what a value picked at random
# would give:

# %%
reading_figures.rivals(lab.alt("real-rivals"))

# %%
real_alone, real_of_two, real_of_eight = (reading_figures.right_at(n) for n in (1, 2, 8))
for passages_read, real_share in {1: real_alone, 2: real_of_two, 8: real_of_eight}.items():
    print(f"{passages_read} passages: {real_share}")
lab.claim("real model: right with 1 passage", real_alone.value)
lab.claim("real model: right with 2 passages", real_of_two.value)
lab.claim("real model: a random value of 2 passages", reading_figures.recorded(2, "guess").value)
lab.claim("real model: any value, 8 passages", reading_figures.recorded(8, "any_value").value)
lab.claim("real model: the last value of 2", reading_figures.recorded(2, "last").value)
lab.claim("real model: right without the text", reading_figures.recorded(1, "without_text").value)

# %% [markdown]
# It finds the **kind** of value, and guesses whose it is. Of two passages it gives the right value
# about as often as a coin would, and three times in four it names the *last* one's. Ours was
# trained to tell rivals apart, and at a thirtieth of the size it does. So the fall is the same and
# its reason is not: our model gets worse as the window fills, this one never had the skill. (Large
# models have it: RULER, above, asks for just such needles.)
#
# And a text against **memory**: of the capitals that it names by itself, what does it say after a
# text that names another one?

# %%
lab.ask("text-against-memory")

# %%
reading_figures.wordings(lab.alt("real-memory"))

# %%
text_followed = reading_figures.follows("plain")
lab.compare(
    "text-against-memory", 100 * text_followed.value, *(100 * e for e in text_followed.interval)
)
lab.claim("real model: capitals known", text_followed.n)
lab.claim("real model: follows a plain text", text_followed.value)
lab.claim("real model: follows a report", reading_figures.follows("reported").value)
text_elsewhere = reading_figures.follows("another country")
lab.claim("real model: names the capital of another country", text_elsewhere.value)
real_config = next(m.config for m in kv_cache.REAL_MODELS if m.name == "SmolLM2-135M")
real_cache = reading_figures.cache_bytes(512)
lab.claim(
    "real model: formula against its measured cache, bytes apart",
    my_cache_bytes(real_config, 512, 1, 4) - real_cache,
)

# %% [markdown]
# A plain sentence wins against memory in seven of ten cases, and "some people say" in half of them.
# (The control: where the text speaks of *another* country, it names that capital in one of ten.) So
# a passage is no command: how it is worded decides with. Its cache, by the way, has the bytes that
# your formula gives, to the byte. With the model on your machine this measures a point again:

# %%
print(measured_again("real-memory"))

# %% [markdown]
# ## Where it loses
#
# - **Relevance must be right.** The packer believes its numbers. A passage that the log never
#   needed has relevance 0 and is never packed, and the first question about it fails.
# - **More is not better, even when it is relevant.** Every passage more is a distractor for all
#   questions that it does not answer. How much a larger model minds, you have to measure.
# - **A full window is slow and dear.** Every token is read for every request, unless a cached
#   beginning spares that (lesson 03), and takes its bytes as long as the request runs.

# %%
lab.ask("hundred-thousand-tokens")

# %% [markdown]
# ## What to take away
#
# - Fitting in is not being read. Measure accuracy against length on *your* task: the effective
#   window is often shorter than the one on the card.
# - Position can matter, and where differs by model and task. Measure where yours reads best, and
#   put the best things there.
# - What could pass for the answer distracts most.
# - Never let a default cut your prompt: keep the system prompt and the question, drop whole turns.
# - The KV cache takes 2 · layers · kv heads · head_dim numbers a token, for every request; less
#   with sliding windows or latent attention.
# - Pack by relevance per token, without copies, and judge by answers.

# %%
lab.progress()
