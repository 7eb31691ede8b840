"""Fine-tune a chat model on your own chats: a LoRA adapter by trl's SFTTrainer.

    python -m labkit.recipes.lora_with_trl MODEL CHATS.jsonl OUTPUT
    torchrun --nproc-per-node 2 -m labkit.recipes.lora_with_trl MODEL CHATS.jsonl OUTPUT

Arguments and settings are those of lora_with_peft.py, and so are the tokens that are learned; the
second line takes two GPUs. Nothing here is labkit's: copy this file and change it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # or trl tells the hub that it is used

import torch
from peft import LoraConfig

PIN = "trl==1.16.0"
try:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer
except ModuleNotFoundError as error:
    command = f"{sys.executable} -m pip install {PIN}"
    raise SystemExit(f"trl is not installed. To get it: {command}") from error

LEARNING_RATE, EPOCHS, ROWS = 2e-4, 3, 8  # the first to try; a step takes ROWS chats on each GPU
ON_GPU = torch.cuda.is_available()
Chat = list[dict[str, Any]]


def train(name: str, path: Path, output: Path) -> list[float]:
    """Train an adapter on the chats and save it; returns the mean loss of each epoch, in nats."""
    chats = read_chats(path)
    trainer = trainer_for(name, chats, output)
    window = trainer.model.config.get_text_config().max_position_embeddings
    check_lengths(trainer.train_dataset, window)
    trainer.train()
    trainer.save_model()
    said = answer(trainer.model, trainer.processing_class, chats[0][:-1])
    print("The first chat, answered:", said)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def trainer_for(name: str, chats: list[Chat], output: Path) -> Any:
    """The trainer, its chats made tokens and labels. Prompt and completion, and not
    assistant_only_loss: that wants {% generation %} in the chat template, which few models have."""
    settings = SFTConfig(
        str(output),
        completion_only_loss=True,
        max_length=None,  # or what is longer than 1024 tokens is cut without a word
        learning_rate=LEARNING_RATE,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=ROWS,
        activation_checkpointing=False,  # True takes less memory and more time
        use_cpu=not ON_GPU,
        bf16=ON_GPU,
        model_init_kwargs={"dtype": "bfloat16" if ON_GPU else "float32"},
        logging_strategy="epoch",
        save_strategy="no",
        seed=0,
    )
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    rows = Dataset.from_list([{"prompt": chat[:-1], "completion": chat[-1:]} for chat in chats])
    return SFTTrainer(name, settings, train_dataset=rows, peft_config=lora)


def answer(model: Any, tokenizer: Any, messages: Chat) -> str:
    """What the model writes next, the likeliest token each time."""
    asked = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    ).to(model.device)
    written = model.eval().generate(**asked, max_new_tokens=64, do_sample=False)
    return str(
        tokenizer.decode(written[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    )


def read_chats(path: Path) -> list[Chat]:
    """The messages of each line."""
    if not path.is_file():
        raise SystemExit(f"There is no file {path}.")
    chats = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            chats.append(json.loads(line)["messages"])
            turns = [(message["role"], message["content"]) for message in chats[-1]]
        except (ValueError, TypeError, LookupError):
            form = '{"messages": [{"role": "…", "content": "…"}, …]}'
            raise SystemExit(f"Line {number} of {path} is no JSON of the form {form}.") from None
        if len(turns) < 2 or turns[-1][0] != "assistant":
            raise SystemExit(f"Line {number} of {path} has no answer of the assistant at its end.")
    if not chats:
        raise SystemExit(f"{path} has no chats.")
    return chats


def check_lengths(rows: Iterable[dict[str, Any]], window: int) -> None:
    """What is longer than the model can read is for you to shorten: a cut answer is a wrong one."""
    for number, row in enumerate(rows, start=1):
        if (length := len(row["input_ids"])) > window:
            raise SystemExit(f"Line {number} has {length} tokens, and the model reads {window}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("chats", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    train(given.model, given.chats, given.output)
