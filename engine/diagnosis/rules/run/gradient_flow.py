"""G701–G703: whether the gradient reaches what should learn. Pure functions of evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts, ParameterFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.rules.run.untrained import frozen_parts

FEW_TRAINABLE, MOST_FROZEN = 0.05, 0.6
"""Share of the parameters that are trained below which, and share of frozen ones above which it is a finding."""
COPIES = 0.9
"""Share of what is frozen that has a trained twin, from which on it is a copy: a teacher, a momentum encoder."""
ADAPTER = re.compile(r"lora|adapter|prompt|prefix_tuning|ia3", re.IGNORECASE)


@rule(
    "G701",
    "nothing learns",
    section="gradient flow",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
    rivals=("C310",),
)
def nothing_learns(
    batch: BatchFacts | None = None, records: RecordFacts | None = None, plan: PlanFacts | None = None
) -> Answer:
    """No trainable parameter, or none whose gradient is there and not zero.

    Costs: no update changes a weight.
    Do: unfreeze a module, or attach the loss: look for detach(), .item(), no_grad, a weight of 0.
    Follows from: C310, K403, K402.
    """
    frozen = _named(batch.frozen if batch else records.frozen if records else ())
    if batch is not None:
        num_all, num_trainable = len(batch.parameters), len(batch.trainable)
        if num_trainable and batch.num_with_gradient:
            return None
        where = f"0 of {num_trainable} trainable parameter tensors have a gradient ({num_all} in all)"
    elif records is not None and records.num_steps:
        num_trainable = len(records.groups)
        # Without module groups nobody says what is frozen, but a norm that is not 0 says that something is not.
        if records.max_grad_norm > 0 or (records.groups and records.max_grad_norm != 0):
            return None
        where = f"gradient norm 0 in all {records.num_steps} recorded steps"
    else:
        return Unchecked("needs a batch through the network or the records of a run")
    if num_trainable:
        summary, why = "no gradient reaches any parameter", "without a gradient no update changes a weight"
        fix = Fix("attach the loss to the network: look for detach(), .item(), no_grad, a weight of 0")
    else:
        summary, why = f"every parameter is frozen ({frozen})", "there is nothing left to train"
        is_configured = plan is not None and bool(plan.freeze)
        fix = Fix("unfreeze at least one module", {"freeze": []} if is_configured else None)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=summary,
        where=where,
        why=why,
        fix=fix,
        figures={"trainable": num_trainable, "with_gradient": 0},
        because=("C310", "K403", "K402") if num_trainable else ("C310",),
    )


@rule(
    "G702",
    "too much is frozen",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def over_frozen(
    batch: BatchFacts | None = None, plan: PlanFacts | None = None, foreign: ForeignFacts | None = None
) -> Answer:
    """More than 60 % of the parameters frozen as they were drawn at random, or only biases and normalisation trained.

    Weights that two freshly built networks agree on were loaded, not drawn: freezing those is transfer learning, and
    only informed about where less than 5 % are trained, as are adapters (by name). Frozen parameters of which each has
    a trained twin of the same shape and name are a copy of the network, as of a teacher, and none of this.

    Of a watched loop it is asked of each frozen matrix whether it may be independent draws: its largest singular value
    is then at most 1.05 times that of a random matrix. More than a quarter of the network frozen so is a warning; where
    none is large enough to tell, it is an information, and where they were learned nothing is said.

    Costs: a head on random features learns little, whatever the learning rate.
    Do: unfreeze an encoder, or load weights that were trained.
    """
    if batch is None:
        return frozen_parts(None if foreign is None else foreign.parts)
    trainable, frozen = batch.trainable, [p for p in batch.parameters if not p.trainable]
    if not trainable:
        return Unchecked("no parameter is trainable, see G701")
    if not frozen:
        return None
    share = sum(p.numel for p in trainable) / sum(p.numel for p in batch.parameters)
    only_small = all(len(p.shape) < 2 for p in trainable) and any(len(p.shape) > 1 for p in frozen)
    is_meant = _loaded_share(frozen) > 0.9 or all(ADAPTER.search(p.name) for p in trainable)
    is_few = share < FEW_TRAINABLE or only_small
    if not is_few and (is_meant or share >= 1 - MOST_FROZEN or _twin_share(frozen, trainable) >= COPIES):
        return None
    what = "biases and normalisation" if only_small else f"{share:.1%} of the parameters"
    on_what = "loaded weights" if is_meant else "weights that were drawn at random"
    return Hit(
        severity=Severity.INFO if is_meant else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"only {what} can learn, on top of {on_what}",
        where=f"frozen: {_named(batch.frozen) or f'{len(frozen)} parameter tensors'}",
        why=f"{len(trainable)} of {len(batch.parameters)} parameter tensors are trainable; the features below "
        "stay what they were",
        fix=Fix("unfreeze at least one encoder", {"freeze": []} if plan and plan.freeze else None),
        figures={"trainable_share": share, "trainable": len(trainable), "parameters": len(batch.parameters)},
    )


@rule(
    "G703",
    "branch without gradient",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def branch_without_gradient(batch: BatchFacts) -> Answer:
    """Trainable parameters that the backward pass never reached, in two batches.

    Costs: these modules stay as they were drawn; in training on several devices they are an error.
    Do: use them in the forward pass, remove them, or freeze them on purpose.
    Follows from: C310, G701.
    """
    unreached = [p for p in batch.trainable if p.grad_norm is None]
    if not batch.num_with_gradient:
        return Unchecked("no parameter has a gradient, see G701")
    if not unreached:
        return None
    numel = sum(p.numel for p in unreached)
    modules = sorted({p.name.rpartition(".")[0] or p.name for p in unreached})
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{len(unreached)} of {len(batch.trainable)} trainable parameter tensors get no gradient",
        where=_named(modules),
        why=f"{numel:,} parameters take part in nothing: they stay as they were drawn",
        fix=Fix("use these modules in the forward pass, remove them, or freeze them on purpose"),
        figures={"unreached": len(unreached), "unreached_parameters": numel},
        because=("C310", "G701"),
    )


def _loaded_share(frozen: Sequence[ParameterFacts]) -> float:
    """Share of the frozen matrices and kernels, by size, that were loaded rather than drawn."""
    matrices = [p for p in frozen if len(p.shape) > 1]
    total = sum(p.numel for p in matrices)
    return sum(p.numel for p in matrices if p.is_loaded) / total if total else 0.0


def _twin_share(frozen: Sequence[ParameterFacts], trainable: Sequence[ParameterFacts]) -> float:
    """Share of what is frozen, by size, that is trained once more under the same last name and shape."""
    twins = Counter((p.name.rpartition(".")[2], p.shape) for p in trainable)
    found = 0
    for parameter in frozen:
        key = parameter.name.rpartition(".")[2], parameter.shape
        if twins[key]:
            twins[key] -= 1
            found += parameter.numel
    total = sum(p.numel for p in frozen)
    return found / total if total else 0.0


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
