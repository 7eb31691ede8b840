# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Mixture of experts
#     minutes: 45
#     models: [moe, moe_unbalanced, moe_twin_active, moe_twin_total]
#     summary: Many experts, of which each token uses a few - what that buys, and who pays for it.
#     without:
#       smollm2: it takes a mixture of experts apart
# ---

# %% [markdown]
# # Mixture of experts
#
# In a dense model every token goes through every weight. In a **mixture of experts** each layer
# has several feed-forward blocks, the experts, and a small **router** that sends each token to a
# few of them. So a model can hold many more weights than one token pays for: Mixtral 8x7B has 46.7
# billion and uses 12.9 billion for a token ([Mistral AI
# 2023](https://mistral.ai/news/mixtral-of-experts/); the [paper](https://arxiv.org/abs/2401.04088)
# rounds to 47 and 13).
#
# You will build the three parts - router, sparse experts, balance loss - and prove that they equal
# those of Mixtral in `transformers`; and a counter for real models. (So don't call transformers'
# own router, experts or loss in your answers: such an answer is refused.) You measure what a
# mixture is good at, and what it costs: all experts have to lie in memory, used or not.

# %%
import torch
from torch import Tensor

from labkit import Lab, load_model
from labkit.instruments import models_table, plots
from labkit.instruments.experts import maps, routers, training, twins
from labkit.models import routing
from labkit.models.world import registers
from labkit.models.zoo import card_of
from labkit.widgets import RoutingExplorer

lab = Lab("15_mixture_of_experts")
model, tokenizer = load_model("moe")
moe_router = routers.Router(model, tokenizer)
moe_config = model.config
print(f"{moe_config.num_hidden_layers} layers of {moe_router.experts} experts, "
      f"{moe_router.trained_with} of them for each token; each expert is "
      f"{moe_config.hidden_size} × {moe_config.intermediate_size}")  # fmt: skip

# %% [markdown]
# ## Who takes which token
#
# The bundled mixture has the architecture of Mixtral, with far smaller experts. Here is a text on
# its way through the first layer; each token has the colour of the expert that counts most for it:

# %%
SUMS_TEXT = "48 + 36 = 84\n70 - 9 = 61\n"
STORY_TEXT = (
    "Once upon a time there was a proud crow called Mira. One cold day Mira went to the forest."
)
moe_router.chips(SUMS_TEXT + STORY_TEXT, layer=0)

# %% [markdown]
# ## Build it: the router
#
# The router is one matrix. It gives a score to every expert, and the softmax turns scores into
# probabilities. The $k$ largest are chosen, and they say how much each of the $k$ counts:
#
# $$y = \sum_{i \in \text{top } k} w_i \, E_i(x), \qquad p = \operatorname{softmax}(W x)$$
#
# The details differ. Mixtral scales the chosen $p_i$ so that they sum to 1; OLMoE ([Muennighoff et
# al. 2024](https://arxiv.org/abs/2409.02060)) does not.


# %%
def top_k_router(router_logits: Tensor, k: int, norm_topk_prob: bool) -> tuple[Tensor, Tensor]:
    """Which experts each token goes to, and how much each of them counts.

    router_logits   (tokens, experts), any floating dtype; there may be no token
    k               experts per token; below 1 or above the number of experts is a ValueError
    norm_topk_prob  whether a token's k weights are scaled to sum to 1. True is Mixtral's way;
                    OLMoE's is False, and what goes to experts that were not chosen is lost
    returns         (weights, experts): each token's k largest softmax probabilities, taken over
                    all experts in float32, and the experts' numbers; (tokens, k) float32 and
                    int64, largest first

    The logits of a token are the logarithms of 0.5, 0.2 and 0.3, and k is 2:
    True  →  weights [[0.625, 0.375]], experts [[0, 2]];  False  →  weights [[0.5, 0.3]]
    """
    ...


# %%
lab.check(top_k_router)

# %% [markdown]
# Stuck? `lab.hint(top_k_router)` gives three hints, one at a time. After a pass or three tries
# `lab.solution(top_k_router)` shows ours. Until yours passes, the cells below use the reference.

# %%
lab.ask("softmax-first-or-last")

# %% [markdown]
# ## Build it: the sparse layer
#
# A loop over tokens would be slow: each token another pair of matrices. So turn it round, and let
# each expert take all of its tokens at once. An expert that nobody chose does nothing at all:
# **that** is what is saved.


