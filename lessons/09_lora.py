# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: LoRA
#     minutes: 55
#     models: [base]
#     budget_seconds: 120
#     summary: A small adapter beside frozen weights - what it learns, forgets, and where it loses.
#     without:
#       smollm2: it trains several copies of the model, which takes more memory than 3 GB
# ---

# %% [markdown]
# # LoRA
#
# Full fine-tuning (lesson 08) changes every weight. So each task leaves a copy of the whole model,
# and while you train, the optimizer keeps two more numbers for every weight. **LoRA** ([Hu et al.
# 2021](https://arxiv.org/abs/2106.09685)) leaves the model as it is and trains a small **adapter**
# beside some of its layers: often a hundredth of the weights, a file of some megabytes, and the
# model itself can be had back at any time.
#
# You will build the adapter in four parts, each equal to the library's, and then ask the two
# questions that decide whether you want one: does it learn as much, and does it forget less?

# %%
import tempfile
from pathlib import Path

from labkit import Lab, load_model
from labkit.experiments import lora_figures as figures
from labkit.experiments.fine_tuning_figures import recorded_remedies as remedies
from labkit.experiments.real import tickets_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import adapters, finetuning, plots
from labkit.models.training.tuning import Settings, fine_tune, quiet_peft

lab = Lab("09_lora")
model, tokenizer = load_model()

# %% [markdown]
# ## What it is
#
# A linear layer multiplies by a matrix $W$, of `out` rows and `in` columns. Tuning adds an update
# $\Delta W$ of the same size. LoRA writes the update as a product of two thin matrices and trains
# only those:
#
# $$W + \Delta W \quad\text{with}\quad \Delta W = \frac{\alpha}{r}\, B A$$
#
# $A$ is (r, in), $B$ is (out, r). The **rank** $r$ says how thin: at rank 1 a matrix of
# $256 \times 256 = 65{,}536$ numbers gets an update made of $2 \times 256 = 512$. The factor
# $\alpha / r$ only scales it.
#
# ## Build it: a beginning that changes nothing
#
# Before the first step the tuned model should be the model. So one of the two matrices starts at
# zero. Both can't: then neither would ever get a gradient.

# %%
import torch
from torch import Tensor


def start_adapter(weight: Tensor, rank: int, uniform: Tensor) -> dict[str, Tensor]:
    """The two matrices of a fresh adapter for a linear layer, which at first changes nothing.

    weight   (out, in) of the frozen layer, float32; left as it is
    rank     1 or more; below is a ValueError
    uniform  (rank, in) draws from [0, 1), the only random numbers; left as they are. Stretched
             to between -1/sqrt(in) and 1/sqrt(in), as torch starts a linear layer, they are the
             matrix that starts at random
    returns  {"lora_A": (rank, in), "lora_B": (out, rank)}, float32; B times A is all zeros, and
             the first gradient must reach one of the two

    start_adapter(torch.ones(3, 4), 1, torch.tensor([[0.0, 0.25, 0.5, 0.75]]))["lora_A"]
    →  tensor([[-0.5, -0.25, 0.0, 0.25]])
    """
    ...


# %%
lab.check(start_adapter)

# %% [markdown]
# ## Build it: the layer


# %%
def lora_linear(
    x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float
) -> Tensor:
    """A linear layer with a LoRA adapter beside it.

    x            (..., in) float32; left as it is, like the others
    weight, bias (out, in) and (out,): the frozen layer, x times weight transposed plus bias
    lora_A       (rank, in), lora_B (out, rank): x goes through A, then through B
    lora_alpha   the adapter's answer is scaled by lora_alpha / rank
    returns      (..., out) the layer's answer plus the adapter's

    With x [1, 2], weight [[1, 0]], bias [0.5], lora_A [[1, 1]], lora_B [[2]] and lora_alpha 3:
    1.5 + 3/1 · 2 · 3  →  tensor([19.5])
    """
    ...


# %%
lab.check(lora_linear)

# %% [markdown]
# Now put such layers into the model, beside every query and value projection, and compare what it
# says before and after. In `peft`, Hugging Face's library for adapters:

# %%
# NBVAL_CHECK_OUTPUT
two_texts = ["Once upon a time there was a fox.", "Q: Where does the baker live?\nA: "]
before_injection = adapters.log_probabilities(model, tokenizer, two_texts)
injected_model = adapters.injected(model, ["q_proj", "v_proj"], rank=8, alpha=16)
fresh_scores = adapters.log_probabilities(injected_model, tokenizer, two_texts)
print(
    "B is zero, and every log-probability is the same bit by bit:",
    torch.equal(before_injection, fresh_scores),
)

