"""What each loss term is worth while the network knows nothing: known by the term's kind.

Knows closed forms and the class shares; no network. Focal loss is left out on purpose: its factor (1 − p)^γ is tiny
without knowledge and near 1 for a confident mistake, so that healthy networks start at 3 to 9 times its closed form
(measured: both focal presets of the eyes task, seeds 1, 2 and 42), where their cross-entropy is at 1.2 to 1.5 times.
"""

from __future__ import annotations

from typing import Any

from trainctl.engine.data.batch import Splits
from trainctl.engine.diagnosis.facts.network import ExpectedLoss
from trainctl.engine.diagnosis.facts.statistics import uninformed_bce, uninformed_cross_entropy
from trainctl.engine.runs.term_kinds import kinds_of
from trainctl.engine.tasks.task import Task


def expected_losses(task: Task, splits: Splits, terms: tuple[str, ...]) -> dict[str, ExpectedLoss]:
    """Closed forms of the terms for which one is known."""
    num_classes = len(splits.classes)
    expected: dict[str, ExpectedLoss] = {}
    for name, kind in kinds_of(terms, task.kinds).items():
        if kind == "cross_entropy" and num_classes > 1:
            value = uninformed_cross_entropy(num_classes)
            expected[name] = ExpectedLoss(value, f"ln {num_classes} = {value:.4f}")
        elif kind == "binary_cross_entropy" and num_classes == 2:
            expected[name] = _bce(task, splits)
    return expected


def _bce(task: Task, splits: Splits) -> ExpectedLoss:
    labels = splits.train.labels
    share = 0.5 if labels is None else float((labels == 1).double().mean())
    weight: Any = getattr(getattr(task.config, "loss", None), "pos_weight", 1.0)
    if weight == "auto":
        weight = (1 - share) / share if share > 0 else 1.0
    value = uninformed_bce(share, float(weight or 1.0))
    return ExpectedLoss(value, f"ln 2 · (w·p + 1 − p) = {value:.4f} (p = {share:.3f}, w = {float(weight or 1.0):.3g})")
