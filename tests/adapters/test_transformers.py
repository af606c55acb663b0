"""The trainer of transformers, watched without a word and with the callback: as it was, every step, its own norms."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
# The package is optional: where it is missing, nothing of it has a type.
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_loops import records_of, weights
from obeying import Asker, answers, only_run, validations_of

from trainctl.engine.watch.watch import ALIVE, watch_when_stepped

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainctl.adapters.transformers import TrainctlCallback  # noqa: E402

EPOCHS, BATCHES = 3, 8


def sentences(count: int) -> list[dict[str, Any]]:
    """Words of which the first tells the class."""
    draw = torch.Generator().manual_seed(0)
    words = torch.randint(2, 32, (count, 6), generator=draw)
    return [{"input_ids": row, "attention_mask": torch.ones(6).long(), "labels": int(row[0] > 16)} for row in words]


def made(folder: Path, *callbacks: Any, **options: Any) -> Any:
    """A trainer of a network with one layer, on batches of 8."""
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    given = {"num_train_epochs": EPOCHS, "max_grad_norm": 0.5, "eval_strategy": "epoch", "save_strategy": "no"}
    quiet = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "logging_steps": 1, "learning_rate": 1e-2}
    return transformers.Trainer(
        transformers.BertForSequenceClassification(config),
        transformers.TrainingArguments(str(folder / "out"), **{**quiet, **given, **options}),
        train_dataset=sentences(64),
        eval_dataset=sentences(16),
        callbacks=list(callbacks),
    )


def trained(folder: Path, *callbacks: Any, **options: Any) -> Any:
    trainer = made(folder, *callbacks, **options)
    trainer.train()
    return trainer


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one.model), weights(other.model), strict=True))


def logged(trainer: Any, name: str) -> list[float]:
    return [row[name] for row in trainer.state.log_history if name in row]


VARIANTS = [{"bf16": half, "gradient_accumulation_steps": several} for half in (False, True) for several in (1, 4)]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_callback_changes_no_bit_and_records_every_step(options: dict[str, Any], tmp_path: Path) -> None:
    callback = TrainctlCallback(runs_dir=tmp_path / "runs")
    trainer = trained(tmp_path, callback, **options)
    assert same(trainer, trained(tmp_path, **options))
    paths, per_epoch = only_run(tmp_path / "runs"), BATCHES // options["gradient_accumulation_steps"]
    records = records_of(paths)
    assert len(records) == EPOCHS * per_epoch == trainer.state.global_step
    assert records["grad_norm"] == pytest.approx(logged(trainer, "grad_norm"), rel=1e-4), "from before it clips"
    assert records["loss"] == pytest.approx(logged(trainer, "loss"), abs=1e-3)
    assert records["lr"][:, 0] == pytest.approx(logged(trainer, "learning_rate"))
    assert records["epoch"].tolist() == sorted([1, 2, 3] * per_epoch)
    assert (records["batch_size"] == 64 // per_epoch).all() and (records["classes"].sum(1) == 64 // per_epoch).all()
    found = validations_of(paths.root)
    assert [metrics["loss"] for metrics in found] == pytest.approx(logged(trainer, "eval_loss"), abs=1e-3)
    assert all(list(metrics) == ["loss"] for metrics in found)
    assert "learning_rate: 0.01" in paths.config.read_text()
    assert json.loads(paths.summary.read_text())["state"] == "finished"


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_without_a_line_every_step_is_recorded_too(options: dict[str, Any], tmp_path: Path) -> None:
    before = list(ALIVE)
    watch_when_stepped("train", str(tmp_path / "runs"), None)
    trainer = trained(tmp_path, **options)
    for held in [found for found in ALIVE if found not in before]:
        held.close()
    records, per_epoch = records_of(only_run(tmp_path / "runs")), BATCHES // options["gradient_accumulation_steps"]
    assert len(records) == trainer.state.global_step
    assert records["grad_norm"] == pytest.approx(logged(trainer, "grad_norm"), rel=1e-4)
    assert records["epoch"].tolist() == sorted([1, 2, 3] * per_epoch)
    assert (records["classes"].sum(1) == 64 // per_epoch).all()


class Asking(transformers.TrainerCallback):
    """Asks between steps."""

    def __init__(self, of: TrainctlCallback, *verbs: str) -> None:
        self._of, self._asker = of, Asker(*verbs)

    def on_step_begin(self, *args: Any, **known: Any) -> None:
        assert self._of.watch is not None
        self._asker.ask(self._of.watch.path)


def test_it_evaluates_saves_and_stops_when_asked(tmp_path: Path) -> None:
    callback = TrainctlCallback(runs_dir=tmp_path / "runs")
    asking = Asking(callback, "validate", "checkpoint", "stop")
    trainer = trained(tmp_path, callback, asking, num_train_epochs=100_000, eval_strategy="steps", eval_steps=10**9)
    assert callback.watch is not None and callback.watch.path is not None
    assert answers(callback.watch.path)[:2] == [
        "evaluated by the trainer after this step",
        "saved by the trainer after this step",
    ]
    assert answers(callback.watch.path)[2].startswith("stopping after this step")
    assert len(validations_of(callback.watch.path)) >= 1
    assert list((tmp_path / "out").glob("checkpoint-*/trainer_state.json"))
    assert json.loads(only_run(tmp_path / "runs").summary.read_text())["state"] == "stopped"
    assert trainer.state.global_step == callback.watch.step


def test_without_data_to_evaluate_on_it_is_refused(tmp_path: Path) -> None:
    callback = TrainctlCallback(runs_dir=tmp_path / "runs")
    asking = Asking(callback, "validate", "stop")
    trained(tmp_path, callback, asking, num_train_epochs=100_000, eval_strategy="no")
    assert callback.watch is not None and callback.watch.path is not None
    assert answers(callback.watch.path)[0] == "refused: the loop named no on_validate"
