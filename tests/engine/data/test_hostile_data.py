"""Data as somebody hostile, or a broken disk, would leave them: loaded, or refused in one line, at once.

More of them: `TRAINCTL_FUZZ_CASES=5000 pytest tests/engine/data/test_hostile_data.py`, so many of each kind.
"""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import CELLS, bounded, damage
from PIL import Image
from quality_files import write_kadid, write_photographs

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.quality.load import load_quality
from trainctl.engine.data.quality.options import QualityData
from trainctl.engine.data.weld.load import load_weld, load_weld_labels
from trainctl.engine.data.weld.options import WeldData
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.tasks.recognise import recognise_task
from trainctl.tui.cli.main import run_command_line

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "0"))
"""Of each kind of data; 0: as many as each has here."""
ENDINGS = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "jp2")
SHAPES = {"video": (2, 8), "image": (5, 6), "audio": (1, 6), "sensor": (16, 3)}


def write_eyes(root: Path, chance: random.Random) -> Path:
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


def load_some_eyes(path: Path, chance: random.Random) -> Splits:
    return load_eyes(EyesData(image_size=(8, 16), skip_corrupt=chance.random() < 0.5), 0, path)


def write_welds(root: Path, chance: random.Random) -> Path:
    """Welds of two or three classes: a manifest with a file each, or one file for all."""
    root.mkdir()
    num, classes = chance.randrange(8, 16), ("Good", "Overlap", "Spatter")[: chance.randrange(2, 4)]
    save: Callable[..., None] = chance.choice((np.savez, np.savez_compressed))
    if chance.random() < 0.4:
        arrays: dict[str, Any] = {name: np.ones((num, *shape), np.float32) for name, shape in SHAPES.items()}
        arrays["label"] = np.array([classes[k % len(classes)] for k in range(num)])
        if chance.random() < 0.5:
            arrays["split"] = np.array([chance.choice(("train", "train", "val", "test")) for _ in range(num)])
        if chance.random() < 0.5:
            arrays["recording"] = np.arange(num) // 3
        save(root / "welds.npz", **arrays)
        return root / "welds.npz"
    rows = ["CATEGORY,DIRECTORY,SUBDIRS,SPLIT"]
    for k in range(num):
        rows.append(f"{classes[k % len(classes)]},rec_{k // 3},rec_{k // 3}/{k},{('TRAIN', 'TRAIN', 'TEST')[k % 3]}")
        (root / f"rec_{k // 3}").mkdir(exist_ok=True)
        save(root / f"rec_{k // 3}" / f"{k}.npz", **{name: np.ones(shape) for name, shape in SHAPES.items()})
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return chance.choice((root, root / "manifest.csv"))


def strange_array(chance: random.Random, num: int) -> Any:
    """Something that NumPy can save and nobody expects."""
    shape = chance.choice([(), (0,), (num,), (num, 1), (num, 2, 8), (2, 8), (num, 0, 8), (1, 1, 1, 1), (1, 3)])
    kind = chance.randrange(9)
    plain = np.full(shape, chance.choice([0.0, np.nan, np.inf, -np.inf, 1e300, -1.0]))
    if kind < 6:
        with np.errstate(all="ignore"):
            return plain.astype(chance.choice(["f2", ">f4", "f8", "c8", "U3", "S2", "f4"]))
    return (
        np.array([{"a": 1}], dtype=object),
        np.zeros(num, [("a", "i4"), ("b", "f4")]),
        np.array([chance.choice(CELLS).replace("\0", "") for _ in range(num)]),
    )[kind - 6]


def lying_header(chance: random.Random) -> bytes:
    """An array whose header says far more, or something else, than follows."""
    stream = io.BytesIO()
    shape = chance.choice([(1 << 40,), (1 << 62, 1 << 62), (-1,), (3, 1 << 50), (100_000_000, 0), (2, 8)])
    dtype = chance.choice(["<f4", "|O", "|S0", "<U1000000", "|i1", ">f8"])
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})  # pyright: ignore[reportArgumentType]
    return stream.getvalue() + bytes(chance.randrange(200))