# %% [markdown]
# And yours. Its sums run in another order, so the last bits may differ. Then the matrices B get
# numbers, as if they had been trained, and the same numbers are put into peft's layers:

# %%
own_start, own_layer = lab.use(start_adapter), lab.use(lora_linear)
own_model = adapters.with_own_adapters(model, ["q_proj", "v_proj"], 8, 16, own_start, own_layer)
moved_model = adapters.with_random_b(own_model)
lab.claim(
    "ours right after the injection, largest difference",
    adapters.largest_difference(
        before_injection, adapters.log_probabilities(own_model, tokenizer, two_texts)
    ),
)

# %%
our_scores = adapters.log_probabilities(moved_model, tokenizer, two_texts)
lab.claim("one layer, ours - peft's", adapters.layers_apart(model, moved_model))
lab.claim("what B did", adapters.largest_difference(before_injection, our_scores))

# %% [markdown]
# ## Build it: what is trained
#
# The layers are chosen by name. `q_proj` means the query projection of every block; all the rest is
# frozen. Say what is trained, and how many numbers that is:


# %%
def trained_parameters(
    shapes: dict[str, list[int]], target_modules: list[str], rank: int
) -> dict[str, int]:
    """What is trained after adapters were put beside the targeted layers: names and counts.

    shapes          of every parameter by name, such as "layers.0.q_proj.weight": [out, in]
    target_modules  ends of layers' paths, in whole parts: "q_proj" means every layer of that name,
                    "0.q_proj" only those in a block 0; a piece of a part ("proj") means nothing
    rank            1 or more
    returns         for each targeted layer with a weight of two dimensions, in the order of
                    `shapes` and not of the targets: "PATH.lora_A.weight" and "PATH.lora_B.weight"
                    with their numbers of weights. The model's own weights and biases are frozen:
                    they are not there

    trained_parameters({"q_proj.weight": [4, 8], "q_proj.bias": [4]}, ["q_proj"], 2)
    →  {"q_proj.lora_A.weight": 16, "q_proj.lora_B.weight": 8}
    """
    ...


# %%
lab.check(trained_parameters)

# %%
count_trained = lab.use(trained_parameters)
every_linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
shapes_by_name = adapters.shapes_of(model)
as_peft = adapters.parameters_in_peft(model, every_linear, rank=2)
assert count_trained(shapes_by_name, every_linear, 2) == as_peft
trained_share = sum(as_peft.values()) / model.num_parameters()
lab.claim("share of the weights, rank 2 everywhere", trained_share)

# %% [markdown]
# The same names and the same counts as peft's: a hundredth of the weights at rank 2. And the
# numbers of the paper, for queries and values of GPT-3 with its 175 billion weights, 96 blocks of
# width 12,288 (Hu et al. 2021, table 15: 4.7 million at rank 1, and 18.8 million at rank 4, where
# they cut and we round):

# %%
# NBVAL_CHECK_OUTPUT
for rank_tried in (1, 4):
    in_all = sum(count_trained(adapters.GPT3, ["q_proj", "v_proj"], rank_tried).values())
    print(f"GPT-3, q and v at rank {rank_tried}: {in_all:>10,}, or {in_all / 175e9:.4%}")

# %% [markdown]
# What that saves in training is memory: for every *trained* number there are a gradient and the two
# means of AdamW. And arithmetic: the gradient still travels back through all the frozen layers, but
# their weights need none of their own. Here are the matrix products of one pass forward and back:

# %%
new_fact_batch = adapters.batches_of(finetuning.new_fact_examples(), tokenizer, steps=1)[0]
step_flops = {rank: adapters.flops_of_step(model, new_fact_batch, rank) for rank in (0, 2, 16)}
lab.claim("FLOPs of a step, rank 2 / full", step_flops[2] / step_flops[0])
lab.claim("FLOPs of a step, rank 16 / full", step_flops[16] / step_flops[0])

# %% [markdown]
# Two thirds, and a little for the adapter: the same is calculated for large models ([Schulman et
# al. 2025](https://thinkingmachines.ai/blog/lora/)). **FLOPs are not seconds.** Tuning GPT-3 took a
# quarter less time (43.1 tokens a second on each GPU, not 32.5; Hu et al., section 4.2). Llama 2 of
# 7 billion weights, in plain `peft`, read about 15 % *fewer* tokens a second than in full, since an
# adapter adds many small products ([Biderman et al. 2024](https://arxiv.org/abs/2405.09673),
# appendix I).

# %%
lab.ask("what-is-saved")

# %% [markdown]
# ## Does it learn as much? Does it forget less?
#
# The new facts of lesson 08, about newcomers, asked for in a form that the tuning has not shown;
# and the old facts, of which the model knew nearly all. Full fine-tuning, and an adapter of rank 16
# beside every linear layer, which is 8 % of the weights. Adapters take a higher learning rate:
# about ten times that of full fine-tuning in both studies above, fifteen times it here.

