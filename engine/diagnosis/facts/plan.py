"""What a configuration asks for, as facts for the rules. Knows the schema every task shares, no task and no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainctl.engine.config.yamlfile import read_document
from trainctl.engine.diagnosis.facts.settings import Settings, settings_of
from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.config.schema import RunConfig


@dataclass(frozen=True)
class PlanFacts:
    """What the configuration asks for."""

    epochs: int
    max_steps: int | None
    batch_size: int
    accumulation: int
    drop_last: bool
    freeze: tuple[str, ...] = ()
    balancing: tuple[str, ...] = ()
    """Settings that answer class imbalance: class weights, focal loss."""
    optimizer: str = ""
    lr: float = 0.0
    schedule: str = ""
    warmup_epochs: int = 0
    amp: str = "off"
    seed: int = 0
    temperature: float | None = None
    """Of a contrastive loss; None: the configuration names none."""
    mixture_dim: int | None = None
    """Dimensions of a mixture inside the network; None: the configuration names none."""
    temper: str = ""
    """What the log-densities of the mixture are multiplied with: `none`, `dimension`, `learned`."""
    refit_mode: str = "none"
    refit_every: int = 0
    """Epochs between refits of the mixture."""
    is_adaptive: bool = False
    """Whether the weights of the terms follow their sizes."""
    weight_bounds: tuple[float, float] = (0.0, math.inf)
    """Between which they are then kept."""
    focal_gamma: float | None = None
    """Exponent of a focal loss; None: the configuration names none."""
    focal_option: str = "loss.gamma"
    """The option that is that exponent."""
    gate: str = ""
    """Form of the network's gates, as its option `model.gate` says; empty: there is no such option."""
    useful_weights: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, "tuple[float, float]"])
    """Range within which the task keeps the weight of a term; the configuration does not say it."""
    regularise: str = ""
    """What a term that keeps gates from their ends looks at, as `loss.regularise` says: `value` or `raw`."""
    ema_decay: float | None = None
    """Of an average of the weights, per step; None: none is kept."""
    ema_ramp: bool = True
    """Whether that average forgets its beginning soon."""
    settings: Settings = field(default_factory=Settings, compare=False)
    """Every option with its value."""


def plan_facts(config: RunConfig) -> PlanFacts:
    """The plan of a run."""
    return _facts(config.model_dump(mode="json"), type(config))


def recorded_plan(path: Path) -> PlanFacts:
    """The plan in a run's `config.yaml`, which holds every value.

    Needs neither the schema nor the task, so that the plan of a run is known where its task's code is gone, or must
    not be imported.

    Raises:
        UserError: no such file, or not the configuration of a run.
    """
    try:
        return _facts(read_document(path).values)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise UserError(f"{path} is not the config.yaml of a run: {err!r}") from err


def _facts(values: Mapping[str, Any], config_type: type[RunConfig] | None = None) -> PlanFacts:
    train, optimizer, schedule = values["train"], values["optimizer"], values["schedule"]
    return PlanFacts(
        epochs=int(train["epochs"]),
        max_steps=None if train["max_steps"] is None else int(train["max_steps"]),
        batch_size=int(train["batch_size"]),
        accumulation=int(train["accumulation"]),
        drop_last=bool(train["drop_last"]),
        freeze=tuple(values["freeze"]),
        balancing=_balancing(values.get("loss")),
        optimizer=str(optimizer["name"]),
        lr=float(optimizer["lr"]),
        schedule=str(schedule["name"]),
        warmup_epochs=int(schedule["warmup_epochs"]),
        amp=str(values["precision"]["amp"]),
        seed=int(values["seed"]),
        temperature=_temperature(values.get("loss")),
        focal_gamma=_focal_gamma(values.get("loss")),
        focal_option=_focal_option(values.get("loss")),
        gate=_word(values.get("model"), "gate"),
        regularise=_word(values.get("loss"), "regularise"),
        settings=settings_of(values, config_type),
        **_average(values.get("ema")),
        **_weighting(values.get("weighting")),
        **_mixture(values.get("model"), values.get("refit")),
    )


def _average(section: Any) -> dict[str, Any]:
    options = cast("Mapping[str, Any]", section) if isinstance(section, Mapping) else {}
    decay: Any = options.get("decay")
    return {"ema_decay": None if decay is None else float(decay), "ema_ramp": bool(options.get("ramp", True))}


def _word(section: Any, name: str) -> str:
    found = cast("Mapping[str, Any]", section).get(name) if isinstance(section, Mapping) else None
    return found if isinstance(found, str) else ""


def _weighting(section: Any) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        return {}
    options = cast("Mapping[str, Any]", section)
    bounds = float(options.get("least", 0.0)), float(options.get("most", math.inf))
    return {"is_adaptive": bool(options.get("adaptive")), "weight_bounds": bounds}


def _focal_gamma(loss: Any) -> float | None:
    """The exponent of a focal loss: one of the loss's options is called so, and another is its exponent."""
    if not isinstance(loss, Mapping):
        return None
    options = cast("Mapping[str, Any]", loss)
    gamma = options.get("gamma", options.get("focal_gamma"))
    return float(gamma) if _is_focal(options) and isinstance(gamma, int | float) else None


def _focal_option(loss: Any) -> str:
    return "loss.focal_gamma" if isinstance(loss, Mapping) and "gamma" not in loss else "loss.gamma"


def _is_focal(options: Mapping[str, Any]) -> bool:
    return any("focal" in value.lower() for value in options.values() if isinstance(value, str))


def _mixture(model: Any, refit: Any) -> dict[str, Any]:
    """Dimensions and temper of a mixture in the network, and its refits; nothing where there is none."""
    if not isinstance(model, Mapping) or "clusters" not in model:
        return {}
    options, fits = cast("Mapping[str, Any]", model), cast("Mapping[str, Any]", refit or {})
    dim = options.get("projection") or options.get("features")
    return {
        "mixture_dim": dim if isinstance(dim, int) else None,
        "temper": str(options.get("temper", "")),
        "refit_mode": str(fits.get("mode", "none")),
        "refit_every": int(fits.get("every", 0)),
    }


def _temperature(loss: Any) -> float | None:
    found = cast("Mapping[str, Any]", loss).get("temperature") if isinstance(loss, Mapping) else None
    return float(found) if isinstance(found, int | float) and found > 0 else None


def _balancing(loss: Any) -> tuple[str, ...]:
    """Options by which a task answers class imbalance, known by their usual names."""
    if not isinstance(loss, Mapping):
        return ()
    options: Mapping[str, Any] = loss
    # A positive weight belongs to binary cross-entropy; a focal loss does not read it.
    is_used = not _is_focal(options)
    found = [] if is_used else ["focal loss"]
    weights = {key: options.get(key) for key in ("pos_weight", "class_weights", "class_weight")}
    found += [key for key, value in weights.items() if is_used and not _is_neutral(value)]
    return tuple(found)


def _is_neutral(value: Any) -> bool:
    return value is None or value == 1 or value in ("none", "")
