"""Reference pictures of the `quality` task: crops of a folder of photographs, or tiles of the two scikit-learn ships.

Knows no distortion, no score and no cache.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.image_files import SUFFIXES, Found, images_below, named, others_words
from trainctl.engine.data.images import UnreadableImageError, image_size, num_threads, remedy, whole_image
from trainctl.engine.data.progress import Report
from trainctl.engine.data.quality.crops import Corner, cells_of, choose_corners, cut
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there

READING = "reading photographs"
"""What is reported while photographs are read."""
HEADERS = 256
"""Photographs whose size is asked for at a time."""


BUILT_IN = (
    "built-in references: {num} tiles of {size}×{size} pixels of the two photographs scikit-learn ships; tiles of one "
    "photograph are on both sides of the split, so validation is easier than with photographs of one's own (--data)"
)


@dataclass(frozen=True)
class References:
    """Pristine pictures, those of one photograph next to each other, photographs in an order drawn from the seed."""

    images: NDArray[np.uint8]
    """Shape (R, 3, S, S)."""
    groups: list[str]
    """What must stay on one side of a split: photograph or tile of each picture."""
    names: list[str]
    """Where each picture was cut out."""
    notes: tuple[str, ...] = ()


_Taken = dict[Path, tuple[NDArray[np.uint8], list[Corner]]]
"""Crops of each photograph that was read, and where they were cut."""


@dataclass(frozen=True)
class _Reader:
    """What a folder is to give."""

    root: Path
    num: int
    size: int
    seed: int
    progress: Report


def list_photographs(root: Path) -> Found:
    """Every file below `root` that is an image by its name, sorted; hidden ones are passed over.

    Raises:
        UserError: `root` is no folder that can be read, or has no such file.
    """
    if not is_folder(root):
        problem = f"{root} is a file" if is_there(root) else f"no folder {root}"
        raise UserError(problem, "name a folder of photographs, or one with dmos.csv and images/")
    found = images_below(root)
    if not found.images:
        but = f", but {others_words(root, found.others)}" if found.others else ""
        raise UserError(f"{root} holds no photograph{but}", f"put images there ({', '.join(sorted(SUFFIXES))})")
    return found


def photograph_references(
    root: Path, files: Sequence[Path], num: int, size: int, seed: int, progress: Report
) -> References:
    """Crops of photographs at their own resolution, equally many of each as far as they do not overlap.

    Photographs are taken in an order drawn from the seed; no more of them than crops are looked at. Where one cannot
    be read, others give more.

    Args:
        root: folder the files were found in, for names.
        files: of `list_photographs`.
        num: crops wanted.
        size: height and width of a crop.
        seed: determines photographs, their order and where they are cut.
        progress: told how many photographs were read.

    Returns:
        `num` crops, or as many as there are, with a note.

    Raises:
        UserError: fewer than two photographs can be used.
    """
    reader = _Reader(root, num, size, seed, progress)
    order = [files[row] for row in np.random.default_rng(seed).permutation(len(files))]
    cells, problems = _usable(reader, order)
    taken: _Taken = {}
    while True:
        shares = {file: share for file, share in zip(cells, share_out(list(cells.values()), num), strict=True) if share}
        missing = [file for file, share in shares.items() if file not in taken or len(taken[file][1]) != share]
        failed = _read(reader, missing, shares, taken)
        if not failed:
            break
        problems.update(failed)
        cells = {file: count for file, count in cells.items() if file not in failed}
    if len(shares) < 2:
        why = f": {_examples(root, problems)}" if problems else ""
        raise UserError(
            f"{root}: {len(shares)} of {len(files)} photographs can be used{why}",
            f"{remedy(problems.values())}: two or more of at least {size}×{size} pixels are needed"
            if problems
            else f"give two or more of at least {size}×{size} pixels",
        )
    notes = _notes(reader, sum(shares.values()), len(shares), len(files), problems)
    return _collect(reader, list(shares), taken, tuple(notes))


def share_out(capacities: Sequence[int], num: int) -> list[int]:
    """How many of `num` each takes: equally many as far as its capacity goes, the first ones one more."""
    if sum(capacities) <= num:
        return list(capacities)
    levels = range(max(capacities) + 1)
    level = bisect_right(levels, num, key=lambda level: sum(min(room, level) for room in capacities)) - 1
    shares = [min(room, level) for room in capacities]
    rest = num - sum(shares)
    for k, room in enumerate(capacities):
        if rest and room > level:
            shares[k] += 1
            rest -= 1
    return shares


def _usable(reader: _Reader, order: Sequence[Path]) -> tuple[dict[Path, int], dict[Path, str]]:
    """Crops that fit into each photograph by its header, until there are enough; and why others cannot be used."""
    cells: dict[Path, int] = {}
    problems: dict[Path, str] = {}

    def measure(file: Path) -> int | str:
        try:
            height, width = image_size(file)
        except UnreadableImageError as error:
            return str(error)
        return cells_of(height, width, reader.size) or f"{width}×{height}, too small"

    with ThreadPoolExecutor(num_threads()) as pool:
        for start in range(0, len(order), HEADERS):
            part = order[start : start + HEADERS]
            for file, found in zip(part, pool.map(measure, part), strict=True):
                if isinstance(found, int):
                    cells[file] = found
                else:
                    problems[file] = found
            if len(cells) >= reader.num:
                break
    return cells, problems


def _read(reader: _Reader, files: Sequence[Path], shares: Mapping[Path, int], taken: _Taken) -> dict[Path, str]:
    """Cut each of `files` into `taken`; why some could not be read."""
    failed: dict[Path, str] = {}

    def cut_one(file: Path) -> tuple[NDArray[np.uint8], list[Corner]] | str:
        try:
            picture_CHW = whole_image(file)
        except UnreadableImageError as error:
            return str(error)
        if cells_of(picture_CHW.shape[1], picture_CHW.shape[2], reader.size) < shares[file]:
            return "its size is not what its header says"
        name = file.relative_to(reader.root).as_posix()
        rng = np.random.default_rng((reader.seed, zlib.crc32(name.encode())))
        corners = choose_corners(picture_CHW, reader.size, shares[file], rng)
        return cut(picture_CHW, corners, reader.size), corners

    with ThreadPoolExecutor(num_threads()) as pool:
        for done, (file, found) in enumerate(zip(files, pool.map(cut_one, files), strict=True), 1):
            if isinstance(found, str):
                failed[file] = found
            else:
                taken[file] = found
            reader.progress(READING, done, len(files))
    return failed


def _collect(reader: _Reader, files: Sequence[Path], taken: _Taken, notes: tuple[str, ...]) -> References:
    images: list[NDArray[np.uint8]] = []
    groups: list[str] = []
    names: list[str] = []
    for file in files:
        crops_NCHW, corners = taken[file]
        group = file.relative_to(reader.root).as_posix()
        images.append(crops_NCHW)
        groups += [group] * len(corners)
        names += [f"{group} at {left},{top}" for top, left in corners]
    return References(np.concatenate(images), groups, names, notes)


def _notes(reader: _Reader, num_crops: int, num_used: int, num_files: int, problems: Mapping[Path, str]) -> list[str]:
    crops = f"{num_crops} crops of {reader.size}×{reader.size} pixels"
    notes = [f"{crops} of {num_used} of {num_files} photographs in {reader.root}"]
    if num_crops < reader.num:
        notes.append(f"data.references={reader.num}: only {num_crops} crops fit without overlap")
    if problems:
        notes.append(f"{len(problems)} photographs cannot be used: {_examples(reader.root, problems)}")
    return notes


def _examples(root: Path, problems: Mapping[Path, str]) -> str:
    return named([f"{file.relative_to(root)} ({why})" for file, why in problems.items()])


def built_in_references(num: int, size: int, seed: int) -> References:
    """Tiles of the two photographs that scikit-learn ships (427×640), each a reference of its own.

    Returns:
        `num` tiles in an order drawn from the seed, or as many as there are, with a note.

    Raises:
        UserError: fewer than two tiles of that size fit.
    """
    from sklearn.datasets import load_sample_images

    bunch = load_sample_images()
    names_of = [Path(name).stem for name in bunch.filenames]
    pictures = [picture.transpose(2, 0, 1) for picture in bunch.images]
    shares = share_out([cells_of(picture.shape[1], picture.shape[2], size) for picture in pictures], num)
    if sum(shares) < 2:
        raise UserError(
            f"data.image_size={size}: the built-in photographs have 427×640 pixels", "use 427 or less, or --data"
        )
    images: list[NDArray[np.uint8]] = []
    names: list[str] = []
    for name, picture_CHW, share in zip(names_of, pictures, shares, strict=True):
        corners = choose_corners(picture_CHW, size, share, np.random.default_rng((seed, len(images))))
        images.append(cut(picture_CHW, corners, size))
        names += [f"{name} at {left},{top}" for top, left in corners]
    order = np.random.default_rng(seed).permutation(len(names))
    notes = [BUILT_IN.format(num=len(names), size=size)]
    if len(names) < num:
        notes.append(f"data.references={num}: only {len(names)} tiles of {size}×{size} pixels fit")
    names = [names[row] for row in order]
    return References(np.concatenate(images)[order], names, names, tuple(notes))