# %%
lab.ask("news-by-lora")

# %%
from peft import LoraConfig, PeftModel

new_fact_questions = finetuning.new_fact_examples()
fully_tuned = fine_tune(
    model, tokenizer, new_fact_questions, Settings(2e-4, steps=300), progress=False
)

# %%
wide_config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
tuned_adapter = fine_tune(
    model,
    tokenizer,
    new_fact_questions,
    Settings(3e-3, steps=300, lora=wide_config),
    progress=False,
)

# %%
new_fact_outcomes = {
    name: finetuning.new_and_old_facts(one, tokenizer)
    for name, one in {
        "before": model,
        "full": fully_tuned.model,
        "LoRA, rank 16": tuned_adapter.model,
    }.items()
}
plots.bars(
    {name: outcome.bars() for name, outcome in new_fact_outcomes.items()},
    y_label="share right",
    alt=lab.alt("learned-and-kept"),
)

# %%
by_full, by_lora = new_fact_outcomes["full"], new_fact_outcomes["LoRA, rank 16"]
lab.compare("news-by-lora", 100 * by_lora.share_of_new_facts)
lab.claim(
    "share of the weights, rank 16 everywhere", tuned_adapter.trainable / model.num_parameters()
)
lab.claim("new facts learned, full", by_full.share_of_new_facts)
lab.claim("new facts learned, LoRA", by_lora.share_of_new_facts)
lab.claim("facts kept, LoRA - full", by_lora.share_of_facts - by_full.share_of_facts)
lab.claim("questions behind a share of new facts", len(by_full.new_facts))

# %% [markdown]
# An adapter of 8 % of the weights has learned as much as all of them, within the intervals, and has
# kept as much. So far, so good. But one setting of each says little: whoever trains longer, or
# harder, learns more and forgets more.
#
# ## The plane
#
# So draw what is learned and what is kept against each other: a curve for each rank, a point for
# each number of steps (150, 300, and 600 for ranks 1 and 16), and full fine-tuning at two learning
# rates. Better is up and to the right. (Recorded, with one seed for the adapters; 76 questions
# stand behind each share of new facts and 150 behind each of facts.)

# %%
figures.plane(
    alt=lab.alt("kept-against-learned"),
)

# %%
recorded_curves, three_fifths = figures.recorded_paths(), 0.6
by_rates = [list(recorded_curves[name].values()) for name in ("full, 0.0005", "full, 0.0002")]
kept_by_full = max(figures.kept_at(path, three_fifths) for path in by_rates)
kept_by_16 = figures.kept_at(list(recorded_curves["rank 16"].values()), three_fifths)
learned_8, kept_8 = remedies()["LoRA"]  # lesson 08: rank 8 at 5e-3, three seeds
lab.claim("rank 2, 300 steps: new facts learned", recorded_curves["rank 2"][300][0])
lab.claim("rank 16, 600 steps: facts kept", recorded_curves["rank 16"][600][1])
lab.claim("facts kept at 60 % learned, rank 16 - full", kept_by_16 - kept_by_full)
full_at_8 = max(figures.kept_at(path, learned_8) for path in by_rates)
lab.claim("facts kept where rank 8 at 5e-3 is, it - full", kept_8 - full_at_8)

# %% [markdown]
# Draw a vertical line where three fifths are learned. The adapter of rank 16 has kept eight or nine
# points more there than full fine-tuning at the better of its two learning rates. So here it
# forgets less *at equal learning*, by little more than the interval of one run. On Llama 2 of 7
# billion weights that was found for code, and the opposite for mathematics (Biderman et al.,
# section 4.3).
#
# And in our own records an adapter lies *below* the line of full, too: that of lesson 08, rank 8 at
# nearly twice the learning rate, learned about as much as rank 16 and kept fifteen points less,
# some four less than full (its three seeds are nine apart). "LoRA forgets less" is true of some
# settings. Ask what is kept where both have learned as much, and choose the learning rate of full
# fine-tuning with the same care.
#
# The lower ranks learn less in as many steps: rank 2, one per cent of the weights, a tenth of the
# new facts where full fine-tuning learns half. That says nothing about one per cent: alpha was
# twice the rank, so the lower ranks had a smaller alpha as well, and "Alpha and rank" below takes
# the two apart. In GPT-3 4.7 million numbers, 0.003 % of the weights, got 73.4 % right on WikiSQL
# and 91.7 % on MultiNLI; full fine-tuning got 73.8 and 89.5 (Hu et al., table 4).

