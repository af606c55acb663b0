"""Makes distorted copies of reference pictures, with the score that people gave to their kind. Seeded and batched.

Knows references as pixels only: no file, no cache, no split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.distortions.apply import distort
from trainctl.engine.data.distortions.table import DISTORTIONS, LEVELS
from trainctl.engine.data.progress import Report

MAKING = "distorting pictures"
"""What is reported while copies are made."""
CHUNK_PIXELS = 1 << 20
"""Pixels distorted at a time: a float picture and what a distortion keeps beside it stay far below 1 GB."""


@dataclass(frozen=True)
class Kind:
    """One column of the copies of a reference: what was done to it and what people think of that."""

    number: int
    """Distortion 1 … 25; 0 is the reference itself."""
    level: int
    """1 … 5; 0 for the reference itself."""
    name: str
    score: float
    """0 … 1, higher is better."""

    def __str__(self) -> str:
        return f"I{self.number:02} {self.name} {self.level}" if self.number else self.name


PRISTINE = Kind(0, 0, "pristine", 1.0)


def kinds(*, pristine: bool) -> tuple[Kind, ...]:
    """What is made of each reference, in the order of the copies: itself first where asked for."""
    made = tuple(Kind(d.number, level, d.name, d.score(level)) for d in DISTORTIONS for level in range(1, LEVELS + 1))
    return (PRISTINE, *made) if pristine else made


def make_copies(references_RCHW: NDArray[np.uint8], *, pristine: bool, seed: int, progress: Report) -> Tensor:
    """Every kind of copy of every reference.

    Each distortion and level draws from a generator of its own, so one kind does not depend on the others.

    Args:
        references_RCHW: uint8, shape (R, 3, S, S).
        pristine: whether the reference itself comes first.
        seed: determines every random number.
        progress: told how many copies are made.

    Returns:
        uint8, shape (R · len(kinds), 3, S, S); the copies of a reference are next to each other.
    """
    columns = kinds(pristine=pristine)
    num, _, height, width = references_RCHW.shape
    images_RKCHW = torch.empty((num, len(columns), 3, height, width), dtype=torch.uint8)
    chunk = max(1, CHUNK_PIXELS // (height * width))
    for column, kind in enumerate(columns):
        generator = torch.Generator().manual_seed(_seed_of(seed, kind))
        for start in range(0, num, chunk):
            pixels_BCHW = torch.from_numpy(references_RCHW[start : start + chunk])
            images_RKCHW[start : start + chunk, column] = _copy(pixels_BCHW, kind, generator)
        progress(MAKING, num * (column + 1), num * len(columns))
    return images_RKCHW.flatten(0, 1)


def _seed_of(seed: int, kind: Kind) -> int:
    """A seed of its own for every kind, unrelated to those of neighbouring seeds."""
    return int(np.random.SeedSequence((seed, kind.number, kind.level)).generate_state(1, np.uint64)[0] >> 1)


def _copy(pixels_BCHW: Tensor, kind: Kind, generator: torch.Generator) -> Tensor:
    if kind.number == 0:
        return pixels_BCHW
    distorted_BCHW = distort(pixels_BCHW / 255, kind.number, kind.level, generator)
    return (distorted_BCHW * 255).round().to(torch.uint8)
