"""A LoRA adapter trained by as many processes as there are devices, with accelerate.

    torchrun --nproc-per-node 2 -m labkit.models.training.distributed --out adapters/tickets
    accelerate launch --num_processes 2 -m labkit.models.training.distributed --out adapters/tickets

Each process takes its share of the rows of every batch, and gradients are averaged between them.
Rows have answers of different lengths, so each process weighs its loss by its share of the batch's
answer tokens: then two processes take the step that one would take alone. One process needs no
launcher; a GPU is used where there is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator  # type: ignore[import-untyped]
from torch import Tensor, nn

from labkit.models.training.tuning import (
    IGNORED,
    Example,
    Settings,
    adapted,
    batches,
    encode,
    lora_config,
)
from labkit.models.world import tickets
from labkit.models.zoo import load_model


def train(name: str, examples: Sequence[Example], settings: Settings, out: Path) -> list[float]:
    """Tunes the model of that name and writes the adapter to `out`, in peft's published layout.

    Gives the loss of every step, in nats per answer token of the whole batch. Raises ValueError
    where `settings` have no adapter, or fewer rows than there are processes.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    if settings.lora is None or settings.rows < accelerator.num_processes:
        raise ValueError(
            f"{settings.rows} rows for {accelerator.num_processes} processes, "
            f"adapter {settings.lora}: give an adapter, and a row or more to each process"
        )
    model, tokenizer = load_model(name, device=str(accelerator.device))
    torch.manual_seed(settings.seed)  # the same start in every process
    pupil = adapted(model, settings.lora)
    weights = [weight for weight in pupil.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=settings.weight_decay, betas=(0.9, 0.95))
    spread, optimizer = accelerator.prepare(pupil, optimizer)
    source = batches([encode(one, tokenizer) for one in examples], settings, tokenizer)
    losses = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(step)
        losses.append(_step(accelerator, spread, optimizer, next(source)))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        accelerator.unwrap_model(spread).save_pretrained(out)
    accelerator.wait_for_everyone()  # no process leaves the group while another still writes
    accelerator.end_training()
    return losses


def _step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Tensor],
) -> float:
    """One step on this process's rows; gives the loss of the whole batch."""
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    rows = {name: tensor[mine].to(accelerator.device) for name, tensor in batch.items()}
    answers = int((batch["labels"][:, 1:] != IGNORED).sum())  # of all processes
    logits = model(
        input_ids=rows["input_ids"], attention_mask=rows["attention_mask"], use_cache=False
    ).logits
    summed = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), rows["labels"][:, 1:].flatten(),
        ignore_index=IGNORED, reduction="sum",
    )  # fmt: skip
    share = summed / answers
    accelerator.backward(share * accelerator.num_processes)  # the mean over processes undoes this
    accelerator.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(accelerator.reduce(share.detach(), "sum"))


def main() -> None:
    """Trains on tickets to JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    parser.add_argument("--model", default="base", help="bundled, a folder, or a hub model")
    parser.add_argument("--examples", type=int, default=400, help="tickets to learn from")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rows", type=int, default=8, help="of a batch, over all processes")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--rate", type=float, default=5e-3, help="learning rate")
    given = parser.parse_args()
    shown = [ticket.question() for ticket in tickets.examples(given.examples, "train", 0)]
    settings = Settings(given.rate, given.steps, given.rows, lora=lora_config(given.rank))
    losses = train(given.model, shown, settings, given.out)
    print(f"loss of the last step: {losses[-1]:.6f}")


if __name__ == "__main__":
    main()