# %%
lab.ask("read-the-plane")

# %% [markdown]
# ## Why a low rank can be enough, and when it is not
#
# Take the update that *full* fine-tuning has made, and ask how well a matrix of low rank could
# replace it. The singular value decomposition gives the best one of each rank; what it holds of the
# update's squared size adds up like this:

# %%
lab.ask("rank-for-ninety")

# %%
update_spectra = adapters.spectra(adapters.updates(model, fully_tuned.model))
noise_spectra = adapters.spectra(adapters.shuffled(adapters.updates(model, fully_tuned.model)))
adapters.spectrum_figure(
    {"the update": update_spectra, "the same numbers, shuffled": noise_spectra},
    alt=lab.alt("spectrum-of-the-update"),
)

# %%
rank_needed = adapters.rank_for(update_spectra, 0.9)
lab.compare("rank-for-ninety", rank_needed)
lab.claim("rank that holds 90 % of an update", rank_needed)
lab.claim("held by rank 16", adapters.energy_within(update_spectra, 16))
lab.claim("held by rank 16, shuffled", adapters.energy_within(noise_spectra, 16))

# %% [markdown]
# A few dozen ranks of 256 for nine tenths; the same numbers in random places would need far more.
# So the update has a structure, and no very low rank. But size is not use. Cut the linear layers'
# update to a rank, leave everything else as it was tuned, and ask for the new facts. And the other
# way round: the linear layers alone, in full, on the base's embeddings:

# %%
cut_outcomes = {
    rank: finetuning.new_and_old_facts(adapters.cut_to(model, fully_tuned.model, rank), tokenizer)
    for rank in (0, 1, 4, 16, 64)
}
plots.shares(
    {
        label: {rank: outcome.bars()[label] for rank, outcome in cut_outcomes.items()}
        for label in ("new facts", "old facts")
    },
    x_label="rank that the full update is cut to",
    y_label="share right",
    alt=lab.alt("cut-to-a-rank"),
)

# %%
layers_alone = finetuning.new_and_old_facts(
    adapters.linear_layers_only(model, fully_tuned.model), tokenizer
)
gained_by_16 = cut_outcomes[16].share_of_new_facts - cut_outcomes[0].share_of_new_facts
lab.claim("new facts, cut to rank 16 - to rank 0", gained_by_16)
lab.claim("new facts, linear layers alone", layers_alone.share_of_new_facts)

# %% [markdown]
# Two surprises. Neither part works alone: what full fine-tuning has learned lies in the embeddings
# *and* in the linear layers, and an adapter beside the layers has to do without the first. And rank
# 16, two thirds of the update's squared size, gives hardly more new facts than no update of these
# layers at all: the many small directions carry what was learned.
#
# So this update is **not** of low rank in any sense that counts; those of Llama 2 on code took 10
# to 100 times the rank of a usual adapter for their 90 % (Biderman et al., section 4.6). Still, our
# adapter of rank 16 learned as much as full fine-tuning. It did not find a cut of this update; it
# found *another* one, because training looked for it within the rank from the start. The spectrum
# of a full update does not tell you which rank you need. Only training at that rank does.

# %% [markdown]
# ## Where ours loses: tickets
#
# Lesson 08's tickets to JSON: copying a name and a number that were never seen, and reading two
# wishes, is new to this model, and full fine-tuning changes a lot for it. Recorded, with intervals
# over 150 test tickets, against adapters of rank 2 (one per cent of the weights) and 8, with one
# seed, one learning rate, and alpha at twice the rank:

# %%
figures.tickets(
    alt=lab.alt("tickets-by-steps"),
)

# %%
ticket_points = {
    "full": (0, 240),
    "one per cent": (2, 400),
    "four per cent": (8, 400),
    "longer": (2, 1000),
}
tickets_right = {name: figures.recorded_tickets(*point) for name, point in ticket_points.items()}
for run_name, run_score in tickets_right.items():
    low_end, high_end = run_score.interval
    steps_taken = ticket_points[run_name][1]
    interval_text = f"[{low_end:.0%}, {high_end:.0%}]"
    print(f"{run_name:14} {steps_taken:5} steps   {run_score.value:.0%} {interval_text}")

# %%
score_of_2 = tickets_right["one per cent"].value
behind_full = tickets_right["full"].value - score_of_2
lab.claim("tickets right, full - rank 2", behind_full)
lab.claim(
    "part of this gap that rank 8 closes",
    (tickets_right["four per cent"].value - score_of_2) / behind_full,
)

