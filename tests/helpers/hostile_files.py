"""Damages files as a broken disk or somebody hostile would, and bounds how long reading them may take."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

MOST_S = 5.0
"""Seconds that any data may take to be loaded or refused."""
CELLS = (
    "",
    "x",
    "-1",
    "2",
    "1e400",
    "nan",
    "../../etc/passwd",
    "/dev/zero",
    "a\0b",
    "\ud800",
    '"',
    "a,b",
    "日本語",
    "open/0.png",
    "\x1b[2J",
    "a\nb",
    "%s" * 40,
    "n" * 5000,
)
"""What a cell of a table may say."""


@contextmanager
def bounded(seconds: float = MOST_S) -> Generator[None]:
    """Ends what takes longer, even where it waits for a pipe.

    Raises:
        TimeoutError: it took longer.
    """

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def damage(root: Path, chance: random.Random) -> str:
    """One file of the data becomes something else; in words."""
    path = chance.choice(sorted(path for path in root.rglob("*") if path.is_file()))
    match chance.randrange(7):
        case 0:
            path.unlink()
            kinds: tuple[Callable[[Path], object], ...] = (
                os.mkfifo,
                Path.mkdir,
                lambda at: at.symlink_to("/dev/zero"),
                lambda at: at.symlink_to(at.name),
                lambda at: at.symlink_to(root),
                lambda at: None,
            )
            chance.choice(kinds)(path)
        case 1:
            path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
        case 2 if path.suffix == ".csv":
            _damage_table(path, chance)
        case 3:
            path.write_bytes(chance.randbytes(chance.randrange(2000)))
        case 4:
            (path.parent / "loop").symlink_to(path.parent)
        case 5:
            path.write_bytes(path.read_bytes()[:100])
            os.truncate(path, chance.choice((1 << 20, 1 << 24, 1 << 40)))  # holes take no room
        case _:
            data = bytearray(path.read_bytes())
            for _ in range(1 + chance.randrange(8)):
                data[chance.randrange(min(len(data), 200))] = chance.randrange(256)
            path.write_bytes(bytes(data))
    return path.name


def _damage_table(path: Path, chance: random.Random) -> None:
    lines = path.read_text().splitlines()
    row, columns = chance.randrange(len(lines)), lines[0].count(",") + 1
    cells = lines[row].split(",")
    match chance.randrange(6):
        case 0:
            cells[chance.randrange(columns)] = chance.choice(CELLS)
        case 1:
            cells = [chance.choice(CELLS) for _ in range(columns)]
        case 2:
            lines, cells = lines[:1], lines[0].split(",")
            row = 0
        case 3:
            gone = chance.randrange(columns)
            lines = [",".join(part for k, part in enumerate(line.split(",")) if k != gone) for line in lines]
            cells = lines[row].split(",")
        case 4:
            cells = cells[: chance.randrange(columns)]
        case _:
            lines += lines[1:] * chance.randrange(3)
    lines[row] = ",".join(cells)
    end, encoding = chance.choice(("\n", "\r\n", "\r")), chance.choice(("utf-8", "utf-8-sig", "utf-16", "latin-1"))
    errors = "surrogatepass" if encoding != "latin-1" else "replace"
    path.write_bytes(end.join(lines).encode(encoding, errors))