def damage_welds(root: Path, chance: random.Random) -> str:
    """A file becomes something else, or one of its arrays does."""
    archives = sorted(root.rglob("*.npz"))
    if chance.random() < 0.5:
        return damage(root, chance)
    path = chance.choice(archives)
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    name = chance.choice(list(arrays))
    match chance.randrange(4):
        case 0:
            del arrays[name]
        case 1 if arrays[name].dtype.kind == "f":
            rows = arrays[name] = arrays[name].copy()
            rows[chance.randrange(len(rows))] = chance.choice([np.nan, np.inf])
        case 2:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{name}.npy", lying_header(chance))
            return f"{path.name}: {name} lies"
        case _:
            arrays[name] = strange_array(chance, len(arrays[name]) if arrays[name].ndim else 1)
    np.savez(path, **arrays)
    return f"{path.name}: {name}"


def load_some_welds(path: Path, chance: random.Random) -> Splits:
    options = WeldData.model_validate(
        {
            **SHAPES,
            "split": chance.choice(["given", "given", "stratified", "grouped"]),
            "skip_missing": chance.random() < 0.5,
            "group_by": chance.choice([None, None, None, "directory", "recording", "(", r"rec_(\d)", "nowhere"]),
        }
    )
    splits = load_weld(options, 0, path, val_batch_size=4)
    load_weld_labels(options, 0, path)
    if splits.test is not None:
        splits.test()
    return splits


def write_pictures(root: Path, chance: random.Random) -> Path:
    """Photographs in a folder, or a small KADID-10k."""
    if chance.random() < 0.5:
        return write_photographs(root, 4)
    return chance.choice((root, root / "dmos.csv")) if write_kadid(root, 3) else root


def load_some_pictures(path: Path, chance: random.Random) -> Splits:
    options = {"references": 4, "images": 8, "image_size": 16, "cache": False, "pristine": chance.random() < 0.5}
    return load_quality(QualityData.model_validate(options), 0, path)


KINDS = {
    "eyes": (write_eyes, damage, load_some_eyes, 150),
    "welds": (write_welds, damage_welds, load_some_welds, 100),
    "pictures": (write_pictures, damage, load_some_pictures, 50),
}
PORTION = 50


@pytest.mark.few(2)
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("kind", "first"), [(kind, first) for kind, (*_, few) in KINDS.items() for first in range(0, CASES or few, PORTION)]
)
def test_data_are_loaded_or_refused_in_a_line(tmp_path: Path, kind: str, first: int) -> None:
    write, break_one, load, _ = KINDS[kind]
    for case in range(first, first + PORTION):
        chance = random.Random(case)
        data = write(tmp_path / f"{case}", chance)
        said = break_one(tmp_path / f"{case}", chance)
        try:
            with bounded():
                recognise_task(data)
                splits = load(data, chance)
        except UserError as err:
            assert len(str(err).splitlines()) == 1, (case, said)
            assert len(str(err)) < 2000, (case, said)
        except Exception as err:
            raise AssertionError(f"{kind} case {case}, {said}: {err!r}") from err
        else:
            assert len(splits.train) and len(splits.val), (case, said)


@pytest.mark.parametrize("first", range(0, CASES or 30, 30))
def test_a_command_on_such_welds_ends_with_a_code_and_a_line(
    tmp_path: Path, first: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [word for name, (rows, width) in SHAPES.items() for word in ("--set", f"data.{name}=[{rows},{width}]")]
    for case in range(first, first + 30):
        chance = random.Random(case)
        data = write_welds(tmp_path / f"{case}", chance)
        said = damage_welds(tmp_path / f"{case}", chance)
        command = ["data"] if case % 2 else ["diagnose", "--only", "data,labels,sampler"]
        with bounded():
            code = run_command_line([*command, "--preset", "weld/repaired", "--data", str(data), *shapes])
        printed, error = capsys.readouterr()
        assert code in (ExitCode.OK, ExitCode.USAGE, ExitCode.FINDINGS), (case, said)
        assert "Traceback" not in printed + error, (case, said)
        if code == ExitCode.USAGE:
            assert error.startswith("trainctl: error: ") and len(error.strip().splitlines()) == 1, (case, said, error)