# %% [markdown]
# At rank 2 our adapter stays behind full fine-tuning, clearly outside the interval, although it has
# had more steps. Rank 8 closes about half of the gap, and so do two and a half times the steps.
# Whether the rank was too low or alpha, this record can't say. What you measure yourself further
# below is the beginning of it: after some dozens of steps the *form* is right, the *content* is
# not.
#
# With 7 billion weights and each learning rate searched for, 110,000 examples of code show such a
# gap, and that it closes: 36 % of HumanEval solved at rank 16, 50 % at rank 256, 50 % in full
# (Biderman et al., section 4.1). With less to learn, low ranks were enough (Schulman et al.).
#
# ## Alpha and rank
#
# The adapter's answer is scaled by $\alpha / r$. So a new rank with the old alpha changes two
# things at once: how many directions the adapter has, and the scale of each of them. In the next
# figure all have one learning rate and 300 steps on the new facts (recorded, one seed):

# %%
lab.ask("double-the-rank")

# %%
figures.variants(
    alt=lab.alt("alpha-and-rank"),
    names=[
        "rank 3, alpha 6", "rank 6, alpha 12", "rank 12, alpha 24",
        "rank 3, alpha 12", "rank 12, alpha 12", "rank 6, alpha 6", "rank 6, alpha 24",
    ],
)  # fmt: skip

# %%
found_variants = figures.recorded_variants()
learned_of = {name: learned for name, (learned, _) in found_variants.items()}
kept_of = {name: kept for name, (_, kept) in found_variants.items()}
alpha_gain = learned_of["rank 6, alpha 24"] - learned_of["rank 6, alpha 6"]
wider_gain = learned_of["rank 12, alpha 12"] - learned_of["rank 3, alpha 12"]
lab.claim("new facts, rank 6, alpha 24 - alpha 6", alpha_gain)
lab.claim("new facts, alpha 12, rank 12 - rank 3", wider_gain)
against_plane = learned_of["rank 3, alpha 12"] - recorded_curves["rank 4"][300][0]
lab.claim("new facts, rank 3 at alpha 12 - rank 4 at alpha 8", against_plane)

# %% [markdown]
# Compare what differs in one thing. At rank 6, a larger alpha learns far more, and forgets more. At
# alpha 12, ranks 3, 6 and 12 learn about the same: four times the directions, each at a quarter of
# the scale, and nothing gained. **Here alpha decides, and the rank hardly does**, in so few steps
# and with so little to learn. On models of billions of weights, too, all ranks begin alike while
# alpha is the same; a low one falls behind later, when there is more to learn than it can hold
# (Schulman et al., with alpha at 32).
#
# Now look back at the plane. There alpha was twice the rank, as Biderman et al. advise. Its curves
# differ in alpha as much as in rank, and so does every sweep of ranks that ties alpha to them: rank
# 3 at alpha 12 has learned more than the plane's rank 4 at alpha 8. Before you say anything about a
# rank, try several learning rates, or alphas, at each.

# %% [markdown]
# ## Which layers, and two relatives
#
# The paper adapted queries and values in most of its runs. With the same number of weights,
# 122,880, in other places; and two variants. **rsLoRA** ([Kalajdzievski
# 2023](https://arxiv.org/abs/2312.03732)) divides alpha by the *root* of the rank, so that high
# ranks are not turned down. **DoRA** ([Liu et al. 2024](https://arxiv.org/abs/2402.09353)) trains
# the length of each weight vector apart from its direction.

# %%
figures.variants(
    alt=lab.alt("where-adapters-go"),
    names=[
        "rank 6, alpha 12", "attention, rank 15", "MLP, rank 10", "q and v, rank 30",
        "DoRA, rank 6", "rsLoRA, rank 6",
    ],
)  # fmt: skip

# %%
kept_by_mlp = kept_of["MLP, rank 10"] - kept_of["q and v, rank 30"]
gained_by_mlp = learned_of["MLP, rank 10"] - learned_of["q and v, rank 30"]
lab.claim("facts kept, MLP - q and v", kept_by_mlp)
lab.claim("new facts, MLP - q and v", gained_by_mlp)
dora_gain = learned_of["DoRA, rank 6"] - learned_of["rank 6, alpha 12"]
lab.claim("new facts, DoRA - LoRA", dora_gain)

# %% [markdown]
# One seed each, and 76 questions: differences below ten points mean little, and DoRA's is one of
# those. What is far apart is what is *kept*: an adapter beside the MLP keeps the old facts, one
# beside queries and values does not. But careful: alpha was twice the rank again, so the adapter in
# the fewest places had the largest alpha. That it forgets more may come from there; that it learns
# no more does not. On Llama 3.1 of 8 billion weights, too, adapters beside attention alone learned
# less than as many weights beside the MLP (Schulman et al.). And with rsLoRA look at the scale
# first: $12 / \sqrt{6}$ is more than twice $12 / 6$.

