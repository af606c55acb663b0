"""The speed and the time left are those of the training, not of what held it up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.status import Status, read_status
from trainctl.engine.training.desk.pulse import Pulse
from trainctl.engine.training.desk.run_writer import RunWriter


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    made = Pulse(RunWriter(RunPaths(tmp_path)), "own", "cpu")
    made.total_steps = 10_000
    return made


def hear(pulse: Pulse, *seconds: float) -> Status:
    """What the status says after steps that took so long."""
    rows = np.zeros(len(seconds), RecordLayout(terms=("ce",)).dtype)
    rows["step"], rows["epoch"] = pulse.step + 1 + np.arange(len(seconds)), 1
    rows["step_s"], rows["batch_size"] = seconds, 32
    pulse.hear(rows)
    pulse.beat()
    status = read_status(RunPaths(pulse._writer.paths.root))
    assert status is not None
    return status


def test_the_speed_is_the_mean_over_the_window(pulse: Pulse):
    status = hear(pulse, *[0.1] * 50)
    assert (status.steps_per_s, status.samples_per_s) == (pytest.approx(10), pytest.approx(320))
    assert status.eta_s == pytest.approx(995)


def test_a_process_that_was_stopped_for_a_while_has_no_longer_to_go(pulse: Pulse):
    before = hear(pulse, *[0.1] * 50)
    after = hear(pulse, 0.1, 40.0, 0.1)
    assert after.steps_per_s == pytest.approx(before.steps_per_s, rel=1e-6)
    slept = hear(pulse, 8 * 3600.0)
    assert slept.eta_s is not None and slept.eta_s < 1000
    assert hear(pulse, *[0.1] * 5).steps_per_s == pytest.approx(10)


def test_a_training_that_became_slow_is_told_so(pulse: Pulse):
    hear(pulse, *[0.1] * 100)
    status = None
    for _ in range(12):
        status = hear(pulse, 1.0)
    assert status is not None and status.steps_per_s == pytest.approx(1.0, rel=0.05)


def test_steps_longer_than_the_window_still_make_a_speed(pulse: Pulse):
    status = [hear(pulse, 30.0) for _ in range(5)][-1]
    assert status.steps_per_s == pytest.approx(1 / 30)


def test_nothing_is_known_before_the_first_step(pulse: Pulse):
    pulse.beat()
    status = read_status(pulse._writer.paths)
    assert status is not None and status.eta_s is None and status.steps_per_s == 0.0