# %%
def sparse_experts(
    hidden_states: Tensor,
    top_k_index: Tensor,
    top_k_weights: Tensor,
    gate_up_proj: Tensor,
    down_proj: Tensor,
) -> Tensor:
    """The layer of experts, where each expert works on its own tokens only.

    hidden_states  (tokens, hidden) float32; there may be no token
    top_k_index    (tokens, k) int64, the experts of each token, all different; a number that is
                   no expert's is a ValueError
    top_k_weights  (tokens, k) float32, what each of them counts
    gate_up_proj   (experts, 2 · inner, hidden): for each expert `inner` rows of the gate, then as
                   many of the up projection
    down_proj      (experts, hidden, inner)
    returns        (tokens, hidden): the weighted sum of what the token's experts say, each
                   down(silu(gate(x)) · up(x)). An expert that nobody chose is not used at all

    x [[1, 2]] goes to expert 0 alone, with weight 0.5; its gate is [0, 1], its up [1, 1], its down
    [[1], [0]]: silu(2) · 3 = 5.285, times 0.5  →  tensor([[2.6424, 0.0]])
    """
    ...


# %%
lab.check(sparse_experts)

# %% [markdown]
# ## The same as Mixtral's
#
# Router and experts together are `MixtralSparseMoeBlock`. We take what goes into that block of the
# bundled model for a real text, send it through your two functions with the block's own weights,
# and compare with what comes out of it:

# %%
route_tokens, run_experts = lab.use(top_k_router), lab.use(sparse_experts)
text_ids = tokenizer(SUMS_TEXT + STORY_TEXT, return_tensors="pt")["input_ids"]
furthest_apart = []
for layer_number in range(moe_config.num_hidden_layers):
    block_input, block_output = routers.inside(model, text_ids, layer_number)
    mixtral_block = model.model.layers[layer_number].mlp
    route_weights, route_experts = route_tokens(
        block_input @ mixtral_block.gate.weight.T, moe_router.trained_with, True
    )
    both_weights = (mixtral_block.experts.gate_up_proj, mixtral_block.experts.down_proj)
    our_output = run_experts(block_input, route_experts, route_weights, *both_weights)
    too_far = (our_output - block_output).detach().abs().max() / block_output.abs().max()
    furthest_apart.append(too_far)
lab.claim("furthest apart / largest value, of all layers", torch.stack(furthest_apart).max())

# %% [markdown]
# ## Play with it
#
# All tokens of some texts, layer by layer. Point at a token to see its experts; press an expert to
# see its tokens. Then move $k$, from one expert for each token to all of them. Find an expert that
# likes digits. Find a word that goes to the same expert wherever it stands. And look at the loss:
# is more always better?

# %%
RoutingExplorer(
    moe_router,
    {
        "Sums": SUMS_TEXT,
        "A story": STORY_TEXT,
        "A program": "# the doubles of the even numbers\n[x * 2 for x in xs if x % 2 == 0]\n",
        "A bus line": "Nistlab: Trikville, Drikorkville, Kikby, Grarford, Pagimville, Kezundby\n",
    },
    trained_with=moe_router.trained_with,
)

# %% [markdown]
# On texts that no training batch held, from nine domains, the loss for every $k$:

# %%
held_out_texts = routers.held_out(tokenizer)
by_k = routers.loss_by_k(model, held_out_texts)
plots.lines(
    list(by_k),
    {"held-out loss": list(by_k.values())},
    x_label="experts per token (trained with 2)",
    y_label="loss (nats per token)",
    alt=lab.alt("loss-by-experts"),
)

# %%
best_k = min(by_k, key=by_k.get)
lab.claim("best number of experts per token", best_k)

# %% [markdown]
# Ours is best with the $k$ that it was trained with: more experts at work cost time *and* quality.
# That is no law. Mixtral 8x7B, trained with two, was found to have a lower perplexity with three
# ([llama.cpp 4406](https://github.com/ggml-org/llama.cpp/pull/4406)), and Llama 4 Scout, trained
# with one, 8.70 with two against 9.06 ([ik_llama.cpp
# 321](https://github.com/ikawrakow/ik_llama.cpp/pull/321)). So $k$ is a knob to try: measure both.
#
# ## Are they experts?
#
# The name promises a specialist for each subject. Which expert takes the tokens of which domain?

