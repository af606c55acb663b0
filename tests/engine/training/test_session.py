"""A sitting from the directory to the summary: what a resume takes back, what a refusal leaves alone, how it fails."""

from __future__ import annotations

import contextlib
import signal
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy import NUM_TRAIN, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.desk.control import Signals, requeue_slurm_job
from trainctl.engine.training.state.checkpoint import DamagedCheckpointError, load_checkpoint

STEPS = NUM_TRAIN // 16
TRAIN = {"epochs": 3, "batch_size": 16}


def snapshot(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file() and path.name != ".lock"}


def go_back(root: Path, step: int) -> None:
    """Make the newest checkpoint an older one, as a kill leaves it."""
    run_toy(root.with_name("older"), resolved(train=TRAIN), signal_at=step)
    RunPaths(root).latest.write_bytes(RunPaths(root.with_name("older")).latest.read_bytes())


@pytest.mark.parametrize(("step", "epochs_done"), [(7, 1), (STEPS, 0), (2 * STEPS, 1)])
def test_a_resume_takes_back_what_came_after_its_checkpoint_and_says_how_much(
    tmp_path: Path, step: int, epochs_done: int
) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN))
    go_back(tmp_path / "run", step)
    run_toy(tmp_path / "run", resolved(train=TRAIN), resume=True)
    reader = reader_of(tmp_path / "run")
    (resume,) = (event for event in reader.events if event.kind is EventKind.RESUME)
    assert resume.data == {"from_step": step, "from_epoch": epochs_done, "dropped": 3 * STEPS - step}
    assert reader.steps.all()["step"].tolist() == list(range(1, 3 * STEPS + 1))
    for kind in (EventKind.EPOCH, EventKind.VALIDATION):
        told = [event.data["epoch"] for event in reader.current_events() if event.kind is kind]
        assert told == [1, 2, 3]


def test_an_epoch_that_ends_after_a_resume_has_the_means_of_its_own_steps(tmp_path: Path) -> None:
    """Killed in epoch 2 with a checkpoint at the very end of epoch 1: its end is still due."""
    run_toy(tmp_path / "whole", resolved(train=TRAIN))
    run_toy(tmp_path / "run", resolved(train=TRAIN), signal_at=STEPS + 3)
    go_back(tmp_path / "run", STEPS)
    run_toy(tmp_path / "run", resolved(train=TRAIN), resume=True)
    means = [
        [event.data["train"] for event in reader_of(root).current_events() if event.kind is EventKind.EPOCH]
        for root in (tmp_path / "whole", tmp_path / "run")
    ]
    assert means[0] == means[1]


def test_a_checkpoint_is_never_ahead_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainctl.engine.training.desk import run_writer
    from trainctl.engine.training.record import recorder

    ahead: list[int] = []
    save = run_writer.save_checkpoint

    def look(path: Path, state: dict[str, Any], about: dict[str, Any]) -> None:
        records = reader_of(path.parent).steps.all()
        ahead.append(about["step"] - (int(records["step"][-1]) if len(records) else 0))
        save(path, state, about)

    monkeypatch.setattr(recorder, "FLUSH_S", 1e9)  # nothing is handed over by itself
    monkeypatch.setattr(run_writer, "save_checkpoint", look)
    run_toy(tmp_path / "run", resolved(train=TRAIN, checkpoint={"every_s": 1e-9, "epoch_every_s": 0.0}))
    assert len(ahead) > 3 * STEPS
    assert set(ahead) == {0}


def too_many_epochs(root: Path) -> dict[str, Any]:
    return {"train": {"epochs": 1, "batch_size": 16}}


def another_network(root: Path) -> dict[str, Any]:
    content = load_checkpoint(RunPaths(root).latest)
    content["state"]["model"]["0.weight"] = torch.zeros(2, 2)
    torch.save(content, RunPaths(root).latest)
    return {"train": {"epochs": 9, "batch_size": 16}}


def a_folder_in_its_place(root: Path) -> dict[str, Any]:
    RunPaths(root).latest.unlink()
    RunPaths(root).latest.mkdir()
    return {"train": {"epochs": 2, "batch_size": 16}}


