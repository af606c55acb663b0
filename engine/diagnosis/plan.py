"""What a configuration asks for, as facts for the rules. Knows the schema every task shares, no task and no torch."""

from __future__ import annotations

from typing import Any

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.diagnosis.evidence import PlanFacts


def plan_facts(config: RunConfig) -> PlanFacts:
    """The plan of a run."""
    train = config.train
    return PlanFacts(
        epochs=train.epochs,
        max_steps=train.max_steps,
        batch_size=train.batch_size,
        accumulation=train.accumulation,
        drop_last=train.drop_last,
        freeze=config.freeze,
        balancing=_balancing(config),
        optimizer=config.optimizer.name,
        lr=config.optimizer.lr,
        schedule=config.schedule.name,
        warmup_epochs=config.schedule.warmup_epochs,
        amp=config.precision.amp,
        seed=config.seed,
    )


def _balancing(config: RunConfig) -> tuple[str, ...]:
    """Options by which a task answers class imbalance, known by their usual names."""
    loss = getattr(config, "loss", None)
    if loss is None:
        return ()
    name = str(getattr(loss, "name", ""))
    found = ["focal loss"] if "focal" in name else []
    weights = {key: getattr(loss, key, None) for key in ("pos_weight", "class_weights", "class_weight")}
    # A positive weight belongs to binary cross-entropy; a focal loss does not read it.
    is_used = "focal" not in name
    found += [key for key, value in weights.items() if is_used and not _is_neutral(value)]
    return tuple(found)


def _is_neutral(value: Any) -> bool:
    return value is None or value == 1 or value in ("none", "")
