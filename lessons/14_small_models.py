# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Small models
#     minutes: 45
#     models: [base, small, draft, specialist]
#     summary: What is lost with size and what is not, what it saves, and how a small one is taught.
#     without:
#       smollm2: it compares the course's own four models
# ---

# %% [markdown]
# # Small models
#
# The size of a model is paid for with every token, for as long as it is in use: in memory, in
# milliseconds, in battery. So the question is not how large a model you can get. It is **how small
# a model still does your task**, and that can be measured.
#
# In this lesson four models of one family meet, all of them tiny. You will see what goes when they
# shrink and where models of billions differ, a specialist that beats a generalist nearly five times
# its size, what size costs on this machine, and how a large model teaches a small one. You will
# build a distillation loss, a picker for the frontier of quality and time, and the check whether a
# model fits a phone.

# %%
from labkit import Lab, experiments, load_model
from labkit.estimates import difference, share
from labkit.experiments import distillation_figures as recorded
from labkit.experiments.real import ours
from labkit.experiments.real import sizes_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import plots, quantity_plots, sizes
from labkit.instruments.models_table import MODELS, find_model, table
from labkit.models.training import distilling

lab = Lab("14_small_models")
_, tokenizer = load_model()
four_models = {name: load_model(name)[0] for name in ("base", "small", "specialist", "draft")}

# %%
# NBVAL_CHECK_OUTPUT
for model_name, model in four_models.items():
    its_config = model.config
    print(f"{model_name:10} {model.num_parameters():>9,} parameters, "
          f"{its_config.num_hidden_layers} layers, width {its_config.hidden_size}")  # fmt: skip

# %% [markdown]
# `base`, `small` and `draft` have read the same 10 million tokens in the same order; only their
# size differs. The `specialist` has read half as many, and only sums. All four have the same
# tokenizer.
#
# ## What goes first?
#
# Five tasks (a sixth comes later): facts of the region that the training texts *asked about* often,
# facts that they only *told* in passing, one-line programs, and two things that must be looked up
# in the prompt: a question about one of two passages, and about one row of a small table. Take the
# smallest model, `draft`, with an eighth of the parameters of `base`:

# %%
lab.ask("facts-of-the-smallest")

# %%
six_tasks = sizes.tasks(four_models["base"], tokenizer, n=100)
right_by_model = {
    name: sizes.shares_right(model, tokenizer, six_tasks) for name, model in four_models.items()
}
plots.bars(
    {
        task: {name: right_by_model[name][task] for name in ("base", "small", "draft")}
        for task in six_tasks
        if task != "sums"
    },
    y_label="share right",
    width=10,
    alt=lab.alt("right-by-size"),
)

# %%
of_draft = right_by_model["draft"]
asked_often = of_draft["facts, asked often"]
lab.compare(
    "facts-of-the-smallest", 100 * asked_often.value, 100 * asked_often.low, 100 * asked_often.high
)

# %%
of_base = right_by_model["base"]
lab.claim("draft: facts asked often", asked_often.value)
lab.claim("base: facts read in passing", of_base["facts, read in passing"].value)
lab.claim("draft: facts read in passing", of_draft["facts, read in passing"].value)
lab.claim("draft: one of two passages", of_draft["one of two passages"].value)
most_gained = max(
    right_by_model["small"][task].value - of_draft[task].value
    for task in six_tasks
    if task != "sums"
)
lab.claim("small - draft, largest gain on a task", most_gained)

# %% [markdown]
# An eighth of the parameters knows *everything* that was asked often. In our family, what goes is
# the rest:
#
# - **Rare knowledge.** What was read a few times, in passing, is halved. Large models show the
#   same: the more documents about a thing they have read, the more they get right about it, and
#   larger ones do better on what is rare ([Kandpal et al. 2022](https://arxiv.org/abs/2211.08411)).
# - **Looking things up in the prompt.** With two passages our small ones take *a* value of the
#   right kind, and hit the right one half of the time: a coin would. **This belongs to models of
#   0.5 and 1.2 million parameters.** In models of billions it is the other way round: made over
#   30 % smaller, by pruning or by training a smaller one, they recall clearly fewer facts; 60 to
#   70 % smaller, finding an answer in a long context is largely kept ([Jin et al.
#   2023](https://arxiv.org/abs/2310.04680)). So a small model that is *given* the facts (retrieval,
#   lesson 02) is a sound design there. Test it with your passages.
#
# Note what an average over the tasks would have said: "somewhat worse". Measure each task. And note
# that `small`, two and a half times the size of `draft`, is no better than it on any of them that
# these intervals could show. More parameters need not buy something that you can see.
#
# ## A specialist
#
# The sixth task is sums below 100. `base` has met them among much else; the specialist has read
# nothing else. Guess:

