"""A folder of files by step: bounded in number and size, spread over the run, the newest and the best always there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.validated.kept import (
    MOST_FILES,
    MOST_WAITING,
    KeptFiles,
    file_of,
    sizes_in,
    superfluous,
)


@given(st.dictionaries(st.integers(0, 10**6), st.integers(0, 10**5), max_size=40), st.integers(1, 12), st.data())
def test_what_stays_is_within_the_bounds_and_holds_the_newest_and_the_best(
    sizes: dict[int, int], most_files: int, data: st.DataObject
):
    best = data.draw(st.sampled_from(sorted(sizes))) if sizes else -1
    gone = superfluous(sizes, {best}, most_files=most_files, most_bytes=10**5)
    left = sorted(set(sizes) - set(gone))
    assert len(gone) == len(set(gone)) and set(gone) <= set(sizes)
    if sizes:
        assert best in left and max(sizes) in left
    is_bounded = len(left) <= most_files and sum(sizes[step] for step in left) <= 10**5
    assert is_bounded or set(left) <= {best, max(sizes)}


def test_many_validations_leave_fifty_files_spread_over_the_run(tmp_path: Path):
    kept = KeptFiles(tmp_path / "samples")
    for step in range(10, 3_001, 10):
        kept.put(step, b"x" * 100, best=430 if step >= 430 else step)
        kept.write_out()
    steps = list(sizes_in(tmp_path / "samples"))
    assert len(steps) == MOST_FILES and steps[-1] == 3_000 and 430 in steps and steps[0] == 10
    assert max(b - a for a, b in pairwise(steps)) <= 4 * 3_000 / MOST_FILES


def test_their_size_together_is_bounded(tmp_path: Path):
    kept = KeptFiles(tmp_path / "samples", most_bytes=10_000)
    for step in range(1, 200):
        kept.put(step, bytes(700), best=3)
        kept.write_out()
        assert sum(sizes_in(tmp_path / "samples").values()) <= 10_000
    assert {3, 199} <= set(sizes_in(tmp_path / "samples"))


def test_a_disk_that_takes_nothing_makes_nothing_pile_up(tmp_path: Path):
    (tmp_path / "samples").write_text("a file where the folder should be")
    kept = KeptFiles(tmp_path / "samples")
    for step in range(100):
        kept.put(step, bytes(10), best=0)
        with pytest.raises(DiskError):
            kept.write_out()
    (tmp_path / "samples").unlink()
    kept.write_out()
    assert list(sizes_in(tmp_path / "samples")) == [*range(100 - MOST_WAITING, 100)], "what waited is written then"


def test_a_resume_takes_back_what_came_after_its_checkpoint(tmp_path: Path):
    kept = KeptFiles(tmp_path / "samples")
    for step in (10, 20, 30):
        kept.put(step, b"", best=30)
        kept.write_out()
    KeptFiles(tmp_path / "samples").drop_after(20)
    assert list(sizes_in(tmp_path / "samples")) == [10, 20]
    KeptFiles(tmp_path / "nothing").drop_after(0)


def test_files_of_other_names_stay(tmp_path: Path):
    for name in ("notes.npz", "²⁰.npz", "12.txt", "1" * 30 + ".npz"):
        (tmp_path / name).write_bytes(b"")
    kept = KeptFiles(tmp_path)
    for step in range(200):
        kept.put(step, b"", best=0)
        kept.write_out()
    assert (tmp_path / "notes.npz").exists() and (tmp_path / "12.txt").exists()
    assert file_of(tmp_path, 199).exists() and len(sizes_in(tmp_path)) == MOST_FILES
