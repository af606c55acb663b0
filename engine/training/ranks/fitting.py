"""Whether a run can be shared by several processes, and what of its network has to be changed for that.

Knows networks and options, no data and no loop.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.launched import Launched


def shared_norms(
    model: nn.Module, wanted: str, device: torch.device, launched: Launched | None
) -> tuple[nn.Module, list[str]]:
    """The network with BatchNorms over all ranks where that is wanted and torch has them, and a line on what is not.

    Args:
        model: freshly built.
        wanted: `ranks.sync_batchnorm`.
        device: that it is trained on.
        launched: none: there is one process, and nothing to do.
    """
    if launched is None or wanted == "off" or not _has_norms(model):
        return model, []
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model), []
    if wanted == "on":
        return model, ["ranks.sync_batchnorm: torch has none for a CPU; each rank takes its own part's statistics"]
    return model, []


def refuse_unshareable(
    model: nn.Module, config: RunConfig, num_train: int, launched: Launched | None, *, has_groups: bool
) -> None:
    """Refuse what several processes cannot train.

    Raises:
        UserError: says what, and how to go on.
    """
    if launched is None:
        return
    size, options = launched.size, config.train
    if has_groups:
        raise UserError(
            f"{config.task}: parts of the network minimise losses of their own, which {size} processes cannot average",
            "train it with one process",
        )
    sizes = [options.batch_size]
    if not options.drop_last and num_train % options.batch_size:
        sizes.append(num_train % options.batch_size)
    least = 2 * size if _has_norms(model) else size
    if sizes[0] < size or (sizes[0] < least):
        words = "samples, and BatchNorm needs two of them for each" if sizes[0] >= size else "samples"
        raise UserError(
            f"train.batch_size={sizes[0]}: too few {words} of {size} processes",
            f"it is the whole batch of the run: take {least} or more, or fewer processes",
        )
    if _has_norms(model) and sizes[-1] < least:
        raise UserError(
            f"the last batch of an epoch has {sizes[-1]} samples: too few for BatchNorm on {size} processes",
            "set train.drop_last=true, or another train.batch_size",
        )


def _has_norms(model: nn.Module) -> bool:
    return any(isinstance(module, _BatchNorm) for module in model.modules())