# %% [markdown]
# ## Build it: merge
#
# Beside the layer an adapter costs two small products more for every token. If you will not take
# it out again, add it to the weight once, and the model is a plain one.


# %%
def merge_adapter(weight: Tensor, lora_A: Tensor, lora_B: Tensor, lora_alpha: float) -> Tensor:
    """The weight of one plain linear layer that does what layer and adapter do together.

    weight      (out, in) float32, bfloat16 or float16; left as it is
    lora_A      (rank, in), lora_B (out, rank) float32; left as they are
    lora_alpha  the adapter's answer is scaled by lora_alpha / rank
    returns     (out, in) in the dtype of `weight`: multiplied and added up in float32, and
                rounded to that dtype once, at the end

    With weight [[1, 0]], lora_A [[1, 1]], lora_B [[2]] and lora_alpha 3  →  tensor([[7., 6.]])
    """
    ...


# %%
lab.check(merge_adapter)

# %%
own_merge = lab.use(merge_adapter)
merged_model = adapters.merged_by(own_merge, moved_model)
lab.claim(
    "merged - unmerged, largest difference of a log-probability",
    adapters.largest_difference(
        our_scores, adapters.log_probabilities(merged_model, tokenizer, two_texts)
    ),
)
lab.claim(
    "a weight, merged by ours - by peft's merge_and_unload",
    adapters.weights_apart(merged_model, adapters.in_peft(model, moved_model).merge_and_unload()),
)

# %% [markdown]
# ## The same in ten lines of `peft`
#
# From a model to an adapter on the disk and back. Three steps only: enough to see that what is
# loaded is what was saved.

# %%
from peft import get_peft_model

shop_tickets = finetuning.ticket_splits(train=200, validation=1, test=60)
ticket_questions = [ticket.question() for ticket in shop_tickets.train]
adapter_folder = Path(tempfile.mkdtemp())
small_config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
with quiet_peft():
    pupil_model = get_peft_model(adapters.copy_of(model), small_config)
    adam_optimizer = torch.optim.AdamW(pupil_model.parameters(), lr=5e-3)
    for ticket_batch in adapters.batches_of(ticket_questions, tokenizer, steps=3):
        pupil_model(**ticket_batch).loss.backward()
        adam_optimizer.step()
        adam_optimizer.zero_grad()
    pupil_model.save_pretrained(adapter_folder / "three-steps")
    pupil_again = PeftModel.from_pretrained(adapters.copy_of(model), adapter_folder / "three-steps")

# %%
saved_scores, loaded_scores = (
    adapters.log_probabilities(one.eval(), tokenizer, two_texts)
    for one in (pupil_model, pupil_again)
)
lab.claim("loaded - saved", adapters.largest_difference(loaded_scores, saved_scores))

# %% [markdown]
# ## Two adapters on one base
#
# Now for what full fine-tuning can't have. Two tasks on the same tickets: the JSON, and a polite
# reply. Each is an adapter of rank 4, tuned for a few steps.

# %%
two_tasks = {"json": ticket_questions, "polite": finetuning.reply_examples(shop_tickets.train)}
for run_name, task_examples in two_tasks.items():
    task_settings = Settings(5e-3, steps=110, lora=small_config)
    tuned_task = fine_tune(model, tokenizer, task_examples, task_settings, progress=False)
    tuned_task.model.save_pretrained(adapter_folder / run_name)

# %% [markdown]
# On the disk that is the layout in which adapters are published on the hub: a configuration and the
# matrices, in safetensors. Nothing else is in there; whoever loads an adapter needs the **same
# base**.

# %%
adapter_files = adapters.bytes_in(adapter_folder / "json")
model_bytes = adapters.bytes_of_weights(model)
for file_name, file_size in adapter_files.items():
    print(f"{file_name:28} {file_size:>10,} bytes")
print(f"{'all weights of the model':28} {model_bytes:>10,} bytes")

# %%
base_copy = adapters.copy_of(model)
with quiet_peft():
    served_model = PeftModel.from_pretrained(
        base_copy, adapter_folder / "json", adapter_name="json"
    )
    served_model.load_adapter(adapter_folder / "polite", adapter_name="polite")
done_by = {}
for run_name in ("json", "polite"):
    served_model.set_adapter(run_name)
    done_by[f"adapter: {run_name}"] = adapters.both(served_model, tokenizer, shop_tickets.test)
with served_model.disable_adapter():
    done_by["none"] = adapters.both(served_model, tokenizer, shop_tickets.test)
plots.bars(
    done_by,
    y_label="share of test tickets",
    alt=lab.alt("two-adapters"),
)