# %%
expert_counts = routing.counts(model, held_out_texts)
maps.expert_map(expert_counts, list(held_out_texts), layer=0)

# %%
arithmetic_shares = maps.domain_shares(expert_counts, list(held_out_texts), layer=0)
favourite_share = arithmetic_shares[list(held_out_texts).index("arithmetic")].max()
lab.claim("arithmetic: share of its choices for its favourite", favourite_share)

# %% [markdown]
# There it is, it seems: the expert for arithmetic. (Each token goes to two *different* experts, so
# nobody can have more than half of the choices: nearly every token of a sum goes there.) But is it
# the *subject*? Sums consist of digits. If a router only looked at the token, we could predict
# its choice from the token alone. So note for each token which expert it mostly went to, and guess
# the same for the same token in other texts:

# %%
experts_taken, taken_ids = routers.choices(model, held_out_texts)
predicted_by_token = [routers.share_predicted(layer[:, 0], taken_ids) for layer in experts_taken]
same_for_all = torch.zeros_like(taken_ids)
by_favourite = [routers.share_predicted(layer[:, 0], same_for_all) for layer in experts_taken]
for layer_number, with_token in enumerate(predicted_by_token):
    without_it = by_favourite[layer_number]
    print(f"layer {layer_number}: first expert predicted by the token {with_token:.0%}, "
          f"without it {without_it:.0%}")  # fmt: skip

# %%
lab.claim("layer 0, predicted by the token alone", predicted_by_token[0])
lab.claim("layer 1, predicted by the token alone", predicted_by_token[1])
lab.claim("layer 0, predicted without the token", by_favourite[0])

# %% [markdown]
# In ours it is mostly the **word**, not the subject, and in the second of its two layers less so.
# Large ones differ. In Mixtral there was [no obvious pattern by
# topic](https://arxiv.org/abs/2401.04088) (section 5), but one of syntax. OLMoE, with 64 smaller
# experts a layer, has experts [for domains *and* for words](https://arxiv.org/abs/2409.02060)
# (sections 5.3 and 5.4), and those for words more in its *later* layers, the reverse of ours. How
# much an expert tells of the domain can be said in bits, of three that would be possible. And a
# router that has learned *nothing* also tells something, because domains differ in their words:

# %%
untrained_moe = routers.untrained(tokenizer)
bits_after = maps.bits_by_layer(expert_counts)
bits_before = maps.bits_by_layer(routing.counts(untrained_moe, held_out_texts))
for layer_number, (bits_now, bits_then) in enumerate(zip(bits_after, bits_before, strict=True)):
    print(f"layer {layer_number}: {bits_now:.2f} bits after training, {bits_then:.2f} before")

# %%
lab.claim("bits of the domain, layer 0", bits_after[0])
lab.claim("bits of the domain, layer 1", bits_after[1])
lab.claim("before training, layer 1", bits_before[1])

# %% [markdown]
# Our first layer has learned something about domains. What the second tells, a router that knows
# nothing tells as well. So beware of pretty maps, and put one of an untrained model beside them.

# %%
lab.ask("what-experts-learn")

# %% [markdown]
# ## Collapse
#
# A router learns from what its experts do. An expert that is chosen gets better, so it is chosen
# more. One that is not chosen learns nothing. What does that lead to?

# %%
lab.ask("in-use-without-balance")

# %% [markdown]
# The usual remedy is to make uneven loads costly ([Fedus et al.
# 2021](https://arxiv.org/abs/2101.03961)). How often an expert is *chosen* can't be learned from (a
# choice has no gradient), its probability can. So multiply the two: in $E \sum_i f_i \, p_i$ the
# gradient pulls down each $p_i$ by its $f_i$, the probability of those chosen most often the most.
# With even shares it is $k$; where choices and probabilities go the same way, it is larger.
#
# ## Build it: the balance loss


