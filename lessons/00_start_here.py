# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Start here
#     minutes: 15
#     models: [base]
#     summary: How the course works, in one small experiment, and the map of the field.
# ---

# %% [markdown]
# # Start here
#
# In this course you do not read that something works. You **predict** a number, **measure** it on a
# really trained model on this very machine, and **explain** what you saw. This lesson is one such
# round, and a map of what is to come.
#
# Run the cells one after the other: **Shift+Enter** runs a cell and goes to the next one.

# %%
import sys

from labkit import Lab, load_model
from labkit.experiments.real import temperature_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import adaptation, plots
from labkit.instruments.items import fact_items, strangers
from labkit.instruments.real.capitals import capital_items
from labkit.models import complete
from labkit.models.zoo import load_bundled

lab = Lab("00_start_here")
model, tokenizer = load_model()

# %% [markdown]
# That card is where you are; it remembers your answers when you come back. The model is a small
# one, of the same kind as the large ones you know, trained from nothing on texts about a region
# that does not exist. So we know everything that it can know. Ask it something:

# %%
# NBVAL_CHECK_OUTPUT
fact_questions = fact_items(100, model, tokenizer, texts=4)
first_question = fact_questions.prompts[0]
print(first_question + complete(model, tokenizer, [first_question])[0][0])

# %% [markdown]
# ## Predict
#
# Before a number is measured, you commit to a guess. A wrong guess costs nothing: it is where you
# learn something.

# %%
lab.ask("knows-its-region")

# %% [markdown]
# ## Build
#
# To measure, you need a function that counts. Each lesson has a few like this one: a signature, a
# docstring that says what it must do, and `...` where your code belongs. **Run the two cells as
# they are first.**


# %%
def share_right(answers: list[str], expected: list[str]) -> float:
    """Share of the answers that are exactly what was expected, from 0 to 1.

    answers   what the model said
    expected  the right answers, as many; white space around a text doesn't count on either side
              (spaces, tabs, line ends); upper and lower case and spaces inside do
    returns   a float; no answers at all, or another number of them, is a ValueError

    share_right(["goat", " cat\\n", "a dog"], ["goat", "cat", "dog"])  →  0.6667
    """
    ...


# %%
lab.check(share_right)

# %% [markdown]
# *Not attempted*: nothing is lost by leaving a challenge for later. A check has three other things
# to say. Meet them all: put each of these in place of `...`, and run both cells again.
#
# 1. `return sum(map(str.__eq__, answers, expected))`: **not yet**, with the smallest case that
#    fails, and your mistake by name.
# 2. `return answers[len(answers)]`: **an error**, with the line of yours that raised it.
# 3. Your own answer: **right**, when it is.
#
# Stuck? `lab.hint(share_right)` gives three hints, one at a time, about the mistake that you made.
# After a pass, or three tries, `lab.solution(share_right)` shows ours. Try both: they are there to
# be used.

# %% [markdown]
# ## Measure
#
# Now the number. (Until your function passes, `lab.use` takes the reference, so that a lesson
# always runs to its end.)

# %%
my_share = lab.use(share_right)
answers_given = adaptation.answers(model, tokenizer, fact_questions.prompts)
region_right = my_share(answers_given, list(fact_questions.answers))
lab.compare("knows-its-region", 100 * region_right)
lab.claim("questions about the region, right", region_right)

# %% [markdown]
# It knows its region by heart. And somebody it has never read about?

# %%
new_strangers = strangers(60, model, tokenizer, texts=4, seed=3)
first_stranger = new_strangers[0]
print(first_stranger.passage, "|", first_stranger.question, "|", first_stranger.answer)

# %%
lab.ask("knows-strangers")

# %%
question_prompts = [f"Q: {one.question}\nA: " for one in new_strangers]
their_answers = [one.answer for one in new_strangers]
right_unread = my_share(adaptation.answers(model, tokenizer, question_prompts), their_answers)
lab.compare("knows-strangers", 100 * right_unread)
lab.claim("questions about strangers, right", right_unread)

# %% [markdown]
# A few are right by luck: there are only so many pets and colours. The model did not say "I don't
# know", by the way. It answered, and looked as sure as before.
#
# ## Two ways to adapt a model
#
# The strangers come with a passage each. There are two ways to make use of it, and they divide the
# field: **change what the model reads** (prompt-based) or **change its weights** (training). First
# the prompt. Build it:


# %%
def prompt_with(passage: str, question: str) -> str:
    """A prompt that gives the model something to read before it answers.

    passage   what to read; spaces and line ends around it do not belong there; may be empty
    question  one line
    returns   the passage, "Q: " and the question, and "A: ", each on a line of its own; the space
              after "A:" is there, and nothing comes after it. No passage, no line for it

    prompt_with("Anna Kell has a goat.", "Which pet does Anna Kell have?")
    →  "Anna Kell has a goat.\\nQ: Which pet does Anna Kell have?\\nA: "
    """
    ...


# %%
lab.check(prompt_with)

# %%
my_prompt = lab.use(prompt_with)
with_passage = [my_prompt(one.passage, one.question) for one in new_strangers]
right_when_told = my_share(adaptation.answers(model, tokenizer, with_passage), their_answers)
lab.claim("strangers, passage in the prompt, right", right_when_told)

# %% [markdown]
# One passage, and it answers nearly everything. Now the other way: train the model on the 60
# questions and their answers, some seconds of it, and ask without any passage.
#
# And a third thing that is often taken for training: store the weights as 8-bit integers
# (*quantization*). To see what each of the three does to the model itself, build one more
# instrument:

# %%
from torch import Tensor


