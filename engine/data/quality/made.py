"""Makes distorted copies of reference pictures, with the score that people gave to their kind. Seeded and batched.

Knows references as pixels only: no file, no cache, no split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.distortions.apply import distort
from trainctl.engine.data.distortions.table import DISTORTIONS, LEVELS
from trainctl.engine.data.images import num_threads
from trainctl.engine.data.processes import can_fork, in_processes, shared_array
from trainctl.engine.data.progress import Report
from trainctl.engine.data.threads import one_thread

MAKING = "distorting pictures"
"""What is reported while copies are made."""
CHUNK_PIXELS = 1 << 20
"""Pixels distorted at a time: a float picture and what a distortion keeps beside it stay far below 1 GB."""
FEW_PIXELS = 1 << 22
"""Copies of fewer pixels than these are made by this process alone: they take about a second."""
SLOW = (6, 9, 15)
"""Distortions that take longest: more than half of all the time."""


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
    images_RMCHW = shared_array((*chosen_RM.shape, 3, height, width))
    chunk, done = max(1, CHUNK_PIXELS // (height * width)), 0

    def make(column: int) -> int:
        """All copies of one kind; how many they are."""
        kind = columns[column]
        generator = torch.Generator().manual_seed(_seed_of(seed, kind))
        rows, places = np.nonzero(chosen_RM == column)
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            pixels_BCHW = torch.from_numpy(references_RCHW[rows[part]])
            images_RMCHW[rows[part], places[part]] = _copy(pixels_BCHW, kind, generator).numpy()
        return len(rows)

    order = sorted(range(len(columns)), key=lambda column: columns[column].number not in SLOW)
    for count in _made(make, order, chosen_RM.size * height * width):
        done += count
        progress(MAKING, done, chosen_RM.size)
    return torch.from_numpy(images_RMCHW).flatten(0, 1)


def _made(make: Callable[[int], int], order: Sequence[int], num_pixels: int) -> Iterator[int]:
    """Make every kind, in as many processes as there are cores where it is worth it: Pillow's palettes hold the
    interpreter's lock, so that threads would wait for each other."""
    processes = min(num_threads(), len(order))
    if num_pixels < FEW_PIXELS or processes == 1 or not can_fork():
        with one_thread():
            yield from map(make, order)
    else:
        yield from in_processes(make, order, processes)


def _seed_of(seed: int, kind: Kind) -> int:
    """A seed of its own for every kind, unrelated to those of neighbouring seeds."""
    return int(np.random.SeedSequence((seed, kind.number, kind.level)).generate_state(1, np.uint64)[0]) >> 1


def _copy(pixels_BCHW: Tensor, kind: Kind, generator: torch.Generator) -> Tensor:
    if kind.number == 0:
        return pixels_BCHW
    distorted_BCHW = distort(pixels_BCHW / 255, kind.number, kind.level, generator)
    return (distorted_BCHW * 255).round().to(torch.uint8)