# %%
def load_balancing_loss(
    router_logits: list[Tensor], k: int, attention_mask: Tensor | None = None
) -> Tensor:
    """How unevenly the tokens of a batch are spread over the experts, in a form that can be learnt.

    router_logits   one (tokens, experts) tensor for each layer, float32; one layer at least
    k               experts per token; below 1 or above the number of experts is a ValueError
    attention_mask  (tokens,) 1 for a token, 0 for padding, the same for every layer; None: all
                    are tokens
    returns         a tensor of no dimension, from which a gradient leads back to the logits:
                    experts · sum over the experts of f · p, where
                    f  choices of that expert for each token: a token makes k of them
                    p  mean softmax probability of that expert
                    both over the tokens of all layers together, without padding. k when even.
                    Where there is no token, or padding only, a ValueError

    One layer, logits of probabilities [0.9, 0.1] for each token, k 1: 2 · (1 · 0.9 + 0 · 0.1)
    →  tensor(1.8)
    """
    ...


# %%
lab.check(load_balancing_loss)

# %% [markdown]
# Now train a small mixture on the course's texts, twice, from the same start: without this loss,
# and with 0.1 of it added to the usual one. Every ten steps we look how many experts are in use
# ($e^{\text{entropy}}$ of their shares: 8 when all have the same, 1 when one has all); the figure
# for the end is the mean of the last four looks.

# %%
balance_loss = lab.use(load_balancing_loss)
without_balance, with_balance = training.watch_router(None), training.watch_router(balance_loss)
plots.lines(
    without_balance.steps,
    {"without balance loss": without_balance.in_use, "with it": with_balance.in_use},
    x_label="training steps",
    y_label="experts in use, of 8",
    alt=lab.alt("experts-in-use"),
)

# %%
lab.compare("in-use-without-balance", without_balance.at_the_end)
lab.claim("experts in use, without", without_balance.at_the_end)
lab.claim("experts in use, with", with_balance.at_the_end)
lab.claim("experts that are hardly used, without", without_balance.idle())

# %% [markdown]
# Without the loss the busiest expert has about twice its even share or more, and one or more hardly
# ever get a token: weights that lie in memory and have learned next to nothing. (All but one dying
# does not happen here.)
#
# ## When an expert is full
#
# Where experts lie on different GPUs, each can be given a buffer for so many tokens: its even share
# times a **capacity factor** (Fedus et al.). What does not fit is **dropped**: the expert says
# nothing about it, and the token goes on as it was.

# %%
lab.ask("capacity-by-hand")

# %% [markdown]
# The bundled mixture was trained with the balance loss. Its sister `moe_unbalanced` was not; the
# rest was the same. Both with four capacity factors, on batches of a text from each domain:

# %%
unbalanced_moe, _ = load_model("moe_unbalanced")
mixed_batches = routers.mixed(held_out_texts)
capacity_factors = (1.0, 1.25, 1.5, 2.0)
with_capacity = {
    name: [routers.with_full_experts(some, mixed_batches, factor) for factor in capacity_factors]
    for name, some in {"balanced": model, "unbalanced": unbalanced_moe}.items()
}
plots.lines(
    capacity_factors,
    {name: [100 * share for share, _ in found] for name, found in with_capacity.items()},
    x_label="capacity factor",
    y_label="choices dropped (%)",
    alt=lab.alt("dropped-by-capacity"),
)

# %%
loss_unbalanced = with_capacity["unbalanced"][0][1] - with_capacity["unbalanced"][-1][1]
lab.claim("loss that it costs at 1, unbalanced", loss_unbalanced)
loss_balanced = with_capacity["balanced"][0][1] - with_capacity["balanced"][-1][1]
lab.claim("loss that it costs at 1, balanced", loss_balanced)
lost_by_choice = routers.dropped(experts_taken[0], moe_router.experts, 1.0).float().mean(0)
seconds_of_lost = lost_by_choice[1] / lost_by_choice.sum()
lab.claim("balanced, of the dropped: share of second choices", seconds_of_lost)

# %% [markdown]
# Without balance a full buffer costs our model about four times as much. All *first* choices are
# served before the second ones here, so it is mostly second choices that find no room. But the
# balanced mixture is balanced over the mix that it was trained on. Give it a batch of one domain,
# as on an afternoon on which all your users send sums:

# %%
only_sums = {"arithmetic": held_out_texts["arithmetic"]}
roomy_sums, tight_sums = (
    routers.with_full_experts(model, only_sums, factor) for factor in (4.0, 1.25)
)
print(f"capacity factor 4:    {roomy_sums[0]:4.0%} dropped, loss {roomy_sums[1]:.2f}")
print(f"capacity factor 1.25: {tight_sums[0]:4.0%} dropped, loss {tight_sums[1]:.2f}")

