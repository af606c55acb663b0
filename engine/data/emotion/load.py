"""Loads the data of the `emotion` task: the built-in dialogues, or the user's own. The one entry point for both.

Chooses reader and sides, and pads dialogues to one length; the readers know their format only. A sample is a dialogue.
Files without labels, to be answered, are read here as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.emotion.dialogues import Dialogues, Integers, labelled, require_room
from trainctl.engine.data.emotion.generate import Course, generate
from trainctl.engine.data.emotion.known import Known, numbered_speakers, require_fit, require_widths
from trainctl.engine.data.emotion.npz import read_arrays
from trainctl.engine.data.emotion.options import CLASSES, MODALITIES
from trainctl.engine.data.emotion.pickles import is_pickle, read_pickle
from trainctl.engine.data.npz import is_npz
from trainctl.engine.data.split_names import TEST, TRAIN, VAL, kept_words
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there

if TYPE_CHECKING:
    from trainctl.engine.data.emotion.options import EmotionData
    from trainctl.engine.data.emotion.source import Source

TEST_SHARE = 31 / 151
"""Of the built-in dialogues: that of IEMOCAP's last session."""
MOST_CLASSES = 1000
SUFFIXES = (".pkl", ".pickle", ".p")


@dataclass(frozen=True, kw_only=True)
class EmotionSplits(Splits):
    """Dialogues to learn from, and what a network will have learnt of them."""

    known: Known


@dataclass(frozen=True)
class Unlabelled(Split):
    """Dialogues to be answered."""

    speakers: tuple[tuple[str, ...], ...] = ()
    """Of each utterance of each dialogue, as the file has them."""


def load_emotion(options: EmotionData, seed: int, path: Path | None, known: Known | None = None) -> EmotionSplits:
    """Training, validation and test dialogues.

    Args:
        options: widths, split, built-in data.
        seed: of the run.
        path: an .npz or one of the field's pickles; none: built-in dialogues.
        known: what a network that is there already was trained on; the data must fit it.

    Returns:
        Splits with tensors `text`, `audio`, `visual` (float32, N×L×features), `labels` and `speakers` (int64, N×L) and
        `lengths` (int64, N). L is the longest dialogue of all; behind a dialogue's end features and speakers are 0 and
        labels −1.

    Raises:
        UserError: when the data cannot be used; names the file and what to do.
    """
    if path is None:
        return _built_in(options, seed, known)
    dialogues, sides, notes, known = _checked(_read(path, options.labels), options, known)
    return _splits(dialogues, sides, options.val_fraction, seed, notes, known)


def read_unlabelled(path: Path, options: EmotionData, known: Known, classes: tuple[str, ...]) -> Unlabelled:
    """All dialogues of a file, whether or not they have labels, padded to the longest.

    Args:
        path: an .npz or one of the field's pickles.
        options: of the run.
        known: what the network was trained on.
        classes: that it knows.

    Returns:
        Tensors as `load_emotion`; where there is an utterance, `labels` are 0.

    Raises:
        UserError: the file cannot be used, or does not fit the network; names it and what to do.
    """
    source = _read(path, options.labels, is_labelled=False)
    source = replace(source, sides=None, classes=classes)
    words = [str(word) for word in source.arrays["speakers"].tolist()]
    dialogues, *_ = _checked(source, options, known)
    padded = _padded(dialogues, int(dialogues.lengths.max()), np.arange(len(dialogues)))
    speakers = tuple(tuple(words[begin:end]) for begin, end in pairwise(dialogues.offsets.tolist()))
    return Unlabelled(padded.tensors, names=padded.names, speakers=speakers)


