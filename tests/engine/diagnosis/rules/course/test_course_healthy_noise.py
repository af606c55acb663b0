"""Healthy courses that are noisy are left alone: how many of many seeded ones get a warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from courses import epochs, grave
from log_files import Row

SHAPES = ("fall", "plateau", "restarts")
NOISES = (0.05, 0.1, 0.2, 0.3, 0.4)


def course(count: int, deviation: float, shape: str, random: np.random.Generator) -> dict[str, Any]:
    """A training loss, a validation loss with noise of its own and an accuracy that follows it."""
    at, scale = np.arange(count), count / random.uniform(2, 8)
    known = np.exp(-np.maximum(at - (count // 3 if shape == "plateau" else 0), 0) / scale)
    train, val = 2 * known + 0.05, 1 + known**1.5
    if shape == "restarts":
        period = count // 3
        bump = 0.12 * (np.cos(np.pi * (at % period) / period) + 1) * (at >= period)
        train, val = train * (1 + bump), val * (1 + bump)
    accuracy = np.clip(0.9 - 0.4 * (val - 1) + random.normal(0, deviation / 12, count), 0, 1)
    train = train * np.exp(random.normal(0, 0.03, count))
    return {"loss": train, "val_loss": val * np.exp(random.normal(0, deviation, count)), "val_acc": accuracy.round(4)}


def courses(counts: tuple[int, ...], times: int, seed: int) -> Iterator[list[Row]]:
    random = np.random.default_rng(seed)
    for shape in SHAPES:
        for count in counts:
            for deviation in NOISES:
                for turn in range(times):
                    made = course(count, deviation, "fall" if count < 12 and shape == "restarts" else shape, random)
                    if turn % 2:
                        del made["val_acc"]
                    yield epochs(**made)


def warned(counts: tuple[int, ...], times: int, seed: int) -> tuple[Counter[str], int]:
    found = [grave(rows) for rows in courses(counts, times, seed)]
    return Counter(code for codes in found for code in codes), len(found)


def test_few_noisy_validations_are_hardly_ever_called_overfitting() -> None:
    codes, count = warned((4, 5, 6, 8, 10), 8, 3)
    assert codes["R801"] <= 0.015 * count, codes
    assert codes.total() <= 0.02 * count, codes


def test_long_noisy_courses_are_hardly_ever_warned_of() -> None:
    codes, count = warned((12, 20, 40, 60), 5, 5)
    assert codes["R801"] <= 0.015 * count, codes
    assert codes.total() <= 0.02 * count, codes


def test_what_does_turn_is_still_found_in_as_few_values() -> None:
    train = [0.68, 0.47, 0.36, 0.28, 0.22, 0.16]
    assert "R801" in grave(epochs(loss=train, val_loss=[0.57, 0.49, 0.52, 0.57, 0.65, 0.78]))
    assert "R801" in grave(epochs(loss=train[:5], val_loss=[0.8, 0.72, 0.9, 1.2, 1.6]))
