"""A mixture inside a network before training: what its dimension does, what a refit would do, and what is healthy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mixture_toy import K, MixtureRefit, MixtureToy, by_code, examine
from toy_task import ToyTask

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, Components
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.rules.run.clustering import corrected_entropy


def test_a_mixture_of_many_dimensions_is_one_hot_before_training_and_no_weight_is_to_blame() -> None:
    finding = examine(MixtureToy())["Q501"]
    assert (finding.severity, finding.confidence) == ("warning", "proven")
    assert "in 256 dimensions" in finding.where and "untrained" in finding.where
    assert "weight of the cluster term (0.1; it was so before the first update)" in finding.ruled_out
    assert float(finding.figures["optimum_of_the_weights"]) == pytest.approx(1 / (1 + (K - 1) / math.e))
    assert float(finding.figures["max_posterior_over_dimensions"]) < 0.9
    assert finding.fix.set == {"model.projection": 16}


def test_without_weights_on_the_posteriors_one_hot_ones_are_merely_worth_knowing() -> None:
    task = MixtureToy()
    task.default_weights = lambda: {"cluster": 0.0, "balance": 0.0, "entropy": 0.0}
    assert examine(task)["Q501"].severity == "info"


@pytest.mark.parametrize("options", [{"temper": "dimension"}, {"projection": 4}], ids=["temper", "few"])
def test_a_mixture_whose_posteriors_can_be_moved_has_no_finding(options: dict[str, Any]) -> None:
    report = diagnose(gather(MixtureToy(**options)))
    assert not [code for code in by_code(report) if code.startswith("Q")]
    assert {"Q501", "Q503", "Q504"} <= set(report.checked)
    assert {"Q502": "one batch says nothing of an epoch", "E1007": "nothing has been trained yet"}.items() <= {
        entry.code: entry.why for entry in report.not_checked
    }.items()


def test_a_task_without_a_mixture_is_not_asked() -> None:
    report = diagnose(gather(ToyTask()))
    assert {entry.why for entry in report.not_checked if entry.code.startswith("Q")} == {
        "the network has no mixture of components"
    }


def test_fits_that_number_the_same_groups_differently_are_proven_before_training() -> None:
    finding = examine(MixtureToy(mode="sklearn", spread=12.0, temper="dimension", seed=2))["Q503"]
    assert (finding.severity, finding.confidence) == ("error", "proven")
    assert finding.primary
    assert float(finding.figures["agreement"]) < 0.5 < 0.9 < float(finding.figures["matched_agreement"])
    assert finding.fix.set == {"refit.mode": "matched"}


def test_where_the_dimension_makes_posteriors_one_hot_the_refit_is_a_consequence() -> None:
    told = examine(MixtureToy(mode="sklearn", spread=1.0, features=64, seed=2))
    assert told["Q501"].primary and told["Q503"].consequence_of == "Q501"
    apart = examine(MixtureToy(mode="sklearn", spread=12.0, features=64, seed=2))
    assert apart["Q503"].primary, "groups that lie apart are one-hot in any dimension"


@pytest.mark.parametrize(
    "options",
    [{"mode": "matched"}, {"mode": "none"}, {"mode": "sklearn", "reads_posteriors": False}],
    ids=["matched", "none", "numbers are not read"],
)
def test_refits_that_cannot_mislead_anything_are_left_alone(options: dict[str, Any]) -> None:
    assert "Q503" not in examine(MixtureToy(spread=12.0, seed=2, **options))


def test_a_refit_after_the_last_epoch_never_comes() -> None:
    task = MixtureToy(mode="sklearn", spread=12.0, seed=2)
    task.config = task.config.model_copy(update={"refit": MixtureRefit(mode="sklearn", every=20)})
    assert "Q503" not in examine(task)


def test_the_probe_leaves_no_trace() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    gather(MixtureToy(mode="sklearn"))
    assert torch.equal(torch.rand(4), expected)


def facts(**changes: Any) -> ClusterFacts:
    """Healthy facts of a batch through an untrained network."""
    values: dict[str, Any] = {
        "source": "batch",
        "num_steps": 1,
        "clusters": 8,
        "dim": 16,
        "batch_size": 64,
        "max_posterior": 0.7,
        "entropy": 0.8,
        "counts": (8.0,) * 8,
        "weights": {"cluster": 0.1},
        "partial": "one batch says nothing of an epoch",
    }
    return ClusterFacts(**(values | changes))


@pytest.mark.parametrize(
    ("weights", "floored"),
    [((0.001, 0.999), (0.0, 0.0)), ((0.5, 0.5), (0.3, 0.0))],
    ids=["one sample", "no variance"],
)
def test_a_component_with_next_to_nothing_to_hold_on_to_is_singular(
    weights: tuple[float, ...], floored: tuple[float, ...]
) -> None:
    found = by_code(diagnose(Evidence(clusters=facts(components=Components(1000, weights, floored)))))
    assert "1 of 8 components" in found["Q504"].summary and "components 0" in found["Q504"].where
    healthy = Components(1000, (0.5, 0.5), (0.05, 0.0))
    assert by_code(diagnose(Evidence(clusters=facts(components=healthy)))) == {}


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=12))
def test_the_corrected_entropy_lies_between_that_of_the_shares_and_ln_k(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    plain = -(shares * np.log(shares)).sum()
    assert min(plain, math.log(len(counts))) - 1e-9 <= corrected_entropy(counts) <= math.log(len(counts)) + 1e-9


def test_the_correction_removes_the_mean_bias_of_few_draws() -> None:
    draws = np.random.default_rng(0).multinomial(400, [0.4, 0.3, 0.2, 0.1], 2000)
    truth = -sum(p * math.log(p) for p in (0.4, 0.3, 0.2, 0.1))
    assert np.mean([corrected_entropy(row.tolist()) for row in draws]) == pytest.approx(truth, abs=1e-3)
