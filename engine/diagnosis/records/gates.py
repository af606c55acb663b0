"""What the steps of a run say about its gates. Knows records, no rule and no torch."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.facts.gates import CLOSED, OPEN, GateFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.runs.record import RecordLayout, Records

WINDOW = 100
"""Newest steps that are looked at, at most; of a shorter run the newer half."""
FORMS = {"hardtanh": True, "hardsigmoid": True, "sigmoid": False}
"""Forms of a gate by the option `model.gate`, and whether their ends are flat."""


def recorded_gates(
    first: Records, newest: Records, layout: RecordLayout, plan: PlanFacts | None
) -> tuple[GateFacts, ...] | None:
    """Facts about each gate; None where the run records none.

    Args:
        first: the first record of the run.
        newest: the newest records, as many as are at hand.
        layout: of the records.
        plan: names the form of the gates.
    """
    names = [scalar.removeprefix(CLOSED) for scalar in layout.scalars if scalar.startswith(CLOSED)]
    if not names or not len(newest):
        return None
    rows = newest[-min(WINDOW, max(len(newest) // 2, 1)) :]
    is_first = int(first[0]["step"]) == 1

    def median(prefix: str, name: str, among: Records) -> float:
        if prefix + name not in layout.scalars:
            return 0.0
        values = among[f"scalar.{prefix}{name}"].astype(np.float64)
        finite = values[np.isfinite(values)]
        return float(np.median(finite)) if len(finite) else math.nan

    return tuple(
        GateFacts(
            name=name,
            source="records",
            closed=median(CLOSED, name, rows),
            open=median(OPEN, name, rows),
            is_clamped=FORMS.get(plan.gate) if plan else None,
            first_closed=median(CLOSED, name, first) if is_first else math.nan,
            first_open=median(OPEN, name, first) if is_first else math.nan,
            num_steps=len(rows),
        )
        for name in names
    )