def _read(path: Path, labels: str, *, is_labelled: bool = True) -> Source:
    """By what the file holds; where that does not tell, by how it is called."""
    if not is_there(path):
        raise UserError(f"no file or folder {path}", "check the path")
    if is_folder(path):
        raise UserError(f"{path} is a folder", "name an .npz, or one of the field's pickles")
    if is_npz(path) or path.suffix.lower() == ".npz":
        return read_arrays(path, is_labelled=is_labelled)
    if is_pickle(path) or path.suffix.lower() in SUFFIXES:
        return read_pickle(path, labels, is_labelled=is_labelled)
    raise UserError(f"{path} is neither an .npz nor a pickle", "name an .npz, or one of the field's pickles")


def _checked(
    source: Source, options: EmotionData, known: Known | None
) -> tuple[Dialogues, list[str] | None, tuple[str, ...], Known]:
    """What can be used of a file, the side of each dialogue, notes, and what a network learns of it."""
    if known is not None:
        require_fit(source, known)
    arrays, offsets, kept, left_out = labelled(source.arrays, source.lengths, source.names)
    if not kept:
        raise UserError(f"{source.origin} has no utterance with a label", "give labels from 0")
    arrays = {name: array for name, array in arrays.items() if known is None or name not in known.absent}
    arrays["speakers"], speakers, by_dialogue = numbered_speakers(arrays["speakers"], offsets, known)
    missing = [name for name in MODALITIES if name not in arrays]
    asked = dict(zip(MODALITIES, known.widths, strict=True)) if known else options.model_dump()
    widths = {name: asked[name] if name in missing else arrays[name].shape[1] for name in MODALITIES}
    require_room(len(kept), int(np.diff(offsets).max()), sum(widths.values()), source.origin)
    for name in missing:
        arrays[name] = np.zeros((len(arrays["labels"]), widths[name]), np.float32)
    if not any(arrays[name].shape[1] for name in MODALITIES):
        raise UserError(f"{source.origin} has no feature", "give at least one of text, audio, visual")
    names = [source.names[at] for at in kept]
    classes = source.classes or _classes(arrays["labels"], options, source.origin)
    text, audio, visual = (arrays[name] for name in MODALITIES)
    dialogues = Dialogues(
        text, audio, visual, arrays["labels"], arrays["speakers"], offsets, names, classes, source.origin
    )
    sides = None if source.sides is None else [source.sides[at] for at in kept]
    zeros = tuple(f"no {name} features in the data: {widths[name]} zeros each" for name in missing)
    known = known or Known(tuple(widths.values()), _empty(dialogues), speakers, by_dialogue)
    return dialogues, sides, (*source.notes, *left_out, *zeros), known


def _empty(dialogues: Dialogues) -> tuple[str, ...]:
    """Modalities that hold nothing but zeros."""
    return tuple(name for name, array_ND in dialogues.features.items() if not array_ND.any())


def _classes(labels_N: Integers, options: EmotionData, origin: str) -> tuple[str, ...]:
    """Names for numbers."""
    most = int(labels_N.max())
    if options.classes == "numbered":
        if most >= MOST_CLASSES:
            raise UserError(f"{origin}: a label is {most}", "number the emotions from 0")
        return tuple(f"class {number}" for number in range(max(most + 1, 2)))
    names = CLASSES[options.classes]
    if most >= len(names):
        fitting = [name for name, others in CLASSES.items() if most < len(others)]
        raise UserError(
            f"{origin}: labels run to {most}, data.classes={options.classes} has 0 … {len(names) - 1}",
            f"set data.classes={(fitting or ['numbered'])[-1]}, or numbered",
        )
    return names


def _built_in(options: EmotionData, seed: int, known: Known | None) -> EmotionSplits:
    dims = [getattr(options, name) for name in MODALITIES]
    if not any(dims):
        raise UserError("data.text, data.audio and data.visual are all 0", "give one of them features")
    if known is not None:
        require_widths(dict(zip(MODALITIES, dims, strict=True)), known, "the built-in data")
    require_room(options.dialogues, max(options.utterances), sum(dims), "the built-in data")
    course = Course(**{name: getattr(options, name) for name in Course.__dataclass_fields__})
    dialogues = generate(options.dialogues, dims, course, seed)
    num_test = max(1, round(TEST_SHARE * len(dialogues)))
    sides = [TRAIN] * (len(dialogues) - num_test) + [TEST] * num_test
    said = f"built-in dialogues: {len(dialogues)} drawn with seed {seed}"
    known = known or Known(tuple(dims), _empty(dialogues))
    return _splits(dialogues, sides, options.val_fraction, seed, (said,), known)


