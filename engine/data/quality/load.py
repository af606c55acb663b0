"""Loads the data of the `quality` task: built-in or own photographs, distorted, or KADID-10k. The one entry point.

Chooses the source, the cache and the sides of the split; each source knows its own format only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.distortions.table import DISTORTIONS
from trainctl.engine.data.images import cut_image, decode_images, problem_words, remedy
from trainctl.engine.data.progress import Report, report
from trainctl.engine.data.quality.kadid import IMAGES, Opinion, find_kadid, read_kadid
from trainctl.engine.data.quality.made import PRISTINE, kinds
from trainctl.engine.data.quality.references import made_built_in, made_of_photographs
from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.data.quality.options import QualityData

READING = "reading KADID-10k"
"""What is reported while the pictures of a KADID-10k folder are read."""
MIN_SIZE = 16
"""Height and width that every distortion can work on."""


@dataclass(frozen=True)
class _Samples:
    """All pictures before they are split; those of one group stand next to each other."""

    images: Tensor
    """Shape (N, 3, S, S)."""
    score: Sequence[float]
    type: Sequence[int]
    level: Sequence[int]
    names: Sequence[str]
    groups: Sequence[str]


def load_quality(options: QualityData, seed: int, data_path: Path | None, progress: Report | None = None) -> Splits:
    """Training and validation pictures with their scores.

    Args:
        options: references, size, split.
        seed: of the run.
        data_path: folder of photographs, or of KADID-10k (`dmos.csv` and `images/`); none: built-in photographs.
        progress: told what is being done and how far it is; none: whoever listens to `engine.data.progress`.

    Returns:
        Splits with tensors `images` (uint8, N×3×S×S), `score` (float32, N; 0 … 1, higher is better), `type` (int64, N;
        0 pristine, else 1 … 25) and `level` (int64, N; 0 … 5). Every copy of a reference photograph is on one side.
        Validation samples stand in random order, so that every batch of them is a sample of the whole.

    Raises:
        UserError: when the data cannot be used; names the file and what to do.
    """
    tell = progress or report
    kadid = None if data_path is None else find_kadid(data_path)
    if kadid is not None:
        samples, notes = _kadid(kadid, options, seed, tell)
    else:
        samples, notes = _made(options, seed, data_path, tell)
    return _split(samples, options, seed, notes, "tiles" if data_path is None else "reference photographs")


def describe_type(number: int, level: int) -> str:
    """A distortion in words, e.g. `jpeg 4`; `pristine` for number 0."""
    return f"{DISTORTIONS[number - 1].name} {level}" if number else PRISTINE.name


def read_photographs(paths: Sequence[Path], size: int) -> Tensor:
    """The middle `size` × `size` pixels of each file at its own resolution, uint8, shape (N, 3, S, S).

    Raises:
        UserError: names files that cannot be decoded, or are smaller than that.
    """
    images_NCHW = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
    _cut_all(paths, images_NCHW, None)
    return images_NCHW


def _cut_all(paths: Sequence[Path], images_NCHW: Tensor, progress: Callable[[int, int], None] | None) -> None:
    problems = decode_images(enumerate(paths), images_NCHW, progress, cut_image)
    if problems:
        count, words = f"{len(problems)} of {len(paths)} files", problem_words(paths, problems)
        raise UserError(f"cannot use {count}: {words}", f"{remedy(problems.values())}, or use fewer pixels")


def _made(options: QualityData, seed: int, root: Path | None, tell: Report) -> tuple[_Samples, tuple[str, ...]]:
    if options.references < 2:
        raise UserError("data.references=1 cannot be split", "use two or more")
    if options.image_size < MIN_SIZE:
        raise UserError(f"data.image_size={options.image_size} is too small to distort", f"use {MIN_SIZE} or more")
    made = made_built_in(options, seed, tell) if root is None else made_of_photographs(options, root, seed, tell)
    columns = kinds(pristine=options.pristine)
    made_of = [[columns[column] for column in row] for row in made.kinds.tolist()]
    flat = [kind for row in made_of for kind in row]
    samples = _Samples(
        torch.from_numpy(made.images),
        [kind.score for kind in flat],
        [kind.number for kind in flat],
        [kind.level for kind in flat],
        [f"{name} {kind}" for name, row in zip(made.names, made_of, strict=True) for kind in row],
        [group for group, row in zip(made.groups, made_of, strict=True) for _ in row],
    )
    return samples, made.notes


def _kadid(root: Path, options: QualityData, seed: int, tell: Report) -> tuple[_Samples, tuple[str, ...]]:
    """The pictures of the table and, where asked for, the references that are there, cut to their middle."""
    opinions = read_kadid(root)
    size, pristine = options.image_size, 0
    by_reference: dict[str, list[Opinion]] = {}
    for opinion in opinions:
        by_reference.setdefault(opinion.reference, []).append(opinion)
    rows: list[Opinion] = []
    names = sorted(by_reference)
    for name in (names[row] for row in np.random.default_rng(seed).permutation(len(names))):
        file = root / IMAGES / name
        if options.pristine and file.is_file():
            rows.append(Opinion(0, file, name, name, 0, 0, PRISTINE.score))
            pristine += 1
        rows += by_reference[name]
    images_NCHW = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)
    _cut_all([row.file for row in rows], images_NCHW, lambda done, total: tell(READING, done, total))
    notes = [
        f"{len(opinions):,} pictures of {len(names)} references with opinions in {root}",
        f"each is cut to its middle {size}×{size} pixels; the opinions are of whole pictures (512×384)",
    ]
    if options.pristine:
        notes.append(f"{pristine} of {len(names)} reference pictures are samples with score 1 (data.pristine)")
    samples = _Samples(
        images_NCHW,
        [row.score for row in rows],
        [row.number for row in rows],
        [row.level for row in rows],
        [row.name for row in rows],
        [row.reference for row in rows],
    )
    return samples, tuple(notes)


def _split(samples: _Samples, options: QualityData, seed: int, notes: tuple[str, ...], what: str) -> Splits:
    """Hold out the last groups: their order was drawn from the seed."""
    groups = list(dict.fromkeys(samples.groups))
    if len(groups) < 2:
        raise UserError(f"only one reference photograph ({groups[0]}), which cannot be split", "give two or more")
    held_out = min(max(round(options.val_fraction * len(groups)), 1), len(groups) - 1)
    num = len(samples.groups)
    num_train = samples.groups.index(groups[-held_out])
    shuffled = num_train + torch.randperm(num - num_train, generator=torch.Generator().manual_seed(seed))
    tensors = {
        "images": samples.images,
        "score": torch.tensor(samples.score, dtype=torch.float32),
        "type": torch.tensor(samples.type),
        "level": torch.tensor(samples.level),
    }

    def part(rows: Tensor | slice) -> Split:
        chosen: list[int] = torch.arange(num)[rows].tolist()
        return Split(
            {name: tensor[rows] for name, tensor in tensors.items()},
            None,
            [samples.names[row] for row in chosen],
            [samples.groups[row] for row in chosen],
        )

    note = f"split: {held_out} of {len(groups)} {what} held out with all their copies"
    return Splits(part(slice(num_train)), part(shuffled), (), (*notes, note), of_split=(note,))
