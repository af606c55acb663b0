"""An epoch of few steps, or one that leaves out much, is told in a line with its figures and with what to change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import ToyTask, resolved

from trainctl.engine.data.samplers.short_epochs import LEAST_ADVISED, ShortEpoch, short_epoch
from trainctl.engine.training.setup import assemble_run


def found(num_samples: int, batch_size: int, accumulation: int = 1, *, drop_last: bool = True) -> ShortEpoch | None:
    whole, rest = divmod(num_samples, batch_size)
    batches = whole + (1 if rest and not drop_last else 0)
    return short_epoch(num_samples, batches, batch_size, accumulation, drop_last=drop_last)


def test_one_step_an_epoch_is_told_with_what_is_left_out_and_what_to_change() -> None:
    epoch = found(4800, 4096)
    assert epoch is not None
    assert epoch.words(are_others=True) == (
        "an epoch has 1 step: 4,800 samples in batches of 4,096; 704 of them (15%) are left out, others in each epoch"
    )
    assert epoch.advice == "a batch of 256 gives 18"


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "drop_last"),
    [
        (376_648, 4096, True),  # eyes, full scale: 91 steps
        (4800, 64, True),  # eyes, small scale: 75 steps
        (600, 32, True),  # weld, small scale: 18 steps, and no much smaller batch would be advised
        (108, 32, False),  # emotion: 4 steps
        (480, 36, True),  # 13 steps, and a batch of 32 would give 14
    ],
)
def test_healthy_plans_are_not_spoken_of(num_samples: int, batch_size: int, drop_last: bool) -> None:
    assert found(num_samples, batch_size, drop_last=drop_last) is None


def test_what_is_left_out_alone_is_worth_a_line_from_a_twentieth_on() -> None:
    assert found(90, 16) == ShortEpoch(90, 16, 5, 10, None, 5)
    assert found(83, 16) is None
    assert found(90, 16, drop_last=False) is None


def test_steps_are_those_of_the_optimiser() -> None:
    epoch = found(3000, 128, 4)
    assert epoch is not None and (epoch.steps, epoch.advised, epoch.advised_steps) == (6, 32, 24)


def test_an_epoch_of_another_length_was_chosen() -> None:
    assert short_epoch(4800, 3, 64, 1, drop_last=True) is None
    assert short_epoch(10, 0, 64, 1, drop_last=True) is None


@given(
    num_samples=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**5),
    accumulation=st.integers(1, 8),
    drop_last=st.booleans(),
)
def test_what_is_advised_gives_more_steps(
    num_samples: int, batch_size: int, accumulation: int, drop_last: bool
) -> None:
    epoch = found(num_samples, batch_size, accumulation, drop_last=drop_last)
    if epoch is not None and epoch.advised is not None:
        assert LEAST_ADVISED <= epoch.advised <= batch_size / 2
        assert epoch.steps < epoch.advised_steps
        assert epoch.steps < 20


def test_a_run_says_so_before_it_starts() -> None:
    notes = assemble_run(resolved(train={"batch_size": 64}).config, ToyTask, None).notes
    assert notes == (
        "an epoch has 1 step: 90 samples in batches of 64; 26 of them (29%) are left out, others in each epoch; "
        "a batch of 32 gives 2",
    )
    assert not assemble_run(resolved(train={"batch_size": 15}).config, ToyTask, None).notes