def _splits(
    dialogues: Dialogues,
    sides: list[str] | None,
    val_fraction: float,
    seed: int,
    notes: tuple[str, ...],
    known: Known,
) -> EmotionSplits:
    """The dialogues on their sides, padded; what holds out is said."""
    side_D = np.array(sides if sides is not None else [TRAIN] * len(dialogues))
    train, val, test = (np.flatnonzero(side_D == side) for side in (TRAIN, VAL, TEST))
    said = "split: as the data name it"
    if not len(val):
        if len(train) < 2:
            said = f"{dialogues.origin} names {len(train)} dialogues to train on, and none to validate"
            raise UserError(said, "give two or more, or say what is val")
        train, val = _held_out(train, val_fraction, seed)
        said = f"split: {val_fraction:.0%} of the training dialogues held out at random (the data name no validation)"
    if not len(train):
        raise UserError(f"{dialogues.origin} names no dialogue to train on", "name some as train")
    longest = int(dialogues.lengths.max())
    counts = f"{said}: {len(train):,} train, {len(val):,} validate"
    kept = (f"{kept_words(len(test))}",) if len(test) else ()
    return EmotionSplits(
        _padded(dialogues, longest, train),
        _padded(dialogues, longest, val),
        dialogues.classes,
        (*notes, _counted(dialogues), counts, *kept),
        test=partial(_padded, dialogues, longest, test) if len(test) else None,
        known=known,
    )


def _held_out(rows: Integers, share: float, seed: int) -> tuple[Integers, Integers]:
    """Some of the rows by chance, at least one; the rest first. Both in their order."""
    count = min(max(round(share * len(rows)), 1), len(rows) - 1)
    chosen = np.zeros(len(rows), np.bool_)
    chosen[np.random.default_rng(seed).permutation(len(rows))[:count]] = True
    return rows[~chosen], rows[chosen]


def _counted(dialogues: Dialogues) -> str:
    """How many there are of what, in one line."""
    counts = np.bincount(dialogues.labels, minlength=len(dialogues.classes)).tolist()
    each = ", ".join(f"{name} {count:,}" for name, count in zip(dialogues.classes, counts, strict=True))
    lengths = dialogues.lengths
    return (
        f"{len(dialogues):,} dialogues of {int(lengths.min())} to {int(lengths.max())} utterances, "
        f"{len(dialogues.labels):,} in all: {each}"
    )


def _padded(dialogues: Dialogues, longest: int, rows: Integers) -> Split:
    """The dialogues at `rows`, each as long as the longest of all."""
    lengths_D = dialogues.lengths[rows]
    there_DL = np.arange(longest) < lengths_D[:, None]
    offsets = dialogues.offsets.tolist()
    flat = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows.tolist()])

    def laid_out(values: NDArray[Any], fill: int) -> Tensor:
        padded = np.full((len(rows), longest, *values.shape[1:]), fill, values.dtype)
        padded[there_DL] = values[flat]
        return torch.from_numpy(padded)

    tensors = {name: laid_out(array, 0) for name, array in dialogues.features.items()}
    tensors["labels"] = laid_out(dialogues.labels, -1)
    tensors["speakers"] = laid_out(dialogues.speakers, 0)
    tensors["lengths"] = torch.from_numpy(lengths_D)
    chosen: list[int] = rows.tolist()
    labels_BL = tensors["labels"]
    return Split(tensors, names=[dialogues.names[row] for row in chosen], parts=labels_BL[labels_BL >= 0])
