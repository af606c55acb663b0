"""The experiments of the quality task: what is trained with which seeds. Trains and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.experiments.runs import Experiment

ORIGINAL, BALANCED, REPAIRED = "quality/original", "quality/balanced", "quality/repaired"

COLOURS_ALONE = (
    *("data.image_size=64", "data.references=500", "augment.crop=null"),
    *("model.mscn=false", "model.tells_kinds=false", "model.initialisation=sklearn"),
)
"""The data and the network that the document's presets have, so that only their mixtures differ."""
PRESETS = (
    *(Experiment(name, f"quality/{name}") for name in ("original", "balanced", "strong-balance", "balance-only")),
    Experiment("with-refit", "quality/with-refit"),
    Experiment("repaired", REPAIRED, COLOURS_ALONE),
)

SHORT = ("train.epochs=6",)
"""For what tells causes apart; the presets themselves run their whole length."""
NO_REFIT = ("refit.mode=none",)


def _original(name: str, *overrides: str) -> Experiment:
    return Experiment(name, ORIGINAL, (*SHORT, *overrides))


DIMENSIONS = (
    _original("dim-512", *NO_REFIT),
    *(_original(f"dim-{dim}", f"model.projection={dim}", *NO_REFIT) for dim in (128, 32, 2)),
    _original("dim-512-tempered", "model.temper=dimension", *NO_REFIT),
)
"""The weight and all else as in `original`, the mixture in fewer dimensions."""

WEIGHTS = (
    _original("weight-0", "loss_weights.cluster=0", *NO_REFIT),
    _original("weight-05", "loss_weights.cluster=0.05", *NO_REFIT),
    _original("weight-10", "loss_weights.cluster=0.1", *NO_REFIT),
    _original("weight-50-detached", "model.mixture_gradient=false", *NO_REFIT),
)
"""All else as in `original`, without its refit. `dim-512` is the weight .5."""

EVERY_TWO = ("refit.every=2", *SHORT, *COLOURS_ALONE)
POSTERIORS = ("model.regressor_reads=posteriors",)
JOINT = (*POSTERIORS, "model.mixture_gradient=true", "model.temper=learned")
"""The quality loss trains the backbone through the posteriors."""
REFITS = (
    Experiment("refit-sklearn", REPAIRED, ("refit.mode=sklearn", *EVERY_TWO)),
    Experiment("refit-matched", REPAIRED, ("refit.mode=matched", *EVERY_TWO)),
    Experiment("refit-sklearn-posteriors", REPAIRED, ("refit.mode=sklearn", *EVERY_TWO, *POSTERIORS)),
    Experiment("refit-matched-posteriors", REPAIRED, ("refit.mode=matched", *EVERY_TWO, *POSTERIORS)),
    Experiment("refit-sklearn-joint", REPAIRED, ("refit.mode=sklearn", *EVERY_TWO, *JOINT)),
    Experiment("refit-matched-joint", REPAIRED, ("refit.mode=matched", *EVERY_TWO, *JOINT)),
)
"""`repaired` with refits, its regressor reading features and posteriors, or posteriors alone."""


def _candidate(name: str, *overrides: str, balance: float = 1.0) -> Experiment:
    """All that `quality/repaired` decides is written out, so that the choice does not move when the preset does."""
    base = (
        "train.epochs=10",
        "optimizer.lr=2e-3",
        "schedule.name=cosine",
        "schedule.interval=step",
        "schedule.warmup_epochs=1",
        "augment.hflip=0.5",
        "model.projection=16",
        "model.mixture_gradient=false",
        f"loss_weights.balance={balance}",
        "loss_weights.entropy=0.02",
    )
    return Experiment(f"candidate-{name}", BALANCED, (*base, *overrides))


AVERAGE = ("loss.balance_over=average",)
CANDIDATES = (
    _candidate("base"),
    _candidate("balance-3", balance=3.0),
    _candidate("average-3", *AVERAGE, balance=3.0),
    _candidate("learned", "model.temper=learned"),
    _candidate("joint", "model.mixture_gradient=true", "model.temper=learned"),
    _candidate("ema", "ema.decay=0.999"),
    _candidate("features", "model.regressor_reads=features"),
    _candidate("average-10", *AVERAGE, balance=10.0),
    _candidate("average-10-sharp", *AVERAGE, "loss_weights.cluster=0.3", balance=10.0),
    _candidate("average-10-soft", *AVERAGE, "loss_weights.cluster=0.03", "ema.decay=0.999", balance=10.0),
    _candidate("references-1500", "data.references=1500"),
    _candidate("references-81", "data.references=81"),
)
"""Tried for `quality/repaired`, on seeds that are not reported."""
SELECTION_SEEDS = (101, 102)


def jobs(seeds: Sequence[int]) -> list[tuple[Experiment, int]]:
    """Everything the report reads, the selection with its own seeds first."""
    chosen = [(experiment, seed) for experiment in CANDIDATES for seed in SELECTION_SEEDS]
    return [*chosen, *((each, seed) for each in (*PRESETS, *DIMENSIONS, *WEIGHTS, *REFITS) for seed in seeds)]
