"""Loads the data of the `weld` task: the built-in welds, or the user's own. The one entry point for both.

Chooses reader and sides; the readers know their format only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.samplers.classes import LEAST, StratifiedSampler
from trainctl.engine.data.split import grouped_split, stratified_split
from trainctl.engine.data.weld.arrays import Shapes, read_samples, read_whole_set
from trainctl.engine.data.weld.manifest import TEST, TRAIN, VAL, Manifest, number_classes, parse_sides, read_manifest
from trainctl.engine.data.weld.options import CLASSES, MODALITIES
from trainctl.engine.data.weld.synthetic import synthetic_weld
from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.data.weld.options import WeldData

MANIFEST = "manifest.csv"
"""File looked for in a folder that is named as data."""
IMBALANCED = (550, 10, 8, 8, 8, 8)
"""Training samples of the first six classes of the variant `550-10-8` (training optimisation summary, checklist 2)."""
NAMED = 2
"""Missing files that are named."""


@dataclass(frozen=True)
class _Samples:
    """All samples of a data set before they are split."""

    labels: list[int]
    sides: list[str] | None
    groups: list[str]
    names: list[str]
    origin: str


def load_weld(options: WeldData, seed: int, path: Path | None, *, val_batch_size: int) -> Splits:
    """Training and validation welds.

    Args:
        options: shapes, split, built-in variant.
        seed: of the run.
        path: manifest CSV, folder with `manifest.csv`, or one .npz; none: built-in welds.
        val_batch_size: samples of a validation batch.

    Returns:
        Splits with tensors `video`, `image`, `audio`, `sensor` (float32, zeros where missing), `present` (bool, N×4)
        and `labels`. Validation samples stand so that batches taken in order are stratified: a loss over pairs means
        nothing on batches of one class.

    Raises:
        UserError: when the data cannot be used; names the file and what to do.
    """
    splits = _built_in(options, seed) if path is None else _of_user(options, seed, path)
    val = splits.val
    if val.labels is None or not len(val):
        return splits
    order = stratified_order(val.labels, val_batch_size, seed)
    return Splits(splits.train, _rows(val, order), splits.classes, splits.notes)


def load_weld_labels(options: WeldData, seed: int, path: Path) -> Splits | None:
    """Labels, names and recordings of the samples of a manifest, split as configured, where features are missing.

    Returns:
        Splits whose only tensor is `labels`; None where nothing is missing, or where there is no manifest.

    Raises:
        UserError: there is no such data, or the manifest is wrong.
    """
    manifest = find_manifest(path)
    if manifest is None:
        return None
    missing = sum(not file.is_file() for file in _files(manifest))
    if not missing:
        return None
    rows = range(len(manifest.labels))
    note = f"labels only: {missing:,} of {len(rows):,} samples of {manifest.path} have no features"
    return _split(_samples(manifest, rows), {}, manifest.classes, options, seed, (note,))


def stratified_order(labels_N: Tensor, batch_size: int, seed: int) -> Tensor:
    """An order in which consecutive batches are stratified, (N,)."""
    return torch.cat(list(StratifiedSampler(labels_N, batch_size, seed, drop_last=False).batches(0)))


def find_manifest(path: Path) -> Manifest | None:
    """Labels and splits of the data at `path`, without its media; none where it is an .npz, which has no manifest.

    Raises:
        UserError: there is no such data, or the manifest is wrong.
    """
    if not path.exists():
        raise UserError(f"no file or folder {path}", "check --data")
    file = path / MANIFEST if path.is_dir() else path
    if file.suffix.lower() == ".npz":
        return None
    if not file.is_file():
        raise UserError(f"{path} holds no {MANIFEST}", "name the folder of a manifest, a manifest, or an .npz")
    if file.suffix.lower() != ".csv":
        raise UserError(f"{path} is a file, but no .csv or .npz", "name a manifest, its folder, or an .npz")
    return read_manifest(file)


def _of_user(options: WeldData, seed: int, path: Path) -> Splits:
    shapes = shapes_of(options)
    manifest = find_manifest(path)
    if manifest is None:
        whole = read_whole_set(path, shapes)
        classes, labels = number_classes(whole.labels)
        where = [f"{path} sample {row}" for row in range(len(labels))]
        sides = None if whole.splits is None else parse_sides(whole.splits, where)
        samples = _Samples(labels, sides, [], where, str(path))
        return _split(samples, whole.tensors, classes, options, seed, ())
    kept, files, notes = _media(manifest, options)
    return _split(_samples(manifest, kept), read_samples(files, shapes), manifest.classes, options, seed, notes)


def _samples(manifest: Manifest, rows: Sequence[int]) -> _Samples:
    sides = None if manifest.sides is None else [manifest.sides[row] for row in rows]
    groups = [manifest.groups[row] for row in rows] if manifest.groups else []
    names = [manifest.subdirs[row] for row in rows]
    return _Samples([manifest.labels[row] for row in rows], sides, groups, names, str(manifest.path))


def _files(manifest: Manifest) -> list[Path]:
    return [manifest.path.parent / f"{subdir}.npz" for subdir in manifest.subdirs]


def _media(manifest: Manifest, data: WeldData) -> tuple[list[int], list[Path], tuple[str, ...]]:
    """Rows whose file is there, these files, and a note on the others.

    Raises:
        UserError: a file is missing and may not be.
    """
    files = _files(manifest)
    missing = [row for row, file in enumerate(files) if not file.is_file()]
    if not missing:
        return list(range(len(files))), files, ()
    count = f"{len(missing):,} of {len(files):,} samples of {manifest.path} have no features"
    examples = ", ".join(str(files[row]) for row in missing[:NAMED])
    if len(missing) == len(files) or not data.skip_missing:
        hint = f"save {'/'.join(MODALITIES)} of each as SUBDIRS.npz beside the manifest"
        also = "" if len(missing) == len(files) else ", or leave them out with data.skip_missing=true"
        raise UserError(f"{count} (looked for {examples}{' …' if len(missing) > NAMED else ''})", hint + also)
    absent = set(missing)
    kept = [row for row in range(len(files)) if row not in absent]
    return kept, [files[row] for row in kept], (f"{count} and were left out, first {examples}",)


def _split(
    samples: _Samples,
    tensors: dict[str, Tensor],
    classes: tuple[str, ...],
    options: WeldData,
    seed: int,
    notes: tuple[str, ...],
) -> Splits:
    in_val_N, used_N, note = _choose_sides(samples, options, seed)
    labels_N = torch.tensor(samples.labels)
    whole = Split({**tensors, "labels": labels_N}, labels_N, samples.names, samples.groups)
    in_val, used = torch.from_numpy(in_val_N), torch.from_numpy(used_N)
    train, val = ((used & side).nonzero().squeeze(1) for side in (~in_val, in_val))
    return Splits(_rows(whole, train), _rows(whole, val), classes, (*notes, note))


def _choose_sides(samples: _Samples, options: WeldData, seed: int) -> tuple[np.ndarray, np.ndarray, str]:  # type: ignore[type-arg]
    """Which samples are for validation, which are used at all, and why."""
    num = len(samples.labels)
    sides = np.array(samples.sides or [TRAIN] * num)
    share, labels = f"{options.val_fraction:.0%}", np.array(samples.labels)
    if options.split == "given" and VAL in sides:
        tests = int((sides == TEST).sum())
        tail = f"; {tests:,} samples of the test split left out" if tests else ""
        return sides == VAL, sides != TEST, f"split: TRAIN and VAL as the data names them{tail}"
    used = np.ones(num, dtype=np.bool_) if options.split != "given" else sides != TEST
    rows, in_val = np.flatnonzero(used), np.zeros(num, dtype=np.bool_)
    if len(rows) < 2:
        raise UserError(f"{samples.origin} has {len(rows)} samples to split", "give more")
    if options.split == "grouped":
        if not samples.groups:
            raise UserError(f"{samples.origin} has no column DIRECTORY to group by", "use data.split=stratified")
        groups = [samples.groups[row] for row in rows]
        in_val[rows] = grouped_split(labels[rows], groups, options.val_fraction, seed)
        return in_val, used, f"split: about {share} held out by recording ({len(set(groups))} recordings)"
    in_val[rows] = stratified_split(labels[rows], options.val_fraction, seed)
    return in_val, used, f"split: {share} held out at random within each class"


def _rows(split: Split, rows: Tensor) -> Split:
    """The samples of a split at `rows`, in that order."""
    chosen: list[int] = rows.tolist()
    return Split(
        {name: tensor[rows] for name, tensor in split.tensors.items()},
        None if split.labels is None else split.labels[rows],
        [split.names[row] for row in chosen] if split.names else (),
        [split.groups[row] for row in chosen] if split.groups else (),
    )


def shapes_of(data: WeldData) -> Shapes:
    """Rows and features of each modality."""
    return {name: getattr(data, name) for name in MODALITIES}


def built_in_counts(data: WeldData) -> tuple[list[int], list[int]]:
    """Training and validation samples of each class of the built-in data."""
    if data.variant == "550-10-8":
        return list(IMBALANCED), _shared(data.val_samples, len(IMBALANCED))
    val = _shared(data.val_samples, len(CLASSES))
    if data.variant == "one-class-train":
        return [data.samples], val
    return _shared(data.samples, len(CLASSES)), val


def _shared(num: int, parts: int) -> list[int]:
    """`num` in `parts` as equal as can be."""
    return [num // parts + (part < num % parts) for part in range(parts)]


def _built_in(options: WeldData, seed: int) -> Splits:
    train, val = built_in_counts(options)
    if min(*train, *val) < LEAST:
        raise UserError(
            f"data.samples={options.samples}, data.val_samples={options.val_samples}: fewer than {LEAST} of a class",
            f"use {LEAST * len(CLASSES)} or more of each",
        )

    def drawn(name: str, counts: Sequence[int], seed: int) -> Split:
        tensors, labels_N = synthetic_weld(counts, shapes_of(options), options.missing, seed)
        names = [f"built-in {name} weld {row}" for row in range(len(labels_N))]
        return Split({**tensors, "labels": labels_N}, labels_N, names)

    used = CLASSES[: len(IMBALANCED)] if options.variant == "550-10-8" else CLASSES
    note = f"built-in welds ({options.variant}): {sum(train)} for training, {sum(val)} for validation, seed {seed}"
    splits = drawn("training", train, 2 * seed), drawn("validation", val, 2 * seed + 1)
    return Splits(*splits, used, (note,))
