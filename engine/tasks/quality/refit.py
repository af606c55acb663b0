"""Fits the mixture of a quality network between epochs. Knows no loop and no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from trainctl.engine.errors import UserError
from trainctl.engine.models.quality import gmm_fit
from trainctl.engine.models.quality.net import QualityNet
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.task import Turn


def refit(turn: Turn, config: QualityConfig) -> Mapping[str, Any]:
    """Fit the mixture to the present features, and say how many samples changed their component by it.

    `sklearn` puts the new fit in place of the old, numbers and all; `matched` gives the new components the numbers of
    the old ones they share most samples with, blends them and resets the optimiser's moments of the mixture.
    """
    model, options = cast(QualityNet, turn.model), config.refit
    share = options.blend if options.mode == "matched" else None
    rows = some_samples(len(turn.split), config, turn.epoch)
    model.eval()
    try:
        features_ND = model.collect_features(batch["images"] for batch in turn.gather(rows))
        agreement = gmm_fit.refit(model.gmm, features_ND.to(model.gmm.means.device), config.seed + turn.epoch, share)
    except UserError as err:
        return {"mode": options.mode, "failed": True, "text": f"the mixture was not fitted anew: {err}"}
    finally:
        model.train()
    if options.mode == "matched":
        gmm_fit.reset_moments(turn.optimizer, model.gmm.parameters())
    if turn.averaged is not None:
        gmm_fit.set_parameters(cast(QualityNet, turn.averaged).gmm, gmm_fit.parameters_of(model.gmm))
    return {
        "mode": options.mode,
        "agreement": agreement.raw,
        "matched_agreement": agreement.matched,
        "rand_index": agreement.rand,
        "text": f"mixture fitted anew ({options.mode}): {agreement.raw:.0%} of the samples keep the number of their "
        f"component, {agreement.matched:.0%} after the best renumbering",
    }


def some_samples(count: int, config: QualityConfig, epoch: int = 0) -> Tensor:
    """Indices of the training samples that a fit looks at, in rising order."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    return torch.randperm(count, generator=generator)[: config.refit.samples].sort().values
