"""A mixture inside a network: what its dimension does, what a refit does, and what is healthy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from toy_task import ToyTask, config, make_split

from trainctl.engine.config.schema import RunConfig, Section
from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, Components
from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import RunEvidence, read_evidence
from trainctl.engine.diagnosis.rules.run.clustering import corrected_entropy
from trainctl.engine.losses.clustering import balance_loss, cluster_loss, entropy_loss
from trainctl.engine.models.quality.gmm import DiagonalGmm
from trainctl.engine.models.quality.gmm_fit import fit_mixture, set_parameters
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.tasks.task import StepOutput, Task

K = 4


class MixtureNet(nn.Module):
    """Features, a mixture over them and a regressor that reads both, or the features alone."""

    def __init__(self, features: int, dim: int, temper: str, reads_posteriors: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, features), nn.Tanh())
        self.projection = nn.Linear(features, dim) if dim != features else nn.Identity()
        self.gmm = DiagonalGmm(K, dim, temper)  # pyright: ignore[reportArgumentType]
        self.regressor = nn.Linear(features + K, 1)
        if not reads_posteriors:
            with torch.no_grad():
                self.regressor.weight[:, features:] = 0

    def forward(self, features_BF: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BF = self.backbone(features_BF)
        log_posteriors_BK = self.gmm(self.projection(hidden_BF))
        return self.regressor(torch.cat([hidden_BF, log_posteriors_BK.exp()], 1)).squeeze(1), log_posteriors_BK


class MixtureModel(Section):
    """Options that the plan of a run is read from."""

    clusters: int = K
    features: int = 256
    projection: int | None = None
    temper: str = "none"
    initialisation: str = "sklearn"


class MixtureRefit(Section):
    """Refits."""

    mode: str = "none"
    every: int = 5
    samples: int = 400


class MixtureConfig(RunConfig):
    """A run with a mixture."""

    model: MixtureModel = MixtureModel()
    refit: MixtureRefit = MixtureRefit()


class MixtureToy(ToyTask):
    """Four groups of samples a distance apart; the score is the group's."""

    def __init__(
        self, mode: str = "none", reads_posteriors: bool = True, spread: float = 1.0, seed: int = 42, **options: Any
    ) -> None:
        plain: dict[str, Any] = config().model_dump() | {"seed": seed}
        run_config = MixtureConfig(**plain, model=MixtureModel(**options), refit=MixtureRefit(mode=mode))
        splits = Splits(make_split(400, 1), make_split(100, 2))
        for split in (splits.train, splits.val):
            assert split.labels is not None
            split.tensors["x"][:, 0] += spread * (split.labels - 1.5)
            split.tensors["x"][:, 1] += spread * (split.labels % 2)
        super().__init__(run_config, splits)
        self.reads_posteriors = reads_posteriors

    def build_model(self, splits: Splits) -> nn.Module:
        assert isinstance(self.config, MixtureConfig)
        options = self.config.model
        dim = options.projection or options.features
        model = MixtureNet(options.features, dim, options.temper, self.reads_posteriors)
        with torch.no_grad():
            features_ND = model.projection(model.backbone(splits.train.tensors["x"]))
        set_parameters(model.gmm, fit_mixture(features_ND, K, self.config.seed))
        return model

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        score_B, log_posteriors_BK = model(batch["x"])
        return StepOutput(
            {
                "quality": F.mse_loss(score_B, batch["labels"].float()),
                "cluster": cluster_loss(log_posteriors_BK),
                "balance": balance_loss(log_posteriors_BK),
                "entropy": entropy_loss(log_posteriors_BK),
            },
            {"score": score_B.detach(), "log_posteriors": log_posteriors_BK.detach()},
        )

    def default_weights(self) -> dict[str, float]:
        return {"quality": 1.0, "cluster": 0.1, "balance": 1.0, "entropy": 0.1}


def by_code(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings}


def examine(task: Task) -> dict[str, Finding]:
    return by_code(diagnose(gather(task)))


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


