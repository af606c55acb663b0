"""A network whose weights lie in parts with several ranks: the run of one process, whatever it goes on as."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_runs import PlainToy, codes, kill_self, run_ranks, stop_at
from same_run import same
from sharded_toys import (
    BlocksToy,
    CountedToy,
    MixedToy,
    OddToy,
    OverflowingToy,
    PenaltyToy,
    SingleToy,
    SometimesToy,
    TurningToy,
    UncalledToy,
)
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.runs.validated.histogram import Histogram
from trainctl.engine.runs.validated.history import HistogramReader
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.fork import Origin
from trainctl.engine.training.restore import restore
from trainctl.engine.training.state.checkpoint import load_checkpoint

SHARDED: dict[str, Any] = {"ranks": {"shard": True}}
OPTIONS: dict[str, Any] = {
    "train": {"epochs": 8, "batch_size": 16},
    "ema": {"decay": 0.9},
    "clip": {"grad_norm": 0.5},
    "optimizer": {"weight_decay": 0.05},
}
"""48 steps."""
SHORT: dict[str, Any] = {**OPTIONS, "train": {"epochs": 3, "batch_size": 16}}


def steps_of(root: Path) -> np.ndarray[Any, np.dtype[Any]]:
    return reader_of(root).steps.all()


def assert_same_steps(one: Path, two: Path, rtol: float = 2e-5) -> None:
    """Losses, norms of each group, changes of the weights, samples."""
    before, after = steps_of(one), steps_of(two)
    assert before.dtype.names is not None
    for name in before.dtype.names:
        if name.startswith(("loss", "term.", "grad_norm", "update_ratio")):
            np.testing.assert_allclose(before[name], after[name], rtol=rtol, atol=1e-7, err_msg=name)
    for name in ("step", "epoch", "batch_size", "classes"):
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def data_of(root: Path, kind: EventKind) -> list[dict[str, Any]]:
    return [event.data for event in reader_of(root).events if event.kind is kind]


def assert_same_validations(one: Path, two: Path) -> None:
    for before, after in zip(data_of(one, EventKind.VALIDATION), data_of(two, EventKind.VALIDATION), strict=True):
        for weights in ("raw", "ema"):
            assert after[weights] == pytest.approx(before[weights], rel=2e-5)
        assert after["best"] == before["best"]


def state_of(root: Path) -> dict[str, Any]:
    state = load_checkpoint(RunPaths(root).latest)["state"]
    for clock in ("train_s", "elapsed_s"):
        state["progress"].pop(clock)
    return state


def newest_histograms(root: Path) -> Mapping[str, Histogram]:
    reader = HistogramReader(RunPaths(root).histograms)
    reader.poll()
    return reader.found[max(reader.found)]


@pytest.mark.parametrize("task_type", [PlainToy, BlocksToy])
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_ranks_with_a_part_each_take_the_steps_of_one_process_and_of_whole_copies(
    tmp_path: Path, task_type: type[Task], size: int
) -> None:
    alone, copies, parts = tmp_path / "alone", tmp_path / "copies", tmp_path / "parts"
    run_toy(alone, resolved(**OPTIONS), task_type=task_type)
    assert codes(run_ranks(copies, resolved(**OPTIONS), size=size, task_type=task_type)) == [0] * size
    assert codes(run_ranks(parts, resolved(**OPTIONS, **SHARDED), size=size, task_type=task_type)) == [0] * size
    for other in (alone, copies):
        assert_same_steps(other, parts)
        assert_same_validations(other, parts)


@pytest.mark.parametrize(
    "options",
    [
        {"train": {"epochs": 4, "batch_size": 17, "accumulation": 2, "drop_last": False}},
        {"freeze": ["blocks.0", "embed"]},
        {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}},
    ],
    ids=["accumulated", "frozen", "sgd"],
)
def test_whatever_is_configured(tmp_path: Path, options: dict[str, Any]) -> None:
    alone, parts = tmp_path / "alone", tmp_path / "parts"
    run_toy(alone, resolved(**{**SHORT, **options}), task_type=BlocksToy)
    run_ranks(parts, resolved(**{**SHORT, **options}, **SHARDED), task_type=BlocksToy)
    assert_same_steps(alone, parts)
    assert_same_validations(alone, parts)


def test_networks_of_all_kinds(tmp_path: Path) -> None:
    alone, parts = tmp_path / "alone", tmp_path / "parts"
    run_toy(alone, resolved(**SHORT), task_type=OddToy)
    run_ranks(parts, resolved(**SHORT, **SHARDED), task_type=OddToy)
    assert_same_steps(alone, parts)
    assert_same_validations(alone, parts)


def test_bf16_is_as_with_whole_copies(tmp_path: Path) -> None:
    copies, parts, options = tmp_path / "copies", tmp_path / "parts", {**SHORT, "precision": {"amp": "bf16"}}
    run_ranks(copies, resolved(**options), task_type=BlocksToy)
    run_ranks(parts, resolved(**options, **SHARDED), task_type=BlocksToy)
    np.testing.assert_allclose(steps_of(copies)["loss"], steps_of(parts)["loss"], rtol=2e-3)


def test_what_overflows_in_fp16_on_one_rank_is_skipped_by_all(tmp_path: Path) -> None:
    copies, parts, options = tmp_path / "copies", tmp_path / "parts", {**SHORT, "precision": {"amp": "fp16"}}
    run_ranks(copies, resolved(**options), task_type=OverflowingToy)
    run_ranks(parts, resolved(**options, **SHARDED), task_type=OverflowingToy)
    one, two = steps_of(copies), steps_of(parts)
    assert (one["amp_scale"][:2] == [65536, 32768]).all(), "it does overflow"
    for name in ("amp_scale", "nonfinite"):
        np.testing.assert_array_equal(one[name], two[name])
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=2e-3)


def test_a_resume_with_as_many_ranks_is_the_uninterrupted_run(tmp_path: Path) -> None:
    whole, parted, config = tmp_path / "whole", tmp_path / "parted", resolved(**SHORT, **SHARDED)
    run_ranks(whole, config, task_type=ToyTask)  # with dropout, augmentation and BatchNorm
    assert codes(run_ranks(parted, config, task_type=ToyTask, befall=stop_at(7))) == [143, 143]
    assert codes(run_ranks(parted, config, task_type=ToyTask, resume=True)) == [0, 0]
    one, two = state_of(whole), state_of(parted)
    for key in one:
        assert same(one[key], two[key]), key
    np.testing.assert_array_equal(steps_of(whole)["loss"], steps_of(parted)["loss"])


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        (True, True, 1),
        (True, False, 2),
        (False, True, 2),
        pytest.param(True, True, 4, marks=pytest.mark.slow),
        pytest.param(False, True, 3, marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_in_parts_or_whole_with_any_number_of_ranks(
    tmp_path: Path, before: bool, after: bool, size: int
) -> None:
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    configs = [resolved(**SHORT, ranks={"shard": is_sharded}) for is_sharded in (before, after)]
    assert codes(run_ranks(moved, configs[0], befall=stop_at(7))) == [143, 143]
    if size == 1:
        run_toy(moved, configs[1], task_type=PlainToy, resume=True)
    else:
        assert codes(run_ranks(moved, configs[1], size=size, resume=True)) == [0] * size
    assert_same_steps(alone, moved)


def test_checkpoints_are_those_of_one_process(tmp_path: Path) -> None:
    alone, parts = tmp_path / "alone", tmp_path / "parts"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    run_ranks(parts, resolved(**SHORT, **SHARDED))
    one, two = state_of(alone), state_of(parts)
    for place in ("model", "optimizer"):
        assert _shapes(one[place]) == _shapes(two[place])
    assert _shapes(one["ema"]) == _shapes(two["ema"])
    trained = restore(RunPaths(parts).best, resolved(**SHORT, **SHARDED), PlainToy, None)
    torch.testing.assert_close(
        dict(trained.model.named_parameters()),
        dict(restore(RunPaths(alone).best, resolved(**SHORT), PlainToy, None).model.named_parameters()),
    )


def _shapes(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return type(value), tuple(value.shape), value.dtype
    return {key: _shapes(one) for key, one in value.items()} if isinstance(value, dict) else type(value)


def test_a_rank_keeps_a_part_and_a_validation_sees_the_whole(tmp_path: Path) -> None:
    options = {**SHORT, "train": {"epochs": 2, "batch_size": 16, "eval_batch_size": 30}}  # one batch, two ranks
    alone, parts = tmp_path / "alone", tmp_path / "parts"
    run_toy(alone, resolved(**options), task_type=CountedToy)
    run_ranks(parts, resolved(**options, **SHARDED), task_type=CountedToy)
    assert set(steps_of(alone)["scalar.rows"]) == {16.0} and set(steps_of(parts)["scalar.rows"]) == {8.0}
    assert_same_validations(alone, parts)
    one, two = (newest_histograms(root) for root in (alone, parts))
    assert set(one) == {"weight", "hit"} and one.keys() == two.keys()
    for name in one:
        assert one[name].num_values == two[name].num_values, name
        np.testing.assert_allclose(one[name].quantiles, two[name].quantiles, rtol=1e-4)
    assert RunPaths(parts).samples.is_file()


def test_an_update_that_is_not_finite_on_one_rank_is_skipped_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOIL", "1:6")
    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 2, "batch_size": 16}, **SHARDED))
    assert codes(endings) == [1, 1]
    assert endings[0] is not None and "not finite at step 6" in endings[0]["reason"]
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["state"]["progress"]["step"] < 6


def test_where_a_rank_is_killed_the_checkpoint_before_stays_and_the_run_goes_on_from_it(tmp_path: Path) -> None:
    root, config = tmp_path / "run", resolved(**SHORT, **SHARDED)

    def kill(rank: int, step: int) -> None:
        if (rank, step) == (1, 8):
            kill_self(signal.SIGKILL)

    first, second = run_ranks(root, config, befall=kill)
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")
    assert first["seconds"] < 30
    (warning,) = data_of(root, EventKind.WARNING)
    assert warning["text"].startswith("no checkpoint at step 7: ")
    assert load_checkpoint(RunPaths(root).latest)["state"]["progress"]["step"] == 5, "of the end of the epoch"
    assert codes(run_ranks(root, config, resume=True)) == [0, 0]


def test_a_fork_has_its_first_checkpoint_before_its_first_step(tmp_path: Path) -> None:
    parent, fork, config = tmp_path / "parent", tmp_path / "fork", resolved(**SHORT, **SHARDED)
    run_ranks(parent, resolved(**SHORT), befall=stop_at(7))
    origin = Origin(RunPaths(parent), RunPaths(parent).latest, resolved(**SHORT), None)

    def leave(rank: int, step: int) -> None:
        if step == 1:
            raise ValueError("at once")

    assert codes(run_ranks(fork, config, befall=leave, origin=origin)) == [1, 1]
    begun, left = state_of(fork), state_of(parent)
    for key in ("model", "optimizer", "ema"):
        assert same(begun[key], left[key]), key
    assert codes(run_ranks(fork, config, resume=True)) == [0, 0]
    alone = tmp_path / "alone"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    later = steps_of(alone)["loss"][left["progress"]["step"] :]
    np.testing.assert_allclose(later, steps_of(fork)["loss"], rtol=2e-5)


def test_alone_it_means_nothing(tmp_path: Path) -> None:
    one, two, options = tmp_path / "one", tmp_path / "two", {**SHORT, "optimizer": {"name": "adafactor"}}
    run_toy(one, resolved(**options))
    run_toy(two, resolved(**options, **SHARDED))
    np.testing.assert_array_equal(steps_of(one)["loss"], steps_of(two)["loss"])


@pytest.mark.parametrize(
    ("task_type", "options", "words"),
    [
        (PlainToy, {"precision": {"compile": True}}, "precision.compile=false"),
        (PlainToy, {"optimizer": {"name": "muon", "weight_decay": 0}}, "optimizer.name=muon looks at whole matrices"),
        (TurningToy, {}, "end_epoch changes the network"),
        (SingleToy, {}, "scale is a single number"),
        (MixedToy, {}, "several types cannot lie in parts: 0.bias (float32) and 2.bias (float64)"),
    ],
)
def test_what_cannot_lie_in_parts_is_refused_before_there_is_a_run(
    tmp_path: Path, task_type: type[Task], options: dict[str, Any], words: str
) -> None:
    endings = run_ranks(tmp_path / "run", resolved(**SHARDED, **options), task_type=task_type)
    assert codes(endings) == [2, 2]
    for ending in endings:
        assert ending is not None and ending["reason"].startswith("ranks.shard: ") and words in ending["reason"]
    assert not RunPaths(tmp_path / "run").meta.exists()


def test_a_step_in_parts_cannot_be_looked_at(tmp_path: Path) -> None:
    endings = run_ranks(tmp_path / "run", resolved(**SHARDED), make_observer=lambda splits: lambda *given: None)
    assert codes(endings) == [2, 2] and endings[0] is not None and "--debug" in endings[0]["reason"]


@pytest.mark.parametrize(
    ("task_type", "words"),
    [
        (SometimesToy, "extra.weight, extra.bias: without a gradient"),
        (UncalledToy, "uses weights of a module without calling it"),
        (PenaltyToy, "needs weights that were let go of"),
    ],
)
def test_what_shows_at_the_first_step_is_refused_by_all_ranks(
    tmp_path: Path, task_type: type[Task], words: str
) -> None:
    endings = run_ranks(tmp_path / "run", resolved(**SHARDED), task_type=task_type)
    assert codes(endings) == [2, 2]
    assert all(ending is not None and words in ending["reason"] and ending["seconds"] < 30 for ending in endings)
    summary = read_summary(RunPaths(tmp_path / "run"))
    assert summary is not None and words in summary.exit_reason and summary.steps == 0
