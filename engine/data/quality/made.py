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


def choose_kinds(num_references: int, num_images: int, num_kinds: int, seed: int) -> NDArray[np.int64]:
    """Which kinds are made of each reference, so that there are about `num_images` copies.

    Returns:
        Indices into `kinds`, rising, shape (R, C) with C = num_images / R, at least 1 and at most all of them.
    """
    copies = min(num_kinds, max(1, round(num_images / num_references)))
    keys_RK = np.random.default_rng((seed, num_references)).random((num_references, num_kinds))
    return np.sort(np.argsort(keys_RK, axis=1)[:, :copies], axis=1)


def make_copies(
    references_RCHW: NDArray[np.uint8], chosen_RM: NDArray[np.int64], *, pristine: bool, seed: int, progress: Report
) -> Tensor:
    """The chosen copies of every reference.

    Each distortion and level draws from a generator of its own, so one kind does not depend on the others.

    Args:
        references_RCHW: uint8, shape (R, 3, S, S).
        chosen_RM: kinds of copies of each reference, of `choose_kinds`.
        pristine: whether the first kind is the reference itself.
        seed: determines every random number.
        progress: told how many copies are made.

    Returns:
        uint8, shape (R · M, 3, S, S); the copies of a reference are next to each other.
    """
    columns = kinds(pristine=pristine)
    _, _, height, width = references_RCHW.shape
    images_RMCHW = torch.empty((*chosen_RM.shape, 3, height, width), dtype=torch.uint8)
    chunk, done = max(1, CHUNK_PIXELS // (height * width)), 0
    for column, kind in enumerate(columns):
        generator = torch.Generator().manual_seed(_seed_of(seed, kind))
        rows, places = np.nonzero(chosen_RM == column)
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            pixels_BCHW = torch.from_numpy(references_RCHW[rows[part]])
            images_RMCHW[rows[part], places[part]] = _copy(pixels_BCHW, kind, generator)
        done += len(rows)
        progress(MAKING, done, chosen_RM.size)
    return images_RMCHW.flatten(0, 1)


def _seed_of(seed: int, kind: Kind) -> int:
    """A seed of its own for every kind, unrelated to those of neighbouring seeds."""
    return int(np.random.SeedSequence((seed, kind.number, kind.level)).generate_state(1, np.uint64)[0]) >> 1


def _copy(pixels_BCHW: Tensor, kind: Kind, generator: torch.Generator) -> Tensor:
    if kind.number == 0:
        return pixels_BCHW
    distorted_BCHW = distort(pixels_BCHW / 255, kind.number, kind.level, generator)
    return (distorted_BCHW * 255).round().to(torch.uint8)
