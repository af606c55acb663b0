"""Two processes of a trainer of others: they stop together at the end of the epoch in which the first was asked to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from foreign_loops import records_of
from obeying import answers, only_run

HELPERS = [str(Path(__file__).parents[1] / "helpers"), str(Path(__file__).parent)]
LIGHTNING = """
import lightning.pytorch as lightning
from obeying import Asker
from test_lightning import Digits, TrainctlCallback, data, DataLoader
callback, asker = TrainctlCallback(runs_dir="runs"), Asker("checkpoint", "stop")
class Asking(lightning.Callback):
    def on_train_batch_start(self, trainer, *args):
        if trainer.global_rank == 0:
            asker.ask(callback.watch.path)
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer = lightning.Trainer(
    max_epochs=100_000, accelerator="cpu", devices=2, strategy="ddp", callbacks=[callback, Asking()], **quiet
)
trainer.fit(Digits(), DataLoader(data(), batch_size=8))
print("RANK", trainer.global_rank, trainer.global_step, callback.watch.path is not None, flush=True)
"""
TRANSFORMERS = """
import pathlib, transformers
from obeying import Asker
from test_transformers import TrainctlCallback, trained
callback, asker = TrainctlCallback(runs_dir="runs"), Asker("checkpoint", "stop")
class Asking(transformers.TrainerCallback):
    def on_step_begin(self, args, state, control, **known):
        if args.process_index == 0:
            asker.ask(callback.watch.path)
options = dict(num_train_epochs=100_000, eval_strategy="no", ddp_backend="gloo")
trainer = trained(pathlib.Path("."), callback, Asking(), **options)
print("RANK", trainer.args.process_index, trainer.state.global_step, callback.watch.path is not None, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("lightning", LIGHTNING), ("transformers", TRANSFORMERS)])
def test_all_ranks_stop_with_the_first(name: str, code: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    (tmp_path / "train.py").write_text(code)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if name != "lightning" else []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(HELPERS)}
    done = subprocess.run(
        [sys.executable, *launcher, "train.py"], capture_output=True, text=True, check=False, cwd=tmp_path, env=env
    )
    assert done.returncode == 0, done.stderr
    said = sorted(line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RANK"))
    assert [(rank, writes) for rank, _, writes in said] == [("0", "True"), ("1", "False")]
    assert said[0][1] == said[1][1], "after the same step"
    paths = only_run(tmp_path / "runs")
    assert len(records_of(paths)) == int(said[0][1])
    first, second = answers(paths.root)
    assert first == "refused: the loop named no on_checkpoint" and second.startswith("stopping when")
    assert json.loads(paths.summary.read_text())["state"] == "stopped"
