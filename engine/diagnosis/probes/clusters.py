"""Posteriors of a mixture inside an untrained network, and what a refit would do to them. Judges nothing.

Knows a mixture by the network's attribute `gmm` (`DiagonalGmm`) and the step's column `log_posteriors`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, Components, RefitProbe
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.errors import UserError
from trainctl.engine.models.quality.gmm import VARIANCE_FLOOR, DiagonalGmm
from trainctl.engine.models.quality.gmm_fit import agreement, fit_mixture, set_parameters
from trainctl.engine.tasks.task import StepOutput, Task

COLUMN, SCORE = "log_posteriors", "score"
TERMS = ("cluster", "balance", "entropy")
MOST_SAMPLES, CHUNK = 1000, 250
"""Training samples that are fitted, and how many go through the network at once."""

Fetch = Callable[[Tensor], Batch]
"""A batch of the training samples with these indices, as the loop makes it."""


def measure_clusters(
    task: Task, model: nn.Module, output: StepOutput, weights: Mapping[str, float], fetch: Fetch, num_train: int
) -> ClusterFacts | None:
    """Facts about the mixture; None where there is none.

    Args:
        task: gives the step and the plan of refits.
        model: a copy that may be run; its BatchNorm statistics change.
        output: of a step on a batch.
        weights: of all terms.
        fetch: gives batches.
        num_train: samples of the training split.
    """
    mixture, log_posteriors_BK = getattr(model, "gmm", None), output.columns.get(COLUMN)
    if not isinstance(mixture, DiagonalGmm) or log_posteriors_BK is None:
        return None
    log_posteriors_BK = log_posteriors_BK.detach().float()
    posteriors_BK, (clusters, dim) = log_posteriors_BK.exp(), mixture.means.shape
    largest_B2 = log_posteriors_BK.topk(2, 1).values
    entropy_BK = posteriors_BK * log_posteriors_BK.clamp(min=-1e4)
    plan = plan_facts(task.config)
    return ClusterFacts(
        source="batch",
        num_steps=1,
        clusters=clusters,
        dim=dim,
        batch_size=len(posteriors_BK),
        max_posterior=float(posteriors_BK.amax(1).mean()),
        entropy=-float(entropy_BK.sum(1).mean()),
        counts=tuple(torch.bincount(posteriors_BK.argmax(1), minlength=clusters).float().tolist()),
        weights={name: weights.get(name, 1.0) for name in TERMS if name in output.terms},
        temper=mixture.temper,
        gap=float((largest_B2[:, 0] - largest_B2[:, 1]).mean()),
        tempered=float((log_posteriors_BK / dim).softmax(1).amax(1).mean()),
        partial="one batch says nothing of an epoch",
        refit_mode=plan.refit_mode,
        refit_every=plan.refit_every,
        probe=_try_refits(task, model, mixture, fetch, num_train, plan.refit_every)
        if plan.refit_mode == "sklearn"
        else None,
        components=_components(task, mixture, num_train),
    )


def _components(task: Task, mixture: DiagonalGmm, num_train: int) -> Components:
    log_floor = math.log(VARIANCE_FLOOR)
    is_floored_KD = mixture.log_variances.detach() <= log_floor + 1e-3
    own_KD = is_floored_KD & ~is_floored_KD.all(0)  # a feature that never varies is no component's fault
    is_fitted = getattr(getattr(task.config, "model", None), "initialisation", "") == "sklearn"
    most = int(getattr(getattr(task.config, "refit", None), "samples", num_train))
    return Components(
        num_samples=min(most, num_train) if is_fitted else 0,
        weights=tuple(mixture.log_weights.detach().softmax(0).tolist()),
        floored=tuple(own_KD.float().mean(1).tolist()),
    )


@torch.no_grad()
def _try_refits(
    task: Task, model: nn.Module, mixture: DiagonalGmm, fetch: Fetch, num_train: int, every: int
) -> RefitProbe | None:
    """Fit the mixture of the features twice, with the seeds of the first two refits of a run; None: it cannot be."""
    rows = torch.linspace(0, num_train - 1, min(MOST_SAMPLES, num_train)).round().long()
    batches = [fetch(part) for part in rows.split(CHUNK) if len(part) > 1]
    features_ND = torch.cat([_features(task, model, mixture, batch) for batch in batches])
    fitted, labels = copy.deepcopy(mixture), []
    for epoch in (every, 2 * every):
        try:
            set_parameters(fitted, fit_mixture(features_ND, len(mixture.means), task.config.seed + epoch))
        except UserError:  # too few samples, or not finite: the business of other rules
            return None
        labels.append(fitted(features_ND).argmax(1))
    found = agreement(*labels)
    return RefitProbe(len(features_ND), found.raw, found.matched, _response(task, model, mixture, batches[0]))


def _features(task: Task, model: nn.Module, mixture: DiagonalGmm, batch: Batch) -> Tensor:
    """What the mixture sees of a batch."""
    seen: list[Tensor] = []
    handle = mixture.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().float()))
    try:
        task.step(model, batch)
    finally:
        handle.remove()
    return seen[0]


def _response(task: Task, model: nn.Module, mixture: DiagonalGmm, batch: Batch) -> float:
    """How much the scores change when every component takes the next number, in standard deviations."""
    torch.manual_seed(task.config.seed)  # dropout is to be the same both times
    scores_B = task.step(model, batch).columns[SCORE].float()
    handle = mixture.register_forward_hook(lambda _, __, log_posteriors_BK: log_posteriors_BK.roll(1, 1))
    try:
        torch.manual_seed(task.config.seed)
        renumbered_B = task.step(model, batch).columns[SCORE].float()
    finally:
        handle.remove()
    spread = float(scores_B.std())
    return float((renumbered_B - scores_B).abs().mean()) / spread if spread > 0 else 0.0
