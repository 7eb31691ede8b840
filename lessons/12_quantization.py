# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   labkit:
#     title: Quantization
#     minutes: 60
#     models: [base]
#     summary: Weights in 8, 4 or 2 bits - what is lost, what it really saves, and what it does not.
#     without:
#       smollm2: it rounds and reads the model two hundred times, which takes too long
# ---

# %% [markdown]
# # Quantization
#
# A model of 70 billion parameters in 16 bits takes 138 GB. In 4 bits it takes 36, and fits on one
# card of 80. **Quantization** stores each weight as one of a few levels, and a scale to multiply
# them with. That is all there is to it; the rest is about where the levels are, and what shares a
# scale.
#
# In this lesson you build three ways of rounding that are in wide use, down to the byte that
# bitsandbytes stores, and measure all of them on the same held-out text and the same questions:
# what is lost at each number of bits, what an outlier does, which layers cannot bear it. Then come
# real kernels, and the question whether it is any *faster*.

# %%
import torch
from torch import Tensor

from labkit import Lab, load_model
from labkit.experiments.real import bits_figures as real_figures
from labkit.experiments.real.recorded import measured_again
from labkit.instruments import plots
from labkit.instruments.items import fact_items
from labkit.instruments.models_table import find_model
from labkit.instruments.quantization import bench, kernels_table, memory_table
from labkit.instruments.quantization import bitsandbytes_layers as library
from labkit.instruments.quantization import plots as figures
from labkit.models.quantization.simulated import (
    E2M1,
    FP4,
    e2m1,
    fake_quantize,
    float4,
    integers,
    linear_layers,
    normal_float,
)
from labkit.models.quantization.stored import load_quantized, stored_bits
from labkit.widgets import QuantizationExplorer

lab = Lab("12_quantization")
model, tokenizer = load_model()

# %% [markdown]
# ## What it is
#
# Here are the weights of one matrix of the bundled model, divided by the largest magnitude among
# them. A scheme has a few **levels**; each weight goes to the nearest one. The grey histogram is
# the weights, the bars are how many weights each level gets:

# %%
query_weights = model.model.layers[0].self_attn.q_proj.weight.detach()
figures.levels_over(
    query_weights,
    [integers(2, "tensor"), integers(4, "tensor"), integers(4, 64)],
    alt=lab.alt("levels-over-weights"),
)

# %% [markdown]
# Most weights are small and a few are large, so the few decide how wide the levels lie. A scale for
# each small **block** of weights lets them lie closer. A scale costs 16 bits, which the weights of
# a block share.
#
# ## Build it: absmax
#
# The plainest way: whole numbers, symmetric around zero. The largest **magnitude** of a row - its
# absmax - gets the largest code, and everything else follows.