# %%
lab.ask("sums-of-the-generalist")

# %%
plots.bars(
    {
        task: {name: right_by_model[name][task] for name in ("base", "specialist")}
        for task in six_tasks
    },
    y_label="share right",
    width=10,
    alt=lab.alt("generalist-and-specialist"),
)

# %%
on_sums = of_base["sums"]
lab.compare("sums-of-the-generalist", 100 * on_sums.value, 100 * on_sums.low, 100 * on_sums.high)

# %%
hits_on_sums = {
    n: sizes.hits_of(four_models[n], tokenizer, six_tasks["sums"]) for n in ("specialist", "base")
}
specialist_gain = difference(
    "specialist - base on sums", hits_on_sums["specialist"], hits_on_sums["base"]
)
generalists_on_sums = max(right_by_model[name]["sums"].value for name in ("base", "small", "draft"))
best_elsewhere = max(
    right_by_model["specialist"][task].value for task in six_tasks if task != "sums"
)
print(specialist_gain)
lab.claim("specialist - base on sums, share", specialist_gain.value)
lab.claim("best generalist on sums", generalists_on_sums)
lab.claim("specialist's best share elsewhere", best_elsewhere)

# %% [markdown]
# A fifth of the size, half of the reading, and it is right on sums that no training text holds,
# while no generalist of the three gets more than a few. The price is *everything else*. It does
# not say "I only do sums" either: it answers, wrongly. **A specialist needs a router**: something
# before it that knows what to send there.
#
# What made the difference is not the architecture but the data. That is what "small language
# models" are about. Phi-1 (1.3 B) was trained on text chosen and written like textbooks, then on
# exercises, and solved half of HumanEval ([Gunasekar et al.
# 2023](https://arxiv.org/abs/2306.11644)); phi-3-mini (3.8 B) took filtered and synthetic data
# further ([Abdin et al. 2024](https://arxiv.org/abs/2404.14219)), and its makers say where it is
# weak: factual knowledge, for which it has no room, and for which they advise a search engine.
# SmolLM2 (1.7 B) shows the other road: 11 trillion tokens, in stages that mix web text with
# mathematics, code and instructions ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)).
#
# ## What size costs here
#
# Two times matter to who is waiting: until the **first token** (the whole prompt has to be read),
# and for each **further token**. A prompt of 256 tokens, one request, one thread:

# %% tags=["this-machine"]
one_request = sizes.timings(four_models, prompt=256)
sizes.Table(
    [
        {
            "model": name,
            "parameters": f"{four_models[name].num_parameters() / 1e6:.2f} M",
            "weights (MB, 16 bits)": f"{four_models[name].num_parameters() * 2 / 1e6:.1f}",
            "first token (ms)": f"{timing.first:.1f}",
            "further token (ms)": f"{timing.next:.2f}",
            "tokens/s": f"{timing.tokens_per_second:.0f}",
        }
        for name, timing in one_request.items()
    ]
)

# %%
times_bigger = four_models["base"].num_parameters() / four_models["draft"].num_parameters()
quicker_first = one_request["base"].first / one_request["draft"].first
quicker_next = one_request["base"].next / one_request["draft"].next
lab.claim(
    "base : draft, less in the time of a further token than in parameters",
    quicker_next < times_bigger,
)
lab.claim(
    "base : draft, more in the time of the first token than of a further one",
    quicker_first > quicker_next,
)

# %% [markdown]
# Reading a prompt is arithmetic, and much of what the parameters save shows in its time. Writing
# one token at a time is mostly *overhead* in models as tiny as ours: each layer costs its calls,
# however narrow it is, and `draft` has two layers where `base` has four. In models of billions
# another thing takes the place of the calls: all weights must come from memory for each token.

