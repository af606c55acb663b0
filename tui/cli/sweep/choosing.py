"""Sampler, pruner and distributions of a study, as Optuna has them. Knows no journal and no trial."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from trainctl.tui.cli.sweep.space import Parameter
from trainctl.tui.cli.sweep.study import Pruner, Sampler, Study

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

STARTUP = 5
"""Complete trials from which on the median tells anything."""
WARMUP = 5
"""The median prunes nothing in the first fifth of the epochs."""


def sampler_of(study: Study, number: int) -> BaseSampler:
    """The sampler of one trial: each draws by a seed of its own, or workers of one seed would draw the same."""
    from optuna import samplers

    if study.sampler is Sampler.GRID:
        return samplers.GridSampler(_grid(study), seed=study.seed)
    seed = (study.seed * 1_000_003 + number) % 2**32
    if study.sampler is Sampler.RANDOM:
        return samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other workers' running trials count as bad ones: experimental, says Optuna 4
        return samplers.TPESampler(seed=seed, constant_liar=True)


def pruner_of(study: Study) -> BasePruner:
    """What tells which trials are better ended."""
    from optuna import pruners

    if study.pruner is Pruner.NONE:
        return pruners.NopPruner()
    if study.pruner is Pruner.HYPERBAND:
        return pruners.HyperbandPruner(min_resource=1, max_resource=max(study.epochs, 1), reduction_factor=3)
    return pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=study.epochs // WARMUP)


def _grid(study: Study) -> dict[str, list[Any]]:
    return {
        parameter.key: [encoded(value) if parameter.choices else value for value in parameter.grid()]
        for parameter in study.space.parameters
    }


def grid_size(study: Study) -> int:
    """Trials after which every point of the grid has been tried.

    Raises:
        UserError: a parameter is a range without steps.
    """
    size = 1
    for parameter in study.space.parameters:
        size *= len(parameter.grid())
    return size


def distributions_of(study: Study) -> dict[str, BaseDistribution]:
    """What each parameter is drawn from, by key."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for one in study.space.parameters:
        if one.choices:
            found[one.key] = CategoricalDistribution([encoded(value) for value in one.choices])
        elif one.whole:
            found[one.key] = IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
        else:
            found[one.key] = FloatDistribution(one.low, one.high, log=one.log, step=one.step)
    return found


def encoded(value: Any) -> Any:
    """A choice as Optuna keeps it: lists and mappings as text."""
    from trainctl.engine.config.yamlfile import format_value

    return value if value is None or isinstance(value, bool | int | float | str) else format_value(value)


def decoded(parameter: Parameter, value: Any) -> Any:
    """The other way round."""
    if not parameter.choices or value in parameter.choices:
        return value
    return next((choice for choice in parameter.choices if encoded(choice) == value), value)
