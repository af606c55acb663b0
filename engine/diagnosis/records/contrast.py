"""What the newest steps of a run say about its contrastive loss. Knows records, no rule and no torch."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.facts.contrast import least_across, same_class_share
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.term_kinds import kinds_of

WINDOW = 100
"""Steps that are looked at, the newest."""
BEGINNING = 1 / 3
"""Of the planned steps, in which a collapse is no finding: healthy runs at temperature .07 pass through mean cosines
of .98 in their first tenth."""
LEAST_BEGINNING = 100
"""Steps that count as the beginning where the plan is not known, or short."""


def recorded_contrast(
    newest: Records,
    layout: RecordLayout,
    records: RecordFacts,
    plan: PlanFacts | None,
    steps_per_epoch: int | None,
) -> ContrastFacts | None:
    """Facts about the contrastive term; None where the loss has none.

    Args:
        newest: records of the newest steps; more than the window are not looked at.
        layout: of the records.
        records: of the whole run.
        plan: gives accumulation, warmup and length.
        steps_per_epoch: as the run announced; None: unknown.
    """
    kinds = kinds_of(layout.terms, layout.kinds)
    term = next((name for name in layout.terms if kinds.get(name) == "supcon"), None)
    if term is None:
        return None
    rows = newest[-WINDOW:]
    rows = rows[np.isfinite(rows[f"term.{term}"]) & (rows["batch_size"] > 1)]
    accumulation = plan.accumulation if plan else 1
    sizes = np.maximum(rows["batch_size"] // accumulation, 2)
    gaps = rows[f"term.{term}"] - np.log(sizes - 1.0)
    cosine = _median(rows["scalar.mean_cosine"]) if "mean_cosine" in layout.scalars else math.nan
    is_counted = "classes" in (rows.dtype.names or ()) and accumulation == 1
    same = same_class_share(rows["classes"].astype(np.int64)) if is_counted else math.nan
    return ContrastFacts(
        term=term,
        source="records",
        num_steps=len(rows),
        batch_size=int(np.median(sizes)) if len(rows) else 0,
        loss=_median(rows[f"term.{term}"]),
        gap=_median(gaps),
        gap_std=float(gaps.std()) if len(rows) else math.nan,
        mean_cosine=cosine,
        across_cosine=least_across(cosine, same),
        same_share=same,
        early=_early(records, plan, steps_per_epoch, len(rows)),
    )


def _median(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _early(records: RecordFacts, plan: PlanFacts | None, steps_per_epoch: int | None, seen: int) -> str:
    """Why the newest steps say nothing yet; empty where they do."""
    first = LEAST_BEGINNING
    if plan is not None and steps_per_epoch:
        planned = plan.epochs * steps_per_epoch
        planned = min(planned, plan.max_steps) if plan.max_steps is not None else planned
        first = max(first, math.ceil(BEGINNING * planned), plan.warmup_epochs * steps_per_epoch)
    is_over = records.is_over
    if is_over:  # no more will come: what a third of the plan was meant for is asked of what there is
        first = min(first, max(LEAST_BEGINNING, math.ceil(BEGINNING * records.num_steps)))
    if records.num_steps - seen >= first and seen >= WINDOW // 2:
        return ""
    return f"a collapse of the first {first + WINDOW} steps is often left again; {records.num_steps} were made"
