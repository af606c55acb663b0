"""The file of the worst samples: what is written is read, and what is not whole is refused, never half read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.validated.samples import WorstSamples, read_samples, write_samples


def some(count: int = 3, **changes: Any) -> WorstSamples:
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "step": 40,
        "epoch": 2,
        "num_samples": 100,
        "losses": np.array([3.5, np.nan, 1.0], np.float32)[:count],
        "truths": ("open",) * count,
        "predictions": ("closed 97%",) * count,
        "names": tuple(f"a/é {k}.png" for k in range(count)),
        "images": rng.integers(0, 256, (count, 4, 6, 3)).astype(np.uint8),
    }
    return WorstSamples(**(values | changes))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_written_is_read(tmp_path: Path, count: int):
    run, samples = RunPaths(tmp_path), some(count)
    write_samples(run, samples)
    read = read_samples(run)
    assert read is not None and len(read) == count
    np.testing.assert_array_equal(read.losses, samples.losses)
    np.testing.assert_array_equal(read.images, samples.images)
    assert (read.step, read.epoch, read.num_samples) == (40, 2, 100)
    assert (read.truths, read.predictions, read.names) == (samples.truths, samples.predictions, samples.names)


def test_a_run_without_the_file_has_no_samples(tmp_path: Path):
    assert read_samples(RunPaths(tmp_path)) is None


def test_every_torn_file_is_damaged(tmp_path: Path):
    run = RunPaths(tmp_path)
    write_samples(run, some())
    whole = run.samples.read_bytes()
    for end in range(0, len(whole), 97):
        run.samples.write_bytes(whole[:end])
        with pytest.raises(DamagedFileError, match=r"samples\.npz"):
            read_samples(run)


def test_parts_that_do_not_belong_together_are_damaged(tmp_path: Path):
    run = RunPaths(tmp_path)
    write_samples(run, some(names=("one",)))
    with pytest.raises(DamagedFileError, match="do not belong together"):
        read_samples(run)


def test_who_is_right_is_kept_and_may_be_missing(tmp_path: Path):
    for rights in ((), (True, False, True)):
        write_samples(RunPaths(tmp_path), some(3, rights=rights))
        read = read_samples(RunPaths(tmp_path))
        assert read is not None and read.rights == rights
    write_samples(RunPaths(tmp_path), some(3, rights=(True,)))
    with pytest.raises(DamagedFileError, match="do not belong together"):
        read_samples(RunPaths(tmp_path))


def test_objects_are_not_unpickled(tmp_path: Path):
    run = RunPaths(tmp_path)
    np.savez(run.samples, about=np.array([object()], object))
    with pytest.raises(DamagedFileError):
        read_samples(run)


def test_a_newer_version_is_refused(tmp_path: Path):
    run = RunPaths(tmp_path)
    write_samples(run, some())
    arrays: dict[str, Any] = dict(np.load(run.samples))
    arrays["about"] = np.array([99, 1, 1, 1])
    np.savez(run.samples, **arrays)
    with pytest.raises(UserError, match="schema 99"):
        read_samples(run)
