"""How unsteady the gradient of a run is, for the comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic_run import NewRun

from trainctl.tui.cli.commands.compare import read_facts
from trainctl.tui.compare.columns import Asked, figure_of


def test_it_is_the_deviation_of_the_change_of_its_logarithm(new_run: NewRun) -> None:
    run = new_run().begin()
    norms = np.exp(np.random.default_rng(0).normal(0, 0.3, 90))
    norms[[10, 20]] = np.nan, 0.0
    run.train(90, grad_norm=norms)
    kept = np.log(norms[np.isfinite(norms) & (norms > 0)].astype(np.float32).astype(np.float64))
    found = figure_of(read_facts(run.paths), Asked("gradient_fluctuation"))
    assert found == pytest.approx(np.std(np.diff(kept)), rel=1e-4) and 0.3 < found < 0.6


def test_it_does_not_depend_on_the_size_of_the_gradient_and_needs_three_steps(new_run: NewRun) -> None:
    small, large = (new_run(name=name).begin() for name in ("small", "large"))
    norms = np.exp(np.random.default_rng(1).normal(0, 0.2, 60))
    small.train(60, grad_norm=norms)
    large.train(60, grad_norm=1000 * norms)
    assert read_facts(large.paths).gradient_fluctuation == pytest.approx(
        read_facts(small.paths).gradient_fluctuation, rel=1e-4
    )
    short = new_run(name="short").begin()
    short.train(2)
    assert math.isnan(read_facts(short.paths).gradient_fluctuation)
