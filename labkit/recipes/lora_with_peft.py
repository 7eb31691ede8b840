"""Fine-tune a chat model on your own chats: a LoRA adapter by peft, and a plain PyTorch loop.

    python -m labkit.recipes.lora_with_peft MODEL CHATS.jsonl OUTPUT

MODEL is a folder or a name on the hub, of a model with a chat template. A line of CHATS.jsonl is a
chat, {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}. Its
last message is the answer to learn; what stands before it is only read. The adapter goes to OUTPUT.

Nothing here is labkit's: copy this file and change it. lora_with_trl.py does the same with trl.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq

LEARNING_RATE, EPOCHS, ROWS = 2e-4, 3, 8  # the first to try; a step takes ROWS chats
DEVICE, DTYPE = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
Chat = list[dict[str, Any]]


def train(name: str, path: Path, output: Path) -> list[float]:
    """Train an adapter on the chats and save it; returns the loss of each step, in nats."""
    chats = read_chats(path)
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    base = AutoModelForCausalLM.from_pretrained(name, dtype=DTYPE).to(DEVICE)
    rows: Any = [encode(chat, tokenizer) for chat in chats]
    check_lengths(rows, base.config.get_text_config().max_position_embeddings)

    torch.manual_seed(0)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora).train()
    fill_up = DataCollatorForSeq2Seq(tokenizer)  # labels of what is filled up are -100 too
    batches = DataLoader(rows, batch_size=ROWS, shuffle=True, collate_fn=fill_up)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, EPOCHS * len(batches))
    losses: list[float] = []
    for epoch in range(EPOCHS):
        for batch in batches:
            loss = model(**batch.to(DEVICE)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            falling.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses[-len(batches) :]) / len(batches):.4f}")

    model.save_pretrained(output)
    print("The first chat, answered:", answer(model, tokenizer, chats[0][:-1]))
    return losses


def encode(chat: Chat, tokenizer: Any) -> dict[str, list[int]]:
    """Token ids and labels: -100, which is not learned, for all that comes before the answer."""
    ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
    asked = tokenizer.apply_chat_template(chat[:-1], add_generation_prompt=True, return_dict=True)
    start = len(asked["input_ids"])
    if ids[:start] != asked["input_ids"]:
        raise SystemExit("This model's chat template writes a question otherwise once answered.")
    return {"input_ids": ids, "labels": [-100] * start + ids[start:]}


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
