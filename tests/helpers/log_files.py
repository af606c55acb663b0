"""Synthetic logs for tests: healthy courses and planted faults, written in every format that is read."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Row = Mapping[str, float]
"""What is logged at one time, with `step` or `epoch`."""


def each(line: Callable[[int], str], count: int = 24, head: str = "") -> str:
    """A text of `count` lines or groups of lines, by their number."""
    return head + "".join(line(k) + "\n" for k in range(count))


def first_line(text: object) -> str:
    """The name of a case that is a text; of another parameter its own."""
    return str(text).partition("\n")[0][:40]


def as_csv(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json_lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(dict(row)) + "\n" for row in rows)


def as_trainer_state(rows: Sequence[Row]) -> str:
    return json.dumps({"best_metric": None, "global_step": len(rows), "log_history": [dict(row) for row in rows]})


def as_one_line_each(rows: Sequence[Row]) -> str:
    lines: list[str] = []
    for row in rows:
        place = " ".join(f"{name.capitalize()} {value:g}/{500}" for name, value in row.items() if name in PLACES)
        pairs = " | ".join(f"{name}: {value:.6g}" for name, value in row.items() if name not in PLACES)
        lines.append(f"2026-01-02 10:11:12,345 INFO {place} {pairs} (3.2 it/s)")
    return "\n".join(lines)


def as_headings(rows: Sequence[Row]) -> str:
    lines: list[str] = []
    for row in rows:
        lines += [f"{name.capitalize()} {value:g}" for name, value in row.items() if name in PLACES]
        lines += [f"  - {name} = {value:.6g}   # target < 0.05" for name, value in row.items() if name not in PLACES]
    return "\n".join(lines)


PLACES = ("step", "epoch")
FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "csv": as_csv,
    "json lines": as_json_lines,
    "trainer state": as_trainer_state,
    "one line each": as_one_line_each,
    "headings": as_headings,
}


def classifier_steps() -> list[Row]:
    """2,000 steps with the noise of random batches: heavy-tailed once it is good, cosine schedule with warmup."""
    noise = np.random.default_rng(0)
    rows: list[Row] = []
    for step in range(0, 2000, 5):
        level = 2.3 * math.exp(-step / 300) + 0.02
        rate = 3e-4 * min(step / 100, 1) * 0.5 * (1 + math.cos(math.pi * step / 2000))
        loss = float(level * noise.lognormal(0, 0.5))
        rows.append({"step": step, "train_loss": loss, "lr": rate, "grad_norm": float(noise.lognormal(0.5, 0.6))})
        if step % 250 == 0:
            accuracy = 1 - 0.9 * math.exp(-step / 300)
            rows.append({"step": step, "val_loss": level * 1.1 + 0.05, "val_accuracy": accuracy})
    return rows


def regressor_epochs() -> list[Row]:
    """50 epochs of a regression with a correlation, in percent where it is a share."""
    noise = np.random.default_rng(1)
    return [
        {
            "epoch": epoch,
            "train_loss": 0.08 * math.exp(-epoch / 15) + 0.01 + 0.001 * float(noise.random()),
            "val_loss": 0.09 * math.exp(-epoch / 15) + 0.02 + 0.002 * float(noise.random()),
            "srcc": 0.85 - 0.6 * math.exp(-epoch / 10),
            "acc@1": 100 * (0.9 - 0.7 * math.exp(-epoch / 10)),
        }
        for epoch in range(1, 51)
    ]


def weighted_epochs() -> list[Row]:
    """30 epochs of four terms that add up with the weights 1, .1, 1, .1; posteriors that can be."""
    rows: list[Row] = []
    for epoch in range(1, 31):
        terms = {
            "quality_loss": 0.05 * math.exp(-epoch / 10) + 0.01,
            "cluster_loss": -0.5 - 0.01 * epoch,
            "balance_loss": 0.2 * math.exp(-epoch / 8) + 0.02,
            "entropy_loss": -1.1 + 0.02 * epoch,
        }
        weights = (1.0, 0.1, 1.0, 0.1)
        total = sum(weight * value for weight, value in zip(weights, terms.values(), strict=True))
        rows.append({"epoch": epoch, "loss": total, **terms, "val_srcc": 0.8 - 0.5 * math.exp(-epoch / 5)})
    return rows


def contrastive_steps() -> list[Row]:
    """A supervised contrastive loss that begins at its collapsed value and falls to the floor of its batches."""
    noise = np.random.default_rng(2)
    return [
        {"step": step, "supcon_loss": 1.2 + 1.5 * math.exp(-step / 150) + 0.03 * float(noise.standard_normal())}
        for step in range(600)
    ]


HEALTHY: dict[str, Callable[[], list[Row]]] = {
    "classifier": classifier_steps,
    "regressor": regressor_epochs,
    "weighted": weighted_epochs,
    "contrastive": contrastive_steps,
}

SAMPLE = """Train Loss: 0.0234
  - Quality Loss: 0.0180    # 应该持续下降
  - Cluster Loss: -0.8500   # 应该在[-0.9, -0.7]范围
  - Balance Loss: 0.0234    # 应该逐渐减小到<0.05
  - Entropy Loss: -1.8500   # 应该相对稳定
Val Loss: 0.0269
SRCC: 0.7678                # 应该持续提升
"""
"""The sample log of the image-quality document, § monitoring."""
