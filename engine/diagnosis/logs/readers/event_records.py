"""The scalars of a TensorBoard event file, from its bytes: no package is needed, and nothing but numbers is made.

A file is a row of records: length, checksum of the length, an event, checksum of the event (TensorFlow, "TFRecord").
An event has a step, a time and a summary of named values (tensorflow/core/util/event.proto, framework/summary.proto).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trainctl.engine.diagnosis.logs.readers.protobuf import double, fields, signed, single, text, varint
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

HEADER = 12
LONGEST = 1 << 20
"""Bytes of an event with a scalar or a table of settings; longer ones hold pictures and graphs, and are passed over."""
ARGUMENTS = "args/text_summary"
"""Tag under which Hugging Face's trainer writes its arguments as JSON."""
_MASK = 0xA282EAD8
_FLOATS = {1: "<f4", 2: "<f8", 19: "<f2"}
_WHOLES = {3: "<i4", 4: "<u1", 5: "<i2", 6: "<i1", 9: "<i8", 17: "<u2", 22: "<u4", 23: "<u8"}
"""Types of tensors by their number in types.proto."""


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC = _crc_table()


@dataclass
class EventLog:
    """What event files say, one after the other."""

    scalars: Tagged = field(default_factory=Tagged)
    """By the part of the training that the folder names, and tag."""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    """Hyperparameters and arguments that were written beside them."""

    def read(self, path: Path, split: str = "", prefix: str = "") -> None:
        """Take in a file; one that is still written to as far as it goes.

        Args:
            path: the file.
            split: part of the training that its folder says.
            prefix: put before the tags.

        Raises:
            UserError: it cannot be read, or is damaged.
        """
        try:
            with open_regular(path) as file:
                for record in _records(file):
                    self._take(record, split, prefix)
        except (OSError, ValueError) as err:
            why = getattr(err, "strerror", None) or err
            raise UserError(f"{path} cannot be read as TensorBoard events", f"{why}") from err

    def _take(self, record: bytes, split: str, prefix: str) -> None:
        step, time, summary = 0, 0.0, b""
        for number, value in fields(record):
            if number == 1:
                time = double(value)
            elif number == 2:
                step = signed(value)
            elif number == 5 and isinstance(value, bytes):
                summary = value
        for number, value in fields(summary):
            if number == 1 and isinstance(value, bytes):
                self._take_value(value, split, prefix, step, time)

    def _take_value(self, data: bytes, split: str, prefix: str, step: int, time: float) -> None:
        tag, scalar, tensor, metadata = "", None, b"", b""
        for number, value in fields(data):
            if number == 1:
                tag = text(value)
            elif number == 2:
                scalar = single(value)
            elif number == 8 and isinstance(value, bytes):
                tensor = value
            elif number == 9 and isinstance(value, bytes):
                metadata = value
        if metadata and b"hparams" in metadata:
            self.settings |= _hyperparameters(metadata)
            return
        if tag == ARGUMENTS:
            self.settings |= _arguments(tensor)
            return
        if scalar is None and tensor:
            scalar = _number(tensor)
        if scalar is not None:
            self.scalars.add(f"{prefix}{tag}", step, scalar, time, split)


def _records(file: BinaryIO) -> Iterator[bytes]:
    """The events of a file; what its writer has not finished is not there yet."""
    while len(header := file.read(HEADER)) == HEADER:
        length, check = struct.unpack("<QI", header)
        if check != _masked_crc(header[:8]):
            if not any(header):  # room that was never written to
                return
            raise ValueError(f"it is damaged at byte {file.tell() - HEADER:,}")
        if length > LONGEST:
            file.seek(length + 4, 1)
            continue
        record = file.read(length + 4)
        if len(record) < length + 4:
            return
        yield record[:-4]


def _masked_crc(data: bytes) -> int:
    """CRC-32C, turned and shifted, as the format has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _number(tensor: bytes) -> float | None:
    """The one number of a tensor; None: it has more, or other things."""
    kind, content, single_value, double_value, whole, size = 0, b"", b"", b"", None, 1
    for number, value in fields(tensor):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            size = _size(value)
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number == 5 and isinstance(value, bytes):
            single_value = value
        elif number == 6 and isinstance(value, bytes):
            double_value = value
        elif number in (7, 10, 16, 17):
            whole = value
    if size != 1:
        return None
    dtype = _FLOATS.get(kind) or _WHOLES.get(kind)
    if dtype and len(content) == np.dtype(dtype).itemsize:
        return float(np.frombuffer(content, dtype)[0])
    if kind == 1 and len(single_value) == 4:
        return single(single_value)
    if kind == 2 and len(double_value) == 8:
        return double(double_value)
    if kind in _WHOLES and whole is not None:
        return float(signed(whole if isinstance(whole, int) else next(iter(_packed(whole)), 0)))
    return None


def _size(shape: bytes) -> int:
    """Entries of a tensor by its shape."""
    size = 1
    for number, dim in fields(shape):
        if number == 2 and isinstance(dim, bytes):
            size *= max((signed(value) for key, value in fields(dim) if key == 1), default=0)
    return size


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = varint(data, at)
        yield value


def _hyperparameters(metadata: bytes) -> dict[str, Any]:
    """The hyperparameters in the metadata of the summary that begins a session (plugins/hparams/plugin_data.proto)."""
    found: dict[str, Any] = {}
    for start in _within(metadata, (1, 2, 3)):  # plugin data, its content, the start of a session
        for number, entry in fields(start):
            if number == 1 and isinstance(entry, bytes):
                pair = dict(fields(entry))
                value = pair.get(2, b"")
                found[text(pair.get(1, b""))] = _plain(value) if isinstance(value, bytes) else None
    return found


def _within(data: bytes, path: tuple[int, ...]) -> Iterator[bytes]:
    """The messages at a path of fields."""
    if not path:
        yield data
        return
    for number, value in fields(data):
        if number == path[0] and isinstance(value, bytes):
            yield from _within(value, path[1:])


def _plain(value: bytes) -> Any:
    """A `google.protobuf.Value` that is a number, a text, or true or false."""
    for number, content in fields(value):
        if number == 2:
            return double(content)
        if number == 3:
            return text(content)
        if number == 4:
            return bool(content)
    return None


def _arguments(tensor: bytes) -> dict[str, Any]:
    """A table of arguments that was written as text."""
    for number, value in fields(tensor):
        if number == 8 and isinstance(value, bytes):
            try:
                found: Any = json.loads(value)
            except (ValueError, RecursionError):
                return {}
            return found if isinstance(found, dict) else {}
    return {}
