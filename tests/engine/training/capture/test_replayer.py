"""What is run many times is recorded once, never where Python would have to decide anew, and forgotten when stale."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tape import TapeRecording
from torch import Tensor, nn

from trainctl.engine.training.capture.replayer import FREE, REHEARSALS, WORTH, Replayer

Body = Callable[[Sequence[Mapping[str, Tensor]]], Any]


class Holder:
    """Stands for a task."""

    def __init__(self) -> None:
        self.factor = 2.0
        self.calls = 0
        self.scale = torch.tensor(1.0)
        self.seen: list[int] = []


class Bench:
    """A replayer with what it was told and what it holds."""

    def __init__(self) -> None:
        self.recording, self.holder, self.said = TapeRecording(), Holder(), list[str]()
        self.model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.replayer = Replayer(self.recording, [self.model, self.holder], optimizer, self.said.append)

    def run(self, body: Body, *values: float, key: str = "f") -> list[float]:
        """What the body makes of each value."""
        return [float(self.replayer.run(key, [{"x": torch.tensor([value])}], body)[0]) for value in values]


def doubled(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    return (inputs[0]["x"] * 2).sum()


def test_a_body_is_rehearsed_then_recorded_once_then_launched() -> None:
    bench, calls = Bench(), list[int]()

    def body(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        calls.append(1)
        return doubled(inputs)

    values = [float(k) for k in range(10)]
    assert bench.run(body, *values) == [2 * value for value in values]
    assert len(calls) == REHEARSALS + 1
    assert (bench.recording.num_recorded, bench.recording.num_launched) == (1, 10 - REHEARSALS)
    assert bench.said == ["from here on each step is launched as one CUDA graph (precision.capture)"]


def waiting(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    return inputs[0]["x"].sum() * inputs[0]["x"].max().item()


def shaped(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    return inputs[0]["x"][inputs[0]["x"] > 0].sum()


def by_chance(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    return inputs[0]["x"].sum() * (1 + 0 * random.random())


def by_numpy(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
    return inputs[0]["x"].sum() * (1 + 0 * np.random.rand())


@pytest.mark.parametrize(
    ("body", "words"),
    [(waiting, "waits for the device"), (shaped, "waits"), (by_chance, "drawn in Python"), (by_numpy, "drawn in")],
)
def test_what_a_recording_could_not_repeat_is_never_recorded(body: Body, words: str) -> None:
    bench = Bench()
    got = bench.run(body, *[float(k) for k in range(10)])
    assert got == [float(body([{"x": torch.tensor([float(k)])}])) for k in range(10)]
    assert bench.recording.num_recorded == 0
    assert len(bench.said) == 1
    assert words in bench.said[0]


@pytest.mark.parametrize("name", ["calls", "seen"])
def test_a_body_that_counts_in_python_is_never_recorded(name: str) -> None:
    bench = Bench()

    def body(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        bench.holder.calls += name == "calls"
        bench.holder.seen.extend([1] * (name == "seen"))
        return inputs[0]["x"].sum() * (bench.holder.calls + len(bench.holder.seen))

    assert bench.run(body, *[1.0] * 6) == [1, 2, 3, 4, 5, 6]
    assert bench.said == [
        f"steps are launched kernel by kernel, not as one CUDA graph: Holder.{name} changes with every step"
    ]


def test_a_recording_that_breaks_is_said_and_done_without() -> None:
    bench, calls = Bench(), list[int]()

    def body(inputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        calls.append(1)
        return waiting(inputs) if len(calls) == REHEARSALS + 1 else inputs[0]["x"].square().sum()

    assert bench.run(body, *[3.0] * 8) == [9.0] * 8
    assert "not permitted" in bench.said[0]
    assert len(bench.said) == 1


def scaled_by(bench: Bench) -> Body:
    return lambda inputs: inputs[0]["x"].sum() * bench.holder.factor * bench.holder.scale


@pytest.mark.parametrize("change", ["number", "tensor"])
def test_a_recording_is_forgotten_when_what_it_holds_for_good_changes(change: str) -> None:
    bench = Bench()
    bench.run(scaled_by(bench), *[1.0] * 6)
    if change == "number":
        bench.holder.factor = 6.0
    else:
        bench.holder.scale = torch.tensor(3.0)
    bench.replayer.refresh()
    assert bench.run(scaled_by(bench), *[1.0] * 6) == [6.0] * 6
    assert bench.recording.num_recorded == 2


def test_a_recording_is_kept_while_nothing_changes() -> None:
    bench = Bench()
    bench.holder.factor = float("nan")  # differs from itself
    for _ in range(5):
        bench.replayer.refresh()
        bench.run(doubled, *[1.0] * 6)
    assert bench.recording.num_recorded == 1


def test_what_changes_in_place_needs_no_new_recording() -> None:
    bench = Bench()
    bench.run(scaled_by(bench), *[1.0] * 6)
    bench.holder.scale.fill_(5.0)
    bench.replayer.refresh()
    assert bench.run(scaled_by(bench), 1.0) == [10.0]
    assert bench.recording.num_recorded == 1


def test_batches_of_another_size_have_recordings_of_their_own_and_only_where_they_are_worth_it() -> None:
    bench = Bench()

    def run(size: int) -> float:
        return float(bench.replayer.run("f", [{"x": torch.ones(size)}], doubled)[0])

    for _ in range(10):
        assert [run(size) for size in (1, 2, 3, 4)] == [2, 4, 6, 8]
    assert bench.recording.num_recorded == FREE
    for _ in range(WORTH):
        assert [run(size) for size in (1, 2, 3, 4)] == [2, 4, 6, 8]
    assert bench.recording.num_recorded == 4
