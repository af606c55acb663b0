"""A toy task with a mixture inside its network, and what is found in it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy_task import ToyTask, config, make_split

from trainctl.engine.config.schema import RunConfig, Section
from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.losses.clustering import balance_loss, cluster_loss, entropy_loss
from trainctl.engine.models.quality.gmm import DiagonalGmm
from trainctl.engine.models.quality.gmm_fit import fit_mixture, set_parameters
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
