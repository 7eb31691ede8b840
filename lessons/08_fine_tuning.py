# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Fine-tuning
#     minutes: 60
#     models: [base]
#     budget_seconds: 120
#     summary: A task learned from examples, what it costs, and what is forgotten for it.
#     without:
#       smollm2: it trains several copies of the model, which takes more memory than 3 GB
# ---

# %% [markdown]
# # Fine-tuning
#
# A prompt changes what a model reads. **Fine-tuning** changes the model: it goes on training, on a
# few hundred examples of what you want. In this lesson you tune all weights of the bundled model
# for a task that it cannot do, watch the loss fall while it happens, and measure three things that
# a training loss does not tell: how well the task is done on examples that were **held out**, what
# the model has **forgotten**, and when the whole thing would have **paid**.
#
# You will build the four parts of it: the batch, the loss, the step of the optimizer, and the
# measure of forgetting. The first three together give the same loss and the same weights as the
# library's trainer.

# %%
import math
from statistics import fmean

from labkit import Lab, load_model
from labkit.experiments import fine_tuning_figures as figures
from labkit.experiments.real import tickets_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import finetuning, plots
from labkit.models.training.tuning import Settings, fine_tune
from labkit.widgets import LossCurve

lab = Lab("08_fine_tuning")
model, tokenizer = load_model()

# %% [markdown]
# ## The task
#
# A shop gets tickets in plain words and wants each as JSON with exactly four fields. Product and
# order number are copied; urgency and wish have to be *read*: "I want no refund, please mend it" is
# a repair.

# %%
shop_tickets = finetuning.ticket_splits(train=400, validation=50, test=150)
print(shop_tickets.train[0].question().prompt + shop_tickets.train[0].as_json)

# %% [markdown]
# The tickets are written by a generator, and a hash of product and order number decides for every
# ticket that it could ever write where it belongs: four in five are for **training**, one in ten
# for **validation** (to choose settings by), one in ten for the **test** (to report from, at the
# end). So no test ticket can slip into the training, and nothing is chosen by the numbers that are
# reported.
#
# ## First the prompt
#
# Always measure the model as it is first. Without any example, and with four solved tickets in the
# prompt:

# %%
sixty_tickets = shop_tickets.test[:60]
prompted_scores = {
    "no example": finetuning.judge(model, tokenizer, sixty_tickets),
    "4 examples in the prompt": finetuning.judge(model, tokenizer, sixty_tickets, shots=4),
}
plots.bars(
    {name: judged.bars() for name, judged in prompted_scores.items()},
    y_label="share of test tickets",
    alt=lab.alt("before-tuning"),
)

# %%
with_four = prompted_scores["4 examples in the prompt"]
lab.claim("valid JSON, 4 examples", with_four.valid.value)

# %% [markdown]
# Not one. A large model that follows instructions may well do such a task from the prompt - and
# then you are done, and need no tuning. Ours has never seen a ticket or an object in JSON like this
# one. The prompt was tried first, measured, and is not enough: a case for fine-tuning.
#
# ## Build it: the batch
#
# An example is a prompt and an answer. The model is to learn **the answer**: the tickets are
# written by customers, and nobody needs a model that writes tickets. So each token has a **label**,
# and the label of what is not to be learned is -100, the number that torch's cross-entropy leaves
# out by default, and so do the trainers built on it. Two more things have to be right: rows of
# different lengths are filled up, and the end of the answer is learned like a word, or the model
# will never learn to stop.

# %%
import torch
from torch import Tensor


