"""Reads the table of a KADID-10k folder: `dmos.csv` (`dist_img,ref_img,dmos,var`) beside `images/`. Decodes nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.data.csv_table import quoted, read_csv
from trainctl.engine.data.distortions.table import BEST, DISTORTIONS, LEVELS, WORST
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file

TABLE, IMAGES = "dmos.csv", "images"
COLUMNS = ("dist_img", "ref_img", "dmos")
"""Columns that are read; `var`, the variance of the opinions, may be missing."""
FILE_NAME = re.compile(r"(?P<reference>.+)_(?P<number>\d{2})_(?P<level>\d{2})\.\w+")
"""Names as KADID-10k gives them: reference, distortion, level (`I01_07_03.png`)."""


@dataclass(frozen=True)
class Opinion:
    """One line of the table."""

    line: int
    """Where it stands."""
    file: Path
    name: str
    """File name of the distorted picture."""
    reference: str
    """File name of the reference picture."""
    number: int
    """Distortion 1 … 25."""
    level: int
    """1 … 5."""
    score: float
    """(dmos − 1) / 4: 0 … 1, higher is better."""


def find_kadid(path: Path) -> Path | None:
    """The folder of a KADID-10k table: `path` itself, or that of the table `path`; None where there is none."""
    if path.name == TABLE and is_file(path):
        return path.parent
    return path if is_file(path / TABLE) else None


def read_kadid(root: Path) -> list[Opinion]:
    """Every line of the table, in its order.

    Raises:
        UserError: a column is missing, a value makes no sense, a picture is not there; names file and line.
    """
    table = root / TABLE
    columns, lines = read_csv(table, COLUMNS, fold=str.lower)
    opinions = [_opinion(root, *row) for row in zip(lines, *(columns[name] for name in COLUMNS), strict=True)]
    if not opinions:
        raise UserError(f"{table} has no line", "is it the table of KADID-10k?")
    _require_files(table, opinions)
    return opinions


def _opinion(root: Path, line: int, name: str, reference: str, dmos: str) -> Opinion:
    name, reference = name.strip(), reference.strip()
    where = f"{root / TABLE} line {line}"
    if not name or not reference:
        raise UserError(f"{where}: dist_img or ref_img is empty", "name both pictures")
    number, level = _kind(name, where)
    return Opinion(line, root / IMAGES / name, name, reference, number, level, _score(dmos.strip(), where))


def _kind(name: str, where: str) -> tuple[int, int]:
    """Distortion and level of a file name.

    Raises:
        UserError: it has none, or they are not in the table of distortions.
    """
    parts = FILE_NAME.fullmatch(name)
    number, level = (int(parts["number"]), int(parts["level"])) if parts else (0, 0)
    if not (1 <= number <= len(DISTORTIONS) and 1 <= level <= LEVELS):
        hint = f"names are like I01_07_03.png: reference, distortion 01 … {len(DISTORTIONS)}, level 01 … {LEVELS:02}"
        raise UserError(f"{where}: {quoted(name)} names no distortion and level", hint)
    return number, level


def _score(dmos: str, where: str) -> float:
    try:
        value = float(dmos)
    except ValueError:
        value = math.nan
    if not WORST <= value <= BEST:
        hint = f"opinions are numbers from {WORST:g} (bad) to {BEST:g} (best)"
        raise UserError(f"{where}: dmos is {quoted(dmos)}", hint)
    return (value - WORST) / (BEST - WORST)


def _require_files(table: Path, opinions: Sequence[Opinion]) -> None:
    """Refuse a table whose pictures are not there."""
    missing = [opinion for opinion in opinions if not is_file(opinion.file)]
    if missing:
        count = f"{len(missing):,} of {len(opinions):,} pictures of {table} are missing"
        raise UserError(
            f"{count}, first {missing[0].file} of line {missing[0].line}", f"unpack them into {table.parent / IMAGES}"
        )
