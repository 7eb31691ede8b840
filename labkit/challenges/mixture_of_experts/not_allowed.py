"""Where transformers has the layers that an answer is to write."""

MIXTRAL = "transformers.models.mixtral.modeling_mixtral"
OLMOE = "transformers.models.olmoe.modeling_olmoe"
BLOCKS = (f"{MIXTRAL}.MixtralSparseMoeBlock", f"{OLMOE}.OlmoeSparseMoeBlock")
