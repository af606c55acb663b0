"""Files that are cut off while somebody looks at them end nobody: a mapped file would, with SIGBUS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cutting import MOMENTS, READERS

PROGRAM = Path(__file__).with_name("cutting.py")


@pytest.mark.few(1)
@pytest.mark.parametrize("share", [0.5, pytest.param(0.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["steps.bin", "overview.bin", "samples.npz"])
def test_every_reader_answers_when_a_file_is_cut_off_under_it(tmp_path: Path, name: str, share: float) -> None:
    words = [sys.executable, str(PROGRAM), str(tmp_path), name, str(share)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env={**os.environ}, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    assert [line for line in lines if "FAILED" in line] == []
    assert len(lines) == len(READERS) * len(MOMENTS)
    cut = [line for line in lines if ": cut: " in line]
    assert {line.split(",")[0] for line in cut} == set(READERS)  # each reader had it happen to it
    if name == "steps.bin" and share:
        # A reader that holds what is gone says so in one line; one that follows shows what is left.
        assert all("was cut off while it was read: 1,551 records are left" in line for line in cut if "stored" in line)
        assert all(line.endswith("shows step 1551") for line in cut if line.startswith("follow"))
