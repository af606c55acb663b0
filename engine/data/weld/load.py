"""Loads the data of the `weld` task: the built-in welds, or the user's own. The one entry point for both.

Chooses reader and sides; the readers know their format only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.csv_table import is_table
from trainctl.engine.data.grouping import group_keys
from trainctl.engine.data.npz import is_npz
from trainctl.engine.data.samplers.classes import LEAST, StratifiedSampler
from trainctl.engine.data.split import grouped_split, stratified_split
from trainctl.engine.data.split_names import TEST, TRAIN, VAL, given_words, validating_side
from trainctl.engine.data.weld.arrays import GROUP_ARRAYS, Shapes, read_samples, read_whole_set
from trainctl.engine.data.weld.manifest import Manifest, number_classes, parse_sides, read_manifest
from trainctl.engine.data.weld.options import CLASSES, MODALITIES
from trainctl.engine.data.weld.synthetic import synthetic_weld
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file, is_folder, is_there

if TYPE_CHECKING:
    from trainctl.engine.data.weld.options import WeldData

MANIFEST = "manifest.csv"
"""File looked for in a folder that is named as data."""
IMBALANCED = (550, 10, 8, 8, 8, 8)
"""Training samples of the first six classes of the variant `550-10-8` (training optimisation summary, checklist 2)."""
Rows = NDArray[np.int64]
Read = Callable[[list[int]], dict[str, Tensor]]
"""Gives the modalities of the samples at some rows."""
NAMED = 2
"""Missing files that are named."""


@dataclass(frozen=True)
class _Samples:
    """All samples of a data set before they are split."""

    labels: list[int]
    sides: list[str] | None
    """None: the data name no split, or it is not to be used."""
    groups: list[str]
    names: list[str]
    origin: str
    is_split_unused: bool = False
    """Whether the data name a split all the same."""


@dataclass(frozen=True)
class _Choice:
    """Which samples are on which side."""

    train: Rows
    val: Rows
    test: Rows
    """Kept out of both."""
    note: str


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
    return replace(splits, val=_rows(val, order))


def load_weld_labels(options: WeldData, seed: int, path: Path) -> Splits | None:
    """Labels, names and recordings of the samples of a manifest, split as configured, where features are missing.

    Returns:
        Splits whose only tensor is `labels`; None where nothing is missing, or where there is no manifest.

    Raises:
        UserError: there is no such data, or the manifest is wrong.
    """
    manifest = find_manifest(path, with_sides=_keeps_sides(options))
    if manifest is None:
        return None
    missing = sum(not is_file(file) for file in _files(manifest))
    if not missing:
        return None
    rows = range(len(manifest.labels))
    note = f"labels only: {missing:,} of {len(rows):,} samples of {manifest.path} have no features"
    return _split(
        _samples(manifest, rows, options), lambda _: {}, manifest.classes, options, seed, (note, *manifest.notes)
    )


def stratified_order(labels_N: Tensor, batch_size: int, seed: int) -> Tensor:
    """An order in which consecutive batches are stratified, (N,)."""
    return torch.cat(list(StratifiedSampler(labels_N, batch_size, seed, drop_last=False).batches(0)))


def find_manifest(path: Path, *, with_sides: bool = True) -> Manifest | None:
    """Labels and splits of the data at `path`, without its media; none where it is an .npz, which has no manifest.

    Args:
        path: a manifest or an .npz, whatever they are called, or the folder of `manifest.csv`.
        with_sides: whether the split that it names matters.

    Raises:
        UserError: there is no such data, or the manifest is wrong.
    """
    if not is_there(path):
        raise UserError(f"no file or folder {path}", "check --data")
    file = path / MANIFEST if is_folder(path) else path
    if is_npz(file) or file.suffix.lower() == ".npz":
        return None
    if not is_there(file) and is_folder(path):
        raise UserError(f"{path} holds no {MANIFEST}", "name the folder of a manifest, a manifest, or an .npz")
    if not is_table(file) and ".csv" not in {suffix.lower() for suffix in file.suffixes}:
        raise UserError(f"{path} is neither a table nor an .npz", "name a manifest, its folder, or an .npz")
    return read_manifest(file, with_sides=with_sides)


def _of_user(options: WeldData, seed: int, path: Path) -> Splits:
    shapes = shapes_of(options)
    manifest = find_manifest(path, with_sides=_keeps_sides(options))
    if manifest is not None:
        kept, files, notes = _media(manifest, options)

        def read(rows: list[int]) -> dict[str, Tensor]:
            return read_samples([files[row] for row in rows], shapes)

        return _split(
            _samples(manifest, kept, options), read, manifest.classes, options, seed, (*notes, *manifest.notes)
        )
    whole = read_whole_set(path, shapes)
    classes, labels = number_classes(whole.labels)
    where = [f"{path} sample {row}" for row in range(len(labels))]
    sides = parse_sides(whole.splits, where) if whole.splits is not None and _keeps_sides(options) else None
    groups = whole.groups
    if options.group_by is not None:
        groups = group_keys(where, {name: whole.groups for name in GROUP_ARRAYS if groups}, options.group_by, str(path))

    def take(rows: list[int]) -> dict[str, Tensor]:
        return {name: tensor[rows] for name, tensor in whole.tensors.items()}

    samples = _Samples(labels, sides, groups, where, str(path), sides is None and whole.splits is not None)
    return _split(samples, take, classes, options, seed, ())


def _keeps_sides(options: WeldData) -> bool:
    """Whether the split that the data names is used."""
    return options.split == "given" and options.group_by is None


def _samples(manifest: Manifest, rows: Sequence[int], options: WeldData) -> _Samples:
    sides = None if manifest.sides is None else [manifest.sides[row] for row in rows]
    groups = manifest.groups
    if options.group_by is not None:
        groups = group_keys(manifest.subdirs, manifest.columns, options.group_by, str(manifest.path))
    names = [manifest.subdirs[row] for row in rows]
    chosen = [groups[row] for row in rows] if groups else []
    is_unused = manifest.sides is None and manifest.split_column is not None
    return _Samples([manifest.labels[row] for row in rows], sides, chosen, names, str(manifest.path), is_unused)


def _files(manifest: Manifest) -> list[Path]:
    return [manifest.path.parent / f"{subdir}.npz" for subdir in manifest.subdirs]


def _media(manifest: Manifest, data: WeldData) -> tuple[list[int], list[Path], tuple[str, ...]]:
    """Rows whose file is there, these files, and a note on the others.

    Raises:
        UserError: a file is missing and may not be.
    """
    files = _files(manifest)
    missing = [row for row, file in enumerate(files) if not is_file(file)]
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
    read: Read,
    classes: tuple[str, ...],
    options: WeldData,
    seed: int,
    notes: tuple[str, ...],
) -> Splits:
    choice = _choose_sides(samples, options, seed)

    def part(rows_N: Rows) -> Split:
        rows: list[int] = rows_N.tolist()
        labels_N = torch.tensor([samples.labels[row] for row in rows], dtype=torch.int64)
        groups = [samples.groups[row] for row in rows] if samples.groups else []
        return Split({**read(rows), "labels": labels_N}, labels_N, [samples.names[row] for row in rows], groups)

    return Splits(
        part(choice.train),
        part(choice.val),
        classes,
        (*notes, choice.note),
        of_split=(choice.note,),
        test=partial(part, choice.test) if len(choice.test) else None,
        regroup={"data.split": "grouped"} if samples.groups and options.split != "grouped" else {},
    )


def _choose_sides(samples: _Samples, options: WeldData, seed: int) -> _Choice:
    """Which samples are on which side, and why.

    Raises:
        UserError: nothing is left to train on, or too little to split.
    """
    if samples.sides is None:
        return _made_anew(samples, np.arange(len(samples.labels)), options, seed)
    sides = np.array(samples.sides)
    train, val, test = (np.flatnonzero(sides == side) for side in (TRAIN, VAL, TEST))
    validating = validating_side(samples.sides)
    if not len(train):
        hint = "name samples to train on, or make the split anew with data.split=stratified"
        raise UserError(f"{samples.origin} names no sample of TRAIN ({len(val):,} VAL, {len(test):,} TEST)", hint)
    if validating is None:
        return _made_anew(samples, train, options, seed)
    if validating == TEST:
        val, test = test, test[:0]
    return _Choice(train, val, test, given_words(validating, len(train), len(val), len(test)))


def _made_anew(samples: _Samples, rows: Rows, options: WeldData, seed: int) -> _Choice:
    """The samples at `rows` divided by their recordings, or at random within each class."""
    if len(rows) < 2:
        raise UserError(f"{samples.origin} has {len(rows)} samples to split", "give more")
    share, labels = f"{options.val_fraction:.0%}", np.array([samples.labels[row] for row in rows.tolist()])
    if options.split == "grouped" or (options.split == "given" and options.group_by is not None):
        if not samples.groups:
            hint = "name the recordings with data.group_by, or use data.split=stratified"
            raise UserError(f"{samples.origin} has no column DIRECTORY to group by", hint)
        groups = [samples.groups[row] for row in rows.tolist()]
        in_val = grouped_split(labels, groups, options.val_fraction, seed)
        note = f"split: about {share} held out by recording ({len(set(groups)):,} recordings)"
    else:
        in_val = stratified_split(labels, options.val_fraction, seed)
        note = f"split: {share} held out at random within each class"
    if samples.sides is not None:
        note += " (the data name no validation split)"
    note += "; the split that the data name is not used" if samples.is_split_unused else ""
    return _Choice(rows[~in_val], rows[in_val], rows[:0], note)


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
    drawn_train, drawn_val = drawn("training", train, 2 * seed), drawn("validation", val, 2 * seed + 1)
    if options.split == "stratified":
        return _split_anew(drawn_train, drawn_val, used, note, options, seed)
    return Splits(drawn_train, drawn_val, used, (note,))


def _split_anew(train: Split, val: Split, classes: tuple[str, ...], note: str, options: WeldData, seed: int) -> Splits:
    """Built-in welds of both sides, divided at random within each class."""
    labels_N = torch.cat([part["labels"] for part in (train.tensors, val.tensors)])
    whole = Split(
        {name: torch.cat([tensor, val.tensors[name]]) for name, tensor in train.tensors.items()},
        labels_N,
        [*train.names, *val.names],
    )
    in_val = torch.from_numpy(stratified_split(labels_N.cpu().numpy(), options.val_fraction, seed))
    anew = f"{note}; split anew: {options.val_fraction:.0%} of both held out at random within each class"
    return Splits(_rows(whole, (~in_val).nonzero()[:, 0]), _rows(whole, in_val.nonzero()[:, 0]), classes, (anew,))
