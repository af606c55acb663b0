"""Loads the data of the `eyes` task: the built-in eyes, or the user's own. The one entry point for both.

Decides which loader reads a path; the loaders know their format only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.data.progress import report
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there

if TYPE_CHECKING:
    from torch import Tensor

    from trainctl.engine.data.batch import Splits
    from trainctl.engine.data.eyes.listing import Listing
    from trainctl.engine.data.eyes.options import EyesData
    from trainctl.engine.data.eyes.synthetic import SyntheticEyes

DECODING = "decoding images"
"""What is reported while images are decoded."""

MIN_BUILT_IN = 8
"""Fewest generated images that give each split both classes."""

Progress = Callable[[int, int], None]
"""Called with the number of images decoded so far, and of all."""


def load_eyes(options: EyesData, seed: int, path: Path | None, progress: Progress | None = None) -> Splits:
    """Training and validation images of the `eyes` task.

    Args:
        options: size, split and what to leave out.
        seed: of the run.
        path: folder of images, Parquet or CSV file, folder of `.parquet` files; none: built-in eyes.
        progress: called now and then while images are decoded; none: whoever listens to `engine.data.progress`.

    Returns:
        Splits with tensors `images` (uint8, N×3×H×W) and `labels` (int64, N; 0 closed, 1 open).

    Raises:
        UserError: when the data cannot be used; names the file and what to do.
    """
    if path is None:
        return _built_in(options, seed)
    from trainctl.engine.data.eyes.splits import make_splits

    return make_splits(list_eyes(path, options.classes), options, seed, progress or partial(report, DECODING))


def load_whole_eyes(options: EyesData, path: Path, progress: Progress | None = None) -> Splits:
    """All images of the user's own as the part `val`, also where they are of one class only; see `load_eyes`."""
    from trainctl.engine.data.eyes.splits import make_whole

    listing = list_eyes(path, options.classes, needs_both=False)
    return make_whole(listing, options, progress or partial(report, DECODING))


def list_eyes(path: Path, classes: Mapping[str, str], *, needs_both: bool = True) -> Listing:
    """The images of a path, by what lies there; `needs_both`: folders of one class only are refused.

    Raises:
        UserError: when nothing that can be read does.
    """
    from trainctl.engine.data.csv_table import is_table
    from trainctl.engine.data.eyes.folders import is_image_root, list_folders
    from trainctl.engine.data.eyes.parquet import is_parquet, list_parquet
    from trainctl.engine.data.eyes.table import list_csv

    if not is_there(path):
        raise UserError(f"no file or folder {path}", "check --data")
    if is_folder(path):
        files = [] if is_image_root(path) else sorted(path.glob("*.parquet"))
        return list_parquet(path, files) if files else list_folders(path, classes, needs_both=needs_both)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if is_parquet(path) or ".parquet" in suffixes:
        return list_parquet(path, [path])
    if is_table(path) or ".csv" in suffixes:
        return list_csv(path)
    raise UserError(f"{path} is a file, but no Parquet or CSV", "name such a file, or a folder with open and closed")


def _built_in(options: EyesData, seed: int) -> Splits:
    """Generated eyes, split at random with the class shares kept; they stay where they were drawn.

    Raises:
        UserError: they cannot be split.
    """
    import torch

    from trainctl.engine.data.batch import Split, Splits
    from trainctl.engine.data.eyes.splits import CLASSES
    from trainctl.engine.data.eyes.synthetic import SyntheticEyes
    from trainctl.engine.data.names import NumberedNames
    from trainctl.engine.data.split import stratified_split

    if options.group_by is not None:
        raise UserError(
            "the built-in eyes have no path or column to group by",
            "remove data.group_by, or name your own data with --data",
        )
    if options.samples < MIN_BUILT_IN:
        raise UserError(f"data.samples={options.samples} is too few to split", f"use at least {MIN_BUILT_IN} images")
    eyes = SyntheticEyes(options.samples, seed)
    held_out = torch.from_numpy(stratified_split(eyes.labels.numpy(), options.val_fraction, seed))
    order = held_out.int().argsort(stable=True)  # training first: both splits are views of one tensor
    num_train = int((~held_out).sum())
    images, drawn_on = _drawn(eyes, order, options.image_size)

    def part(rows: slice) -> Split:
        labels = eyes.labels[order[rows]]
        tensors = {"images": images[rows], "labels": labels.to(images.device)}
        return Split(tensors, labels, NumberedNames("built-in eye", order[rows].numpy()))

    note = f"built-in eyes: {options.samples} drawn{drawn_on} with seed {seed}, split at random within each class"
    return Splits(part(slice(0, num_train)), part(slice(num_train, None)), CLASSES, (note,))


def _drawn(eyes: SyntheticEyes, order: Tensor, size: tuple[int, int]) -> tuple[Tensor, str]:
    """The images in this order, on the GPU of the run where it has room for them; and where they were drawn."""
    import torch

    from trainctl.engine.data.feed import has_room
    from trainctl.engine.data.placement import making_device

    device, shape = making_device(), (len(order), 3, *size)
    if device.type != "cuda":
        device = torch.device("cpu")
    is_resident = has_room(math.prod(shape), device)
    images = torch.empty(shape, dtype=torch.uint8, device=device if is_resident else "cpu")
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return eyes.draw(images, place, device), " on the GPU" if device.type == "cuda" else ""
