# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Temperature and sampling
#     minutes: 50
#     models: [base]
#     summary: What temperature, top-k, top-p and min-p do to a distribution, and to answers.
# ---

# %% [markdown]
# # Temperature and sampling
#
# A shop's assistant sends every request with the same settings, `temperature=0.7`, because the
# template had it. Ten thousand questions a day have one right answer ("Where does Marta live?"),
# and each wrong one costs a phone call of 4 crowns. Two hundred requests want an idea for the
# window, and there the same idea again is worth nothing. **Which temperature for which?**
#
# You will measure what these few numbers do: to a distribution, to right answers, to variety. You
# build two functions of an inference library and prove that they equal `transformers`'. Then you
# can put a price on a setting, and know when *low for facts and code, high for ideas* is good
# advice - and when it is not.

# %%
import torch
from torch import Tensor

from labkit import Lab, load_model
from labkit.experiments.real import temperature_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import constrained, finetuning, plots, sampling
from labkit.instruments.asking import fitted
from labkit.instruments.budget import affordable
from labkit.instruments.items import fact_items, idea_items, program_items
from labkit.instruments.sampling_diagram import one_step
from labkit.models import complete, complete_grid
from labkit.models.world import knowledge, programs, tickets
from labkit.widgets import Example, SamplingExplorer

lab = Lab("05_temperature")
model, tokenizer = load_model()

# %% [markdown]
# ## One step of a model
#
# A language model does not write. It gives every token of its vocabulary a score, its **logit**,
# and **you** decide how to pick one. The bundled model knows a region that does not exist: its
# people, towns, companies and products. Here is what it makes of two beginnings. After the first,
# one token is right. After the second, there is no right or wrong.

# %%
fact_questions = fact_items(240, model, tokenizer, texts=22)
fact_prompt = fact_questions.prompts[0]
idea_prompt = fitted("An idea for a shop: a ", tokenizer)
fact_logits = sampling.next_token_logits(model, tokenizer, fact_prompt)
idea_logits = sampling.next_token_logits(model, tokenizer, idea_prompt)
print(fact_prompt)

# %%
plots.next_tokens(
    {
        "after the question": sampling.likeliest(fact_logits.softmax(-1), tokenizer),
        "after " + repr(idea_prompt[-8:]): sampling.likeliest(idea_logits.softmax(-1), tokenizer),
    },
    alt=lab.alt("next-tokens"),
)

# %% [markdown]
# From scores to one token, in four moves. What you build is the second and third, and the cut:

# %%
one_step(alt=lab.alt("one-step"))

# %% [markdown]
# **Temperature** $T$ divides the logits $z$ before the **softmax**, which makes probabilities of
# them:
#
# $$p_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}}$$
#
# By hand, for three tokens. Below 1 the gaps between the scores get wider, above 1 narrower; the
# order stays. **Change this:** set `example_temperature` to 0.1, then to 10. What do the three come
# to at either end?

# %%
example_temperature = 0.5
example_logits = torch.tensor([2.0, 1.0, 0.0])
example_weights = torch.exp(example_logits / example_temperature)
print((example_weights / example_weights.sum()).round(decimals=4))

# %% [markdown]
# The same for the token after our idea, at three temperatures:

# %%
plots.next_tokens(
    {
        f"temperature {t:g}": sampling.likeliest(
            sampling.next_token_probabilities(idea_logits, t), tokenizer
        )
        for t in (0.2, 1.0, 2.0)
    },
    alt=lab.alt("three-temperatures"),
)

# %% [markdown]
# ## Build it: softmax with temperature
#
# Two things make this more than one line. Logits can be large, and `exp(1000)` overflows; and at
# temperature 0 there is nothing to divide by, yet everybody expects greedy decoding: all the
# probability on the largest logit.
#
# Build this and what follows from `torch`. The logits processors of `transformers`
# (`TemperatureLogitsWarper`, `TopPLogitsWarper` and their kin) do these tasks already, and your
# answers are compared with them: an answer that calls one is refused.