LAYOUT = RecordLayout(
    terms=("quality", "cluster", "balance", "entropy"),
    groups=("backbone",),
    scalars=("max_posterior", "posterior_entropy", *(f"cluster.{k}" for k in range(8))),
)
EVEN = (8,) * 8


class Run:
    """A run directory with a mixture of eight, ten steps of 64 samples an epoch."""

    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder)
        folder.mkdir(exist_ok=True)
        self.writer, self.events = StepWriter(self.paths, LAYOUT), EventWriter(self.paths)
        self.events.append(EventKind.START, 0, constant={"rmse": 0.29, "srcc": 0.0})
        self.events.append(EventKind.PLAN, 0, steps_per_epoch=10)
        self.step = 0

    def epochs(self, count: int, sizes: tuple[float, ...] = EVEN, max_posterior: float = 0.7) -> Run:
        rows: np.ndarray[Any, Any] = np.zeros(10 * count, LAYOUT.dtype)
        rows["step"] = np.arange(self.step + 1, self.step + 10 * count + 1)
        rows["epoch"], rows["batch_size"], rows["loss"] = (rows["step"] - 1) // 10 + 1, 64, 0.1
        rows["lr"], rows["amp_scale"], rows["update_ratio"] = 1e-3, np.nan, 0.01
        rows["grad_norm"] = rows["grad_norm.backbone"] = 1.0
        rows["weight.quality"], rows["weight.cluster"], rows["weight.balance"] = 1.0, 0.1, 1.0
        rows["weight.entropy"], rows["scalar.max_posterior"], rows["scalar.posterior_entropy"] = 0.1, max_posterior, 0.8
        for k, size in enumerate(sizes):
            rows[f"scalar.cluster.{k}"] = size
        self.writer.append(rows)
        self.step += 10 * count
        return self

    def validate(self, srcc: float | None, rmse: float | None = 0.1, **more: Any) -> Run:
        raw = {"srcc": srcc, "rmse": rmse}
        epoch = self.step // 10
        self.events.append(
            EventKind.VALIDATION, self.step, epoch=epoch, raw=raw, monitor="srcc", monitor_mode="max", **more
        )
        return self

    def refit(self, agreement: float, matched: float) -> Run:
        shares = {"agreement": agreement, "matched_agreement": matched}
        self.events.append(EventKind.REFIT, self.step, mode="sklearn", epoch=self.step // 10, text="", **shares)
        return self

    def report(self) -> Report:
        return diagnose(read_evidence(self.paths))

    def found(self) -> dict[str, Finding]:
        return by_code(self.report())

    def reasons(self) -> dict[str, str]:
        return {entry.code: entry.why for entry in self.report().not_checked}


def rising(run: Run, *values: float) -> Run:
    """An epoch and its validation for each value."""
    for value in values:
        run.epochs(1).validate(value)
    return run


def test_a_healthy_recorded_run_has_no_finding(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.6, 0.7, 0.75)
    assert run.found() == {}
    assert {"Q501", "Q502", "Q503", "E1007"} <= set(run.report().checked)
    assert "needs the network" in run.reasons()["Q504"]


def test_records_that_were_one_hot_from_the_first_step_prove_that_training_did_not_make_them_so(tmp_path: Path) -> None:
    finding = Run(tmp_path).epochs(3, max_posterior=0.9998).found()["Q501"]
    assert finding.confidence == "proven"
    assert "at the first step 0.9998" in finding.where
    assert "p(1−p) ≤ 0.0002" in finding.why


def test_posteriors_that_training_made_one_hot_are_put_down_to_it(tmp_path: Path) -> None:
    finding = Run(tmp_path).epochs(2).epochs(2, max_posterior=0.9998).found()["Q501"]
    assert finding.confidence == "likely"
    assert "training made them so" in finding.why


@pytest.mark.parametrize(
    ("sizes", "severity"),
    [
        ((20, 10, 8, 7, 6, 5, 5, 3), None),
        ((20, 20, 6, 6, 4, 4, 3, 1), "warning"),
        ((40, 14, 2, 2, 2, 2, 1, 1), "error"),
        ((10, 9, 9, 9, 9, 9, 9, 0), "error"),
    ],
    ids=["a little uneven", "uneven", "collapsed", "one empty"],
)
def test_sizes_of_an_epoch_are_judged_by_how_uneven_they_are(
    tmp_path: Path, sizes: tuple[float, ...], severity: str | None
) -> None:
    found = Run(tmp_path).epochs(2, sizes).found()
    assert (found["Q502"].severity if found else None) == severity


def test_an_empty_cluster_is_named_and_one_hot_posteriors_are_its_cause(tmp_path: Path) -> None:
    found = Run(tmp_path).epochs(3, (10, 9, 9, 0, 9, 9, 9, 9), max_posterior=0.9999).found()
    assert "1 of 8 clusters hold less than a tenth of their share: 3" in found["Q502"].summary
    assert "(K−1)/2B = 0.055" in found["Q502"].why
    assert found["Q502"].consequence_of == "Q501"


def test_sizes_are_not_judged_in_the_first_epoch_nor_across_a_refit(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(1, (64, 0, 0, 0, 0, 0, 0, 0))
    assert "first epoch" in run.reasons()["Q502"]
    run.epochs(1, (64, 0, 0, 0, 0, 0, 0, 0)).refit(0.1, 0.9)
    assert "fitted anew after step 20" in run.reasons()["Q502"]


def test_a_correlation_lost_at_a_refit_that_renumbered_is_proven(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.012, after="refit")
    finding = run.found()["Q503"]
    assert (finding.severity, finding.confidence, finding.primary) == ("error", "proven", True)
    assert finding.summary == "srcc 0.800 → 0.012 at a refit"
    assert "a permutation" in finding.why and "after epoch 3" in finding.where
    assert finding.ruled_out == ("evaluation noise (validations usually differ by 0.050)",)


def test_a_correlation_that_is_not_defined_after_a_refit_is_lost_too(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.4, 0.5).validate(None, after="refit")
    finding = run.found()["Q503"]
    assert finding.confidence == "likely" and "undefined" in finding.summary


def test_refits_that_cost_nothing_or_less_than_the_noise_are_left_alone(tmp_path: Path) -> None:
    run = rising(Run(tmp_path / "calm"), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.79, after="refit")
    assert run.found() == {}
    noisy = rising(Run(tmp_path / "noisy"), 0.8, 0.5, 0.8, 0.5, 0.8).refit(0.1, 0.9).validate(0.3, after="refit")
    assert "Q503" not in noisy.found()
    chance = rising(Run(tmp_path / "chance"), 0.05).refit(0.1, 0.9).validate(0.02, after="refit")
    assert "Q503" not in chance.found()


def test_a_refit_after_the_first_validation_has_no_noise_to_be_measured_by_and_is_still_judged(tmp_path: Path) -> None:
    finding = rising(Run(tmp_path), 0.8).refit(0.1, 0.9).validate(0.02, after="refit").found()["Q503"]
    assert finding.confidence == "proven" and finding.ruled_out == ()


def test_a_refit_that_a_resume_took_back_is_forgotten(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.012, after="refit")
    evidence = RunEvidence(run.paths)
    assert "Q503" in by_code(diagnose(evidence.read()))
    run.events.append(EventKind.RESUME, 30, from_step=20, from_epoch=2)
    assert "Q503" not in by_code(diagnose(evidence.read()))


def test_equal_predictions_are_found_by_the_correlation_that_is_not_defined(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(2).validate(None, rmse=0.2901)
    assert "second validation" in run.reasons()["E1007"]
    finding = run.epochs(1).validate(None, rmse=0.2905).found()["E1007"]
    assert finding.confidence == "proven"
    assert "error 0.2905, one constant reaches 0.2900" in finding.where


def test_predictions_that_are_not_finite_are_not_called_equal(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(2).validate(None, rmse=None).validate(None, rmse=None)
    assert set(run.found()) == {"E1014"}, "but the metric that chooses the best checkpoint is none"
    assert "not finite" in run.reasons()["E1007"]
