"""A classifier of short sentences by the trainer of transformers: a network of one layer from its configuration.

`--fault`: lr, labels, frozen, sorted.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
from __future__ import annotations

import argparse
from typing import Any

import torch
import transformers
from torch.utils.data import SequentialSampler

WORDS, LENGTH = 64, 12


def sentences(count: int, seed: int) -> list[dict[str, Any]]:
    """Of four kinds: that of the word which comes twice."""
    draw = torch.Generator().manual_seed(seed)
    found: list[dict[str, Any]] = []
    for _ in range(count):
        words = torch.randperm(WORDS - 8, generator=draw)[:LENGTH] + 8
        kind = int(torch.randint(4, (1,), generator=draw))
        words[torch.randperm(LENGTH, generator=draw)[:2]] = kind
        found.append({"input_ids": words, "attention_mask": torch.ones(LENGTH).long(), "labels": kind})
    return found


class Unshuffled(transformers.Trainer):
    """Samples in their order."""

    def _get_train_sampler(self, *args: Any) -> Any:
        return SequentialSampler(self.train_dataset)


def accuracy(prediction: Any) -> dict[str, float]:
    """Share of right answers."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def main() -> None:
    """Train and evaluate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--fault", default="")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", default="out")
    args = parser.parse_args()
    transformers.set_seed(0)
    train, test = sentences(1024, 1), sentences(256, 2)
    if args.fault == "labels":
        order = torch.randperm(len(train))
        train = [{**row, "labels": train[int(other)]["labels"]} for row, other in zip(train, order, strict=True)]
    if args.fault == "sorted":
        train.sort(key=lambda row: row["labels"])
    config = transformers.BertConfig(
        vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, num_labels=4
    )
    model = transformers.BertForSequenceClassification(config)
    if args.fault == "frozen":
        for p in model.bert.parameters():
            p.requires_grad = False
    callbacks: list[Any] = []
    if args.watch:
        from trainctl.adapters.transformers import TrainctlCallback

        callbacks.append(TrainctlCallback())
    trainer = (Unshuffled if args.fault == "sorted" else transformers.Trainer)(
        model,
        transformers.TrainingArguments(
            args.out,
            num_train_epochs=args.epochs,
            learning_rate=2e-3 * (100 if args.fault == "lr" else 1),
            per_device_train_batch_size=32,
            eval_strategy="epoch",
            save_strategy="no",
            logging_steps=10,
            warmup_steps=20,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=train,
        eval_dataset=test,
        compute_metrics=accuracy,
        callbacks=callbacks,
    )
    trainer.train()


if __name__ == "__main__":
    main()
