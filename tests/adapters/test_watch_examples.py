"""The examples of `docs/watch.md` run as they are written there, learn, and nothing is found wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from foreign_loops import records_of
from obeying import only_run, validations_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "metric"),
    [
        ("loop", 220, "accuracy"),
        ("lightning", 220, "val_acc"),
        ("transformers", 220, "accuracy"),
        ("accelerate", 220, "val_acc"),
    ],
)
def test_an_example_learns_and_is_recorded(name: str, steps: int, metric: str, tmp_path: Path) -> None:
    if name != "loop":
        pytest.importorskip(name)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TRAINCTL_RUNS_DIR": str(tmp_path / "runs")}
    command = [sys.executable, str(EXAMPLES / f"watch_{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    paths = only_run(tmp_path / "runs")
    records = records_of(paths)
    assert len(records) == steps and sorted(set(records["epoch"].tolist())) == list(range(1, 11))
    found = [metrics[metric] for metrics in validations_of(paths.root)]
    assert len(found) == 10 and found[-1] > 0.85, found
    summary = json.loads(paths.summary.read_text())
    assert summary["state"] == "finished"
    assert [finding for finding in summary["findings"] if finding["severity"] != "info"] == []
    lines = (EXAMPLES / f"watch_{name}.py").read_text().splitlines()
    assert len(lines) <= 40
