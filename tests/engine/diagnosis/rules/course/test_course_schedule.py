"""Learning rates, sizes of updates, and the order of the data: O602, O606, D102."""

from __future__ import annotations

from typing import Any

import numpy as np
from courses import epochs, falling, found, grave, noise, steps
from log_files import Row


def test_a_plateau_in_the_wrong_mode_is_named_where_the_rate_is_spent() -> None:
    rates = [1e-2 * 0.1 ** (k // 4) for k in range(60)]
    rows = epochs(loss=falling(60), val_loss=falling(60) + 0.1, lr=rates)
    assert "wrong mode" in found(rows)["O606"].why
    assert "wrong mode" not in found(epochs(loss=falling(60), val_loss=1 + noise(60, 0.1), lr=rates))["O606"].why


def test_a_rate_that_is_zero_long_before_the_end() -> None:
    ended = [*np.linspace(1e-3, 1e-5, 60), *[0.0] * 40]
    assert "O606" in found(steps(loss=falling(100), lr=ended))
    assert not grave(steps(loss=falling(100), lr=np.linspace(1e-3, 0, 100)))
    assert not grave("".join(f"step {k} loss {2 * 0.99**k:.4f} lr: {5e-6 * (1 - k / 100):.6f}\n" for k in range(100)))


def test_updates_too_small_count_only_where_the_loss_stands_still() -> None:
    assert "O602" in found(steps(loss=2.3 + noise(80, 1e-3), update_ratio=[3e-7] * 80))
    assert "O602" not in found(steps(loss=falling(80), update_ratio=[3e-7] * 80))


def by_place(profile: Any, count: int = 6, deviation: float = 0.05) -> list[Row]:
    size = len(profile)
    level = falling(count * size, 100) * np.exp(np.tile(profile, count) + noise(count * size, deviation))
    return [{"epoch": k // size, "step": k, "loss": float(level[k])} for k in range(count * size)]


def test_a_loss_that_follows_the_place_in_the_epoch() -> None:
    sorted_by_class = np.repeat([0.6, -0.4, 0.3, -0.5], 6)
    assert found(by_place(sorted_by_class))["D102"].severity == "warning"
    assert found(by_place(np.tile([0.6, -0.4, 0.3, -0.5], 6)))["D102"].severity == "warning", "the same few again"
    shuffled_once = [np.random.default_rng(seed).normal(0, 0.4, 24) for seed in range(20)]
    said = [found(by_place(profile)).get("D102") for profile in shuffled_once]
    assert {one.severity for one in said if one is not None} == {"info"}
    assert "D102" not in found(by_place(np.zeros(24)))
    assert "D102" not in found(by_place(sorted_by_class, count=2))
    running_mean = np.cumsum(2 * np.exp(-np.arange(24) / 3)) / np.arange(1, 25)
    assert "D102" not in found(by_place(np.log(running_mean), deviation=1e-4))
    assert "D102" not in found(by_place(np.linspace(0.5, -0.5, 24))), "what it learns within an epoch"
