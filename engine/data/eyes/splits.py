"""Turns a listing of eyes into decoded splits: chooses sides, decodes, checks. Knows no file format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.eyes.listing import TRAIN, UNUSED, VAL, Listing
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.grouping import ALONE, group_keys
from trainctl.engine.data.images import Source, decode_images, problem_words, remedy
from trainctl.engine.data.leak_check import check_leak
from trainctl.engine.data.split import grouped_split, stratified_split
from trainctl.engine.data.split_names import TEST, given_words, kept_words
from trainctl.engine.data.split_names import VAL as VALIDATION
from trainctl.engine.errors import UserError

CLASSES = ("closed", "open")
"""Class names by `class_id`."""


@dataclass(frozen=True)
class Plan:
    """Which side each image is on, and why."""

    sides: NDArray[np.int64]
    groups: list[str] | None
    note: str


def make_splits(
    listing: Listing, options: EyesData, seed: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """Decode the images of a listing, training ones first, into one tensor that both splits share.

    Raises:
        UserError: when images cannot be decoded (unless `data.skip_corrupt`), or a split lacks a class.
    """
    plan = plan_split(listing, options, seed)
    order = np.concatenate([np.flatnonzero(plan.sides == side) for side in (TRAIN, VAL)])
    _require_both_classes(listing.class_ids[order], plan.sides[order], listing.origin, plan.groups is not None)
    order, images, problems = _decoded(listing, order, options, progress)
    if problems:
        _require_both_classes(listing.class_ids[order], plan.sides[order], listing.origin, plan.groups is not None)
    notes = [*listing.notes, plan.note, *problems]
    num_train = int((plan.sides[order] == TRAIN).sum())
    train = _part(listing, plan, order[:num_train], images[:num_train])
    val = _part(listing, plan, order[num_train:], images[num_train:])
    leak, of_split = None, [plan.note]
    if plan.groups is None and options.leak_check:
        leak = check_leak(train.tensors["images"], val.tensors["images"], train.names, val.names)
        notes.append(leak.note())
        of_split.append(leak.note())
    kept = np.flatnonzero(plan.sides == UNUSED)

    def test() -> Split:
        rows, decoded, _ = _decoded(listing, kept, options, progress)
        return _part(listing, plan, rows, decoded)

    return Splits(
        train, val, CLASSES, tuple(notes), leak=leak, test=test if len(kept) else None, of_split=tuple(of_split)
    )


def make_whole(listing: Listing, options: EyesData, progress: Callable[[int, int], None] | None = None) -> Splits:
    """Decode all images of a listing into one part, `val`; there may be eyes of one kind only.

    Raises:
        UserError: when images cannot be decoded (unless `data.skip_corrupt`).
    """
    plan = Plan(np.full(len(listing.names), VAL), None, "")
    rows, images, problems = _decoded(listing, np.arange(len(listing.names)), options, progress)
    return Splits(Split(), _part(listing, plan, rows, images), CLASSES, (*listing.notes, *problems))


def _decoded(
    listing: Listing, order: NDArray[np.int64], options: EyesData, progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.int64], torch.Tensor, list[str]]:
    """The images at `order`; where some may be left out the rows of the others, and a note on those.

    Raises:
        UserError: images cannot be decoded, and may not be left out.
    """
    images = torch.empty(len(order), 3, *options.image_size, dtype=torch.uint8)
    problems = decode_images(_placed(listing, order), images, progress)
    if not problems:
        return order, images, []
    keep, note = _without(problems, [listing.names[row] for row in order], listing, options)
    return order[keep], images[torch.from_numpy(keep)], [note]


def plan_split(listing: Listing, options: EyesData, seed: int) -> Plan:
    """Sides by group where grouping is asked for, else those of the data, else random within each class.

    Raises:
        UserError: when the grouping fits no image or leaves one group.
    """
    sides = listing.sides
    used = np.ones(len(listing.names), dtype=np.bool_) if sides is None else sides != UNUSED
    unused = int((~used).sum())
    tail = f"; {kept_words(unused)}" if unused else ""
    if not used.any():
        raise UserError(f"{listing.origin} holds only a test split", "name a train split")
    if options.group_by is None and sides is not None and TRAIN in sides and (sides != TRAIN).any():
        return _given(sides)
    chosen = np.full(len(used), UNUSED)
    rows = np.flatnonzero(used)
    labels, share = listing.class_ids[rows], f"{options.val_fraction:.0%}"
    if options.group_by is None:
        if min(np.bincount(labels, minlength=2)) < 2:
            raise UserError(
                f"{listing.origin} has {_counts(labels)}", "give at least two images of each class to split"
            )
        chosen[rows] = np.where(stratified_split(labels, options.val_fraction, seed), VAL, TRAIN)
        return Plan(chosen, None, f"split: {share} held out at random within each class{tail}")
    groups = group_keys(listing.names, listing.columns, options.group_by, listing.origin)
    kept = [groups[row] for row in rows]
    chosen[rows] = np.where(grouped_split(labels, kept, options.val_fraction, seed), VAL, TRAIN)
    alone = sum(key.startswith(ALONE) for key in kept)
    tail += f"; {alone} images match no group and stand alone" if alone else ""
    tail += "; the split named by the data was replaced" if sides is not None else ""
    note = f"split: about {share} held out by group ({len(set(kept))} groups by '{options.group_by}'){tail}"
    return Plan(chosen, groups, note)


def _given(sides: NDArray[np.int64]) -> Plan:
    """The split of the data; the test split validates where there is no other."""
    train, val, test = (int((sides == side).sum()) for side in (TRAIN, VAL, UNUSED))
    if val:
        return Plan(sides, None, given_words(VALIDATION, train, val, test))
    return Plan(np.where(sides == UNUSED, VAL, sides), None, given_words(TEST, train, test, 0))


def _placed(listing: Listing, order: NDArray[np.int64]) -> Iterator[tuple[int, Source]]:
    """Row in the tensor and source of every image that is used."""
    place = np.full(len(listing.names), -1)
    place[order] = np.arange(len(order))
    for position, source in zip(place.tolist(), listing.sources(), strict=True):
        if position >= 0:
            yield position, source


def _without(
    problems: dict[int, str], names: Sequence[str], listing: Listing, options: EyesData
) -> tuple[NDArray[np.bool_], str]:
    """Which images to keep, and a note on the others.

    Raises:
        UserError: unless images may be skipped.
    """
    count = f"{len(problems)} of {len(names)} images"
    words = f"{count} that cannot be decoded: {problem_words(names, problems)}"
    if not options.skip_corrupt:
        raise UserError(
            f"{listing.origin} has {words}",
            f"{remedy(problems.values())}, or leave them out with data.skip_corrupt=true",
        )
    keep = np.ones(len(names), dtype=np.bool_)
    keep[list(problems)] = False
    return keep, f"left out: {words}"


def _part(listing: Listing, plan: Plan, rows: NDArray[np.int64], images_NCHW: torch.Tensor) -> Split:
    """One split of the decoded images."""
    labels = torch.from_numpy(listing.class_ids[rows])
    groups = [] if plan.groups is None else [plan.groups[row] for row in rows]
    return Split({"images": images_NCHW, "labels": labels}, labels, [listing.names[row] for row in rows], groups)


def _counts(labels: NDArray[np.int64]) -> str:
    """How many of each class, in words."""
    closed, opened = np.bincount(labels, minlength=2)
    return f"{closed} closed and {opened} open eyes"


def _require_both_classes(labels: NDArray[np.int64], sides: NDArray[np.int64], origin: str, grouped: bool) -> None:
    """Refuse a split without one of the classes."""
    for side, name in ((TRAIN, "training"), (VAL, "validation")):
        part = labels[sides == side]
        if len(set(part.tolist())) < 2:
            hint = "choose smaller groups with data.group_by" if grouped else "add images of the missing class"
            raise UserError(f"{origin}: the {name} split has {_counts(part)}", hint)