# %%
lab.ask("why-not-eight-times")

# %% [markdown]
# Both are paid once for a **batch**. And a longer **context** makes each token dearer, through the
# cache that has to be read:

# %% tags=["this-machine"]
by_batch = {
    batch: sizes.timings(four_models, prompt=32, batch=batch, repeats=5) for batch in (1, 4, 16)
}
plots.lines(
    list(by_batch),
    {name: [by_batch[b][name].tokens_per_second for b in by_batch] for name in four_models},
    x_label="requests in a batch",
    y_label="tokens a second",
    log=True,
    alt=lab.alt("tokens-a-second"),
)

# %%
more_in_batches = by_batch[16]["base"].tokens_per_second > 2 * by_batch[1]["base"].tokens_per_second
lab.claim("base: more than twice the tokens/s in a batch of 16", more_in_batches)

# %% tags=["this-machine"]
by_context = {n: sizes.timings(four_models, prompt=n, repeats=5) for n in (16, 128, 448)}
sizes.Table(
    [
        {"model": name}
        | {f"first token after {n} (ms)": f"{by_context[n][name].first:.1f}" for n in by_context}
        | {f"further token after {n} (ms)": f"{by_context[n][name].next:.2f}" for n in by_context}
        for name in four_models
    ]
)

# %% [markdown]
# The first token is what a long prompt costs; with a window as short as ours the further
# ones notice it little.
#
# ## Build it: the frontier
#
# Quality and time in one picture, and most models drop out: those that another one beats in both.
# What is left is the **Pareto frontier**. Only there you have to think.


# %%
def pareto_frontier(models: dict[str, tuple[float, float]]) -> list[str]:
    """The models that are worth a look: no other one is as fast and as good, and better in one.

    models   for each name (milliseconds, quality): few milliseconds and much quality are good. NaN
             in either is a ValueError. There may be no model
    returns  names, the fastest first. Two models with the same two numbers don't beat each other:
             both are on the frontier or neither is, in the order of `models`

    {"large": (90, 0.8), "small": (20, 0.7), "old": (40, 0.6)}  →  ["small", "large"]
    """
    ...


# %%
lab.check(pareto_frontier)

# %% [markdown]
# Stuck? `lab.hint(pareto_frontier)` gives three hints, one at a time. After a pass or three tries
# `lab.solution(pareto_frontier)` shows ours. Until yours passes, the cells below use the reference.
#
# A request here is a prompt of 128 tokens and an answer of eight:

# %% tags=["this-machine"]
find_frontier = lab.use(pareto_frontier)
request_ms = {
    name: by_context[128][name].first + 7 * by_context[128][name].next for name in four_models
}
best_for_task = {
    task: find_frontier({n: (request_ms[n], right_by_model[n][task].value) for n in four_models})
    for task in six_tasks
}
for task_name, best_models in best_for_task.items():
    print(f"{task_name:24}", ", ".join(f"{n} ({request_ms[n]:.0f} ms)" for n in best_models))

# %%
lab.claim("base is on the frontier for sums", "base" in best_for_task["sums"])

# %% tags=["this-machine"]
quantity_plots.trade_off(
    {name: (request_ms[name], right_by_model[name]["one of two passages"]) for name in four_models},
    x_label="milliseconds for a request",
    y_label="share right, two passages",
    chance=0.5,
    alt=lab.alt("right-against-time"),
)

# %% [markdown]
# There is no best model: there is a frontier for each task. Where all sizes know the answer, the
# smallest is the whole frontier. For sums it is the specialist (and `draft`, which is faster and
# useless: the frontier only says *not beaten*). With two passages `small` may stand on it or not,
# by the luck of a hundred questions. A point on the frontier needs its interval.

# %%
lab.ask("frontier-by-hand")

# %% [markdown]
# ## The small one first
#
# Must you choose one? Half of the requests shall be facts, the other half passages. `draft` answers
# them all, and where it is **unsure** the request goes on to `base`. How sure it is stands in its
# first token's probability:

