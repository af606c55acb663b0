"""The validation samples with the largest loss, with pictures, in one small file for a validation.

Plain arrays in NumPy's own format, read without pickle. Knows no network and no screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import SCHEMA
from trainctl.engine.runs.validated.arrays import packed, read_packed

NUM_KEPT = 12
"""Samples that are kept."""
MAX_BYTES = 16 << 20
"""Of the file, packed or not: twelve small pictures have a hundredth of it."""


@dataclass(frozen=True)
class WorstSamples:
    """The worst of one validation of the raw weights, the worst first; K of them."""

    step: int
    """Optimiser step after which it was measured."""
    epoch: int
    num_samples: int
    """Validation samples they were chosen from."""
    losses: NDArray[np.float32]
    """Shape (K,)."""
    truths: tuple[str, ...]
    """What the data says, in words."""
    predictions: tuple[str, ...]
    """What the network says, in words."""
    names: tuple[str, ...]
    """Where each sample came from."""
    images: NDArray[np.uint8]
    """Pictures, (K, H, W, 3); no height and width where the task has none."""
    rights: tuple[bool, ...] = ()
    """Whether each answer is the right class; empty: nobody says."""

    def __len__(self) -> int:
        return len(self.losses)


def write_samples(paths: RunPaths, samples: WorstSamples) -> None:
    """Replace the file.

    Raises:
        UserError: the disk refuses.
    """
    write_atomic(paths.samples, packed_samples(samples))


def packed_samples(samples: WorstSamples) -> bytes:
    """The content of a file."""
    arrays: dict[str, Any] = {
        "about": np.array([SCHEMA, samples.step, samples.epoch, samples.num_samples], np.int64),
        "losses": samples.losses.astype(np.float32),
        "truths": np.array(samples.truths, np.str_),
        "predictions": np.array(samples.predictions, np.str_),
        "names": np.array(samples.names, np.str_),
        "images": samples.images,
        "rights": np.array(samples.rights, np.bool_),
    }
    return packed(arrays)


def read_samples(paths: RunPaths) -> WorstSamples | None:
    """The samples of the newest validation; see `read_samples_in`."""
    return read_samples_in(paths.samples)


def read_samples_in(path: Path) -> WorstSamples | None:
    """The samples of a file; None where there is none.

    Raises:
        DamagedFileError: the file cannot be understood.
        UserError: a newer version wrote it.
    """
    return read_packed(path, MAX_BYTES, lambda arrays: _read(arrays, path))


def _read(arrays: Any, path: Path) -> WorstSamples:
    schema, step, epoch, num_samples = (int(number) for number in arrays["about"])
    if schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this trainctl reads up to {SCHEMA}", "use a newer one")
    samples = WorstSamples(
        step=step,
        epoch=epoch,
        num_samples=num_samples,
        losses=np.asarray(arrays["losses"], np.float32),
        truths=tuple(str(text) for text in arrays["truths"]),
        predictions=tuple(str(text) for text in arrays["predictions"]),
        names=tuple(str(text) for text in arrays["names"]),
        images=np.asarray(arrays["images"], np.uint8),
        rights=tuple(bool(right) for right in arrays["rights"]) if "rights" in arrays else (),
    )
    lengths = {len(samples), *map(len, (samples.truths, samples.predictions, samples.names, samples.images))}
    lengths |= {len(samples.rights)} if samples.rights else set()
    if len(lengths) > 1 or samples.images.ndim != 4:
        raise ValueError("its parts do not belong together")
    return samples