# %%
def absmax_quantize(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Round each row of a weight matrix to signed whole numbers, with one scale a row.

    weight   (out, in) float32, not empty; left as it is. NaN or infinity in it is a ValueError
    bits     2 to 8, else a ValueError; the codes run from -(2^(bits-1) - 1) to 2^(bits-1) - 1
    returns  codes (out, in) int8, ties rounded to the even number as torch.round does, and
             scales (out, 1) float32: codes * scales is the weight that comes back.
             A row of zeros has the scale 1

    The row [1.1, -2.0, 0.3] at 4 bits: scale 2 / 7, codes [4, -7, 1].
    """
    ...


# %%
lab.check(absmax_quantize)

# %% [markdown]
# Stuck? `lab.hint(absmax_quantize)` gives three hints, one at a time. After a pass or three tries
# `lab.solution(absmax_quantize)` shows ours. Until yours passes, the cells below use the reference.

# %%
lab.ask("scale-by-hand")

# %% [markdown]
# ## How many bits are enough?
#
# One judge for everything that follows: 40 held-out texts, whose loss is compared text by text with
# that of the whole model; and two sets of questions. The **often asked** ones the model was trained
# to answer; of the **rarely told** facts it has only read somewhere. It knows all of the first and
# some of the second.

# %%
often_asked, rarely_told = fact_items(100), fact_items(150, asked=False)
test_bench = bench.Bench.of(model, tokenizer, often_asked, n=40)
print(f"held-out loss {test_bench.whole_loss:.3f} nats per token")
shares_right = {
    "often asked": {16.0: test_bench.right(model)},
    "rarely told": {16.0: test_bench.right(model, rarely_told)},
}
for way_name, scores_found in shares_right.items():
    print(f"{way_name}: {scores_found[16].hits} of {scores_found[16].n} right")

# %%
lab.ask("often-asked-at-three-bits")

# %% [markdown]
# Your function rounds rows. Give it the whole matrix as one row, or blocks of 64 weights as rows,
# and it does those as well. All linear layers are rounded (embeddings and norms stay as they are,
# as in the libraries):

# %%
own_absmax = lab.use(absmax_quantize)
BITS_TRIED = (8, 6, 5, 4, 3, 2)


def absmax_model(bits, group):
    """The model with all its linear layers rounded by your function."""
    return bench.with_weights(model, bench.stored_in_groups(own_absmax, bits, group))


scale_groups = {"whole matrix": "tensor", "each row": "channel", "blocks of 64": 64}
loss_rises = {
    name: {bits: test_bench.rise(absmax_model(bits, group)) for bits in BITS_TRIED}
    for name, group in scale_groups.items()
}

# %%
figures.rises(
    loss_rises,
    x_label="bits",
    alt=lab.alt("rise-by-granularity"),
)

# %%
rises_by_row, rises_of_matrix, rises_of_blocks = (
    loss_rises["each row"],
    loss_rises["whole matrix"],
    loss_rises["blocks of 64"],
)
lab.claim("rise at 5 bits, each row", rises_by_row[5].value)
lab.claim("rise at 4 bits, each row", rises_by_row[4].value)
coarse_and_fine = rises_of_matrix[3].value / rises_of_blocks[3].value
lab.claim("rise at 3 bits, whole matrix / blocks of 64", coarse_and_fine)
lab.claim("rise at 2 bits, blocks of 64", rises_of_blocks[2].value)

# %% [markdown]
# There is the **knee**. Down to 5 bits, with a scale for each row, nothing is lost that 40 texts
# could show. At 4 bits it is a few thousandths of a nat by rows or blocks, at 3 it depends on the
# groups, and at 2 bits - three levels - this model is ruined. Now the questions, with one scale for
# each matrix:

# %%
for bits_tried in BITS_TRIED:
    rounded_model = absmax_model(bits_tried, "tensor")
    shares_right["often asked"][bits_tried] = test_bench.right(rounded_model)
    shares_right["rarely told"][bits_tried] = test_bench.right(rounded_model, rarely_told)
plots.shares(
    shares_right,
    x_label="bits",
    y_label="share right",
    alt=lab.alt("right-by-bits"),
)

# %%
at_three_bits = shares_right["often asked"][3]
lab.compare(
    "often-asked-at-three-bits",
    100 * at_three_bits.value,
    *(100 * end for end in at_three_bits.interval),
)

# %%
lab.claim("often asked, right at 3 bits", at_three_bits.value)
rarely_right = {bits: found.value for bits, found in shares_right["rarely told"].items()}
lab.claim("rarely told, lost from 16 bits to 3", rarely_right[16] - rarely_right[3])

# %% [markdown]
# **Here what is known well survives longest.** A test of easy questions would have told you that 3
# bits are as good as 16. The facts that this model had read a few times are lost first. Judge a
# quantized model by what is hard for it.
#
# ## Bytes, and only bytes
#
# What does it save? We write real files, codes packed without gaps, scales in 16 bits, and the rest
# of the model in float16:

# %%
# NBVAL_CHECK_OUTPUT
bytes_by_bits = {bits: bench.bytes_on_disk(model, integers(bits, "channel")) for bits in BITS_TRIED}
bytes_by_bits[16] = bench.bytes_on_disk(model, None)
for bits_tried in sorted(bytes_by_bits, reverse=True):
    bytes_taken = bytes_by_bits[bits_tried]
    share_of_16 = bytes_taken / bytes_by_bits[16]
    print(f"{bits_tried:2} bits  {bytes_taken / 1e6:5.2f} MB   {share_of_16:4.0%}")

# %%
for big_model in ("Llama-2-7B", "Llama-3.1-8B"):
    lab.claim(
        f"embeddings of {big_model}, share", memory_table.embedding_share(find_model(big_model))
    )

# %% [markdown]
# Not a quarter: the embeddings are a sixth of this small model, and stay in 16 bits. In Llama 2 of
# 7 billion parameters they are 4 %, in Llama 3.1 of 8 billion, with four times the vocabulary, 13.
#
# And time? What you measured above was **simulated**: the weights were rounded, and written back
# into float32. That tells the loss exactly, and **saves no time and no memory at all**. Time is
# saved only by a *kernel* that reads the small numbers themselves, and we shall come to those.

# %%
some_ids = torch.arange(128)[None] + 3
ways_to_run = {"whole": model, "rounded to 4 bits": absmax_model(4, "channel")}
time_taken = {
    name: kernels_table.milliseconds(kernels_table.in_torch(name, some, 0), some_ids)
    for name, some in ways_to_run.items()
}
simulated_time = time_taken["rounded to 4 bits"] / time_taken["whole"]
lab.claim("time, simulated 4 bits / whole", simulated_time)

# %% [markdown]
# ## Small blocks or one bit more?
#
# Smaller blocks lose less, and their scales take more. So compare at **bits a weight, scales
# included**: every number of bits in blocks from 256 weights down to 32, beside whole rows.


# %%
def bits_a_weight(bits, group):
    return integers(bits, group).bits_per_weight(query_weights)


in_blocks = {
    n: rises_of_blocks
    if n == 64
    else {bits: test_bench.rise(absmax_model(bits, n)) for bits in BITS_TRIED}
    for n in (256, 128, 64, 32)
}
figures.rises(
    {
        f"{bits} bits in blocks": {bits_a_weight(bits, n): in_blocks[n][bits] for n in in_blocks}
        for bits in (5, 4, 3)
    }
    | {
        "5, 4 and 3 bits in rows": {bits_a_weight(n, "channel"): rises_by_row[n] for n in (5, 4, 3)}
    },
    x_label="bits a weight, scales included",
    alt=lab.alt("rise-by-real-bits"),
)

# %%
print("rise of the loss     " + "".join(f"   blocks of {n:<3}" for n in in_blocks))
for bits_tried in BITS_TRIED:
    print(f"{bits_tried} bits               " + "".join(
        f"{found[bits_tried].value:13.4f}   " for found in in_blocks.values()
    ))  # fmt: skip

# %%
three_bits = {n: found[3].value for n, found in in_blocks.items()}
lab.claim("rise at 3 bits, blocks of 32 / of 256", three_bits[32] / three_bits[256])
lab.claim("rise in blocks of 256, 4 bits / 3 bits", in_blocks[256][4].value / three_bits[256])
lab.claim("bits that blocks of 32 cost over 256", bits_a_weight(3, 32) - bits_a_weight(3, 256))

# %% [markdown]
# Going from blocks of 256 to blocks of 32 takes 0.44 bits and about halves the rise at 3 bits. One
# bit more takes off four fifths of it and more. Blocks are worth their scales; they do not replace
# bits.
#
# ## Build it: zero point
#
# absmax wastes codes where numbers are lopsided. With a **zero point** the codes run from the
# smallest number to the largest, and one of them means zero.


# %%
def zero_point_quantize(weight: Tensor, bits: int) -> tuple[Tensor, float, int]:
    """Round a whole matrix to unsigned numbers, with one scale and the code that means zero.

    weight   any shape, float32, not empty; left as it is
    bits     2 to 8; the codes run from 0 to 2^bits - 1
    returns  codes of the weight's shape, uint8; the scale, a float; and the zero point, an int
             among the codes: (codes - zero_point) * scale is the weight that comes back.
             The range that is divided holds 0, so that 0 comes back as 0. weight / scale and the
             zero point are rounded each by itself, ties to the even number; a code beyond the
             ends becomes the end. If every weight is 0, the scale is 1 and the zero point 0

    [-1.0, 0.0, 2.0] at 2 bits: scale 1, zero point 1, codes [0, 1, 3].
    """
    ...


# %%
lab.check(zero_point_quantize)

# %% [markdown]
# Who needs it? Compare the error of both on the weights, and on what comes out of the activation
# function of the MLPs, which goes down to -0.28 and up to about 20:

# %%
own_zero_point = lab.use(zero_point_quantize)


def by_zero_point(numbers, bits=8):
    codes, scale, zero = own_zero_point(numbers, bits)
    return (codes.int() - zero) * scale  # uint8 minus a number would wrap around


def by_absmax(numbers, bits=8):
    codes, scales = own_absmax(numbers.reshape(1, -1), bits)
    return (codes * scales).reshape(numbers.shape)


silu_outputs = bench.after_silu(model, tokenizer, "\n".join(t.text for t in test_bench.texts[-2:]))
rounding_errors = {
    name: {
        "absmax": bench.error_of(numbers, by_absmax(numbers)),
        "zero point": bench.error_of(numbers, by_zero_point(numbers)),
    }
    for name, numbers in {"weights": query_weights, "activations": silu_outputs}.items()
}
for way_name, error_pair in rounding_errors.items():
    by_both = "   ".join(f"{way} {error:.4f}" for way, error in error_pair.items())
    print(f"{way_name:12} {by_both}")

# %%
lab.claim("smallest activation", silu_outputs.min())
lab.claim("largest activation", silu_outputs.max())
of_activations = rounding_errors["activations"]
activation_gain = of_activations["zero point"] / of_activations["absmax"]
lab.claim("error, zero point / absmax: activations", activation_gain)

# %% [markdown]
# The weights of a matrix are symmetric, so at 8 bits it gains little there. Activations are not:
# half of the error goes. So torch's dynamic int8 and ONNX Runtime, which come below, use zero
# points for activations and absmax for weights. But that is a division of labour for int8. Few
# weights, few codes: 64 neighbours are seldom symmetric, and absmax leaves one of 16 codes unused.
# In 4 bits, with a scale and a zero point for each block:

# %%
weight_blocks = query_weights.reshape(-1, 64)
zero_by_block = torch.stack([by_zero_point(block, bits=4) for block in weight_blocks])
lab.claim(
    "error of 4-bit weights in blocks of 64, zero point / absmax",
    bench.error_of(weight_blocks, zero_by_block)
    / bench.relative_error(query_weights, integers(4, 64)),
)

# %% [markdown]
# A seventh of the error goes, for some bits more a block. Formats of 4-bit weights often have it:
# AWQ's quantizer gives them a zero point unless told not to
# ([entry.py](https://github.com/mit-han-lab/llm-awq/blob/main/awq/entry.py)), and Q4_K of GGUF
# files stores a minimum beside the scale of each 32
# ([ggml-common.h](https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h)). And
# the loss? All weights again, with one scale for each matrix:

# %%
with_zero = {
    bits: test_bench.rise(
        bench.with_weights(model, lambda weight, bits=bits: by_zero_point(weight, bits))
    )
    for bits in BITS_TRIED
}
figures.rises(
    {"absmax, whole matrix": rises_of_matrix, "zero point, whole matrix": with_zero},
    x_label="bits",
    alt=lab.alt("absmax-and-zero-point"),
)

# %%
lab.claim("rise at 4 bits, zero point - absmax", with_zero[4].value - rises_of_matrix[4].value)
lab.claim("rise at 3 bits, zero point / absmax", with_zero[3].value / rises_of_matrix[3].value)

# %% [markdown]
# Down to 4 bits one zero point for a matrix makes no difference that we could see. At 3 bits every
# code counts, and absmax leaves one of eight unused: there the zero point takes off half of the
# loss and more.
#
# ## Outliers
#
# One number can spoil it all. We **plant** an outlier: one output channel of every up projection is
# made 128 times as large, and what reads it as much smaller, so that the model computes exactly the
# same as before. Then 8 bits, which were beyond all doubt a moment ago:

# %%
planted_model = bench.with_outlier_channel(model, 128.0)
spoiled_rises = {
    name: test_bench.rise(fake_quantize(planted_model, integers(8, group)))
    for name, group in (("whole matrix", "tensor"), ("each row", "channel"))
}
lab.claim("outlier, int8, whole matrix", spoiled_rises["whole matrix"].value)
lab.claim("outlier, int8, each row", spoiled_rises["each row"].value)

# %% [markdown]
# With one scale for the matrix, one row in 768 takes the digits of all others. With a scale for
# each row it harms nobody but itself.
#
# The outliers of real models are worse: they are in the **activations**. From about 6.7 billion
# parameters on, a few features have values up to 20 times as large as all others, in every layer
# ([Dettmers et al. 2022](https://arxiv.org/abs/2208.07339), section 4). int8 products round the
# activations as well, by token, and a feature runs *through* all tokens. **LLM.int8** has a simple
# answer: features with a value above 6 are multiplied in float, the rest in int8. We plant such a
# feature, and let bitsandbytes itself compute, without the split and with it:

# %%
hot_model = bench.with_outlier_feature(model, 256.0)
by_threshold = {
    threshold: test_bench.rise(library.in_llm_int8(hot_model, threshold))
    for threshold in (0.0, 6.0)
}
for split_threshold, loss_rise in by_threshold.items():
    print(f"threshold {split_threshold:g}: {loss_rise}")

# %%
lab.claim("hot feature, split / all in int8", by_threshold[6.0].value / by_threshold[0.0].value)

# %% [markdown]
# The split saves it. How much has to be multiplied in float for it? We count the features above the
# threshold, layer by layer, in the same computation written out:

# %%
split_features = library.split_shares(hot_model, test_bench, 6.0)
for way_name, split_share in split_features.items():
    print(f"{way_name:10} {split_share:5.1%} of the features")

# %%
lab.claim("split in down_proj", split_features["down_proj"])

# %% [markdown]
# Mostly it is one feature of 256, the planted one. But in the down projections of our model more
# than half of the features rise above 6 at one token or another of a batch, and each of them is
# taken out of int8 for the whole batch; so are a quarter of those that attention puts out. In the
# models of Dettmers et al. 2022, of up to 175 billion parameters, more than 99.9 % of the values
# stayed in int8. The threshold is a setting, and 6 is not the best one for every model.

# %%
lab.ask("against-an-outlier")

# %% [markdown]
# ## NF4: levels where the weights are
#
# Evenly spaced levels suit evenly spread numbers. Weights look like a bell. **NF4** ([Dettmers et
# al. 2023](https://arxiv.org/abs/2305.14314), QLoRA) puts its 16 levels at the quantiles of a
# normal distribution, eight above zero, seven below, and zero itself, all divided by the largest.
# We compute them so, and compare with the code book of bitsandbytes:

# %%
NF4 = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
])  # fmt: skip
library_book = library.library_levels("nf4")
lab.claim("quantiles against bitsandbytes' NF4", (bench.normal_levels() - library_book).abs().max())

# %%
figures.levels_over(
    bench.all_weights(model),
    [integers(4, 64, "int4"), normal_float(64), float4(64, "bitsandbytes' FP4")],
    alt=lab.alt("levels-of-formats"),
)

# %% [markdown]
# FP4 is a floating-point number of four bits: a sign, two bits of exponent, one of mantissa. Two
# tables go by that name. **E2M1** has the magnitudes 0, 0.5, 1, 1.5, 2, 3, 4 and 6; MXFP4 ([Rouhani
# et al. 2023](https://arxiv.org/abs/2310.10537)) and NVFP4 ([NVIDIA
# 2025](https://arxiv.org/abs/2509.25149)) are made of it. bitsandbytes' own FP4 has 0.03 in the
# place of 0.5. How far off is each, relative to the numbers, on an exactly normal distribution and
# on our weights?

# %%
normal_numbers = torch.randn(1, 2**19, generator=torch.Generator().manual_seed(0))
four_bits = {
    "int4": integers(4, 64),
    "NF4": normal_float(64),
    "E2M1": e2m1(64),
    "bitsandbytes' FP4": float4(64),
}
errors_in_four_bits = {
    name: [bench.relative_error(w, scheme) for w in (normal_numbers, bench.all_weights(model))]
    for name, scheme in four_bits.items()
}
for way_name, (on_normal, on_weights) in errors_in_four_bits.items():
    print(f"{way_name:18} normal {on_normal:.4f}   weights {on_weights:.4f}")

# %%
of_weights = {name: on_weights for name, (_, on_weights) in errors_in_four_bits.items()}
lab.claim("error on the weights, NF4 / E2M1", of_weights["NF4"] / of_weights["E2M1"])
worst_of_all = of_weights["bitsandbytes' FP4"] / of_weights["int4"]
lab.claim("error on the weights, bitsandbytes' FP4 / int4", worst_of_all)
for block_size in (64, 32, 16):
    lab.claim(
        f"error on normal numbers in blocks of {block_size}, E2M1 / int4",
        bench.relative_error(normal_numbers, e2m1(block_size))
        / bench.relative_error(normal_numbers, integers(4, block_size)),
    )

# %% [markdown]
# NF4 is best on both, by an eighth, and bitsandbytes' FP4 last. E2M1 is a little ahead of int4 in
# blocks of 64. In blocks of 32, as MXFP4 has them, and of 16, as NVFP4, it is behind: the fewer
# numbers share a scale, the more evenly they fill its range, which is what int4 is good at. (Both
# formats round their scales as well, which we leave out.) So whoever compares levels has to name
# the block, too. Does the *model* notice?

# %%
nf4_rise, int4_rise = test_bench.rise(fake_quantize(model, normal_float(64))), rises_of_blocks[4]
print(f"NF4  {nf4_rise}\nint4 {int4_rise}")
lab.claim("rise, NF4 - int4", nf4_rise.value - int4_rise.value)

# %% [markdown]
# Not ours: at 4 bits both lose so little that the intervals cover each other. Larger models, over
# many texts, do: on average over those of 125 million to 13 billion parameters Dettmers et al. 2023
# find a perplexity of 27.41 for NF4 (with double quantization, below), 31.07 for E2M1 and 34.34 for
# int4 (table 2). Up to 65 billion they compare NF4 and FP4, as the base of adapters: 53.1 and
# 52.2 % of MMLU, and 53.0 in bfloat16 (table 4). A better code book for the same bits, not a
# miracle.
#
# ## Build it: NF4, byte for byte
#
# Two codes of 4 bits make a byte; the first of two neighbours is in the upper half. A scale for
# each block is all that is stored besides.

# %%
lab.ask("two-codes-in-a-byte")


# %%
def nf4_quantize(weight: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Store a weight as NF4: a level of 16 for each number, two to a byte, one scale a block.

    weight      any shape, float32, not empty; left as it is. Blocks run through it row by row and
                on over the ends of rows, block_size numbers each; the last one may be shorter
    block_size  1 or more
    returns     packed (ceil(n / 2),) uint8: the code of each number is the place in NF4 of the
                level nearest to number / absmax of its block. The first of two neighbours is in
                the upper four bits. After an odd number of codes the last lower four bits are 0.
                absmax (blocks,) float32. In a block of zeros every code is 7, which is 0.0

    [1.0, -2.0, 0.3] in one block: absmax 2, scaled 0.5, -1, 0.15, codes 12, 0, 9: bytes 192, 144.
    """
    ...


# %%
lab.check(nf4_quantize)

# %% [markdown]
# Now the test that counts: all 28 matrices of the model, your bytes beside those of bitsandbytes.

# %%
own_nf4 = lab.use(nf4_quantize)
bytes_compared = [
    library.bytes_apart(own_nf4(layer.weight.detach(), 64), layer.weight.detach(), 64)
    for layer in linear_layers(model).values()
]
print(f"{sum(total for _, total in bytes_compared):,} bytes compared")
lab.claim("bytes that differ from bitsandbytes'", sum(n for n, _ in bytes_compared))

# %% [markdown]
# (A weight halfway between two levels may go either way on another processor; hence a tolerance of
# 20 in 1.9 million.)
#
# **Counting bits.** So far we counted 16 bits a scale, as file formats do. bitsandbytes keeps 32
# for every 64 weights: half a bit a weight, a ninth of all. **Double quantization** quantizes the
# scales in turn, to 8 bits, with a 32-bit scale for each 256 of them. `get_memory_footprint()` does
# not count scales, and shows no difference; so we count the tensors:

# %%
# NBVAL_CHECK_OUTPUT
bits_counted = {
    double: stored_bits(load_quantized("base", "nf4", double_quantization=double))
    for double in (False, True)
}
print(
    f"plain {bits_counted[False]:.3f} bits a weight, double quantization {bits_counted[True]:.3f}"
)

# %%
by_formula = bench.bits_with_scales(64, second_block=256)
lab.claim("bits a weight, plain", bits_counted[False])
lab.claim("bits a weight, double quantization - by formula", bits_counted[True] - by_formula)

# %%
lab.ask("double-quantization-saves")

# %% [markdown]
# ## Play with it
#
# Two real matrices are in your browser now, and everything is rounded anew at each move. Find the
# setting with the smallest error below four and a quarter bits a weight. Then plant an outlier row,
# and see which settings it ruins, and which do not even notice.

# %%
down_weights = model.model.layers[3].mlp.down_proj.weight.detach()
QuantizationExplorer(
    {
        "attention of block 0: queries (256 x 256)": query_weights.numpy(),
        "MLP of block 3: 96 rows of down (96 x 768)": down_weights[:96].numpy(),
    },
    code_books={"NF4": NF4.tolist(), "E2M1": E2M1, "bitsandbytes' FP4": FP4},
)

# %% [markdown]
# ## Which layers cannot bear it
#
# So far all layers had the same number of bits. Now round the attention or the MLP of one block,
# and leave all else whole. For this we take **other** texts: what is chosen by them will be judged
# by the held-out ones.

# %%
choosing_bench = bench.Bench.of(model, tokenizer, often_asked, n=16, seed=-78)
damage_by_part = bench.sensitivity(model, choosing_bench, (2, 3, 4))
figures.rise_bars(
    {
        group: {f"{bits} bits": rise for bits, rise in by_bits.items()}
        for group, by_bits in damage_by_part.items()
    },
    y_label="rise of the loss (nats)",
    alt=lab.alt("rise-by-part"),
)

# %%
at_two = {group: by_bits[2] for group, by_bits in damage_by_part.items()}
next_largest = max(rise for group, rise in at_two.items() if group != "attention 0")
lab.claim("rise at 2 bits, attention 0 / the next", at_two["attention 0"] / next_largest)
lab.claim("largest rise of a part at 4 bits", max(d[4] for d in damage_by_part.values()))

# %% [markdown]
# At 4 bits no rise is much more than a hundredth of a nat, and most are within the noise of 16
# texts (where there is no bar, they are next to zero or below): it would be wrong to rank the
# layers by those. At 2 bits there is no doubt. One part stands out by a factor of ten: the
# attention of the first block, a thirteenth of the weights. Everything else reads what it writes.
#
# ## Build it: spend a budget of bits
#
# So give bits to those who need them. You have the size of each part, the damage at each number of
# bits, and a budget. Find the best choice: the one with the smallest sum of damage.


# %%
def allocate_bits(sizes: list[int], damage: list[dict[int, float]], budget: float) -> list[int]:
    """Choose the bits of each layer so that all fit a budget and hurt as little as can be.

    sizes    the number of weights of each layer
    damage   for each layer: bits that it may have → how much the loss rises if it has them (below
             0: how much it falls)
    budget   the bits that all weights together may take: the sum of size x bits, at most
    returns  the bits of each layer; no other choice within the budget has a smaller sum of damage.
             If nothing fits: ValueError

    Real models come too: 28 layers of 65,536 or 196,608 weights, each with 4 numbers of bits to
    choose from. Those are 4^28 choices: to try them all would take years.

    Two layers of 10 and 30 weights, both {2: 0.5, 4: 0.1}, budget 120: [4, 2] takes 100.
    [2, 4] would take 140.
    """
    ...


# %%
lab.check(allocate_bits)

# %% [markdown]
# The budget: 1,064,960 bytes for all codes, which is two and a half bits a weight. What does it
# buy, judged by the held-out texts? Beside your choice stand 2 bits everywhere, and five choices
# drawn by lot that use up the same budget.

# %%
own_allocation = lab.use(allocate_bits)
part_sizes, BITS_BUDGET = list(bench.sizes_of(model).values()), 8 * 1_064_960
chosen_bits = own_allocation(part_sizes, list(damage_by_part.values()), BITS_BUDGET)
drawn_choices = bench.drawn_within(part_sizes, (2, 3, 4), BITS_BUDGET, n=5)


def judged_rise(bits):
    return test_bench.rise(bench.with_bits(model, bench.per_layer(model, bits)))


mixed_rise, uniform_rise, by_lot = (
    judged_rise(chosen_bits),
    rises_of_blocks[2],
    [judged_rise(bits) for bits in drawn_choices],
)
print(dict(zip(damage_by_part, chosen_bits, strict=True)))
print(f"2 bits everywhere {uniform_rise}\nyour choice       {mixed_rise}")
print("by lot           ", ", ".join(f"{rise.value:.2f}" for rise in by_lot))

# %%
lab.claim("rise, mixed within the budget", mixed_rise.value)
best_by_lot = min(rise.value for rise in by_lot)
lab.claim("rise, mixed / the best by lot", mixed_rise.value / best_by_lot)
predicted_rise = sum(
    hurt[bits] for hurt, bits in zip(damage_by_part.values(), chosen_bits, strict=True)
)
lab.claim("sum of the damages / rise measured", predicted_rise / mixed_rise.value)

# %% [markdown]
# With half a bit more in the right places the loss rises by a few tenths instead of three nats.
# Note that the sum of damages had promised less than half of that: errors of several layers add up
# to more than their sum. The ranking helped here, the forecast did not; so always measure the
# whole.
#
# ## Real kernels
#
# Now for time. One model, stored in eight ways, each computed by its own kernel: torch in float32
# and bfloat16, torch's dynamic int8, ONNX Runtime in float32 and in int8 (with weights of 7 bits,
# as its guide has it for processors without VNNI, and of 8), and bitsandbytes' `Linear8bitLt` and
# `Linear4bit`, loaded through `BitsAndBytesConfig`. First your guess:

# %%
lab.ask("nf4-speed")

# %%
whole_bytes = kernels_table.resident_bytes(model)
ways_to_run = [
    kernels_table.in_torch("torch fp32", model, whole_bytes),
    kernels_table.in_bfloat16(model),
    kernels_table.dynamic_int8(model),
    *kernels_table.in_onnx(model),
    kernels_table.in_bitsandbytes("bitsandbytes int8", "int8"),
    kernels_table.in_bitsandbytes("bitsandbytes NF4", "nf4"),
]
encoded_texts = [tokenizer(text.text)["input_ids"] for text in test_bench.texts[::2]]
kernel_speeds = kernels_table.KernelsTable.of(ways_to_run, encoded_texts)

# %% tags=["this-machine"]
kernel_speeds

# %% [markdown]
# (Milliseconds of one processor thread, and beside them the time as a multiple of float32's. They
# are those of this machine; read them as ratios. Where ONNX with all 8 bits has a larger loss than
# the others, the processor has no VNNI, and sums of two products were cut off.)

# %%
speed_up = kernel_speeds.speed_up("bitsandbytes NF4", "torch fp32")
lab.compare("nf4-speed", speed_up)
nf4_row, fp32_row = kernel_speeds.row("bitsandbytes NF4"), kernel_speeds.row("torch fp32")
lab.claim("NF4's bytes / float32's", nf4_row.bytes / fp32_row.bytes)
lab.claim("speed of NF4 / float32", speed_up)
split_speed = kernel_speeds.speed_up("bitsandbytes int8", "torch fp32")
lab.claim("speed of bitsandbytes int8 / float32", split_speed)
onnx_speed = kernel_speeds.speed_up("ONNX Runtime int8", "ONNX Runtime fp32")
lab.claim("speed of ONNX int8 / ONNX float32", onnx_speed)

# %% [markdown]
# **What wins on a CPU,** for our model: int8 with a kernel that multiplies whole numbers. ONNX
# Runtime's is smaller *and* faster, and torch's dynamic int8 is a good second. bfloat16 halves the
# bytes, and saves time only on processors that compute with it. **What only saves memory:**
# bitsandbytes. NF4 has the smallest layers and no speed to show for it, since each weight is looked
# up and scaled back before it is multiplied; LLM.int8 splits and scales, and is slower than
# float32.
#
# **On a GPU** it is another matter, and we cannot measure it here. Writing one token at a time, a
# GPU mostly waits for weights to arrive from its memory; a quarter of the bytes arrives in a
# quarter of the time, if the kernel unpacks them on the fly. GPTQ's authors report 3.24 times the
# speed for an OPT of 175 billion parameters: 3 bits on one A100 against FP16 on five ([Frantar et
# al. 2022](https://arxiv.org/abs/2210.17323), table 6). bitsandbytes' own use is to get a model
# onto the card at all, and to train adapters on top of it (lesson 10).

# %%
lab.ask("which-format-for-what")

# %% [markdown]
# **A fault to know.** On processors with AVX512_BF16, a `Linear4bit` in eval mode packs its weights
# anew at its first pass without gradients, in place, and from then on lets no gradient through. So
# whoever looks at a sample (`generate()`) and goes on training QLoRA gets an obscure error where
# layers have a bias, and where they have none a warning at most: everything below stays untrained.
# `load_quantized` switches the packing off. The gradient that comes through the first MLP, before
# and after such a pass:

# %% tags=["this-machine"]
as_delivered = library.packed_by_the_library(load_quantized("base", "nf4"))
print("this processor has AVX512_BF16:", library.packing_happens_here())
print("as the library does it: {:.2f}, then {:.2f}".format(*library.gradient_through(as_delivered)))

# %%
gradient_before, gradient_after = library.gradient_through(load_quantized("base", "nf4"))
lab.claim("gradient after / before, packing off", gradient_after / gradient_before)

# %% [markdown]
# If the first line says `False`, the fault cannot show on your processor, and nothing is lost
# there. It will show on the server that you move to.
#
# ## Will it fit?
#
# Published shapes of well-known models, with 4,096 tokens of KV cache (lesson 02) and a tenth of
# the memory left free:

# %%
memory_table.MemoryTable(tokens=4096)

# %%
seven_billion, thirteen_billion, seventy_billion, mixtral_model = memory_table.REAL
lab.claim("70B in fp16, GB", seventy_billion.weight_bytes(16) / 1e9)
lab.claim("70B in NF4, GB", seventy_billion.weight_bytes(memory_table.BITS["nf4"]) / 1e9)
lab.claim("Mixtral in NF4, GB", mixtral_model.weight_bytes(memory_table.BITS["nf4"]) / 1e9)

# %% [markdown]
# Mixtral uses two of eight experts for each token, and all eight have to be there: NF4 is just too
# large for 24 GB. Where weights fit with little to spare, remember that the cache grows with every
# request that is served at the same time, and that 4-bit weights leave it as it was.

# %%
lab.ask("thirteen-billion-on-a-budget")

# %% [markdown]
# ## And in a real model
#
# SmolLM2-135M-Instruct ([Allal et al. 2025](https://arxiv.org/abs/2502.02737)) is thirty times as
# large and was made by others. Its judges: thirty paragraphs of this course, and the capitals of
# 141 countries, of which it names three in five as it came. (It came in 4 bits, and was unpacked:
# what follows is lost against that file.) First your guess:

# %%
lab.ask("capitals-at-four-bits")

# %%
real_figures.by_bits(lab.alt("real-bits"))

# %%
real_capitals = {bits: real_figures.named_at(bits, "channel") for bits in (8, 6, 5, 4, 3)}
for bits_stored, capitals_named in real_capitals.items():
    print(f"{bits_stored} bits, each row: {capitals_named}")
lab.compare(
    "capitals-at-four-bits",
    100 * real_capitals[4].value,
    *(100 * end for end in real_capitals[4].interval),
)

# %%
lab.claim("real model: countries whose capital was asked for", real_capitals[4].n)
lab.claim("real model: capitals named at 8 bits, each row", real_capitals[8].value)
lab.claim("real model: capitals named at 4 bits, each row", real_capitals[4].value)
lab.claim("real model: rise at 8 bits, each row", real_figures.rise_at(8, "channel"))
lab.claim("real model: rise at 5 bits, each row", real_figures.rise_at(5, "channel"))
lab.claim("real model: rise at 4 bits, each row", real_figures.rise_at(4, "channel"))
lab.claim("real model: rise at 4 bits, whole matrix", real_figures.rise_at(4, "tensor"))
real_rows, real_blocks = real_figures.rise_at(3, "channel"), real_figures.rise_at(3, "block")
lab.claim("real model: rise at 3 bits, rows / blocks", real_rows / real_blocks)
real_whole, real_nf4 = real_figures.rise_at(4, "block"), real_figures.rise_at(4, "NF4")
lab.claim("real model: rise at 4 bits, NF4 / whole numbers", real_nf4 / real_whole)

# %% [markdown]
# The order is the same: rows lose far less than the whole matrix, blocks less than rows (plainly at
# 3 bits), and NF4 less than whole numbers. **The knee is not.** Ours noticed nothing at 5 bits, and
# next to nothing at 4; this one loses a sixth of a nat at 5, and at 4 bits by rows more than half
# of its capitals. Two models cannot tell why. So "4 bits cost nothing" is nobody's law. With the
# model on your machine this measures one point again:

# %%
print(measured_again("real-bits"))

# %% [markdown]
# **Its outliers were planted by nobody.** Here is the largest activation between its blocks: at the
# first position of a text, at all others, and the median:

# %%
real_figures.largest_activations(lab.alt("real-outliers"))

# %%
real_first, real_others = (real_figures.largest(15, where) for where in ("first", "others"))
print(f"after 15 blocks: {real_first:,.0f} at the first position, {real_others:,.0f} elsewhere")
real_in_eight = real_figures.in_eight_bits()
for way_name, loss_rise in real_in_eight.items():
    print(f"{way_name:36} {loss_rise}")

# %%
lab.claim("real model: first position / others, after 15 blocks", real_first / real_others)
real_whole_tensor = real_in_eight["whole tensor"].value
lab.claim("real model: int8 activations, whole tensor", real_whole_tensor)
lab.claim("real model: int8 activations, each token", real_in_eight["each token"].value)
real_spared = real_in_eight["whole tensor but the first position"].value
lab.claim(
    "real model: int8 activations, first position spared / not", real_spared / real_whole_tensor
)
lab.claim("real model: int8 activations, split above 6", real_in_eight["split above 6"].value)
real_library = real_figures.rise_at(4, "bitsandbytes") - real_nf4
lab.claim("real model: rise at 4 bits, bitsandbytes - ours", real_library)

# %% [markdown]
# One position stands out by a factor of 180: a **massive activation**, which LLaMA-2-7B has at its
# starting token too ([Sun et al. 2024](https://arxiv.org/abs/2402.17762), figure 1). With weights
# and activations in int8 and *one* scale for all activations it takes the digits of all others;
# leave that one position out, and six sevenths of the loss are gone. With a scale for each token it
# harms nobody but itself, and LLM.int8's split has nothing left to mend: here the two cannot be
# told apart. And NF4, written and read by bitsandbytes itself, loses what ours does. (Its fast
# products are not for this model: their sizes are multiples of 256, and it is 576 wide.)

# %% [markdown]
# ## Where it loses
#
# - **Below 4 bits** rounding to the nearest level was not enough here. Methods that look at data
#   while they round (GPTQ, AWQ) go further, and 2 bits still cost something: OPT of 175 billion
#   goes from a perplexity of 8.34 to 8.94 at 2.6 bits, scales included (GPTQ, table 7). Models
#   trained with three levels from the start are another matter ([Ma et al.
#   2024](https://arxiv.org/abs/2402.17764)).
# - **What was known barely** went first here, and an average loss hides it.
# - **Small models mostly lose more** than large ones: rounded to 4 bits row by row, OPT of 125
#   million goes from a perplexity of 27.65 to 37.28, of 6.7 billion from 10.86 to 12.10; but that
#   of 66 billion from 9.34 to 110 (Frantar et al., table 3). Measure yours.
# - **Simulated quantization** tells the loss; it saves neither time nor memory. 4-bit weights
#   without a kernel for your processor save memory only.
#
# ## What to take away
#
# - Codes and scales: levels decide the error, groups decide who suffers from an outlier.
# - For weights, 8 bits with a scale a row lost next to nothing in both models. Where the knee lies,
#   between 6 bits and 3, is the model's own: measure it, on what is hard for it.
# - Count bits with their scales: NF4 is 4.5, with double quantization 4.127.
# - Layers differ: find the one that cannot bear it, and give it bits. Then measure the whole.
# - Bytes are saved by the format, time by the kernel. Measure both, on the machine that will run
#   it.

# %%
lab.progress()