# %%
lab.claim("dropped at 1.25, a batch of sums", tight_sums[0])
lab.claim("loss that it costs, a batch of sums", tight_sums[1] - roomy_sums[1])

# %% [markdown]
# More than a quarter of the choices dropped, first ones among them, and the sums are ruined.
# Balanced on average is not balanced in *your* batch. (It can be done without dropping, as
# `transformers` does and as OLMoE was trained: then all wait for the busiest expert.)
#
# ## What it buys: room
#
# A model keeps what it knows in its weights. To see that alone, let single blocks learn **random
# facts**: a pair of names, and what belongs to it. There is no rule to find, so what is right is
# remembered. A mixture of eight experts, two for each fact, and two dense twins: one with as many
# weights as the mixture uses for a fact, one with as many as it has.

# %%
for block_kind, (all_weights, used_weights) in training.weights_of().items():
    print(f"{block_kind:20} {all_weights:6,} weights, {used_weights:6,} for one fact")

# %%
fact_amounts = (1024, 2048, 4096)
facts_recalled = {
    kind: [sum(training.remembered(kind, n, balance_loss)) / n for n in fact_amounts]
    for kind in training.KINDS
}
plots.lines(
    fact_amounts,
    facts_recalled,
    x_label="facts",
    y_label="share remembered",
    alt=lab.alt("facts-remembered"),
)

# %%
recalled_of_4096 = {kind: found[-1] for kind, found in facts_recalled.items()}
lab.claim("4,096 facts, mixture", recalled_of_4096["mixture"])
lab.claim("4,096 facts, equal active", recalled_of_4096["twin, equal active"])

# %% [markdown]
# Nearly the memory of the large twin, at about the work of the small one. Larger mixtures show it
# too: with more experts they [remember more, and do not reason as much
# better](https://arxiv.org/abs/2410.19034) (Jelassi et al. 2024).
#
# ## And on texts?
#
# Four of the nine domains that the bundled mixture has read are **registers**: which town follows
# which on a bus line, which family on a postman's round - 15,200 facts without a rule. In the five
# others there is a rule to find: sums, programs, tables, stories, an invented language. It has two
# twins of the same kind, trained on the same texts in the same order, three seeds each. That took
# an hour and three quarters, so it was **recorded** when the models were trained; these are figures
# from the mixture's card:

# %%
moe_card = card_of("moe")
four_registers = ["route", "round", "fair", "shelf"]
five_rules = [kind for kind in held_out_texts if kind not in four_registers]
twins.figure(
    moe_card,
    {"four registers": four_registers, "five domains with rules": five_rules},
    alt=lab.alt("mixture-and-twins"),
)

# %%
of_domains = {"registers": four_registers, "rules": five_rules, "sums": ["arithmetic"]}
for domains_name, its_domains in of_domains.items():
    print(domains_name)
    for twin_gap in twins.compared(moe_card, its_domains).values():
        print(f"  {twin_gap.name:34} {twin_gap}")

# %%
registers_small, registers_large = twins.compared(moe_card, four_registers).values()
small_rules, _ = twins.compared(moe_card, five_rules).values()
small_sums, _ = twins.compared(moe_card, ["arithmetic"]).values()
lab.claim("recorded: registers, mixture - small twin", registers_small.value)
lab.claim("recorded: registers, mixture - large twin", registers_large.value)
lab.claim("recorded: rules, mixture - small twin", small_rules.value)
lab.claim("recorded: sums, mixture - small twin", small_sums.value)
lab.claim("facts in the four registers", registers.FACTS)

# %% [markdown]
# In the registers the mixture is far better than its small twin, for the same work on each token.
# (The large twin is better still: it has as much room, and works four times as much in its blocks.)
# Where there is a rule to find, mixture and small twin can't be told apart: the interval holds
# zero. A rule has to be worked out, and for each token the mixture works no more than the small
# twin. (Among the five it is better at sums alone. They can be worked out, and those below 100 can
# also be remembered.)
#
# Large models are trained on texts that hold far more than they have room for, and there a mixture
# gains overall: OLMoE's makers saw theirs train [about twice as
# fast](https://arxiv.org/abs/2409.02060) as a dense model of equal active parameters.
#
# ## What it costs: memory
#
# One token uses two experts of eight. But the next token uses others, and nobody knows in advance
# which. So all lie in memory, if not in the fastest: llama.cpp can leave them in the processor's
# ([`--cpu-moe`](https://github.com/ggml-org/llama.cpp/pull/14992)), and then that one's speed
# counts. And when many tokens are on their way at once? A server writes one token for each of 16
# requests:

