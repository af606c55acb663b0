"""Healthy plans of training that look odd: rates, schedules, batches, optimisers and precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.trainfault.cases import trap
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import HostConfig

Settings = Callable[[HostConfig], Mapping[str, Any]]


def _plan(name: str, says: str, settings: Settings, needs: str = "", lacks: str = "") -> None:
    """Enter a trap that is nothing but settings."""

    class Planned(Change):
        def settings(self, config: HostConfig) -> Mapping[str, Any]:
            return settings(config)

    trap(name, says, needs=needs, lacks=lacks)(Planned)


def _shape(name: str, interval: str = "epoch", **arguments: Any) -> dict[str, Any]:
    return {"schedule.name": name, "schedule.interval": interval, "schedule.arguments": arguments}


NO_WARMUP: dict[str, Any] = {"schedule.warmup_epochs": 0}
WARM: dict[str, Any] = {"schedule.name": "cosine_warmup", "schedule.interval": "step"}

_plan("constant-rate", "the rate never changes", lambda _: _shape("constant"), needs="scheduled")
_plan(
    "cosine-restarts",
    "the rate restarts twice",
    lambda c: _shape("cosineannealingwarmrestarts", T_0=max(c.train.epochs // 3, 1)) | NO_WARMUP,
)
_plan("one-cycle", "the rate rises and falls once", lambda _: _shape("onecyclelr", "step") | NO_WARMUP)
_plan(
    "two-cuts",
    "the rate is cut by ten late in the training, twice",
    lambda c: _shape("multisteplr", milestones=[c.train.epochs * 6 // 10, c.train.epochs * 9 // 10]) | NO_WARMUP,
)
_plan(
    "on-plateau",
    "the rate is cut when the validation stands",
    lambda _: _shape("plateau") | NO_WARMUP | {"schedule.patience": 3},
)
_plan(
    "long-warmup", "a fifth of the training is warmup", lambda c: WARM | {"schedule.warmup_epochs": c.train.epochs // 5}
)
_plan("low-rate", "the rate is on the low side", lambda c: {"optimizer.lr": c.optimizer.lr * 0.5})
_plan("high-rate", "the rate is on the high side", lambda c: {"optimizer.lr": c.optimizer.lr * 2})
_plan("bf16", "half precision with the range of single", lambda _: {"precision.amp": "bf16"})
_plan("averaged", "averaged weights are validated beside the raw ones", lambda _: {"ema.decay": 0.97})
_plan(
    "some-decay",
    "weight decay as usual",
    lambda c: {"optimizer.weight_decay": 0.02 if c.optimizer.name == "adamw" else 1e-4},
)
_plan("no-decay", "no weight decay", lambda _: {"optimizer.weight_decay": 0.0})
_plan("clip-often", "most gradients are clipped, a little", lambda _: {"clip.grad_norm": 0.5})
_plan("longer", "twice as long: the end is a plateau", lambda c: {"train.epochs": c.train.epochs * 2})
_plan(
    "by-heart",
    "the training data are learnt by heart, and the validation is good",
    lambda c: {"train.epochs": c.train.epochs * 4},
    needs="classes",
    lacks="tokens",
)
_plan(
    "accumulated",
    "half the batch, twice accumulated",
    lambda c: {"train.batch_size": c.train.batch_size // 2, "train.accumulation": 2},
    lacks="contrastive",
)
_plan(
    "small-batches",
    "batches of eight",
    lambda c: {"train.batch_size": 8, "optimizer.lr": c.optimizer.lr / 2, "train.epochs": max(c.train.epochs // 2, 2)},
    lacks="contrastive",
)
_plan(
    "short-epochs",
    "few steps an epoch, many epochs",
    lambda c: {"train.batch_size": 128, "train.epochs": c.train.epochs * 3, "optimizer.lr": c.optimizer.lr * 2},
)
_plan("last-batch", "the last batch of an epoch is a small one", lambda _: {"train.drop_last": False})
_plan("seldom", "validation at every fourth epoch", lambda c: {"train.eval_every": 4 if c.train.epochs > 8 else 2})
_plan("early-stopping", "ends when the validation has stood for long", lambda _: {"early_stopping.patience": 8})
_plan("nadam", "another optimiser of Adam's kind", lambda _: {"optimizer.name": "nadam"}, needs="adam")
_plan(
    "rmsprop",
    "RMSprop",
    lambda c: {"optimizer.name": "rmsprop", "optimizer.lr": c.optimizer.lr / 2, "optimizer.momentum": 0.0},
    needs="adam",
    lacks="transformer",
)
_plan(
    "momentum-sgd",
    "SGD with momentum, at a rate of its own",
    lambda _: {"optimizer.name": "sgd", "optimizer.lr": 0.1},
    needs="dense classes",
)
_plan("adam-for-sgd", "Adam in place of SGD", lambda _: {"optimizer.name": "adamw", "optimizer.lr": 2e-3}, needs="sgd")