# %%
for_json, for_reply, for_neither = (
    {task: figure.value for task, figure in shares.items()} for shares in done_by.values()
)
lab.claim("own form, lower of the two", min(for_json["valid JSON"], for_reply["polite replies"]))
forms_of_others = [for_reply["valid JSON"], for_json["polite replies"], *for_neither.values()]
lab.claim("form of another task, highest", max(forms_of_others))
lab.claim("json adapter: all right", for_json["all fields right"])

# %%
first_ticket = shop_tickets.test[0]
print("Ticket:", first_ticket.text)
for run_name, [one_question] in {
    "json": [first_ticket.question()], "polite": finetuning.reply_examples([first_ticket])
}.items():  # fmt: skip
    served_model.set_adapter(run_name)
    print(f"{run_name:7}", *finetuning.written_by(served_model, tokenizer, [one_question.prompt]))

# %% tags=["this-machine"]
swap_seconds = adapters.seconds_to_swap(served_model, ["json", "polite"])
print(f"one adapter in the place of the other: {1000 * swap_seconds:.1f} ms")

# %% [markdown]
# After so few steps both adapters have the **form** of their task, and not yet the content: look at
# the product that they name. A valid answer in a polite tone can be about something else, and a
# test that looks at the form only will not see it.
#
# One base in memory, and who asks decides which adapter answers. A server for many customers keeps
# the base on the GPU and thousands of adapters in main memory, and fetches those that are asked for
# ([Sheng et al. 2023](https://arxiv.org/abs/2311.03285)).

# %%
lab.ask("forty-customers")

# %% [markdown]
# ## The same on another model, and on several GPUs
#
# None of these cells knows our model by name. Started with
# `LABKIT_MODEL=HuggingFaceTB/SmolLM2-135M python3 -m labkit lab`, the lesson runs on that model of
# the hub. The claims are about ours, and will not all hold for it: one per cent of its weights is
# more than a million, a third of all that ours has.
#
# On several devices each process takes its share of a batch, and gradients are averaged:
#
# torchrun --nproc-per-node 2 -m labkit.models.training.distributed --out adapters/tickets
#
# The script uses `accelerate`, and shows the one thing that is easily wrong: answers differ in
# length, so the mean of two processes' means is not the mean over all tokens. Each process has to
# weigh its loss by its share of the tokens. Then two processes take the very step that one would
# take alone; a test of the course holds them to that.

# %%
lab.ask("mean-of-means")

# %% [markdown]
# ## And in a real model
#
# Lesson 08 tunes all weights of SmolLM2-135M-Instruct ([Allal et al.
# 2025](https://arxiv.org/abs/2502.02737)) on tickets, 50 steps of four. The same with adapters
# beside all linear layers, alpha twice the rank; each with the best of three learning rates, chosen
# by validation tickets, and three seeds. It was asked for capitals before and after, with the
# answer begun and as an open question:

# %%
real_ways = {"full": (0, 50), "rank 8": (8, 50), "rank 32": (32, 50)}
real_figures.kept_and_learned(real_ways, lab.alt("real-lora"))

# %%
print("                   rate   all right   open capitals   loss on prose")
for way_name, (way_rank, way_steps) in real_ways.items():
    way_scores = [real_figures.after(way_rank, way_steps, c) for c in ("exact", "open", "rise")]
    way_rate = real_figures.best_rate(way_rank, way_steps)
    print(f"{way_name:14} {way_rate:8g}   {way_scores[0].value:9.0%}   {way_scores[1].value:13.0%}"
          f"   {way_scores[2].value:+.3f}")  # fmt: skip
real_scores = {
    column: {n: real_figures.after(*way, column).value for n, way in real_ways.items()}
    for column in ("exact", "open", "rise")
}
for way_name in ("rank 8", "rank 32"):
    for score_column, score_name in (("exact", "all right"), ("open", "open capitals")):
        way_score, full_score = (real_scores[score_column][name] for name in (way_name, "full"))
        lab.claim(f"real model: {score_name}, {way_name} - full", way_score - full_score)
seeds_of_32 = [float(row["exact"]) for row in real_figures.best(32, 50)]
lab.claim("real model: all right, rank 32, best - worst seed", max(seeds_of_32) - min(seeds_of_32))
lab.claim("real model: all right, rank 32, 150 steps", real_figures.after(32, 150, "exact").value)
lab.claim("real model: rise on prose, full", real_scores["rise"]["full"])
lab.claim("real model: rise on prose, rank 32", real_scores["rise"]["rank 32"])