# %%
lab.ask("experts-for-sixteen")

# %%
step_sizes = [1, 2, 4, 8, 16, 32]
experts_busy = {
    f"layer {i}": [routers.busy(layer, n) for n in step_sizes]
    for i, layer in enumerate(experts_taken)
}
experts_busy["if all were even"] = [8 * (1 - (1 - 2 / 8) ** n) for n in step_sizes]
plots.lines(
    step_sizes,
    experts_busy,
    x_label="tokens in a step, each from another text",
    y_label="experts needed, of 8",
    alt=lab.alt("experts-needed"),
)

# %%
busy_for_sixteen = experts_busy["layer 0"][step_sizes.index(16)]
lab.compare("experts-for-sixteen", busy_for_sixteen)
lab.claim("experts needed for 16 tokens", busy_for_sixteen)
even_of_128 = 1 - (1 - 8 / 128) ** 16
lab.claim("8 of 128 for each of 16 tokens, even: share needed", even_of_128)

# %% [markdown]
# In large models writing is limited by how fast weights come out of memory. For one request a
# mixture reads little, and is fast. With 16 this one reads everything, like a dense model of its
# whole size; what it still saves is arithmetic. Where each token takes 8 experts of 128, 16 even
# ones need 64 % of them: there it takes a larger batch.
#
# Now bytes and time, here and now. Milliseconds are the processor's, one thread, and a matter of
# the machine: compare them with each other.

# %%
three_models = {"mixture": model} | {
    twins.NAMES[name]: load_model(name)[0] for name in ("moe_twin_active", "moe_twin_total")
}
model_prices = {name: routers.cost(some) for name, some in three_models.items()}
for model_name, its_price in model_prices.items():
    print(f"{model_name:20} {its_price.resident / 1e6:.2f} MB in memory, "
          f"{its_price.used / 1e6:.2f} for a token")  # fmt: skip

# %% tags=["this-machine"]
print("milliseconds a token      reading 256     writing")
for model_name, its_price in model_prices.items():
    print(f"{model_name:20} {its_price.reading:16.3f} {its_price.writing:11.2f}")

# %%
lab.claim(
    "memory, mixture / twin with equal active",
    model_prices["mixture"].resident / model_prices["twin, equal active"].resident,
)

# %% [markdown]
# For the same work for a token, the mixture needs half as much memory again as its small twin; the
# embeddings, which both have, are the larger part of so small a model. (In Mixtral the whole is 3.6
# times what a token uses.) And on a CPU ours is, as a rule, slower than that twin: sorting tokens
# to experts takes time, and eight small products are slower than one large one. Is it, on your
# machine, even faster than the *large* twin when it writes?
#
# ## Build it: count real ones
#
# Everything needed stands in a model's `config.json`.


# %%
from typing import Any


def count_parameters(config: dict[str, Any]) -> dict[str, int]:
    """A mixture's weights, from its config.json: all of them, and those that one token uses.

    config   vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
             num_experts_per_tok, and
             num_local_experts or num_experts: either name
             moe_intermediate_size: an expert's inner size; where absent, intermediate_size is
             head_dim: where absent, hidden_size / num_attention_heads (which leaves no rest)
             tie_word_embeddings: where True, the output head is the embedding; absent is False
    returns  {"total": …, "active": …}: weights of embedding, output head, each layer's attention
             (query, key, value, output), router (hidden x experts) and experts (gate, up, down).
             Of the experts, num_experts_per_tok are active; all else always is. Norms and biases
             are left out: less than one weight in ten thousand.
             More experts per token than there are, or fewer than 1, is a ValueError

    Mixtral 8x7B: 46.7 billion in all, 12.9 billion for a token.
    """
    ...


# %%
lab.check(count_parameters)

# %%
weights_of_config = lab.use(count_parameters)

