"""Programs that know nothing of trainctl: recorded without a line, they say to the last digit what they say alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from foreign_loops import records_of
from obeying import only_run

PROGRAMS = Path(__file__).parent / "programs"
TIMES = re.compile(r"'[a-z_]*(runtime|per_second)': [^,}]*")
NAMES = {
    "char_gpt": (["--steps", "60"], 60),
    "digits_cnn": (["--epochs", "2"], 90),
    "vae": (["--epochs", "3"], 135),
    "hf_trainer": (["--epochs", "2"], 64),
    "lightning_module": (["--epochs", "3"], 135),
}


def said(command: list[str], folder: Path) -> str:
    """What a program prints, without the times that it took."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return TIMES.sub("", done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_recorded_and_computes_what_it_computes(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"hf_trainer": "transformers", "lightning_module": "lightning"}.get(name, "torch"))
    words, steps = NAMES[name]
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), *words]
    ours = [sys.executable, "-m", "trainctl.tui.cli.main", "run", "--runs-dir", str(tmp_path / "runs"), "--"]
    assert said([*ours, *command], tmp_path) == said(command, tmp_path)
    paths = only_run(tmp_path / "runs")
    records = records_of(paths)
    assert len(records) == steps and np.isfinite(records["loss"]).all() and (records["grad_norm"] > 0).all()
    summary = json.loads(paths.summary.read_text())
    assert summary["state"] == "finished"
    assert [found for found in summary["findings"] if found["severity"] == "error"] == []
