"""What the newest epoch of a run says about the mixture in its network. Knows records, no rule and no torch."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.facts.mixture import ClusterFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.records.validations import ValidationHistory
from trainctl.engine.runs.record import RecordLayout, Records

COUNTS = "cluster."
POSTERIOR, ENTROPY = "max_posterior", "posterior_entropy"
TERMS = ("cluster", "balance", "entropy")


def recorded_clusters(
    newest: Records,
    first: Records,
    layout: RecordLayout,
    records: RecordFacts,
    plan: PlanFacts | None,
    steps_per_epoch: int | None,
    history: ValidationHistory,
) -> ClusterFacts | None:
    """Facts about the mixture; None where the network has none.

    Args:
        newest: records of the newest steps, as many as are at hand.
        first: the first record of the run.
        layout: of the records.
        records: of the whole run.
        plan: gives dimensions and refits.
        steps_per_epoch: as the run announced; None: unknown.
        history: of validations and refits.
    """
    names = [f"scalar.{COUNTS}{k}" for k in range(sum(name.startswith(COUNTS) for name in layout.scalars))]
    if len(names) < 2 or POSTERIOR not in layout.scalars or not len(newest):
        return None
    rows = newest[-(steps_per_epoch or len(newest)) :]
    counts = np.stack([rows[name].astype(np.float64) for name in names], 1)
    counts *= (rows["batch_size"] / np.maximum(counts.sum(1), 1))[:, None]  # means of accumulated batches
    is_first = int(first[0]["step"]) == 1
    return ClusterFacts(
        source="records",
        num_steps=len(rows),
        clusters=len(names),
        dim=plan.mixture_dim if plan else None,
        batch_size=int(np.median(rows["batch_size"])) // (plan.accumulation if plan else 1),
        max_posterior=float(rows[f"scalar.{POSTERIOR}"].mean()),
        entropy=float(rows[f"scalar.{ENTROPY}"].mean()) if ENTROPY in layout.scalars else math.nan,
        counts=tuple(counts.sum(0).tolist()),
        weights={name: float(rows[-1][f"weight.{name}"]) for name in TERMS if name in layout.terms},
        temper=plan.temper if plan else "",
        first_max_posterior=float(first[0][f"scalar.{POSTERIOR}"]) if is_first else math.nan,
        partial=_partial(rows, records, steps_per_epoch, history),
        refit_mode=plan.refit_mode if plan else "none",
        refit_every=plan.refit_every if plan else 0,
        refits=history.refits(),
    )


def _partial(rows: Records, records: RecordFacts, steps_per_epoch: int | None, history: ValidationHistory) -> str:
    """Why the newest counts say nothing of how the training settles."""
    if not steps_per_epoch or len(rows) < steps_per_epoch:
        return f"needs the steps of an epoch, there are {len(rows)}"
    if records.num_steps < 2 * steps_per_epoch and not records.is_over:
        return "the first epoch is that of the mixture's first fit"
    refit = history.last_refit_step
    if refit is not None and refit >= int(rows[0]["step"]):
        return f"the mixture was fitted anew after step {refit}, in the newest epoch"
    return ""