# %%
# NBVAL_CHECK_OUTPUT
real_models = ("Mixtral-8x7B", "Phi-3.5-MoE", "Qwen3-30B-A3B", "OLMoE-1B-7B")
counted_weights = {
    name: weights_of_config(models_table.find_model(name).config) for name in real_models
}
print("                  experts    billion weights     used    GB at 4 bits")
print("                  (of all)   total   a token             total   a token")
for model_name, its_weights in counted_weights.items():
    its_config = models_table.find_model(model_name).config
    its_experts = its_config.get("num_local_experts") or its_config["num_experts"]
    in_all, in_use = its_weights["total"] / 1e9, its_weights["active"] / 1e9
    print(f"{model_name:16} {its_config['num_experts_per_tok']:3} of {its_experts:<4}"
          f" {in_all:7.2f} {in_use:9.2f}"
          f" {in_use / in_all:8.0%} {in_all / 2:12.1f} {in_use / 2:9.1f}")  # fmt: skip

# %%
mixtral_weights, qwen_weights = counted_weights["Mixtral-8x7B"], counted_weights["Qwen3-30B-A3B"]
lab.claim("Mixtral 8x7B, all / active", mixtral_weights["total"] / mixtral_weights["active"])
lab.claim("Qwen3-30B-A3B, active", qwen_weights["active"] / 1e9)

# %% [markdown]
# "8x7B" is not 56: attention and embeddings are there once, only the experts eight times. Many
# later mixtures are **fine-grained**: more experts, each smaller, more of them chosen ([Dai et al.
# 2024](https://arxiv.org/abs/2401.06066)). Qwen3-30B-A3B takes 8 of 128 and uses a ninth of its
# weights for a token. ([Its card](https://huggingface.co/Qwen/Qwen3-30B-A3B) says 3.3 billion; by
# our count, with embedding and output head, it is 3.35.)

# %%
lab.ask("tokens-a-second")

# %%
lab.ask("what-costs-what")

# %% [markdown]
# ## And in a real model
#
# The other lessons show their finding again on a real model of 135 million weights ([Allal et al.
# 2025](https://arxiv.org/abs/2502.02737)). No mixture is as small: the least of those that you have
# just counted would take, in 4.5 bits a weight,

# %%
least_total = min(weights["total"] for weights in counted_weights.values())
lab.claim("the smallest real mixture, GB in 4.5 bits", least_total * 4.5 / 8 / 1e9)

# %% [markdown]
# gigabytes: half of the memory of the laptop that this course is made for. So here is what makers
# and others have found, beside ours. All of it is about *what a router follows*:
#
# - **Ours**, as measured above: mostly the word, in the second layer less.
# - **OpenMoE**: the token, with little regard to its context, decided early in training ([Xue et
#   al. 2024](https://arxiv.org/abs/2402.01739), abstract).
# - **Mixtral 8x7B**: no obvious pattern by topic, some by syntax (Jiang et al. 2024, section 5).
# - **OLMoE-1B-7B**: domains *and* words, words more in later layers (Muennighoff et al. 2024,
#   sections 5.3 and 5.4).
#
# They agree that a router learns something, and differ in what. "The expert for chemistry" is in
# none of them a thing to count on.
#
# ## Where it loses
#
# - **Memory.** All experts lie there. Where memory is short and time is not, a dense model of the
#   same bytes is the better buy: our large twin remembers as much and is better on texts, for more
#   work on each token.
# - **Large batches.** The more requests at once, the less reading is saved.
# - **Speed of small ones.** Routing costs time, most where products are as small as ours.
# - **Training.** Routers can collapse and experts overflow, and both need watching. In a batch of
#   one domain, as in fine-tuning, a few experts may get most tokens.

# %%
lab.ask("which-model-to-serve")

# %% [markdown]
# ## What to take away
#
# - Memory is for **all** weights, arithmetic for the **active** ones. Ask for both numbers.
# - A router is softmax, top k, and perhaps a scale. Each expert takes its tokens at once.
# - Without balancing, the rich can get richer; balanced on average is not balanced in your batch.
# - Our experts go by words more than by subjects. Compare every router map with an untrained one.
# - The $k$ of the training was best for ours; elsewhere it was not. Measure it.
# - A mixture pays where memory is there and time is short: one request at a time, much to know.

# %%
lab.progress()