def share_changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    """Share of a model's numbers that are not what they were, from 0 to 1.

    before, after  weights by name, in any order; a name has the same shape in both
    returns        how many numbers differ at all, of all numbers; other names or shapes are a
                   ValueError

    share_changed({"a": torch.zeros(3)}, {"a": torch.tensor([0.0, 0.5, 0.0])})  →  0.3333
    """
    ...


# %%
lab.check(share_changed)

# %%
my_changed = lab.use(share_changed)
rounded_model = adaptation.in_8_bits(model)
trained_model = adaptation.trained_on(model, tokenizer, new_strangers)

# %%
four_ways = {
    "as it was": (model, question_prompts),
    "passage in the prompt": (model, with_passage),
    "rounded to 8 bits": (rounded_model, question_prompts),
    "trained on the strangers": (trained_model, question_prompts),
}
ways_scored = adaptation.compare(four_ways, tokenizer, their_answers, fact_questions)
plots.bars(
    ways_scored,
    y_label="share right",
    alt=lab.alt("strangers-and-region"),
)

# %%
model_weights = adaptation.weights_of(model)
for way_tried, model_and_prompts in four_ways.items():
    weights_changed = my_changed(model_weights, adaptation.weights_of(model_and_prompts[0]))
    print(f"{way_tried:24} {weights_changed:6.1%} of the weights changed")

# %%
lab.claim(
    "changed, of the weights that were rounded",
    my_changed(adaptation.rounded_weights(model), adaptation.rounded_weights(rounded_model)),
)
lab.claim(
    "region still known after rounding to 8 bits",
    ways_scored["rounded to 8 bits"]["the region"].value,
)
lab.claim(
    "region still known after training on strangers",
    ways_scored["trained on the strangers"]["the region"].value,
)

# %% [markdown]
# Read the figure once more, it is the course in small:
#
# - **The prompt** changed no weight and was enough. Passages have to be found, though, and paid for
#   in tokens with every question (lessons 02 to 04).
# - **Rounding** changed nearly every weight that it touched (embeddings, a sixth of all, stay as
#   they are), and *nothing was learned*: it is no training. None of these questions was lost
#   either, at 8 bits (lesson 12 goes down to 2).
# - **Training** changed nearly every weight by a little. The strangers are known by heart, and a
#   part of the region is gone: *catastrophic forgetting*. Lessons 08 and 09 measure what helps.

# %%
lab.ask("what-is-training")

# %% [markdown]
# ## And in a real model
#
# Ours has read about one region and nothing else. Each lesson shows what it found again on a model
# that others made: SmolLM2-135M-Instruct ([Allal et al.
# 2025](https://arxiv.org/abs/2502.02737)), thirty times as large. Both were asked for the capitals
# of 141 countries; its answers were recorded, ours come now:

# %%
our_model, our_tokenizer = load_bundled("base")
capital_questions = capital_items(our_tokenizer)
our_capitals = adaptation.answers(our_model, our_tokenizer, capital_questions.prompts)
named_by_ours = sum(map(capital_questions.is_right, range(len(our_capitals)), our_capitals))
named_by_theirs = real_figures.share_at(0.0)
print(f"ours: {named_by_ours} of {len(our_capitals)}, SmolLM2: {named_by_theirs}")
lab.claim("countries whose capital was asked for", named_by_theirs.n)
lab.claim("capitals that ours names", named_by_ours)
lab.claim("real model: capitals named", named_by_theirs.value)

# %% [markdown]
# What a model knows was in its texts. So each of the two can be asked what the other cannot, and
# where they agree on a lesson, the lesson is more than ours. Everything runs without SmolLM2; with
# it (one command, printed below where it is missing) such cells measure a point again:

# %%
print(measured_again("real-capitals"))

# %% [markdown]
# ## The map
#
# Every technique of this course, by what it changes. The numbers are the lessons. What stands first
# is tried in an afternoon, and tried first. The course's home (the tab *Course home*, or that
# command in the palette, Ctrl+Shift+C) shows the same map with your progress on it.

# %%
lab.map()

# %%
lab.ask("what-to-try-first")

# %%
lab.ask("which-layer")

# %% [markdown]
# Four words that are easily mixed up. **Training** changes weights so that the model's loss on
# examples falls: the examples say what it should do. (Rounding may look at texts too, as
# [GPTQ](https://arxiv.org/abs/2210.17323) does, but only to stay near the model as it was; when a
# model trains *while* it is rounded, that is training.) **Pre-training** starts from random weights
# and takes nearly everything: 98 % of the compute for InstructGPT ([Ouyang et al.
# 2022](https://arxiv.org/abs/2203.02155), section 5.1).
# **Fine-tuning** goes on from there, as a rule with far less. **Post-training** is the same work
# seen from the other side: what the maker of a model does after pre-training, such as teaching it
# to follow instructions.
#
# How was it for our two? The model's card says how many tokens it read; count those that trained it
# on the strangers:

# %%
tokens_read = adaptation.tokens_read(tokenizer, new_strangers)
lab.claim(
    "pre-training's share of all tokens read, in percent",
    100 * tokens_read["pre-training"] / sum(tokens_read.values()),
)

# %%
lab.ask("ninety-eight")

# %% [markdown]
# That someone else has paid for pre-training is what makes *AI engineering* a field of its own
# beside *ML engineering*.

# %%
lab.ask("ai-or-ml-engineering")

# %% [markdown]
# ## What will run here?
#
# Everything in this course is made for two CPU cores and 8 GB of memory, without a network. What
# this machine has:

# %% tags=["this-machine"]
# !{sys.executable} -m labkit doctor

# %% [markdown]
# A line marked `note` keeps some of it from running as well as it could, one marked `BAD` says what
# to do first. A GPU is used where there is one, and not needed.
#
# ## Where to go from here

# %%
lab.goals()

# %% [markdown]
# Any order will do; that of the numbers teaches best.

# %%
lab.progress()
