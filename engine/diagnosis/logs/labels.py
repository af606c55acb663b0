"""What a log says in words of each of its rows: of which run it is, of which part of the training, of which figure; and
under which names only marks stand, no figures.

Knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from trainctl.engine.diagnosis.logs.names import MOST_NAMES, TEST, TRAIN, VAL, Kind, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable
from trainctl.engine.diagnosis.logs.vocabulary import AVERAGES

_RUN = frozenset({"run", "experiment", "exp", "trial", "job", "expt"})
_SAYS = frozenset({"id", "name", "key", "tag", "no", "number", "idx", "index"})
_ALSO = (["stage"], ["fold"], ["seed"], ["dataset"], ["model"], ["model", "name"], ["random", "seed"])
_PARTS = frozenset({"split", "phase", "mode", "stage", "set", "subset", "partition", "type", "kind", "event"})
"""Names under which `train` and `val` may stand."""
_FIGURES, _VALUE = frozenset({"metric", "tag", "name", "key", "variable", "metric_name"}), "value"
"""Names under which that of the figure stands whose value is in a column of its own."""
_OF_NO_PART = frozenset({Kind.LR, Kind.GRAD_NORM, Kind.WEIGHT, Kind.TIME, Kind.STEP, Kind.EPOCH, Kind.LOSS_SCALE})
"""Kinds that are of the training as a whole."""
_COUNTING = _RUN | {"fold", "stage"}
"""Words of names under which numbers may count what is otherwise called an episode or an epoch."""
_MARKS = frozenset(
    {"hash", "sha", "sha1", "sha256", "commit", "uuid", "guid", "md5", "checksum", "digest", "fingerprint"}
)
"""Words of names whose values are marks, though some of them look like numbers: `0498875`, `1e999`."""

Labels = Mapping[str, Sequence[str]]
"""What stands under each name in each row; empty: nothing."""


@lru_cache(maxsize=MOST_NAMES)
def is_label(name: str) -> bool:
    """Whether a name says of what a row is: `run_id`, `experiment`, `fold`, `seed`; `phase`, `split`; `metric`."""
    return _is_of_run(name) or name.lower() in _PARTS | _FIGURES


def _is_of_run(name: str) -> bool:
    words = words_of(name)
    return words in _ALSO or (bool(words) and words[0] in _RUN and set(words[1:]) <= _SAYS)


@lru_cache(maxsize=MOST_NAMES)
def is_mark(name: str) -> bool:
    """Whether what stands under a name is no figure: the hash of a configuration, a commit."""
    return bool(set(words_of(name)) & _MARKS)


def runs_of(labels: Labels, epochs: Floats, steps: Floats) -> list[int]:
    """The rows at which another run begins by what is said of the rows; empty: one run, or it is not told in blocks.

    Names whose values alternate, as the part of the training does, tell no run. One that is taken up where the run
    before was is the same training, resumed.
    """
    codes = {name: _filled(said) for name, said in labels.items() if _is_of_run(name)}
    varied = {name: one for name, one in codes.items() if (one != one[:1]).any() and not _are_parts(labels[name])}
    starts = _blocks(list(varied.values()))
    if starts is None:
        varied = {name: one for name, one in varied.items() if _blocks([one]) is not None}
        starts = _blocks(list(varied.values())) or []
    if len(starts) + 1 == len(epochs) and _count(labels, varied):
        return []
    places = epochs if np.isfinite(epochs).any() else steps
    bounds = [0, *starts, len(places)]
    return [
        start for index, start in enumerate(starts) if not _goes_on(places, bounds[index], start, bounds[index + 2])
    ]


def told_apart(table: LogTable) -> LogTable:
    """The table with a column for each figure and part of the training that a row says it is of.

    `{"phase": "val", "loss": 0.5}` is the loss of the validation, `{"metric": "val_loss", "value": 0.5}` is `val_loss`.
    """
    for name, said in table.labels.items():
        if name.lower() in _FIGURES and any(meaning_of(text).kind is not Kind.OTHER for text in set(said)):
            table = replace(table, columns=tuple(_each(table.columns, said)))
        elif name.lower() in _PARTS:
            splits = {text: _part(text) for text in set(said)}
            if {TRAIN, VAL} <= set(splits.values()) or {TRAIN, TEST} <= set(splits.values()):
                of_rows = [splits[text] for text in said]
                table = replace(table, columns=tuple(_of_parts(table.columns, of_rows)))
    return table


def _part(text: str) -> str:
    """The part of the training that a word is: `train`, `val_epoch`; empty: it says something else."""
    meaning = meaning_of(text)
    return meaning.split if not meaning.words - AVERAGES else ""


def _each(columns: Sequence[Column], said: Sequence[str]) -> Iterator[Column]:
    """The columns, that of the values as one for each figure; what is not said remains as it is."""
    for column in columns:
        if column.name.lower() != _VALUE:
            yield column
            continue
        told = np.array([said[row] for row in column.rows], np.str_)
        for text in dict.fromkeys(told.tolist()):
            yield replace(column.only(told == text), name=text or column.name)


def _of_parts(columns: Sequence[Column], splits: Sequence[str]) -> Iterator[Column]:
    for column in columns:
        meaning = meaning_of(column.name, column.split)
        if meaning.split or meaning.kind in _OF_NO_PART:
            yield column
            continue
        told = np.array([splits[row] for row in column.rows], np.str_)
        for split in dict.fromkeys(told.tolist()):
            yield replace(column.only(told == split), split=split)


def _are_parts(said: Sequence[str]) -> bool:
    """Whether all that is said are parts of the training: `train`, `val`."""
    return all(meaning_of(text).split for text in set(said) if text)


def _filled(said: Sequence[str]) -> Ints:
    """A number for each row by what is said of it; a row without is as the one before."""
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(text, len(known)) if text else -1 for text in said], np.int64)
    if (codes >= 0).any():
        last = np.maximum.accumulate(np.where(codes >= 0, np.arange(len(codes)), 0))
        codes = codes[last]
        codes[codes < 0] = codes[codes >= 0][0]
    return codes


def _blocks(codes: Sequence[Ints]) -> list[int] | None:
    """Where one of several changes; None: what they say together comes again later."""
    if not codes:
        return []
    together = np.stack(codes, axis=1)
    starts = np.flatnonzero((together[1:] != together[:-1]).any(1)) + 1
    return starts.tolist() if len(np.unique(together, axis=0)) == len(starts) + 1 else None


def _count(labels: Labels, names: Mapping[str, Ints]) -> bool:
    """Whether all that is said are whole numbers under names that may count."""
    return all(set(words_of(name)) & _COUNTING and all(text.isdecimal() for text in labels[name]) for name in names)


def _goes_on(places: Floats, first: int, start: int, end: int) -> bool:
    """Whether a run goes on from the one before, or from a place in its later half and beyond its end."""
    before, after = places[first:start], places[start:end]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after):
        return False
    is_taken_up = after[0] > (before[0] + before[-1]) / 2 and after.max() > before[-1]
    return bool(after[0] > before[-1] or is_taken_up)
