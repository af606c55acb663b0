"""Processes that train together: the first writes, no bit changes, nobody waits for what only one of them does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign_loops import events_of, records_of

from trainctl.engine.ranks import is_to_lead
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths

HELPERS = Path(__file__).parents[2] / "helpers"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def together(folder: Path, *words: str, before: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Two processes' training: what each said."""
    command = [*before, *TORCHRUN, str(HELPERS / "rank_loops.py"), *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HELPERS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    return sorted(
        (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")), key=lambda said: said["rank"]
    )


def runs(folder: Path) -> list[RunPaths]:
    return [RunPaths(path) for path in folder.iterdir() if not path.is_symlink()]


@pytest.mark.slow
def test_the_first_rank_writes_and_no_bit_changes(tmp_path: Path) -> None:
    said = together(tmp_path, "ddp,fsdp", str(tmp_path))
    assert len(said) == 4
    for one in said:
        assert one["weights"] == one["alone"], one["kind"]
        assert (one["path"] is not None) == (one["rank"] == 0)
    for kind, is_sharded in (("ddp", False), ("fsdp", True)):
        (paths,) = runs(tmp_path / kind)
        (first,) = (one for one in said if one["kind"] == kind and one["rank"] == 0)
        records = records_of(paths)
        assert records["grad_norm"] == pytest.approx(first["norms"], rel=1e-5), "of the first rank's part, unclipped"
        assert records["epoch"].tolist() == [1] * 8 + [2] * 8 and (records["batch_size"] == 8).all()
        notes = [str(event.data["text"]) for event in events_of(paths) if event.kind is EventKind.NOTE]
        assert [note.split(":")[0] for note in notes] == (["the parameters are sharded"] if is_sharded else [])


@pytest.mark.slow
def test_what_torchrun_starts_is_one_run(tmp_path: Path) -> None:
    ours = (sys.executable, "-m", "trainctl.tui.cli.main", "run", "--runs-dir", str(tmp_path / "runs"), "--")
    said = together(tmp_path, "ddp", "", before=ours)
    assert len(said) == 2
    (paths,) = runs(tmp_path / "runs")
    assert records_of(paths)["grad_norm"] == pytest.approx(said[0]["norms"], rel=1e-5)
    assert json.loads(paths.summary.read_text())["state"] == "finished"


def test_a_rank_is_known_before_the_processes_have_met() -> None:
    assert is_to_lead({}) and is_to_lead({"WORLD_SIZE": "2", "RANK": "0"}) and is_to_lead({"WORLD_SIZE": "1"})
    assert not is_to_lead({"WORLD_SIZE": "2", "RANK": "1"}) and not is_to_lead({"WORLD_SIZE": "2", "LOCAL_RANK": "1"})
