"""The sampler check (training optimisation summary, §3): class distribution, then the first batches, each judged.

Builds lines from facts. Knows no sampler and no terminal.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.statistics import expected_distinct, shares
from trainctl.engine.diagnosis.report import Line, Piece

SHOWN_BATCHES = 5
WIDTH = 80
"""Columns that a line may take."""


def sampler_check_lines(evidence: Evidence) -> list[Line]:
    """The class distribution of the training split and the first five batches."""
    if evidence.labels is None or evidence.sampler is None or evidence.sampler.counts is None:
        missing = "labels" if evidence.labels is None else "sampler"
        return [((f"– the classes of the batches are not known: {evidence.why_missing(missing)}", "dim"),)]
    return [*_distribution(evidence.labels), (), *_batches(evidence.sampler, evidence.labels), ()]


def _distribution(labels: LabelFacts) -> list[Line]:
    counts = labels.train.counts
    width = max(map(len, labels.classes))
    lines: list[Line] = [((f"class distribution of the training split, {sum(counts):,} samples", "bold"),)]
    for index, (name, share) in enumerate(zip(labels.classes, shares(counts) or [0.0] * len(counts), strict=True)):
        lines.append(((f"  {index:>3} {name:<{width}} {counts[index]:>9,}  {share:6.1%}", ""),))
    return lines


def _batches(sampler: SamplerFacts, labels: LabelFacts) -> list[Line]:
    assert sampler.counts is not None
    shown = sampler.counts[:SHOWN_BATCHES]
    lines: list[Line] = [((f"first {len(shown)} batches", "bold"),)]
    class_shares = shares(labels.train.counts)
    for index, counts in enumerate(shown):
        present = np.flatnonzero(counts)
        chance = expected_distinct(class_shares, int(counts.sum()))
        judgement = _judge(len(present), chance, int(counts.sum()))
        lines += _batch(f"  batch {index}  ", present.tolist(), counts[present].tolist(), judgement)
    return lines


def _batch(head: str, present: list[int], counts: list[int], judgement: Piece) -> list[Line]:
    """One line where it fits into a narrow terminal, else two or three."""
    seen, indent = f"{head}unique: {present}, counts: {counts}", (" " * len(head), "")
    if len(f"{seen}  {judgement[0]}") <= WIDTH:
        return [((f"{seen}  ", ""), judgement)]
    if len(seen) <= WIDTH:
        return [((seen, ""),), (indent, judgement)]
    return [((head, ""), (f"unique: {present}", "")), (indent, (f"counts: {counts}", "")), (indent, judgement)]


def _judge(distinct: int, chance: float, size: int) -> Piece:
    if distinct == 1 and size > 1:
        return (f"✗ error: all {size} samples are of one class (chance gives {chance:.1f})", "error")
    if distinct < chance / 2:
        return (f"! warning: {distinct} classes where chance gives {chance:.1f}", "warning")
    return (f"✓ ok: {distinct} classes (chance gives {chance:.1f})", "ok")