# %%
mixed_requests = {task: six_tasks[task] for task in ("facts, asked often", "one of two passages")}
how_sure = {
    t: sizes.first_probabilities(four_models["draft"], tokenizer, i.prompts)
    for t, i in mixed_requests.items()
}
hits_by_model = {
    name: [
        hit
        for items in mixed_requests.values()
        for hit in sizes.hits_of(four_models[name], tokenizer, items)
    ]
    for name in ("draft", "base")
}
for task_name, its_chances in how_sure.items():
    print(f"{task_name:22} {sum(its_chances) / len(its_chances):.2f} sure on average")

# %%
passed_on = [p < 0.75 for probabilities in how_sure.values() for p in probabilities]
cascade_hits = [
    b if on else d
    for d, b, on in zip(hits_by_model["draft"], hits_by_model["base"], passed_on, strict=True)
]
plots.bars(
    {
        "draft alone": {"mixed requests": share("", hits_by_model["draft"])},
        "draft, then base": {"mixed requests": share("", cascade_hits)},
        "base alone": {"mixed requests": share("", hits_by_model["base"])},
    },
    y_label="share right",
    alt=lab.alt("small-first"),
)

# %%
share_passed_on = sum(passed_on) / len(passed_on)
lab.claim("draft, then base", sum(cascade_hits) / 200)
lab.claim("share of requests passed on", share_passed_on)

# %% [markdown]
# Nearly the quality of `base`, with `base` at work for half of the requests. This is a **cascade**
# ([Chen et al. 2023](https://arxiv.org/abs/2305.05176) build them of hosted models). It costs
# $c_{small} + p \cdot c_{large}$, where $p$ is the share that is passed on: worth it while
# $p < 1 - c_{small}/c_{large}$. And it rests on one thing: that the small model *knows when it does
# not know*. How far does that go?

# %%
two_passages = mixed_requests["one of two passages"]
draft_hits = sizes.hits_of(four_models["draft"], tokenizer, two_passages)
by_hit = {
    was: [p for p, h in zip(how_sure["one of two passages"], draft_hits, strict=True) if h == was]
    for was in (True, False)
}
mean_sure = {was: sum(found) / len(found) for was, found in by_hit.items()}
specialist_sure = sizes.first_probabilities(
    four_models["specialist"], tokenizer, mixed_requests["facts, asked often"].prompts
)
lab.claim("draft is sure where right - where wrong", mean_sure[True] - mean_sure[False])
lab.claim("specialist is sure of facts, mean", sum(specialist_sure) / len(specialist_sure))

# %% [markdown]
# `draft` tells the two *kinds* of requests apart, and that is why it works here. Among the passages
# it is no surer of its right answers than of its wrong ones: there, the threshold picks by luck.
# And the specialist is nearly certain of every fact that it gets wrong. Measure what certainty is
# worth on your requests before you build on it.
#
# ## Build it: learn from a teacher
#
# How do you get a good small model, if you have a good large one? A text tells which token *came*.
# A teacher tells for every place how likely **each token was**. **Distillation** ([Hinton et al.
# 2015](https://arxiv.org/abs/1503.02531)) trains the student on that: on the distance of its
# distribution from the teacher's. Both may be softened with a temperature $T$, and the factor $T^2$
# keeps the gradient's size.

# %%
from torch import Tensor


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """How far a student's next-token distribution is from its teacher's, softened.

    student_logits  (tokens, vocabulary) of any floating dtype
    teacher_logits  the same shape, else a ValueError: another vocabulary means other tokens.
                    It may hold -inf: a token that the teacher rules out
    temperature     both are divided by it before their softmax; 0 or below is a ValueError
    returns         temperature² · KL(teacher || student), in nats: summed over the vocabulary, the
                    mean over tokens (torch's reduction "batchmean"); a float32 tensor of no
                    dimension, from which a gradient leads back to student_logits. No token is a
                    ValueError

    KL(p || q) is the sum of p · (log p - log q). Teacher [0.5, 0.5], student [0.25, 0.75],
    temperature 1: 0.5 · log 2 + 0.5 · log 2/3  →  tensor(0.1438)
    """
    ...