def half_a_checkpoint(root: Path) -> dict[str, Any]:
    path = RunPaths(root).latest
    path.write_bytes(path.read_bytes()[:2000])
    RunPaths(root).best.unlink()
    return {"train": {"epochs": 9, "batch_size": 16}}


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def flip_a_bit(path: Path) -> None:
    """In the middle of the largest tensor: torch would load it without a word."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        tensor = max(archive.infolist(), key=lambda entry: entry.file_size)
        data[data.find(archive.read(tensor)) + tensor.file_size // 2] ^= 1
    path.write_bytes(bytes(data))
    torch.load(path, weights_only=True)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    """What a power failure leaves of a file whose length was known and whose content was not."""
    path.write_bytes(bytes(path.stat().st_size))


def pack(path: Path) -> None:
    """As none of ours is: what it unpacks to has no bound."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def unknown_method(path: Path) -> None:
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\1\2")
    data[entry + 10 : entry + 12] = b"\x63\0"
    path.write_bytes(bytes(data))


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "spoil", [cut_off, flip_a_bit, empty, zeros, Path.unlink, pack, unknown_method], ids=lambda f: f.__name__
)
def test_a_damaged_latest_gives_way_to_the_best(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    whole = run_toy(tmp_path / "whole", resolved(train={"epochs": 4, "batch_size": 16}))
    root = tmp_path / "run"
    run_toy(root, resolved(train={"epochs": 2, "batch_size": 16}))
    best = load_checkpoint(RunPaths(root).best)["about"]["step"]
    spoil(RunPaths(root).latest)
    with pytest.raises(DamagedCheckpointError):
        load_checkpoint(RunPaths(root).latest)
    ending = run_toy(root, resolved(train={"epochs": 4, "batch_size": 16}), resume=True)
    assert ending == whole
    said = [event.data["text"] for event in reader_of(root).events if event.kind is EventKind.WARNING]
    assert len(said) == 1 and f"the run goes on from best_model.pth, step {best}" in said[0]
    steps = [reader_of(folder).steps.all()["step"].tolist() for folder in (tmp_path / "whole", root)]
    assert steps[0] == steps[1]


@pytest.mark.parametrize("spoil", [too_many_epochs, another_network, half_a_checkpoint, a_folder_in_its_place])
def test_a_refused_resume_leaves_the_run_as_it_was(tmp_path: Path, spoil: Callable[[Path], dict[str, Any]]) -> None:
    root = tmp_path / "run"
    run_toy(root, resolved(train={"epochs": 1, "batch_size": 16}))
    sections = spoil(root)
    before = snapshot(root)
    with pytest.raises(UserError):
        run_toy(root, resolved(**sections), resume=True)
    assert snapshot(root) == before


def test_a_run_that_reached_its_step_limit_takes_not_one_step_more(tmp_path: Path) -> None:
    limited = {"epochs": 9, "batch_size": 16, "max_steps": 7}
    run_toy(tmp_path / "run", resolved(train=limited))
    with pytest.raises(UserError, match=r"has taken its 7 steps; to go on, raise them: train.max_steps=14"):
        run_toy(tmp_path / "run", resolved(train=limited), resume=True)
    assert len(reader_of(tmp_path / "run").steps.all()) == 7


class PoisonedAtTheEnd(ToyTask):
    """The loss of the very last step is NaN."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        self.count = getattr(self, "count", 0) + model.training
        poison = float("nan") if model.training and self.count == STEPS else 1.0
        return StepOutput({**output.terms, "ce": output.terms["ce"] * poison}, output.columns, output.scalars)


def test_a_last_step_that_is_not_finite_fails_the_run(tmp_path: Path) -> None:
    config = resolved(train={"epochs": 1, "batch_size": 16})
    ending = run_toy(tmp_path / "run", config, task_type=PoisonedAtTheEnd)
    assert (ending.state, ending.code) == (RunState.FAILED, ExitCode.RUN_FAILED)
    assert not RunPaths(tmp_path / "run").latest.exists()  # there is no state worth keeping


def test_a_task_that_ends_the_process_leaves_a_run_that_says_so(tmp_path: Path, capsys: Any) -> None:
    class Leaving(ToyTask):
        def metrics(self, columns: Any) -> dict[str, float]:
            raise SystemExit(3)

    ending = run_toy(tmp_path / "run", resolved(train=TRAIN), task_type=Leaving)
    assert ending.reason.startswith("SystemExit: 3 (test_session.py:")
    assert reader_of(tmp_path / "run").state is RunState.FAILED


def test_a_mistake_found_while_training_keeps_the_count_of_steps(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no validation metric"):
        run_toy(tmp_path / "run", resolved(train={**TRAIN, "monitor": "f1"}))
    summary = reader_of(tmp_path / "run").summary
    assert summary is not None
    assert (summary.state, summary.steps) == (RunState.FAILED, STEPS)


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_a_signal_ends_the_setting_up_whatever_becomes_of_its_exception(
    number: signal.Signals, raised: type[BaseException], request: pytest.FixtureRequest
) -> None:
    # What is ignored stays so, as under nohup, by which these tests may have been started.
    request.addfinalizer(partial(signal.signal, number, signal.signal(number, signal.default_int_handler)))
    with Signals() as signals, pytest.raises(raised), signals.setting_up():
        try:
            signal.raise_signal(number)
        except BaseException as err:
            raise RuntimeError("an import machinery that wraps what it does not know") from err
    swallowed = contextlib.suppress(BaseException)  # as in a destructor
    with Signals() as signals, pytest.raises(raised), signals.setting_up(), swallowed:
        signal.raise_signal(number)


def test_after_the_setting_up_a_signal_only_leaves_a_note() -> None:
    with Signals() as signals:
        with signals.setting_up():
            pass
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)  # the first of its kind: SLURM sends it when the grace period is over
        assert signals.received is signal.SIGUSR1


def test_a_mistake_while_setting_up_is_not_hidden() -> None:
    with Signals() as signals, pytest.raises(ValueError, match="mine"), signals.setting_up():
        raise ValueError("mine")


def test_outside_slurm_nothing_is_queued_again() -> None:
    assert requeue_slurm_job({}) == ""
