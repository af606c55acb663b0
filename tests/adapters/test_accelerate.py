"""A loop of Accelerate's, watched without a word and with the tracker: as it was, every step, its own norms."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, nothing of it has a type.
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from foreign_loops import data, network, records_of, weights
from obeying import Asker, answers, only_run, validations_of
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from trainctl.engine.watch.watch import ALIVE, watch_when_stepped

accelerate = pytest.importorskip("accelerate")

from accelerate.state import AcceleratorState  # noqa: E402

from trainctl.adapters.accelerate import TrainctlTracker  # noqa: E402

EPOCHS, BATCHES = 3, 9
Found = tuple[list[Tensor], list[float], list[list[int]]]


def train(tracker: TrainctlTracker | None, half: str, several: int, asker: Asker | None = None) -> Found:
    """The loop of its tutorials; weights, norms from before clipping, labels of each step."""
    torch.manual_seed(3)
    AcceleratorState._reset_state()  # pyright: ignore[reportPrivateUsage]
    accelerator = accelerate.Accelerator(
        cpu=True, mixed_precision=half, gradient_accumulation_steps=several, log_with=tracker
    )
    accelerator.init_trackers("mine", config={"lr": 1e-2, "width": 16})
    model = network()
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loader = DataLoader(data(136), batch_size=16, shuffle=True)
    model, opt, loader, held_out = accelerator.prepare(model, opt, loader, DataLoader(data(64), batch_size=64))
    norms, classes, now = list[float](), list[list[int]](), list[Tensor]()
    for _ in range(EPOCHS if asker is None else 100_000):
        for x, y in loader:
            if asker is not None and tracker is not None:
                asker.ask(tracker.tracker.path)
                if tracker.tracker.should_stop:
                    accelerator.end_training()
                    return weights(model), norms, classes
            with accelerator.accumulate(model):
                loss = cross_entropy(model(x), y)
                accelerator.backward(loss)
                now.append(y)
                if accelerator.sync_gradients:
                    norms.append(float(accelerator.clip_grad_norm_(model.parameters(), 0.05)))
                    classes.append(torch.bincount(torch.cat(now), minlength=2).tolist())
                    now.clear()
                opt.step()
                opt.zero_grad()
        with torch.no_grad():
            (loss,) = [cross_entropy(model(x), y) for x, y in held_out]
        accelerator.log({"val_loss": loss.item()})
    accelerator.end_training()
    return weights(model), norms, classes


VARIANTS = [(half, several) for half in ("no", "bf16") for several in (1, 4)]


@pytest.mark.parametrize(("half", "several"), VARIANTS)
def test_the_tracker_changes_no_bit_and_records_every_step(half: str, several: int, tmp_path: Path) -> None:
    found, norms, classes = train(TrainctlTracker(runs_dir=tmp_path), half, several)
    assert all(torch.equal(a, b) for a, b in zip(found, train(None, half, several)[0], strict=True))
    paths = only_run(tmp_path)
    records = records_of(paths)
    assert records["grad_norm"] == pytest.approx(norms, rel=1e-4), "from before it clips"
    assert records["classes"].tolist() == classes, "though its loaders are a batch ahead"
    assert records["epoch"].tolist() == sorted([1, 2, 3] * -(-BATCHES // several))
    assert [list(metrics) for metrics in validations_of(paths.root)] == [["val_loss"]] * EPOCHS
    assert "width: 16" in paths.config.read_text()
    assert json.loads(paths.summary.read_text())["state"] == "finished"


@pytest.mark.parametrize(("half", "several"), VARIANTS)
def test_without_a_line_every_step_is_recorded_too(half: str, several: int, tmp_path: Path) -> None:
    before = list(ALIVE)
    watch_when_stepped("train", str(tmp_path), None)
    _, norms, classes = train(None, half, several)
    for held in [found for found in ALIVE if found not in before]:
        held.close()
    records = records_of(only_run(tmp_path))
    assert records["grad_norm"] == pytest.approx(norms, rel=1e-4)
    assert records["classes"].tolist() == classes


def test_it_obeys_through_the_watch_that_the_tracker_holds(tmp_path: Path) -> None:
    tracker = TrainctlTracker(runs_dir=tmp_path)
    tracker.tracker.on_checkpoint(lambda: "saved")
    train(tracker, "no", 1, Asker("checkpoint", "stop"))
    run = only_run(tmp_path).root
    assert answers(run)[0] == "saved" and answers(run)[1].startswith("stopping after this step")
    assert json.loads(only_run(tmp_path).summary.read_text())["state"] == "stopped"


def test_names_tell_a_validation() -> None:
    from trainctl.adapters.accelerate import OF_VALIDATION

    is_found = [
        name
        for name in ("val_loss", "eval/acc", "test accuracy", "Validation F1")
        if OF_VALIDATION.search(name.lower())
    ]
    assert len(is_found) == 4
    assert not any(
        OF_VALIDATION.search(name) for name in ("train_loss", "value_loss", "latest", "interval", "developer")
    )