# %%
lab.check(distillation_loss)

# %% [markdown]
# Against the library's definition, on real logits of `draft` and `base`:

# %%
from torch.distributions import Categorical, kl_divergence

from labkit.instruments import sampling

kl_distance = lab.use(distillation_loss)
draft_and_base = [
    sampling.next_token_logits(four_models[name], tokenizer, "An idea for a shop: a ")[None]
    for name in ("draft", "base")
]
by_torch_library = (
    4
    * kl_divergence(*(Categorical(logits=logits / 2) for logits in reversed(draft_and_base))).mean()
)
lab.claim("ours - torch.distributions", kl_distance(*draft_and_base, 2.0) - by_torch_library)

# %% [markdown]
# ## Data or teacher?
#
# A student of a quarter of a million parameters, untrained, gets 40 texts (shop ideas and stories)
# and 120 steps. Twice, from the same start, with the same texts in the same order: once it learns
# which token came, once what `base` thinks of every place, by *your* loss. Then both are asked to
# predict texts that nobody has read. That is judged by the *texts*, not by the teacher.

# %%
texts_read, texts_unseen = distilling.texts(40, "train"), distilling.texts(150, "test")
base_teacher = distilling.Teacher(four_models["base"])
by_data = distilling.train_student(tokenizer, texts_read, seed=0, steps=120)
learn_from_base = distilling.taught_by(base_teacher, 1.0, kl_distance)
by_teacher = distilling.train_student(
    tokenizer, texts_read, seed=0, steps=120, loss_of=learn_from_base
)

# %%
losses_by_way = {
    name: distilling.held_out_losses(model, tokenizer, texts_unseen)
    for name, model in {
        "data": by_data,
        "teacher": by_teacher,
        "base itself": four_models["base"],
    }.items()
}
nats_saved = difference(
    "data - teacher", losses_by_way["data"], losses_by_way["teacher"], "nats a token"
)
for way_name, its_losses in losses_by_way.items():
    print(f"{way_name:12} {sum(its_losses) / len(its_losses):.2f} nats a token")
print(nats_saved)

# %%
lab.claim("what the teacher saves, nats a token", nats_saved.value)

# %% [markdown]
# The same texts, the same steps, and the taught student predicts new texts better by far more than
# the interval. (Both are far from their teacher: 120 steps are few.) Why? After *An idea for a
# shop: a* dozens of words could come. The text shows one of them, the teacher all, with their
# shares. So one text read with a teacher can be worth several without.
#
# One seed proves little, and it is the setting that decides. So the rest is a **recorded run**:
# more texts and fewer, three seeds each, 120 steps every time.

# %%
recorded.over_examples(
    alt=lab.alt("loss-by-texts"),
)

# %%
by_text_count = recorded.by_examples()
for way_name, its_points in by_text_count.items():
    print(f"{way_name:8}", "  ".join(f"{n} texts: {p.value:.2f}" for n, p in its_points.items()))
by_data_at, by_teacher_at = by_text_count["data"], by_text_count["teacher"]
of_most_texts = {"examples": 320, "temperature": 1.0}
by_seed = experiments.load("distillation")
gains_by_seed = [
    by_itself - taught
    for by_itself, taught in zip(
        by_seed.column("loss", taught_by="data", **of_most_texts),
        by_seed.column("loss", taught_by="base", **of_most_texts),
        strict=True,
    )
]
lab.claim("recorded: nats saved with 320 texts, least of 3 seeds", min(gains_by_seed))
lab.claim("recorded: nats saved with 20 texts", by_data_at[20].value - by_teacher_at[20].value)
lab.claim(
    "recorded: data, 320 texts - teacher, 40 texts",
    by_data_at[320].value - by_teacher_at[40].value,
)

# %% [markdown]
# Forty texts with a teacher teach about as much as eight times as many without, in the same 120
# steps.
#
# ## Where distillation loses
#
# **With plenty of data.** The gap shrinks as texts are added: a nat with 20 of them, about a tenth
# with 320. That is less than the seeds differ among each other (in each of the three the teacher is
# still ahead). The teacher had to read every text too,
# and is larger than the student; with as much time to spend, more data may be the better buy.
#
# **With a high temperature, here.** The recipe of Hinton et al. 2015 softens. On our texts it
# hurts:

