"""What a report says about each section besides its findings: the facts in one line. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

from trainctl.engine.diagnosis.facts.contrast import collapsed_value
from trainctl.engine.diagnosis.facts.data import LabelFacts, SplitFacts
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.network import BatchFacts, ContrastFacts


def _environment(evidence: Evidence) -> str:
    facts = evidence.environment
    return f"python {facts.python}, torch {facts.torch}, {facts.device}" if facts else ""


def _data(evidence: Evidence) -> str:
    data, overlap = evidence.data, evidence.overlap
    parts = [] if data is None else [_split(data.train), _split(data.val)]
    if overlap is not None and overlap.leak is not None:
        near = f", {overlap.leak.num_near:,} nearly the same" if overlap.leak.num_near else ""
        parts.append(f"{overlap.leak.num_shared:,} samples in both{near}")
    if overlap is not None and overlap.groups is not None:
        parts.append(f"{overlap.groups.num_train:,} and {overlap.groups.num_val:,} groups")
    return "; ".join(parts) or evidence.why_missing("data")


def _split(split: SplitFacts) -> str:
    tensors = ", ".join(
        f"{t.name} {'×'.join(map(str, t.shape[1:])) or 'scalar'} {t.dtype}{' constant' if t.is_constant else ''}"
        for t in split.tensors[:4]
    )
    return f"{split.name} {split.num_samples:,} ({tensors or 'labels only'})"


def _sampler(evidence: Evidence) -> str:
    sampler = evidence.sampler
    if sampler is None:
        return evidence.why_missing("sampler")
    per_epoch = f", {sampler.batches_per_epoch} an epoch" if sampler.batches_per_epoch is not None else ""
    text = f"batches of {sampler.batch_size}{per_epoch}"
    if sampler.counts is not None and len(sampler.counts):
        distinct = (sampler.counts > 0).sum(1).mean()
        which = "recorded" if sampler.source == "records" else "first"
        text += f"; {distinct:.1f} of {len(sampler.classes)} classes in the {which} {len(sampler.counts)}"
    return text


def _labels(evidence: Evidence) -> str:
    labels = evidence.labels
    return class_counts(labels) if labels is not None else evidence.why_missing("labels")


def class_counts(labels: LabelFacts) -> str:
    """`closed 2,246, open 2,554`; the first six classes."""
    pairs = list(zip(labels.classes, labels.train.counts, strict=True))
    shown = ", ".join(f"{name} {count:,}" for name, count in pairs[:6])
    return shown + (f" and {len(pairs) - 6} more classes" if len(pairs) > 6 else "")


def _model(evidence: Evidence) -> str:
    batch = evidence.batch
    if batch is None:
        records = evidence.records
        frozen = f"frozen: {', '.join(records.frozen)}; " if records and records.frozen else ""
        return frozen + evidence.why_missing("batch")
    total = sum(p.numel for p in batch.parameters)
    trained = sum(p.numel for p in batch.trainable)
    frozen = f"; frozen: {', '.join(batch.frozen)}" if batch.frozen else ""
    return f"{total:,} parameters, {'all' if trained == total else f'{trained:,}'} trainable{frozen}"


def _gradient_flow(evidence: Evidence) -> str:
    batch, records = evidence.batch, evidence.records
    if batch is not None:
        return (
            f"{batch.num_with_gradient} of {len(batch.trainable)} trainable tensors have a gradient, "
            f"norm {batch.grad_norm:.3g}{_extremes(batch)}"
        )
    if records is not None and records.num_steps:
        return f"largest gradient norm {records.max_grad_norm:.3g} in {records.num_steps:,} steps"
    return evidence.why_missing("batch")


def _extremes(batch: BatchFacts) -> str:
    """Module groups with the smallest and the largest norm, where there are several."""
    if len(batch.group_norms) < 2:
        return ""
    norms = batch.group_norms
    low, high = min(norms, key=lambda name: norms[name]), max(norms, key=lambda name: norms[name])
    return f" ({low} {norms[low]:.2g} to {high} {norms[high]:.2g})"


def _schedule(evidence: Evidence) -> str:
    plan = evidence.plan
    if plan is None:
        return ""
    warmup = f", warmup over {plan.warmup_epochs} epochs" if plan.warmup_epochs else ""
    return f"{plan.optimizer}, learning rate {plan.lr:.3g}, {plan.schedule}{warmup}"


def _loss(evidence: Evidence) -> str:
    batch, records = evidence.batch, evidence.records
    if batch is not None:
        return "; ".join(
            f"{name} {value:.4g} at the start"
            + (f", uninformed {batch.expected[name].formula}" if name in batch.expected else "")
            + (_pairs(batch.contrast) if batch.contrast and name == batch.contrast.term else "")
            for name, value in batch.terms.items()
        )
    if records is not None and records.num_steps:
        return (
            f"{records.first_loss:.4g} at the first of {records.num_steps:,} steps, {records.last_loss:.4g} at the last"
        )
    return evidence.why_missing("batch")


def _pairs(contrast: ContrastFacts) -> str:
    cosine = "" if math.isnan(contrast.mean_cosine) else f", mean cosine {contrast.mean_cosine:.2f}"
    return f", equal embeddings {collapsed_value(contrast.batch_size)}{cosine}"


def _evaluation(evidence: Evidence) -> str:
    del evidence
    return ""


SUMMARIES: dict[str, Callable[[Evidence], str]] = {
    "environment": _environment,
    "data": _data,
    "sampler": _sampler,
    "labels": _labels,
    "model": _model,
    "gradient flow": _gradient_flow,
    "optimiser and schedule": _schedule,
    "loss": _loss,
    "evaluation": _evaluation,
}
"""By section; an empty text means that there is nothing to say."""
