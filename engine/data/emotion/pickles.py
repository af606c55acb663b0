"""Reads the pickles in which the field hands its features around: dictionaries of dialogues, each a list of utterances.

`(ids, speakers, labels, text, audio, visual, sentences, train ids, test ids)`; without `visual`, and with further
dictionaries of labels at the end, as MELD has them. Read without being run (`unpickle`). Knows no split of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.emotion.dialogues import Integers
from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.data.emotion.source import Source
from trainctl.engine.data.emotion.stored import MalformedError, StoredArray
from trainctl.engine.data.emotion.unpickle import RefusedError, unpickled
from trainctl.engine.data.split_names import TEST, TRAIN
from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular, read_limited

MOST_BYTES = 512 << 20
"""Of a pickle."""
BEGINNINGS = (b"(", b"]", b"}", b"c")
"""How pickles of protocols 0 and 1 begin; later ones name their protocol."""
LAYOUT = "(ids, speakers, labels, text, audio, visual, sentences, train ids, test ids)"
HOW = f"the field's pickles hold {LAYOUT}"
SAFE = "pickles are programs: only numbers, text, containers and NumPy arrays are read; save such, or an .npz"
MOST_UTTERANCES = 200_000
Dialogue = Sequence[Any]
Table = Mapping[Any, Any]


@dataclass(frozen=True)
class _Layout:
    """The parts of a pickle by their meaning."""

    speakers: Table
    labels: Table
    features: Mapping[str, Table]
    train: list[Any]
    test: list[Any]
    notes: tuple[str, ...]


def is_pickle(file: Path) -> bool:
    """Whether a file begins, and where that says nothing ends, as a pickle does; False where it cannot be read."""
    try:
        with open_regular(file) as stream:
            head = stream.read(2)
            if len(head) == 2 and head[0] == 0x80:
                return head[1] <= 5
            stream.seek(-1, 2)
            return head[:1] in BEGINNINGS and stream.read(1) == b"."
    except (OSError, ValueError):
        return False


def read_pickle(file: Path, which: str = "first", *, is_labelled: bool = True) -> Source:
    """The dialogues that the pickle names for training or for testing, in the order in which it does.

    Args:
        file: the pickle.
        which: `first` or `second` dictionary of labels.
        is_labelled: whether labels must be there and fit; else they are not read, and dialogues that are neither for
            training nor for testing come too, last.

    Raises:
        UserError: it cannot be read, would run code, or holds something else; names file and place.
    """
    try:
        # No more room than the file takes: as much as may be read would be set aside for the smallest one.
        content = read_limited(file, min(MOST_BYTES, max(file.stat().st_size, 1 << 12)))
    except FileNotFoundError:
        raise UserError(f"no file {file}", "check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {file} as a pickle: {reason}", "save float32 arrays, or an .npz") from None
    try:
        found = unpickled(content)
    except RefusedError as refused:
        raise UserError(f"{file} needs {refused}, which is not admitted (nothing was run)", SAFE) from None
    except MalformedError as malformed:
        raise UserError(f"cannot read {file} as a pickle: {malformed}", HOW) from None
    layout = _layout(found, which if is_labelled else "first", str(file))
    return _source(layout, str(file), 2 * len(content) + (1 << 20), is_labelled=is_labelled)


def _layout(found: Any, which: str, origin: str) -> _Layout:
    """What each part is, by what it is made of."""
    parts: list[Any] = list(cast("list[Any]", found)) if isinstance(found, (list, tuple)) else []
    tables = next((at for at, part in enumerate(parts) if not isinstance(part, dict)), len(parts))
    rest = parts[tables : tables + 2]
    if tables not in (6, 7) or len(rest) < 2 or not all(_is_list(part) for part in rest):
        kinds = ", ".join(_kind(part) for part in parts[:12]) or _kind(found)
        raise UserError(f"{origin} holds {kinds[:160]}", HOW)
    others = [part for part in parts[tables + 2 :] if isinstance(part, dict)]
    notes: list[str] = []
    labels = parts[2]
    if which == "second":
        if not others:
            raise UserError(f"{origin} has one dictionary of labels", "set data.labels=first")
        labels = others[0]
    elif others:
        notes.append("the second dictionary of labels is not used (data.labels=second would)")
    names = MODALITIES[: tables - 4]
    features: dict[str, Table] = dict(zip(names, parts[3 : tables - 1], strict=True))
    train, test = (list(dict.fromkeys(_ids(part, origin))) for part in rest)
    return _Layout(parts[1], labels, features, train, test, tuple(notes))


def _is_list(part: Any) -> bool:
    return isinstance(part, (list, tuple, StoredArray))


def _kind(part: Any) -> str:
    return "an array" if isinstance(part, StoredArray) else type(part).__name__


def _ids(part: Any, origin: str) -> Iterator[Any]:
    for key in part.values.ravel().tolist() if isinstance(part, StoredArray) else part:
        if type(key) not in (str, int, bytes):
            raise UserError(f"{origin}: an id of a dialogue is {_kind(key)}", "ids are text or whole numbers")
        yield key


def _source(layout: _Layout, origin: str, most_values: int, *, is_labelled: bool) -> Source:
    keys = _keys(layout, origin, is_labelled=is_labelled)
    names = [_text(key) for key in keys]
    leading, table = ("labels", layout.labels) if is_labelled else next(iter(layout.features.items()))
    leaders = [_dialogue(table, key, leading, origin) for key in keys]
    lengths = np.array([len(rows) for rows in leaders], np.int64)
    num = int(lengths.sum())
    if not 0 < num <= MOST_UTTERANCES:
        raise UserError(f"{origin} has {num:,} utterances", f"there may be 1 to {MOST_UTTERANCES:,}")
    places = _Places(origin, names, lengths, leading if is_labelled else f"in {leading}")
    arrays: dict[str, NDArray[Any]] = {}
    for name, table in layout.features.items():
        rows = _rows(table, keys, name, places)
        array_ND = _features(rows, name, places, most_values)
        most_values -= array_ND.size
        arrays[name] = array_ND
    arrays["labels"] = np.zeros(num, np.int64)
    if is_labelled:
        flat = (value for rows in leaders for value in rows)
        arrays["labels"][:] = [_whole(value, "labels", row, places) for row, value in enumerate(flat)]
    arrays["speakers"] = _speakers(_rows(layout.speakers, keys, "speakers", places), places)
    unnamed = len(table.keys() - set(keys))
    left = (f"{unnamed:,} dialogues are neither train nor test ids and were left out",) if unnamed else ()
    sides = [TRAIN] * len(layout.train) + [TEST] * (len(keys) - len(layout.train))
    return Source(arrays, lengths, names, sides, None, origin, (*layout.notes, *left))


def _keys(layout: _Layout, origin: str, *, is_labelled: bool) -> list[Any]:
    """The dialogues that are used, in their order, each once."""
    both = set(layout.train) & set(layout.test)
    if both and is_labelled:
        first = next(key for key in layout.train if key in both)
        raise UserError(f"{origin}: dialogue {_text(first)} is among train and test ids", "leave it out of one")
    others = [] if is_labelled else list(next(iter(layout.features.values())))
    keys = list(dict.fromkeys([*layout.train, *layout.test, *_ids(others, origin)]))
    if not keys:
        raise UserError(f"{origin} names no dialogue{' to train on or to test' if is_labelled else ''}", HOW)
    return keys


@dataclass(frozen=True)
class _Places:
    """Where an utterance stands, for messages."""

    origin: str
    names: Sequence[str]
    lengths: Integers
    what: str
    """By which the utterances were counted."""

    def of(self, row: int) -> str:
        """The utterance in words."""
        ends = np.cumsum(self.lengths)
        at = int(np.searchsorted(ends, row, side="right"))
        return f"utterance {row - int(ends[at] - self.lengths[at])} of dialogue {self.names[at]}"


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _dialogue(table: Table, key: Any, name: str, origin: str) -> Dialogue:
    """The utterances of a dialogue, one entry each."""
    if key not in table:
        raise UserError(f"{origin}: {name} lacks dialogue {_text(key)}", "give every train and test id its entry")
    found = table[key]
    if isinstance(found, StoredArray):
        return list(found.values) if found.values.ndim else [found.values]
    if not isinstance(found, (list, tuple)):
        raise UserError(f"{origin}: {name} of dialogue {_text(key)} is {_kind(found)}", "give a list of utterances")
    return cast("Dialogue", found)


def _rows(table: Table, keys: Sequence[Any], name: str, places: _Places) -> list[Any]:
    """An entry for each utterance, as many in each dialogue as it has labels."""
    flat: list[Any] = []
    for key, num in zip(keys, places.lengths.tolist(), strict=True):
        rows = _dialogue(table, key, name, places.origin)
        if len(rows) != num:
            said = f"dialogue {_text(key)} has {len(rows)} utterances in {name} and {num} {places.what}"
            raise UserError(f"{places.origin}: {said}", "give each utterance one entry")
        flat += rows
    return flat


def _vector(row: Any) -> NDArray[Any] | list[Any] | None:
    """The numbers of an utterance; None where it is something else."""
    if isinstance(row, StoredArray):
        row = row.values
    if isinstance(row, np.ndarray):
        return row.ravel() if row.dtype.kind in "biuf" else None
    if isinstance(row, (list, tuple)) and set(map(type, cast("list[Any]", row))) <= {int, float, bool}:
        return cast("list[Any]", row)
    return None


def _features(rows: Sequence[Any], name: str, places: _Places, most_values: int) -> NDArray[np.float32]:
    """One modality, (N, width). What a file repeats by reference cannot become more values than it has bytes."""
    first = _vector(rows[0])
    width = 0 if first is None else len(first)
    if len(rows) * width > most_values:
        raise UserError(f"{places.origin}: {name} repeats the same values too often", "save arrays of their own")
    array_ND = np.empty((len(rows), width), np.float32)
    for at, row in enumerate(rows):
        vector = _vector(row)
        if vector is None:
            raise UserError(f"{places.origin}: {name} of {places.of(at)} is {_kind(row)}", "give a list of numbers")
        if len(vector) != width:
            said = f"{places.origin}: {name} of {places.of(at)} has {len(vector)} features, the first has {width}"
            raise UserError(said, "give every utterance as many")
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found with everything that is
            array_ND[at] = vector
    return array_ND


def _whole(value: Any, name: str, row: int, places: _Places) -> int:
    if isinstance(value, StoredArray):
        value = value.values
    if isinstance(value, (np.ndarray, np.generic)) and value.size == 1:
        value = value.reshape(-1).tolist()[0]
    if type(value) in (int, bool, float) and -(2**31) < value < 2**31 and int(value) == value:
        return int(value)
    raise UserError(f"{places.origin}: {name} of {places.of(row)} is no whole number", "number the emotions from 0")


def _speakers(rows: Sequence[Any], places: _Places) -> NDArray[Any]:
    """Who speaks: a number, or a vector with one 1, as a number; a letter or name, as Python's text."""
    words = [_text(row) if isinstance(row, (str, bytes)) else _speaker(row, at, places) for at, row in enumerate(rows)]
    if all(isinstance(word, int) for word in words):
        return np.array(words, np.int64)
    return np.array([str(word) for word in words], object)


def _speaker(row: Any, at: int, places: _Places) -> int | str:
    vector = _vector(row)
    if vector is not None and len(vector) > 1:
        return int(np.argmax(np.asarray(vector, np.float64)))
    if isinstance(row, np.generic) and isinstance(row.item(), (str, bytes)):
        return _text(row.item())
    return _whole(row, "speakers", at, places)