# %%
recorded.over_ways(
    alt=lab.alt("loss-by-teacher"),
)

# %%
by_teacher_kind = recorded.by_way()
for way_name, its_loss in by_teacher_kind.items():
    print(f"{way_name:14} {its_loss.value:.2f} [{its_loss.low:.2f}, {its_loss.high:.2f}]")
lab.claim(
    "recorded: draft - base as teacher",
    by_teacher_kind["draft"].value - by_teacher_kind["base"].value,
)
lab.claim(
    "recorded: T = 2 - data", by_teacher_kind["base, T = 2"].value - by_teacher_kind["data"].value
)
lab.claim(
    "recorded: specialist - data",
    by_teacher_kind["specialist"].value - by_teacher_kind["data"].value,
)

# %% [markdown]
# A likely reason: a softened target makes the student spend its 120 steps on thousands of hopeless
# tokens as much as on the likely ones, and what it then says at temperature 1 is worse than what
# data alone teach. With few classes and long training a higher temperature can pay; judge it by
# held-out data.
#
# **With the wrong teacher.** The specialist knows nothing of stories, and teaches that: a student
# that learns from distributions alone learns what is wrong in them too. But the teacher need not be
# large: `draft` is a fine teacher for these texts, since it knows them.
#
# **Where one token is the whole answer**, a teacher that is sure of it has nothing to add to the
# label:

# %%
import torch

base_logits = base_teacher.logits(distilling.batch_of(texts_read, tokenizer))
on_texts = Categorical(logits=base_logits).entropy().mean().exp()
logits_of_sums = [
    sampling.next_token_logits(four_models["specialist"], tokenizer, prompt)
    for prompt in six_tasks["sums"].prompts
]
on_answers = Categorical(logits=torch.stack(logits_of_sums)).entropy().mean().exp()
lab.claim("tokens that base holds possible in texts", on_texts)
lab.claim("tokens that the specialist holds possible in sums", on_answers)

# %% [markdown]
# (That is the effective vocabulary of lesson 05.) In sums it is one token: the label itself. A
# teacher that writes out *how* it gets there adds something, but that is new text to learn from.

# %%
lab.ask("when-a-teacher-helps")

# %% [markdown]
# In practice: DistilBERT kept 97 % of BERT's language understanding at 40 % less size ([Sanh et al.
# 2019](https://arxiv.org/abs/1910.01108)), and Gemma 2's 2B and 9B learned from a larger one's
# distributions instead of from the next token ([Gemma team
# 2024](https://arxiv.org/abs/2408.00118)). Mind two things: the teacher needs **the same
# tokenizer** for this loss, and its licence may forbid training others on what it says.
#
# ## The family
#
# Well-known open models up to 24 billion parameters, as they stand on the hub: published numbers,
# not ours, and what they are for is said by their makers. The sources stand in the last column.

# %%
model_family = [
    model for model in MODELS if model.parameters < 25e9 and not model.active_parameters
]
family_columns = table(*[model.name for model in model_family])
sizes.Table.of({name: cells for name, cells in family_columns.items() if "active" not in name})

# %% [markdown]
# Look at the tokenizers too: at the same tokens a second, a model that cuts your language into 30 %
# more of them (lesson 03) takes 30 % more time for it.
#
# ## Build it: does it fit?
#
# A model needs room for its weights and for the cache of what it reads, beside what the system has
# taken already.

# %%
from typing import Any


def memory_fit(
    config: dict[str, Any],
    parameters: int,
    bits: float,
    tokens: int,
    memory_gib: float,
    overhead_gib: float,
) -> dict[str, Any]:
    """Whether a model with its KV cache fits into a memory.

    config        as in a config.json: num_hidden_layers, num_attention_heads, hidden_size,
                  num_key_value_heads, and head_dim (absent: hidden_size / attention heads, which
                  leaves no rest)
    parameters    of the whole model: all experts, for a mixture
    bits          for each weight, with the scales of its quantization: 16, or 4.5. 0 or below is a
                  ValueError
    tokens        in the cache, which keeps 2-byte numbers: a key and a value for each token, layer
                  and key-value head
    memory_gib    what there is, and
    overhead_gib  what the system and the program take of it; in GiB of 2**30 bytes
    returns       {"weights": bytes, "cache": bytes, "fits": bool}, bytes as int or float, to less
                  than one: it fits where weights, cache and overhead together are no more than the
                  memory

    Llama-2-7B (6,738,415,616 parameters) at 4.5 bits with 4,096 tokens: 3.53 + 2 GiB fit into 8
    with 1 of overhead.
    """
    ...