def collate(
    prompts: list[list[int]], answers: list[list[int]], end: int, pad: int
) -> dict[str, Tensor]:
    """A batch to train on, out of token ids: only the answers and their ends are learned.

    prompts  a list of ids for each row, of one row or more; the prompt of a row may be empty
    answers  as many lists; an empty one, or another number of them, is a ValueError. Neither they
             nor the prompts are changed
    end      is put after every answer, and is learned too: it is how the model knows when to stop
    pad      fills short rows up on the right; it may be the same id as `end`
    returns  {"input_ids", "attention_mask", "labels"}, int64 (rows, tokens of the longest row):
             the mask is 1 for real tokens and 0 for padding; a label is the token in its own place
             where that is learned, and -100 in prompts and padding

    collate([[7, 8], [7]], [[3], [4, 5, 6]], end=1, pad=0)["labels"]
    →  tensor([[-100, -100, 3, 1, -100], [-100, 4, 5, 6, 1]])
    """
    ...


# %%
lab.check(collate)

# %%
batch_of = lab.use(collate)
ticket_prompts, ticket_answers = finetuning.ids_of(shop_tickets.train[:8], tokenizer)
ticket_batch = batch_of(
    ticket_prompts, ticket_answers, tokenizer.eos_token_id, tokenizer.pad_token_id
)
learned_share = int((ticket_batch["labels"] != -100).sum()) / int(
    ticket_batch["attention_mask"].sum()
)
lab.claim("share of the tokens that are learned", learned_share)

# %% [markdown]
# `DataCollatorForSeq2Seq` of `transformers` fills rows up so; given these ids and labels, it makes
# the same tensors as yours.

# %%
lab.ask("pad-is-end")

# %% [markdown]
# ## Build it: the loss
#
# At every place the model has scores for the *next* token. The loss is minus the log-probability of
# the token that really comes, on average over all tokens that have a label.