# %% [markdown]
# **Does it learn as much?** Full fine-tuning has nine of ten tickets right, the adapters about
# eight on average, and their seeds lie far apart: at rank 32 from just over half to all. With three
# times the steps it has all. **Does it forget less?** Here it forgets *more*. Asked openly, full
# fine-tuning still names two thirds of the capitals that it named before, the adapters less than
# half of them, and only theirs raise the loss on prose.
#
# At 7 billion weights Biderman et al. found the one for code and the other for mathematics. Here
# the adapters' learning rates were twenty to forty times as high, which is where they learn best,
# and 50 steps are few. So neither "as good as full" nor "forgets less" comes with the method. Both
# hang on the task, the learning rate and the steps: measure both axes, and more than one seed.
#
# With the model on your machine this tunes an adapter for two steps:

# %%
print(measured_again("real-tickets"))

# %% [markdown]
# ## To take to work
#
# At work you have a chat model of others, and chats of your own: a file with one JSON object a
# line,
#
# ```json
# {"messages": [{"role": "user", "content": "Broken."}, {"role": "assistant", "content": "…"}]}
# ```
#
# The steps are those of this lesson, and nothing of the course is in them. The **chat template** is
# the one new thing: it belongs to the model's tokenizer, and writes the messages with the marks
# that the model knows. Asked once with the answer and once without, it tells where the answer
# begins:
#
# ```python
# def encode(chat, tokenizer):
#     ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
#     asked = tokenizer.apply_chat_template(chat[:-1], add_generation_prompt=True, return_dict=True)
#     start = len(asked["input_ids"])
#     return {"input_ids": ids, "labels": [-100] * start + ids[start:]}
#
# lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
# model = get_peft_model(AutoModelForCausalLM.from_pretrained(name), lora).train()
# rows = [encode(chat, tokenizer) for chat in chats]
# collate = DataCollatorForSeq2Seq(tokenizer)
# batches = DataLoader(rows, batch_size=8, shuffle=True, collate_fn=collate)
# weights = [weight for weight in model.parameters() if weight.requires_grad]
# optimizer = torch.optim.AdamW(weights, lr=2e-4, weight_decay=0.0)
# for epoch in range(3):
#     for batch in batches:
#         model(**batch).loss.backward()
#         torch.nn.utils.clip_grad_norm_(weights, 1.0)
#         optimizer.step()
#         optimizer.zero_grad()
# model.save_pretrained(output)
# ```
#
# The whole file, with a falling learning rate, a GPU where there is one, and a sentence for each
# line that is no chat, is yours to run, to copy and to change; and so is the same with **`trl`**, a
# library made for this, to be installed first (the file says how):
#
# ```
# python -m labkit.recipes.lora_with_peft MODEL CHATS.jsonl OUTPUT
# python -m labkit.recipes.lora_with_trl  MODEL CHATS.jsonl OUTPUT
# ```
#
# `from labkit.recipes import lora_with_peft` and `lora_with_peft.__file__` say where it lies. Both
# learn the same tokens, and from the same batches they make the same adapter: a test of the course
# holds them to that. Learned is the last answer of each chat; an earlier one that is worth it
# becomes a line of its own.
#
# `trl` is worth its installation when you want more than this loop: rows filled with several chats
# ([packing](https://huggingface.co/docs/trl/reducing_memory_usage#packing), with FlashAttention),
# [several GPUs](https://huggingface.co/docs/trl/distributing_training), logs and checkpoints, or
# training from preferences, by its [`DPOTrainer`](https://huggingface.co/docs/trl/dpo_trainer).
# Know three of its habits. `assistant_only_loss` asks for marks in the template that [very few
# models](https://github.com/huggingface/trl/issues/5471) have; give it [prompt and
# completion](https://huggingface.co/docs/trl/sft_trainer#train-on-completion-only), and any
# template will do. It cuts long chats, unless `max_length=None`. And it [tells the
# hub](https://huggingface.co/docs/trl/usage_stats) which trainer runs on which GPU, though nothing
# of your data; the recipe turns that off.
#
# Keep some chats aside before you begin, and judge by them: this loop only shows you the training
# loss.

# %% [markdown]
# ## What to take away
#
# - An adapter is two thin matrices beside a frozen layer, one of them zero at first. Merged, it is
#   gone; unmerged, it can be swapped in a moment.
# - It saves the optimizer's memory, the copies on the disk, and up to a third of a step's
#   arithmetic. How many seconds that is depends on the kernels.
# - Alpha sets the scale of an adapter, the rank how many directions share it. Try several learning
#   rates at each rank before you compare ranks.
# - Does it learn as much? On our new facts, 8 % of the weights did. Measure it for your task: the
#   spectrum of a full update does not tell, and ours learned form long before content.
# - Does it forget less? In some settings of ours, and not in the real model. Compare where both
#   have learned as much, and with a full fine-tuning whose learning rate was chosen with the same
#   care.

# %%
lab.progress()