# %%
lab.check(memory_fit)

# %% [markdown]
# Held against real bytes: the weights of `base` in its 32 bits, and the cache that it really fills
# (32-bit numbers too, so twice the formula's):

# %%
from labkit.instruments.context import kv_cache

fits_memory = lab.use(memory_fit)
base_model = four_models["base"]
by_formula = fits_memory(base_model.config.to_dict(), base_model.num_parameters(), 32, 100, 1, 0)
in_memory = sum(weight.nbytes for weight in base_model.parameters())
cache_bytes = kv_cache.measured_bytes(kv_cache.filled_cache(base_model, 100))
lab.claim(
    "weights and cache, formula - real bytes",
    abs(by_formula["weights"] - in_memory) + abs(2 * by_formula["cache"] - cache_bytes),
)

# %% [markdown]
# ## Phone, laptop, card
#
# Three places, with what we assume of them (put in yours):

# %%
sizes.Table(
    [
        {
            "place": device.name,
            "memory (GiB)": device.memory_gib,
            "taken already (GiB)": device.taken_gib,
            "memory gives (GB/s)": f"{device.gb_per_second:.0f}",
        }
        for device in sizes.DEVICES
    ]
)

# %% [markdown]
# A memory gives the bytes of its bus times its transfers a second, in billions: the phone's LPDDR5X
# $64 / 8 \times 8.533 = 68$ GB/s, the laptop's two channels of DDR5
# $2 \times 64 / 8 \times 5.6 = 90$, the card's GDDR6X $384 / 8 \times 21 = 1{,}008$.
#
# Every weight is read for every token. So the memory's speed divided by the bytes of the weights is
# the **most** tokens a second that one request can get, whatever the processor. At 4.5 bits a
# weight (4 bits and a 16-bit scale for 32 of them) and with 8,192 tokens of cache, or the whole
# window where that is shorter. The cache is by your formula, which counts every layer alike:

# %%
# NBVAL_CHECK_OUTPUT
print(sizes.edge_table(MODELS, fits_memory))

# %% [markdown]
# That formula is the *most* a cache takes. Every other layer of Gemma-2 looks back 4,096 tokens and
# no further ([Gemma team 2024](https://arxiv.org/abs/2408.00118), section 2), so a program that
# keeps no more there needs less than the table says:

