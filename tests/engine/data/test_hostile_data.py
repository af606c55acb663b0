"""Data as somebody hostile, or a broken disk, would leave them: loaded, or refused in one line, at once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.errors import UserError

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "200"))
"""More of them: `TRAINCTL_FUZZ_CASES=5000 pytest tests/engine/data/test_hostile_data.py`."""
ENDINGS = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "jp2")
VALUES = (
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
)


def write(root: Path, chance: random.Random) -> Path:
    """Eyes in folders, or named by a table beside them."""
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k in range(4):
            pixels = np.random.default_rng(k).integers(0, 256, (8, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{k}.{chance.choice(ENDINGS)}")
    if chance.random() < 0.6:
        return root
    files = sorted(path for path in root.rglob("*") if path.is_file())
    rows = [f"{path.relative_to(root)},{int(path.parent.name == 'open')}" for path in files]
    (root / "eyes.csv").write_text("\n".join(["path,class_id", *rows]) + "\n")
    return root / "eyes.csv"


def damage(root: Path, chance: random.Random) -> str:
    """One file of the data becomes something else; in words."""
    path = chance.choice(sorted(path for path in root.rglob("*") if path.is_file()))
    match chance.randrange(6):
        case 0:
            path.unlink()
            chance.choice(
                (os.mkfifo, Path.mkdir, lambda at: at.symlink_to("/dev/zero"), lambda at: at.symlink_to(at.name))
            )(path)
        case 1:
            path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
        case 2 if path.suffix == ".csv":
            lines = path.read_text().splitlines()
            lines[chance.randrange(len(lines))] = f"{chance.choice(VALUES)},{chance.choice(VALUES)}"
            path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        case 3:
            path.write_bytes(chance.randbytes(chance.randrange(2000)))
        case 4:
            (path.parent / "loop").symlink_to(path.parent)
        case _:
            data = bytearray(path.read_bytes())
            for _ in range(1 + chance.randrange(8)):
                data[chance.randrange(min(len(data), 200))] = chance.randrange(256)
            path.write_bytes(bytes(data))
    return path.name


@pytest.mark.parametrize("seed", range(0, CASES, 50))
def test_data_are_loaded_or_refused_in_a_line(tmp_path: Path, seed: int) -> None:
    for case in range(seed, seed + 50):
        chance = random.Random(case)
        data = write(tmp_path / f"{case}", chance)
        said = damage(tmp_path / f"{case}", chance)
        try:
            splits = load_eyes(EyesData(image_size=(8, 16), skip_corrupt=case % 2 == 0), 0, data)
        except UserError as err:
            assert len(str(err).splitlines()) == 1, (case, said)
        else:
            assert len(splits.train) and len(splits.val), (case, said)
