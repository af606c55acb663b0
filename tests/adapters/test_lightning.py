"""Lightning's trainer, watched without a word and with the callback: as it was, every step, what it measures itself."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
# The package is optional: where it is missing, nothing of it has a type.
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import data, network, own_norm, records_of, weights
from obeying import Asker, answers, only_run, validations_of
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from trainctl.engine.watch.watch import ALIVE, watch_when_stepped

lightning = pytest.importorskip("lightning.pytorch")
warnings.simplefilter("ignore")

from trainctl.adapters.lightning import TrainctlCallback  # noqa: E402

EPOCHS, BATCHES = 3, 8


class Digits(lightning.LightningModule):
    """Two classes, a module as tutorials have them."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.body = network()
        self.norms: list[float] = []
        self.validated: list[float] = []

    def training_step(self, batch: Any) -> Tensor:
        loss = cross_entropy(self.body(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.norms.append(own_norm(self.body))

    def validation_step(self, batch: Any) -> None:
        logits = self.body(batch[0])
        self.log("val_loss", cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(1) == batch[1]).float().mean())

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.validated.append(float(self.trainer.callback_metrics["val_loss"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def fit(folder: Path, *callbacks: Any, **options: Any) -> Digits:
    """A short training on batches of 16."""
    torch.manual_seed(5)
    module = Digits()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    given = {"max_epochs": EPOCHS, "enable_checkpointing": False, "gradient_clip_val": 0.05, **quiet, **options}
    trainer = lightning.Trainer(callbacks=list(callbacks), default_root_dir=folder, **given)
    trainer.fit(module, DataLoader(data(), batch_size=16, shuffle=True), DataLoader(data(64), batch_size=64))
    return module


def same(one: Digits, other: Digits) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_callback_changes_no_bit_and_records_every_step(precision: Any, accumulate: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"precision": precision, "accumulate_grad_batches": accumulate}
    callback = TrainctlCallback(runs_dir=tmp_path, config={"mine": 1})
    module = fit(tmp_path, callback, **options)
    assert same(module, fit(tmp_path, **options))
    assert callback.watch is not None and callback.watch.path is not None
    records = records_of(only_run(tmp_path))
    assert len(records) == EPOCHS * BATCHES // accumulate
    assert records["grad_norm"] == pytest.approx(module.norms, rel=1e-4), "from before the trainer clips"
    assert records["epoch"].tolist() == sorted([1, 2, 3] * (BATCHES // accumulate))
    assert (records["batch_size"] == 16 * accumulate).all() and np.isfinite(records["loss"]).all()
    found = validations_of(callback.watch.path)
    assert [list(metrics) for metrics in found] == [["val_loss", "val_acc"]] * EPOCHS
    assert [metrics["val_loss"] for metrics in found] == pytest.approx(module.validated)
    config = only_run(tmp_path).config.read_text()
    assert "width: 16" in config and "mine: 1" in config and f"epochs: {EPOCHS}" in config
    assert json.loads(only_run(tmp_path).summary.read_text())["state"] == "finished"


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_without_a_line_every_step_is_recorded_too(precision: Any, accumulate: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"precision": precision, "accumulate_grad_batches": accumulate}
    before = list(ALIVE)
    watch_when_stepped("fit", str(tmp_path / "runs"), None)
    module = fit(tmp_path, **options)
    for held in [found for found in ALIVE if found not in before]:
        held.close()
    records = records_of(only_run(tmp_path / "runs"))
    assert len(records) == EPOCHS * BATCHES // accumulate
    assert records["grad_norm"] == pytest.approx(module.norms, rel=1e-4)
    assert records["epoch"].tolist() == sorted([1, 2, 3] * (BATCHES // accumulate))


class Asking(lightning.Callback):
    """Asks between batches."""

    def __init__(self, of: TrainctlCallback, *verbs: str) -> None:
        self._of, self._asker = of, Asker(*verbs)

    def on_train_batch_start(self, *args: Any) -> None:
        assert self._of.watch is not None
        self._asker.ask(self._of.watch.path)


def test_it_saves_and_stops_when_asked(tmp_path: Path) -> None:
    callback = TrainctlCallback(runs_dir=tmp_path / "runs")
    fit(tmp_path, callback, Asking(callback, "validate", "checkpoint", "stop"), max_epochs=100_000)
    assert callback.watch is not None and callback.watch.path is not None
    first, second, third = answers(callback.watch.path)
    assert first == "refused: the loop named no on_validate"
    assert second == f"saved after this batch as {tmp_path / 'trainctl.ckpt'}"
    assert third.startswith("stopping after this step; saved after")
    assert "state_dict" in torch.load(tmp_path / "trainctl.ckpt", weights_only=False)
    assert json.loads(only_run(tmp_path / "runs").summary.read_text())["state"] == "stopped"


def test_what_fails_in_the_module_is_how_the_run_ends(tmp_path: Path) -> None:
    class Failing(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 5:
                raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        fit(tmp_path, TrainctlCallback(runs_dir=tmp_path / "runs"), Failing())
    summary = json.loads(only_run(tmp_path / "runs").summary.read_text())
    assert (summary["state"], summary["steps"]) == ("failed", 5)