# %%
gemma_config = dict(find_model("Gemma-2-2B").config)
half_of_gemma = gemma_config | {"num_hidden_layers": gemma_config["num_hidden_layers"] // 2}
gemma_cache = sum(
    fits_memory(half_of_gemma, int(2.61e9), 4.5, tokens, 8, 4)["cache"] for tokens in (4096, 8192)
)
lab.claim("Gemma-2-2B, GiB of cache that it needs", gemma_cache / 2**30)

# %% [markdown]
# Latent attention saves more, by keeping one short vector for all heads of a layer
# ([DeepSeek-AI 2024](https://arxiv.org/abs/2405.04434)). Look into the config for a window or a
# latent rank before you say that a model does not fit.

# %%
_, the_laptop, the_card = sizes.DEVICES
nemo_speed = sizes.most_tokens_per_second(find_model("Mistral-Nemo-12B"), 4.5, the_laptop)
lab.claim("Mistral-Nemo-12B on the laptop, tokens/s at most", nemo_speed)
phi_on_phone = fits_memory(find_model("Phi-3.5-mini").config, int(3.82e9), 4.5, 8192, 8, 4)
lab.claim("Phi-3.5-mini, cache / weights", phi_on_phone["cache"] / phi_on_phone["weights"])
qwen_speed, llama_speed = (
    sizes.most_tokens_per_second(find_model(name), 4.5, the_card)
    for name in ("Qwen3-30B-A3B", "Llama-3.2-3B")
)
lab.claim("Qwen3-30B-A3B / Llama-3.2-3B, speed on the card", qwen_speed / llama_speed)

# %% [markdown]
# Three things to see:
#
# - **Weights are not all.** Phi-3.5-mini at 4.5 bits is small enough for the phone by its weights,
#   but not with 8,192 tokens: it keeps a key and a value for *every* head, and its cache is larger
#   than its weights. Llama-3.2-3B, hardly smaller, shares them between heads and fits.
# - **Fitting is not enough.** A 12B fits the laptop, and some 13 tokens a second are the most that
#   its memory allows. Long prompts are worse there: reading is arithmetic.
# - **Mixtures** trade memory for speed: all experts lie there, few are read (lesson 15). Qwen3-30B
#   has the largest memory of what fits the card, and the speed of a 3B.

# %%
lab.ask("phone-speed")

# %%
lab.ask("which-model-where")

# %% [markdown]
# ## What it costs to decide
#
# A small model saves with every request, and a wrong answer costs with every request too. Put both
# in one unit.

# %%
lab.ask("support-desk")

# %% [markdown]
# ## And in a real model
#
# SmolLM2-135M-Instruct (Allal et al., above) is of the same kind as `base`, thirty times as large,
# and has read 2 trillion tokens ([its card](https://huggingface.co/HuggingFaceTB/SmolLM2-135M)),
# none of them ours. Both were asked the same: capitals of 141 countries, passages about strangers,
# a row of a table, sums of two numbers. Ours is asked as it was trained to be; the other is shown
# solved questions first, eight sets of them. Which of the five bars will be higher for ours?

# %%
lab.ask("size-or-training")

# %%
ours_beside = {name: ours.answered(four_models[name], tokenizer) for name in ("base", "specialist")}
real_figures.beside(ours_beside, lab.alt("real-sizes"))

# %%
real_answered = real_figures.of_the_real_model()
for task_name, real_share in real_answered.items():
    print(f"{task_name:22} base {ours_beside['base'][task_name]}   SmolLM2 {real_share}")
for task_name in ("capitals", "one of eight passages", "one row of four"):
    lab.claim(f"base: {task_name}", ours_beside["base"][task_name].value)
    lab.claim(f"real model: {task_name}", real_answered[task_name].value)
lab.claim("real model: one passage", real_answered["one passage"].value)
lab.claim("specialist: sums", ours_beside["specialist"]["sums"].value)
lab.claim("real model: sums", real_answered["sums"].value)
lab.claim("real model / base: weights", real_figures.times("mb"))
lab.claim("real model / base: time of a further token", real_figures.times("next"))
lab.claim("real model / base: time of the first token", real_figures.times("first"))

# %% [markdown]
# **Size and much text bring breadth; training on a task brings the task.** The large one names
# capitals, which ours has never heard of, and reads a passage of a kind that it never saw. But to
# pick one of eight passages, a row of a table, or a sum, it is a thirtieth of its size that wins,
# because it was trained to. And the size is paid with every token: thirty-three times the bytes,
# about nineteen times the time until a first token and twelve for each further one. With the model
# on your machine this measures a point again:

# %%
print(measured_again("real-sums"))

# %% [markdown]
# ## What to take away
#
# - Measure each task at each size. In ours, what was asked often survived shrinking; rare knowledge
#   did not. Nor did looking up in the prompt, at a million parameters: in models of billions that
#   outlasts the facts, so give a small one what it should know.
# - Data make a specialist: ours beats a model of nearly five times its size on its own ground and
#   loses all other.
# - Eight times fewer parameters need not be eight times the speed. Measure first token, further
#   tokens and batches apart.
# - Look at the frontier of your task, with intervals; and at a small model first, a large one where
#   it is unsure.
# - A teacher's distribution is worth most where data are few and many tokens are possible, and
#   adds nothing to a label of which the teacher is sure.
# - What fits is weights *and* cache (the formula gives the most that it takes); how fast it can be
#   is memory speed over bytes read.

# %%
lab.progress()
