"""The built-in welds: four modalities drawn from the seed alone, so that the task runs with no download.

A class shows in each modality as one of six patterns, shared with one other class; the partner differs from modality
to modality, so no modality is enough. A pattern comes with random sign (video, image, audio) or phase (sensor): its
mean is nearly the same for all classes, so a linear probe sees little of it. Knows no split and no configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainctl.engine.data.weld.options import MODALITIES

NUM_PATTERNS = 6
PATTERN = 11.0
"""Length of a pattern among features of deviation 1."""
WAVE = 1.2
"""Amplitude of the oscillation in the sensor series, whose noise has deviation 1."""
LINEAR = 0.15
"""Strength of the part with fixed sign, which a linear probe can see, relative to the pattern."""
NUM_NUISANCES, NUISANCE = 12, 3.0
"""Directions, the same for all classes, along which samples differ, and how much."""
STRUCTURE_SEED = 20251020
"""The patterns are the same whatever the seed of a run: other seeds draw other samples of the same welds."""


def synthetic_weld(
    counts: Sequence[int], shapes: Mapping[str, tuple[int, int]], missing: float, seed: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Draw welds.

    Args:
        counts: samples of each class, at most twelve.
        shapes: rows and features of `video`, `image`, `audio`, `sensor`.
        missing: probability that a modality is missing, independently; one is always there.
        seed: the samples are a function of the arguments alone.

    Returns:
        The modalities, float32 (N, rows, features), zeros where missing, and `present`, bool (N, 4); and the labels,
        int64 (N,). Samples are in random order.
    """
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels_N = labels_N[torch.randperm(len(labels_N), generator=generator)]
    present_N4 = _present(len(labels_N), missing, generator)
    tensors: dict[str, Tensor] = {}
    for column, name in enumerate(MODALITIES):
        draw = _series if name == "sensor" else _features
        rows_NRF = draw(_pattern_of(column)[labels_N], shapes[name], column, generator)
        tensors[name] = rows_NRF.mul_(present_N4[:, column, None, None])
    tensors["present"] = present_N4
    return tensors, labels_N


def _pattern_of(column: int) -> Tensor:
    """Pattern of each class in a modality, (12,): each is shared by two classes, paired by chance."""
    generator = torch.Generator().manual_seed(STRUCTURE_SEED + column)
    classes = torch.randperm(2 * NUM_PATTERNS, generator=generator)
    pattern = torch.empty(2 * NUM_PATTERNS, dtype=torch.long)
    pattern[classes] = torch.arange(2 * NUM_PATTERNS) % NUM_PATTERNS
    return pattern


def _present(num: int, missing: float, generator: torch.Generator) -> Tensor:
    """Which modalities are there, (N, 4); where all would be missing, one at random stays."""
    present_N4 = torch.rand(num, len(MODALITIES), generator=generator) >= missing
    kept_N = torch.randint(len(MODALITIES), (num,), generator=generator)
    present_N4[torch.arange(num), kept_N] |= ~present_N4.any(1)
    return present_N4


def _features(pattern_N: Tensor, shape: tuple[int, int], column: int, generator: torch.Generator) -> Tensor:
    """Features as a frozen encoder gives them: pattern of random sign in each row, nuisances, noise."""
    num, (rows, features) = len(pattern_N), shape
    structure = torch.Generator().manual_seed(STRUCTURE_SEED + 100 + column)
    patterns_PF, fixed_PF, nuisances_KF = (
        _directions(count, features, structure) for count in (NUM_PATTERNS, NUM_PATTERNS, NUM_NUISANCES)
    )
    rows_NRF = torch.randn(num, rows, features, generator=generator)
    sign_NR1 = torch.randint(0, 2, (num, rows, 1), generator=generator) * 2.0 - 1
    amount_NR1 = PATTERN * (0.7 + 0.6 * torch.rand(num, rows, 1, generator=generator))
    rows_NRF += sign_NR1 * amount_NR1 * patterns_PF[pattern_N][:, None]
    rows_NRF += LINEAR * PATTERN * fixed_PF[pattern_N][:, None]
    # One draw for a sample, some more for a row: what a camera and a light do to all frames of one weld.
    weights_NRK = torch.randn(num, 1, NUM_NUISANCES, generator=generator) + 0.5 * torch.randn(
        num, rows, NUM_NUISANCES, generator=generator
    )
    return rows_NRF.add_(NUISANCE * weights_NRK @ nuisances_KF)


def _series(pattern_N: Tensor, shape: tuple[int, int], column: int, generator: torch.Generator) -> Tensor:
    """Current, voltage and so on: an oscillation; its frequency and its share of the channels are the pattern."""
    num, (steps, channels) = len(pattern_N), shape
    structure = torch.Generator().manual_seed(STRUCTURE_SEED + 100 + column)
    mix_PC = torch.randn(NUM_PATTERNS, channels, generator=structure)
    mix_PC = mix_PC / mix_PC.norm(dim=1, keepdim=True) * math.sqrt(channels)
    cycles_N1 = (6.0 + 4.0 * pattern_N[:, None]) * (1 + 0.04 * torch.randn(num, 1, generator=generator))
    phase_N1 = 2 * math.pi * torch.rand(num, 1, generator=generator)
    time_S = torch.linspace(0, 1, steps)
    wave_NS = (2 * math.pi * cycles_N1 * time_S + phase_N1).sin()
    series_NSC = torch.randn(num, steps, channels, generator=generator)
    series_NSC += WAVE * wave_NS[:, :, None] * mix_PC[pattern_N][:, None]
    drift_N1C = torch.randn(num, 1, channels, generator=generator)
    return series_NSC.add_(drift_N1C * (1 + time_S[:, None]))


def _directions(count: int, features: int, generator: torch.Generator) -> Tensor:
    """Random directions of length 1, (count, features)."""
    drawn = torch.randn(count, features, generator=generator)
    return drawn / drawn.norm(dim=1, keepdim=True)