# %%
def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean next-token loss over all tokens that have a label, in nats.

    logits   (rows, tokens, vocab) of any floating dtype, left as they are: those at place t are
             about the token at place t + 1
    labels   (rows, tokens) int64: the token in its own place, -100 where nothing is learned
    returns  a float32 tensor of shape (), from which a gradient leads back to the logits: minus
             the log-probability of the labels, each counting the same, whatever its row; computed
             in float32; no label at all (but in the first place, which nothing comes before) is a
             ValueError

    With equal logits over 4 tokens the loss is ln 4 = 1.3863, whatever the labels are.
    """
    ...


# %%
lab.check(answer_loss)

# %% [markdown]
# ## Build it: a step
#
# The gradient says for each weight which way the loss rises. **AdamW** ([Kingma and Ba
# 2014](https://arxiv.org/abs/1412.6980); [Loshchilov and Hutter
# 2017](https://arxiv.org/abs/1711.05101)) goes the other way, by a step whose size hardly depends
# on the gradient's: it is divided by how large the gradient usually is at this weight. Beside that,
# every weight decays a little towards zero.


# %%
def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> dict[str, Tensor]:
    """One step of AdamW (arXiv:1711.05101) for one weight tensor, as torch.optim.AdamW does it.

    That class is not to be called: write the step out.

    weight, gradient  float32, of one shape; left as they are
    first, second     the running means of the gradient and of its square, before this step; left
                      as they are too
    step              1 in the first step; the means start at zero, so they are divided by
                      1 - beta ** step
    weight_decay      takes learning_rate * weight_decay of the old weight away, apart from Adam
    betas             how much of the first and of the second mean is kept
    eps               is added to the root of the corrected second mean
    returns           {"weight", "first", "second"} after the step; the means as they are kept,
                      without the division

    From zero means the first step moves every weight by the learning rate, against the gradient's
    sign: adamw_step(weight 1.0, gradient 0.5, zeros, zeros, 1, 0.1, weight_decay=0.0)["weight"]
    →  tensor([0.9])
    """
    ...


# %%
lab.check(adamw_step)

# %% [markdown]
# ## The same as the library's
#
# Batch, loss and step are all that training is. One step on eight tickets, by your three functions
# and by `transformers.Trainer`:

# %%
our_step = finetuning.own_step(
    model,
    ticket_batch,
    lab.use(answer_loss),
    lab.use(adamw_step),
    learning_rate=1e-3,
    weight_decay=0.1,
)
trainers_step = finetuning.library_step(model, ticket_batch, learning_rate=1e-3, weight_decay=0.1)
lab.claim("loss, ours - Trainer's", our_step[0] - trainers_step[0])
lab.claim(
    "largest difference of a weight", finetuning.largest_difference(our_step[1], trainers_step[1])
)

# %% [markdown]
# ## Tune
#
# Now many steps: 240 of eight tickets each, which is about five rounds (*epochs*) through the 400.
# The learning rate rises during the first tenth of them and then falls to zero. While it runs, the
# kernel is busy with the training; the curve is drawn by your browser.

# %%
lab.ask("tickets-right")

# %%
loss_curve = LossCurve(steps=240, name="Loss of the answers, training tickets")
loss_curve.show()
ticket_questions = [ticket.question() for ticket in shop_tickets.train]
ticket_settings = Settings(learning_rate=1e-3, steps=240)
tuned_on_tickets = fine_tune(
    model, tokenizer, ticket_questions, ticket_settings, progress=False, on_step=loss_curve.add
)

# %%
powers_fallen = math.log10(tuned_on_tickets.losses[0] / fmean(tuned_on_tickets.losses[-20:]))
lab.claim("powers of ten that the loss fell by", powers_fallen)

# %% [markdown]
# The loss falls by more than three powers of ten. That says that the model fits *these* tickets.
# The test tickets have other products and numbers:

# %%
after_tuning = finetuning.judge(tuned_on_tickets.model, tokenizer, shop_tickets.test)
plots.bars(
    {"base, 4 examples in the prompt": with_four.bars(), "tuned, no example": after_tuning.bars()},
    y_label="share of test tickets",
    alt=lab.alt("after-tuning"),
)

# %%
lab.compare("tickets-right", 100 * after_tuning.exact.value)
lab.claim("valid JSON after tuning", after_tuning.valid.value)
lab.claim("all fields right after tuning", after_tuning.exact.value)
for field_score in after_tuning.fields.values():
    print(f"{field_score.name:10} {field_score}")

# %% [markdown]
# Here the form is learned first, and perfectly. What is left are single fields - an order number
# copied wrongly, a wish misread - and where one is wrong, the ticket is. An average hides such
# things: look at the fields one by one.
#
# ## What the loss is on
#
# Was it worth the trouble to mask the prompts? The next figure needs many tunings, each a minute,
# so they were **recorded**: run once with several seeds, kept with versions and machine, and a
# point of each record is measured again whenever the course is tested.

# %%
figures.labels_compared(
    alt=lab.alt("loss-on-what"),
)

# %%
for steps_taken in (100, 300):
    on_answers = figures.recorded_labels("answers", steps_taken)
    gained_by_masking = on_answers - figures.recorded_labels("everything", steps_taken)
    lab.claim(f"recorded: gained by a loss on answers only, {steps_taken} steps", gained_by_masking)

# %% [markdown]
# In our record it was, above all while steps are few: with the loss on everything, nearly three
# quarters of the tokens in it are words of customers that nobody can predict.
#
# That is no law. Llama 2 of 7 B often did *better* with a loss on the prompts too, most where
# prompts were long and answers short, or examples few - not far from here; its authors say because
# it overfits less ([Shi et al. 2024](https://arxiv.org/abs/2405.14394)). Measure both.

# %%
lab.ask("loss-on-everything")

# %% [markdown]
# ## How many examples?

# %%
figures.over_examples(
    alt=lab.alt("right-by-examples"),
)

# %%
lab.claim("recorded: valid JSON, 10 examples", figures.recorded_examples(10)[0])
for examples_seen in (100, 300, 500):
    right_share = figures.recorded_examples(examples_seen)[1]
    lab.claim(f"recorded: right, {examples_seen} examples", right_share)

# %% [markdown]
# In this record the **form** takes ten examples and the **content** some hundreds. From 300 to 500
# nothing is gained (400 steps for all: of 500 examples each is seen less often); look at what is
# still wrong, and write examples of *that*.

# %% [markdown]
# ## A style takes few
#
# A second task on the same tickets: a reply in the tone of the shop. **Forty** examples, sixty
# steps, a quarter of the time:

# %%
polite_answers = finetuning.reply_examples(shop_tickets.train[:40])
print(polite_answers[0].prompt + polite_answers[0].answer)
tuned_on_replies = fine_tune(
    model, tokenizer, polite_answers, Settings(learning_rate=1e-3, steps=60), progress=False
)

# %%
reply_scores = {
    "base": finetuning.judge_replies(model, tokenizer, sixty_tickets),
    "tuned on 40 replies": finetuning.judge_replies(
        tuned_on_replies.model, tokenizer, sixty_tickets
    ),
}
plots.bars(
    reply_scores,
    y_label="share of test tickets",
    alt=lab.alt("polite-replies"),
)

# %%
taught_tone = {name: figure.value for name, figure in reply_scores["tuned on 40 replies"].items()}
lab.claim("polite replies after 40 examples", taught_tone["polite"])
lab.claim("polite and right", taught_tone["polite and right"])

# %% [markdown]
# The tone is learned from forty examples, and hardly a reply is *right*: product, promise and date
# have to be read, and that took hundreds above. Style is cheap, and it looks like skill, in large
# models too: tuned to imitate ChatGPT, models of 1.5 to 13 B took over its style and not its
# facts, and raters were taken in ([Gudibande et al. 2023](https://arxiv.org/abs/2305.15717)). So
# judge the content by itself.
#
# ## Too little, too much
#
# Choose the learning rate by the **validation** tickets, and never by the training loss (one seed
# for each point):

# %%
figures.over_rates(
    alt=lab.alt("loss-by-rate"),
)

# %%
slow_rate, fast_rate = figures.recorded_rate(3e-4, 400), figures.recorded_rate(1.5e-3, 400)
losses_apart = slow_rate["validation_loss"] / slow_rate["training_loss"]
lab.claim("recorded: validation / training loss, rate 0.0003", losses_apart)
lab.claim("recorded: validation loss, 0.0015", fast_rate["validation_loss"])
for some_rate in (3e-4, 3e-3):
    for steps_taken in (200, 400):
        lab.claim(
            f"recorded: validation loss, rate {some_rate:g}, {steps_taken} steps",
            figures.recorded_rate(some_rate, steps_taken)["validation_loss"],
        )
early_losses, late_losses = (
    [figures.recorded_rate(rate_tried, steps) for rate_tried in figures.recorded_rates()]
    for steps in (200, 400)
)
overfitting_rates = [
    late["validation_loss"] > early["validation_loss"]
    and late["training_loss"] < early["training_loss"]
    for early, late in zip(early_losses, late_losses, strict=True)
]
lab.claim("rates whose validation gets worse", sum(overfitting_rates))

# %% [markdown]
# At 0.0003 the validation loss is 26 times the training loss. Is that **overfitting**? Not yet: it
# is still falling, from 0.047 after 200 steps to 0.019 after 400. A gap says that seen tickets are
# easier than new ones. Overfitting is validation that gets **worse** while training gets better. In
# this record only 0.003 does so, a little: validation rises from 0.042 to 0.063, and the steps look
# too large rather than too many. And where steps are few, everything **underfits**:

# %%
figures.rates_and_steps(
    alt=lab.alt("right-by-steps"),
)

# %%
right_early = [
    figures.recorded_rate(rate_tried, 100)["exact"] for rate_tried in figures.recorded_rates()
]
lab.claim("recorded: right after 100 steps, at the best rate", max(right_early))

# %%
lab.ask("which-checkpoint")

# %%
print("learning rate   tickets right   old facts kept")
for rate_tried in figures.recorded_rates():
    recorded_scores = figures.recorded_rate(rate_tried, 400)
    print(f"{rate_tried:13}   {recorded_scores['exact']:13.0%}   {recorded_scores['facts']:14.0%}")

# %%
careful_rate = figures.recorded_rate(1e-3, 400)
lab.claim("recorded: facts kept, rate 0.001 - 0.0015", careful_rate["facts"] - fast_rate["facts"])

# %% [markdown]
# Validation speaks for 0.0015, and it has the most test tickets right. And it has cost the model a
# third of the facts that it knew by heart, where 0.001 has cost hardly any. No split of the
# *tickets* can show that. You choose by what you measure - so measure what must not be lost.

# %% [markdown]
# ## Catastrophic forgetting
#
# The model knew its region by heart. What does it know now? To measure that, count only what was
# known *before*: what was learned in between must not hide what was lost.


# %%
def share_forgotten(before: list[bool], after: list[bool]) -> float:
    """Of what was known before, the share that is not known any more, from 0 to 1.

    before, after  for the same questions in the same order, whether the answer was right; left
                   as they are
    returns        a float; what was learned in between does not count. Another number of answers,
                   or nothing that was known before, is a ValueError

    share_forgotten([True, True, False, True], [True, False, True, True])  →  0.3333
    """
    ...


# %%
lab.check(share_forgotten)

# %%
forgotten_of = lab.use(share_forgotten)
known_before = finetuning.facts_known(model, tokenizer)
by_tickets = forgotten_of(known_before, finetuning.facts_known(tuned_on_tickets.model, tokenizer))
lab.claim("facts forgotten while learning tickets", by_tickets)

# %% [markdown]
# Next to nothing: tickets and facts do not get into each other's way, as long as the learning rate
# is moderate. Harder is what is *alike*. So teach the model **new facts**, about newcomers to the
# region, in the same words as the old facts. It reads statements and some forms of the questions,
# and is asked in a form that the tuning has left out.

# %%
lab.ask("facts-lost")

# %%
new_fact_settings = Settings(learning_rate=1e-3, steps=150)
new_fact_questions = finetuning.new_fact_examples()
on_new_facts = fine_tune(
    model, tokenizer, new_fact_questions, new_fact_settings, progress=False
).model
new_facts_and_replay = finetuning.new_facts_with_replay(model, tokenizer, replayed=0.3)
with_replay = fine_tune(
    model, tokenizer, new_facts_and_replay, new_fact_settings, progress=False
).model

# %%
new_fact_outcomes = {
    name: finetuning.new_and_old_facts(some_model, tokenizer)
    for name, some_model in {
        "before": model, "tuned on new facts": on_new_facts, "with 30 % replay": with_replay,
    }.items()
}  # fmt: skip
plots.bars(
    {name: outcome.bars() for name, outcome in new_fact_outcomes.items()},
    y_label="share right",
    alt=lab.alt("learned-and-kept"),
)

# %%
lost_by_new_facts = forgotten_of(known_before, new_fact_outcomes["tuned on new facts"].facts)
lost_with_replay = forgotten_of(known_before, new_fact_outcomes["with 30 % replay"].facts)
lab.compare("facts-lost", 100 * lost_by_new_facts)
learned_with, learned_without = (
    new_fact_outcomes[name].share_of_new_facts
    for name in ("with 30 % replay", "tuned on new facts")
)
lab.claim("new facts right, with replay - without", learned_with - learned_without)
lab.claim("facts forgotten, tuned", lost_by_new_facts)
lab.claim("facts forgotten, replay", lost_with_replay)

# %% [markdown]
# That is **catastrophic forgetting**. And a remedy is cheap here: **replay**. Nearly a third of the
# examples are old questions with their old answers, *other* ones than those that are asked
# afterwards: the model is reminded of some facts and keeps nearly all.
#
# Two more remedies are in use: to **pull** the weights back to where they started, a little in each
# step ([Li et al. 2018](https://arxiv.org/abs/1802.01483), for networks that see images), and to
# train a small adapter instead of the weights, **LoRA** ([Hu et al.
# 2021](https://arxiv.org/abs/2106.09685), the next lesson). Full tuning and the three, recorded
# with three seeds each (the intervals are over those), 300 steps at half the learning rate above -
# for LoRA at five times that above, since it learns best at a higher one:

# %%
figures.remedies(
    alt=lab.alt("remedies"),
)

# %%
remedy_records = figures.recorded_remedies()
for remedy_name, (learned_facts, kept_facts) in remedy_records.items():
    print(f"{remedy_name:7} new facts {learned_facts:4.0%}   facts {kept_facts:4.0%}")
lab.claim("recorded: new facts learned, replay", remedy_records["replay"][0])
lab.claim("recorded: new facts learned, pull", remedy_records["pull"][0])
kept_by_lora = remedy_records["LoRA"][1] - remedy_records["full"][1]
lab.claim("recorded: facts kept, LoRA - full", kept_by_lora)

# %% [markdown]
# Each has its price. Replay learns less and needs the old data, which you may not have. The pull
# keeps most and learns least. LoRA learns less than full tuning and forgets less, as was found on a
# model of 7 B at the usual low ranks ([Biderman et al. 2024](https://arxiv.org/abs/2405.09673)) -
# and here it forgets only a little less. Whichever you take, **measure what was known before**; the
# training loss does not show it.
#
# And if they change every week? Then do not train them in at all: put them into the prompt.
# Tuning is for behaviour that stays.

# %%
lab.ask("which-remedy")

# %% [markdown]
# ## Would the prompt have done?
#
# Suppose a model that does the task with four examples in its prompt. Tuned, it needs none: each
# request is shorter. The source notes of this course put a run of fine-tuning at **500 to 10,000
# dollars and more**: read it as labour and data. The machine is cheap: in 2026 LoRA on a hosted
# model of 8 B costs about 0.5 dollars per million training tokens, four dollars a job at least
# ([Together's prices](https://www.together.ai/pricing)). When has the whole paid?

# %%
# NBVAL_CHECK_OUTPUT
prompt_lengths = [
    len(tokenizer(finetuning.with_shots(shop_tickets.test[0], n))["input_ids"]) for n in (0, 4)
]
tokens_saved = prompt_lengths[1] - prompt_lengths[0]
run_prices = {"a run for 500 $": 500.0, "a run for 10,000 $": 10_000.0}
token_rates = {"2 $ for a million": 2.0, "0.20 $, from a cache": 0.2}
print("million requests until the tuning has paid")
print(finetuning.break_even_table(run_prices, token_rates, tokens_saved))

# %%
lab.claim("tokens saved for each ticket", tokens_saved)
lab.claim("requests for a job of 4 $ at 2 $ a million", finetuning.break_even(4, tokens_saved, 2.0))
lab.claim(
    "prompt, tuned at twice the price / with examples from a cache",
    2 * prompt_lengths[0] / (prompt_lengths[0] + 0.1 * tokens_saved),
)

# %% [markdown]
# Nearly a million requests for 500 dollars, and ten times as many where the provider keeps the
# examples in a cache (lesson 03;
# [OpenAI's](https://developers.openai.com/api/docs/guides/prompt-caching) takes prompts of 1,024
# tokens or more). A job of four dollars that costs nobody an hour would have paid after seven
# thousand. These rates are made up in round numbers; put in yours, and two things that the table
# leaves out:
#
# - **A tuned model often costs more to ask.** OpenAI has billed a tuned GPT-4o at 1.5 times and a
#   tuned GPT-4o mini at twice the usual price of a token, and since May 2026 is [closing its
#   tuning](https://developers.openai.com/api/docs/deprecations). A tuned open model may need a GPU
#   of your own, rented by the second
#   ([Fireworks](https://docs.fireworks.ai/fine-tuning/deploying-loras)). At twice the price the
#   tuned prompt is *dearer* than ours with its examples from the cache: it never pays.
# - **The next run**, when the model is replaced, costs its data and evaluation again.
#
# Saving tokens is seldom the reason to tune. Good reasons are an answer that no prompt gets, a
# style that prompts keep missing, and a small model that does one task as well as a large one. (A
# strict syntax is better *guaranteed*, by constrained decoding; tuning only makes it likely.)

# %%
lab.ask("prompt-or-tune")

# %% [markdown]
# ## Words
#
# **Pre-training** starts at random weights and usually takes most of the data and compute.
# **Fine-tuning** goes on from there, on data of yours. **Post-training** is the same work seen by
# the maker of a model: all that comes after pre-training, such as teaching it to follow
# instructions. All three are **training**: steps that change weights to lower the model's loss over
# data (or to raise a reward). Rounding a finished model is not, even where data helps to round well
# (GPTQ, AWQ): that is *post-training quantization*. *Quantization-aware training* is training.
#
# The same cells run on another model: `LABKIT_MODEL=HuggingFaceTB/SmolLM2-135M` (the claims are
# about ours, and the records too).

# %%
lab.ask("training-or-not")

# %% [markdown]
# ## And in a real model
#
# SmolLM2-135M-Instruct ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)), thirty times as
# large, was taught by its makers to follow instructions, and never saw these tickets. In its chat
# template it was told what JSON is wanted; then shown solved tickets; then tuned, all weights, 50
# steps of four tickets, with three seeds, at the learning rate that did best on validation tickets.
# And before and after it was asked for capitals of 60 countries, in two forms: with the answer
# begun ("The capital of Nepal is"), and as an open question. Of the open ones it had 55 % right.

# %%
lab.ask("capitals-after-tickets")

# %%
real_figures.kept_and_learned({"tuned in full": (0, 50)}, lab.alt("real-tickets"))

# %%
open_after = real_figures.after(0, 50, "open")
lab.compare(
    "capitals-after-tickets", 100 * open_after.value, *(100 * e for e in open_after.interval)
)
for solved_shown in (1, 3, 8):
    in_prompt = {c: real_figures.with_examples(solved_shown, c) for c in ("valid", "exact")}
    print(
        f"{solved_shown} solved tickets: valid {in_prompt['valid']}, all right {in_prompt['exact']}"
    )
lab.claim("real model: valid JSON, told", real_figures.before("valid").value)
lab.claim("real model: valid JSON, 3 solved", real_figures.with_examples(3, "valid").value)
lab.claim("real model: all right, 3 solved", real_figures.with_examples(3, "exact").value)
lab.claim("real model: all right, 8 solved", real_figures.with_examples(8, "exact").value)
lab.claim("real model: all right, tuned", real_figures.after(0, 50, "exact").value)
lab.claim("real model: open capitals before", real_figures.before("open").value)
lab.claim("real model: open capitals, tuned", open_after.value)
lab.claim("real model: begun capitals before", real_figures.before("begun").value)
lab.claim("real model: begun capitals, tuned", real_figures.after(0, 50, "begun").value)
lab.claim("real model: rise of the loss on prose, tuned", real_figures.after(0, 50, "rise").value)

# %% [markdown]
# The same three things. **The prompt gives the form first**: one solved ticket is too few, three
# make valid JSON, and eight get no more of it *right*. **Tuning gives the content**: 200 tickets,
# nine of ten right. And **it costs what was known**, in one form more than in the other: where the
# answer is begun it knows nearly as many capitals as before, and as an open question a third of
# them is gone. The knowledge is there, and comes out less. The loss on prose has not moved at all,
# and would have told you that nothing was lost. So ask in the form in which you will be asked.
#
# With the model on your machine this measures a small part again, in half a minute:

# %%
print(measured_again("real-ticket-shots"))

# %% [markdown]
# ## What to take away
#
# - Measure the prompt first; tune only for what it cannot do.
# - The loss belongs on the answers and on their end, never on padding; on prompts too if that
#   measures better.
# - Choose by validation, report by test, and look at each field. A gap between training and
#   validation is not overfitting yet; validation that gets worse while training gets better is.
# - Ask what was known before. If it fades: replay, a smaller learning rate, or an adapter.
# - Knowledge that changes belongs in the prompt, behaviour that stays into the weights.

# %%
lab.progress()