# %%
def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Turn logits into probabilities: sharper below temperature 1, flatter above it.

    logits       (..., vocab) of any floating dtype, as large as 1e4; left as it is
    temperature  divides the logits; 0 gives all probability to the largest logit (the first
                 of equal ones); below 0 is a ValueError
    returns      (..., vocab) float32, each row along the last dimension sums to 1

    apply_temperature(torch.tensor([2.0, 1.0, 0.0]), 0.5)  →  tensor([0.8668, 0.1173, 0.0159])
    """
    ...


# %%
lab.check(apply_temperature)

# %% [markdown]
# Stuck? `lab.hint(apply_temperature)` gives three hints, one at a time. After a pass or three
# tries `lab.solution(apply_temperature)` shows ours. Until yours passes, the cells below use the
# reference.

# %%
my_softmax = lab.use(apply_temperature)
at_zero = my_softmax(idea_logits, 0.0)
nearly_zero = my_softmax(idea_logits, 0.01)
lab.claim("T = 0.01 differs from the argmax by", (at_zero - nearly_zero).abs().max())

# %% [markdown]
# So $T \to 0$ *is* the argmax: the limit, not a special rule. (Between equal largest logits the
# limit shares, and greedy decoding takes the first.)
#
# ## One number for "how unsure": entropy
#
# The entropy $H = -\sum_i p_i \ln p_i$ of a distribution is 0 when one token has everything. With
# the natural logarithm its unit is the **nat**. Its exponential $e^H$ is easier to picture: the
# **effective vocabulary**, the number of equally
# likely tokens that would be as hard to guess.

# %%
temperature_steps = [0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0]
vocabulary_curves = {
    name: [sampling.effective_vocabulary(my_softmax(logits, t)) for t in temperature_steps]
    for name, logits in {"a fact": fact_logits, "an idea": idea_logits}.items()
}
plots.lines(
    temperature_steps,
    vocabulary_curves,
    x_label="temperature",
    y_label="effective vocabulary (tokens)",
    log=True,
    alt=lab.alt("effective-vocabulary"),
)

# %%
effective_at = {
    name: dict(zip(temperature_steps, values, strict=True))
    for name, values in vocabulary_curves.items()
}
lab.claim("effective vocabulary of the idea at T = 0.2", effective_at["an idea"][0.2])
lab.claim("effective vocabulary of the idea at T = 3", effective_at["an idea"][3.0])

# %%
lab.ask("softmax-by-hand")

# %% [markdown]
# ## Play with it
#
# The logits are in your browser now; every move of a slider computes the whole distribution anew.
# Try three things: find the lowest temperature at which the idea has ten tokens above 1 %; set
# temperature 2 and then bring order back with min-p alone; and find a setting that leaves the fact
# one token and the idea many.

# %%
explorer_prompts = [
    idea_prompt,
    fact_prompt,
    "Once upon a time there was ",
    "# the sum of the squares of the ",
]
token_names = sampling.vocabulary(tokenizer)
SamplingExplorer(
    Example(prompt, token_names, sampling.next_token_logits(model, tokenizer, prompt))
    for prompt in explorer_prompts
)

# %%
lab.ask("argmax-never-changes")

# %% [markdown]
# ## Cut the tail: top-k, top-p, min-p
#
# A vocabulary has a long tail. Each of its tokens is unlikely, but there are thousands, and one
# wrong token can spoil a text. Three ways to cut it:
#
# - **top-k** keeps the k likeliest tokens, always k ([Fan et al.
#   2018](https://arxiv.org/abs/1805.04833));
# - **top-p** keeps the smallest set whose probabilities add up to p ([Holtzman et al.
#   2020](https://arxiv.org/abs/1904.09751));
# - **min-p** keeps what has at least a share of the largest probability ([Nguyen et al.
#   2024](https://arxiv.org/abs/2407.01082)).
#
# How many tokens does each keep?

# %%
# NBVAL_CHECK_OUTPUT
filter_settings = {
    "top-k 20": {"top_k": 20},
    "top-p 0.9": {"top_p": 0.9},
    "min-p 0.1": {"min_p": 0.1},
}
kept_tokens = {
    (name, label): int((sampling.next_token_probabilities(logits, 1.0, **options) > 0).sum())
    for name, logits in {"fact": fact_logits, "idea": idea_logits}.items()
    for label, options in filter_settings.items()
}
for row_label in filter_settings:
    of_fact, of_idea = kept_tokens["fact", row_label], kept_tokens["idea", row_label]
    print(f"{row_label:10}  fact {of_fact:3}   idea {of_idea:3}")

# %% [markdown]
# top-k cannot tell the two apart. top-p and min-p keep few tokens where the model is sure and many
# where it is not. **Change this:** which `top_k` would do what top-p does for the fact? And for the
# idea?
#
# ## Build it: top-p
#
# It takes logits and returns logits, with $-\infty$ for what is cut. Mind the details: the token
# that *crosses* p is kept, of equal logits only as many are kept as p needs, and at least one token
# always survives.


# %%
def top_p_filter(logits: Tensor, top_p: float) -> Tensor:
    """Keep the nucleus: the smallest set of most probable tokens that holds top_p in all.

    logits   (..., vocab) float32; left as it is
    top_p    0 to 1; the token that crosses top_p is kept, so at least one is; of equal tokens
             only as many as are needed; 1 keeps every token, however improbable
    returns  (..., vocab) the logits in their places, -inf outside the nucleus

    For probabilities 0.5, 0.3, 0.2 and top_p=0.7 the first two are kept.
    """
    ...


# %%
lab.check(top_p_filter)

# %%
lab.ask("how-many-survive")

# %% [markdown]
# ## What it does to right answers
#
# Now measure. 240 questions about the region, and 100 one-line programs to write from a
# description (no training text has these combinations; a program is right when it *computes* the
# right numbers). First, commit to a guess:

# %%
lab.ask("facts-at-one")

# %%
fact_texts = complete_grid(
    model, tokenizer, fact_questions.prompts, sampling.TEMPERATURES, samples=3, max_new_tokens=12
)
fact_at = sampling.share_right(fact_texts, fact_questions.is_right)

# %%
program_tasks = program_items(100, model, tokenizer, texts=21)
program_texts = complete_grid(
    model,
    tokenizer,
    program_tasks.prompts,
    (0.0, 0.2, 0.8, 1.1, 1.5, 2.0),
    samples=4,
    max_new_tokens=48,
)
program_at = sampling.share_right(program_texts, program_tasks.is_right)

# %%
plots.curves(
    {"facts": fact_at, "programs": program_at},
    y_label="share right",
    advice=True,
    alt=lab.alt("right-by-temperature"),
)

# %%
lab.compare(
    "facts-at-one", 100 * fact_at[1.0].value, 100 * fact_at[1.0].low, 100 * fact_at[1.0].high
)

# %%
lab.claim("facts right at T = 0", fact_at[0.0].value)
lab.claim("facts right at T = 1", fact_at[1.0].value)
lab.claim("facts right at T = 2", fact_at[2.0].value)
lab.claim("programs right at T = 0.2", program_at[0.2].value)
lab.claim("programs right at T = 2", program_at[2.0].value)
lab.claim("programs lost from T = 0.2 to 1.1", program_at[0.2].value - program_at[1.1].value)
lab.claim("statements of the corpus that are wrong", knowledge.RUMOUR)
lab.claim("programs of the corpus with a bug", programs.BUG)

# %% [markdown]
# Why does our model err at 1, when at 0 it knows the answer? Because **we planted errors**: in its
# corpus 8 % of the statements give a wrong value and 8 % of the programs have a bug, and it gives
# them their share. Sampling at 1 reproduces the errors, cooling votes them down. How steep the
# slope is depends on the errors in a model's texts; ours says nothing about another's.
#
# ## What it does to variety
#
# Now the opposite wish: ideas. We ask 200 times and count the different ones in batches of 50; a
# grammar judges whether a sentence is well formed. First your guess:

# %%
lab.ask("different-ideas-when-cold")

# %%
shop_ideas = idea_items(200, model, tokenizer, texts=len(sampling.TEMPERATURES))
idea_texts = complete_grid(
    model, tokenizer, shop_ideas.prompts, sampling.TEMPERATURES, max_new_tokens=40
)
formed_at = sampling.share_right(idea_texts, shop_ideas.is_right)
different_at = sampling.share_distinct(idea_texts, batch=min(50, len(shop_ideas.prompts) // 2))
plots.curves(
    {"well-formed": formed_at, "different": different_at},
    y_label="share of the ideas",
    advice=True,
    alt=lab.alt("ideas-by-temperature"),
)

# %%
coldest_ideas = different_at[0.2]
lab.compare(
    "different-ideas-when-cold",
    50 * coldest_ideas.value,
    50 * coldest_ideas.low,
    50 * coldest_ideas.high,
)

# %%
lab.claim("different ideas of 50 at T = 0.2", 50 * coldest_ideas.value)
lab.claim("different ideas of 50 at T = 0.8", 50 * different_at[0.8].value)
lab.claim("well-formed ideas at T = 0.8", formed_at[0.8].value)

# %% [markdown]
# ## What it costs, and what to choose
#
# Back to the shop. Its ten thousand questions, priced with our curve, and its ideas:

# %%
calls_cost = 4 * 10_000  # crowns, if every answer were wrong
for shop_temperature in (0.2, 0.8, 1.0):
    day_cost = calls_cost * (1 - fact_at[shop_temperature].value)
    new_ideas = 50 * different_at[shop_temperature].value
    print(f"T = {shop_temperature}: {day_cost:6.0f} crowns a day, {new_ideas:2.0f} new ideas of 50")

# %%
lab.claim(
    "crowns a day saved from T = 1 to 0.2", calls_cost * (fact_at[0.2].value - fact_at[1.0].value)
)

# %% [markdown]
# One setting for both wastes either crowns or ideas. So the rule of thumb - **0.2 for facts and
# code, 0.8 for ideas** - fits our model: 0.2 costs no accuracy worth the name, 0.8 buys variety
# while the sentences still hold together.
#
# ## And in a real model
#
# Nobody planted errors in SmolLM2-135M-Instruct ([Allal et al.
# 2025](https://arxiv.org/abs/2502.02737)). It was asked for the capitals of 141 countries, four
# times each, with the answer begun: "The capital of Nepal is". Always taking the likeliest token
# it names three in five. And at temperature 1?

# %%
lab.ask("capitals-at-one")

# %%
real_figures.capitals(lab.alt("real-capitals"))

# %%
named_at_one = real_figures.share_at(1.0)
lab.compare(
    "capitals-at-one", 100 * named_at_one.value, 100 * named_at_one.low, 100 * named_at_one.high
)

# %%
lab.claim("countries whose capital was asked for", named_at_one.n)
lab.claim("real model: capitals right at T = 0", real_figures.share_at(0.0).value)
lab.claim("real model: capitals right at T = 1", named_at_one.value)
lab.claim("real model: capitals right at T = 2", real_figures.share_at(2.0).value)
lab.claim(
    "real model: capitals right at T = 2, min-p 0.1", real_figures.share_at(2.0, min_p=0.1).value
)
lab.claim("real model: the next country's capital named", real_figures.share_by_luck())

# %% [markdown]
# The same fall, and a deeper one: what a model half knows, it loses first. Luck names nothing (the
# capital of the *next* country asked for hardly ever comes), and a cut of the tail brings back a
# part, far from all. With the model on your machine this cell measures one point again, on fewer
# countries:

# %%
print(measured_again("real-capitals"))

# %% [markdown]
# ## Here and at 7 B
#
# The arithmetic is the same at every size: division, softmax, cut, draw. What a temperature *costs*
# is not, and three results say so:
#
# - Nine language models solved multiple-choice problems about equally well at every temperature
#   from 0 to 1 ([Renze and Guven 2024](https://arxiv.org/abs/2402.05201)).
# - A model that thinks before it answers may need warmth: [Qwen3's
#   card](https://huggingface.co/Qwen/Qwen3-8B#best-practices) asks for 0.6, for code and maths too,
#   and warns that greedy decoding makes it worse and can repeat itself without end.
# - Codex with 679 million weights did best at 0.2 where it had one try, and at 0.8 where it had a
#   hundred ([Chen et al. 2021](https://arxiv.org/abs/2107.03374)).
#
# How steeply facts fall is each model's own: errors were planted in ours, SmolLM2 half knows its
# capitals, and the nine models had their options in the prompt. That cold is not true, and that
# order and batch change the result, holds everywhere ("Further" shows each).
#
# ## Use it when, leave it when
#
# - **Cold** (0 to 0.3), when one answer is right and nobody checks it, and the model's card does
#   not say otherwise.
# - **Warm** (0.7 to 1), with top-p or min-p, when you want many different texts, or when tests pick
#   the winner of several tries.
# - **Leave it** where the answer is not known to the model: no temperature repairs ignorance. Leave
#   it for safety, too: a cold model says the same wrong thing each time.
#
# Three sentences to keep: *Temperature divides logits; it stretches or squeezes and never reorders.
# Start from the model's card, then measure on your task. Cut the tail before you blame the
# temperature.* And what you take to work:

# %%
prompt_inputs = tokenizer(idea_prompt, return_tensors="pt", return_token_type_ids=False)
idea_settings = {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "max_new_tokens": 12}
torch.manual_seed(0)
idea_tokens = model.generate(**prompt_inputs, **idea_settings, pad_token_id=tokenizer.eos_token_id)
print(tokenizer.decode(idea_tokens[0], skip_special_tokens=True))

# %%
lab.progress()

# %% [markdown]
# # Further
#
# Nothing above needs what follows; take what you can use.
#
# ## Build it: min-p


# %%
def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    """Keep the tokens that are at least min_p times as probable as the most probable one.

    logits   (..., vocab) float32; left as it is
    min_p    0 to 1; 0 keeps every token, 1 only the most probable (and its equals)
    returns  (..., vocab) the logits in their places, -inf for the others

    For probabilities 0.6, 0.3, 0.1 and min_p=0.4 the threshold is 0.24: the first two are kept.
    """
    ...


# %%
lab.check(min_p_filter)

# %%
lab.ask("which-setting-does-what")

# %% [markdown]
# ## Build it: the sampler
#
# Now put the pieces in order and draw. We will not look at one draw: 10,000 draws are compared
# with the probabilities that they should have, by a chi-square test. A sampler that is a few points
# off cannot hide in 10,000 draws.

# %%
lab.ask("order-of-settings")


# %%
def sample_next(
    logits: Tensor,
    uniform: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    """Draw next tokens: temperature, then top-k, top-p and min-p, then one token per draw.

    logits       (vocab,) float32
    uniform      (n,) float32 independent draws from [0, 1); each picks one token, so that the
                 same draws always give the same tokens
    temperature  0 picks the largest logit every time, the first of equal ones
    top_k        how many of the largest logits are kept, as many as there are at most; 0 keeps
                 all; logits equal to the last one kept may stay or go
    top_p, min_p as in top_p_filter and min_p_filter
    returns      (n,) int64 token ids

    For probabilities 0.5, 0.3, 0.2 the draw 0.65 picks token 1: it lies between 0.5 and 0.8.
    """
    ...


# %%
lab.check(sample_next)

# %% [markdown]
# ## Cold is not true
#
# The corpus mentions some people in prose but never asks about them. On questions about those, what
# does temperature 0 give?

# %%
obscure_questions = fact_items(120, model, tokenizer, asked=False, texts=33)
obscure_texts = complete_grid(
    model, tokenizer, obscure_questions.prompts, (0.0,), max_new_tokens=12
)
obscure_right = sampling.share_right(obscure_texts, obscure_questions.is_right)[0.0]
lab.claim("obscure facts right at T = 0", obscure_right.value)

# %% [markdown]
# A wrong answer at temperature 0 comes back wrong, and reads like a right one. Temperature removes
# noise, not ignorance.
#
# ## Hot can be repaired
#
# At 1.5 many programs break. The tail breaks them, so cut it. **Change this:** how low may `min_p`
# go before they break again?

# %%
rescued_texts = complete_grid(
    model, tokenizer, program_tasks.prompts, (1.5,), samples=4, max_new_tokens=48, min_p=0.2
)
rescued_share = sampling.share_right(rescued_texts, program_tasks.is_right)[1.5]
lab.claim("programs right at T = 1.5", program_at[1.5].value)
lab.claim("programs right at T = 1.5, min-p 0.2", rescued_share.value)

# %% [markdown]
# "Temperature 1.5" alone says little: read all the settings together, **and their order**.
# `transformers` divides by the temperature first; llama.cpp's default cuts first and divides last
# ([its list of samplers](https://github.com/ggml-org/llama.cpp/tree/master/tools/server)). The same
# "1.5, min-p 0.2" for the token after our idea:

# %%
divided_first = sampling.next_token_probabilities(idea_logits, 1.5, min_p=0.2) > 0
cut_first = sampling.next_token_probabilities(idea_logits, 1.0, min_p=0.2) > 0  # then divided
lab.claim("tokens kept, as in transformers", divided_first.sum())
lab.claim("tokens kept, as in llama.cpp", cut_first.sum())

# %% [markdown]
# ## With a judge, warm wins
#
# If something can tell which answer is right - tests of a program, a
# directory to look a name up in - ask several times and keep what passes. Codex was evaluated so
# ([Chen et al. 2021](https://arxiv.org/abs/2107.03374)). Here are the obscure people again, with
# eight tries for each question:

# %%
eight_texts = complete_grid(
    model,
    tokenizer,
    obscure_questions.prompts,
    (0.0, 0.2, 0.8, 1.2, 2.0),
    samples=8,
    max_new_tokens=12,
)
tries_curves = {
    "1 try": sampling.share_solved(eight_texts, obscure_questions.is_right, 1),
    "8 tries": sampling.share_solved(eight_texts, obscure_questions.is_right, 8),
}
plots.curves(
    tries_curves,
    y_label="share of questions solved",
    advice=True,
    alt=lab.alt("tries-by-temperature"),
)

# %%
one_try = {t: solved.value for t, solved in tries_curves["1 try"].items()}
eight_tries = {t: solved.value for t, solved in tries_curves["8 tries"].items()}
lab.claim("obscure facts right in 1 try at T = 0.8", one_try[0.8])
lab.claim("obscure facts right in 1 try at T = 2", one_try[2.0])
lab.claim("obscure facts right in 8 tries at T = 0.2", eight_tries[0.2])
lab.claim("obscure facts right in 8 tries at T = 0.8", eight_tries[0.8])
lab.claim("gained in 8 tries from T = 0.8 to 1.2", eight_tries[1.2] - eight_tries[0.8])
lab.claim("obscure facts right in 8 tries at T = 2", eight_tries[2.0])

# %% [markdown]
# Where the model's first guess is wrong, a cold model makes the same guess eight times. A warm one
# makes eight guesses. From 0.8 to 1.2 the curve is flat within its noise: each try gets worse, and
# the eight differ more. At 2 nearly every try is wrong, and eight solve about as many as one cold.

# %%
lab.ask("code-with-tests")

# %% [markdown]
# ## Penalties for what was said before
#
# They are the one setting here that **reorders** tokens. A **repetition penalty** $\theta$ ([Keskar
# et al. 2019](https://arxiv.org/abs/1909.05858)) divides the positive logits of tokens that were
# there already by $\theta$, and multiplies the negative ones. **Presence** and **frequency**
# penalties subtract: a constant for a token that was there, or so much for each time. In
# [vLLM](https://docs.vllm.ai/en/v0.8.3/api/inference_params.html) these two count what was
# *generated*, the repetition penalty the prompt as well, as in `transformers`. So a task whose
# answer has to repeat itself or the prompt pays for it. Programs repeat:

# %%
print("repetition penalty   programs right")
programs_penalised = {}
for tried_penalty in (1.0, 1.2, 1.5):
    penalised_texts = sampling.complete_penalised(
        model, tokenizer, program_tasks.prompts, repetition_penalty=tried_penalty, max_new_tokens=48
    )
    right_ones = [program_tasks.is_right(i, text) for i, text in enumerate(penalised_texts)]
    programs_penalised[tried_penalty] = sum(right_ones) / len(right_ones)
    print(f"{tried_penalty:18}   {programs_penalised[tried_penalty]:.0%}")

# %%
lab.claim("programs right, repetition penalty 1.2", programs_penalised[1.2])
lab.claim("programs right, repetition penalty 1.5", programs_penalised[1.5])

# %% [markdown]
# A penalty hides a loop. Where a model loops, look for the reason first: greedy decoding, a prompt
# that asks for a list, a model too small.
#
# ## Only what fits: constrained decoding
#
# A program downstream wants JSON. In lesson 08 the untuned model gives none. But the logits are
# ours to mask: at each step, forbid every token after which the text could no longer become a
# ticket's JSON, and take the best of the others.

# %%
ticket_json = constrained.TICKET_JSON
written_so_far = '{"product": "Lorkix", "order": "48213", "urgency": "'
token_mask = constrained.allowed_tokens(ticket_json, written_so_far, token_names)
print([name for name, fits in zip(token_names, token_mask, strict=True) if fits])

# %% [markdown]
# Of 2,769 tokens these are left. Production libraries get the same mask from an automaton instead
# of trying each token; here is [llguidance](https://github.com/guidance-ai/llguidance)'s. And
# twelve tickets, with the mask at each step:

# %%
library_mask = constrained.library_mask(ticket_json, written_so_far, tokenizer)
lab.claim("tokens that the two masks differ in", (token_mask != library_mask).sum())
tickets_asked = affordable(12, model, tokenizer, tokens=1200, least=2)
some_tickets = finetuning.ticket_splits().test[:tickets_asked]
masked_answers = [
    constrained.complete_within(
        model, tokenizer, ticket.question().prompt, ticket_json, token_names
    )
    for ticket in some_tickets
]
print(some_tickets[0].text)
print(masked_answers[0])

# %%
ticket_parses = [tickets.parse(answer) for answer in masked_answers]
exactly_right = [
    found == ticket.fields for found, ticket in zip(ticket_parses, some_tickets, strict=True)
]
lab.claim(
    "valid JSON with the mask", sum(found is not None for found in ticket_parses) / tickets_asked
)
lab.claim("all fields right with the mask", sum(exactly_right) / tickets_asked)

# %% [markdown]
# Valid, every one, and every one wrong: a mask gives the **form**. The content has to be in the
# model (lesson 08) or in the prompt. A larger model that knows the content pays in another way: a
# mask leaves it no room to think before it answers, unless the grammar has a place for that.
#
# ## A seed is not a promise
#
# Here, as in `transformers`, one generator serves the whole batch. Ask
# the same question beside others, and its random numbers are handed out differently:

# %%
one_alone = complete(model, tokenizer, [idea_prompt], temperature=0.8, seed=7)[0][0]
beside_others = complete(model, tokenizer, [fact_prompt, idea_prompt], temperature=0.8, seed=7)[1][
    0
]
print("alone:         ", one_alone)
print("beside another:", beside_others)
lab.claim("same seed, same text", int(one_alone == beside_others))
lab.claim("millions of parameters", model.num_parameters() / 1e6)

# %% [markdown]
# A server batches your request with strangers'. Some, like vLLM, take a seed for each request. But
# the batch also changes the order in which numbers are added, so how they round, and one token that
# tips changes all after it - **at temperature 0 too**: a thousand greedy completions of one prompt
# by Qwen3-235B were 80 different texts ([He
# 2025](https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/)). If you need
# the same answer again, store it.
#
# Everything above ran on a model of 4 million parameters. The same cells run on a larger one:
# start the course with `LABKIT_MODEL=smollm2`. It is asked what it may know, capitals instead of
# facts of the region, and as much as fits into its time (the claims are about the bundled model,
# and are then shown without a verdict).
