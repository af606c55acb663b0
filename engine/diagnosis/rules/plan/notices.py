"""P1209: what torch and Python warned of while network and step were made. Pure functions of facts."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.notices import Notice
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity

GRAVE = (
    (
        "None of the inputs have requires_grad=True",
        "what is computed there passes no gradient to what stands before it",
    ),
    ("degrees of freedom is <= 0", "the deviation of a single value is NaN, and so is what is made of it"),
    (
        "Detected call of `lr_scheduler.step()`",
        "the task drives a schedule of its own beside the run's, and skips a rate",
    ),
    ("Using a non-full backward hook when", "gradients that the hook sees are not those of the module"),
)
"""Words of what is known to harm a training, and how."""
HARMLESS = ("enable_nested_tensor is True", "The PyTorch API of nested tensors", "Lazy modules are a new feature",
            "Using a target size", "Plan failed", "Initializing zero-element tensors")  # fmt: skip
"""Beginnings of what harms nothing, or is another rule's."""
OF_VERSIONS = frozenset({"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ImportWarning",
                         "ResourceWarning"})  # fmt: skip
"""Kinds of warnings that speak of coming versions, or of files."""


@rule(
    "P1209",
    "a step that is warned of",
    section="model",
    severity=Severity.INFO,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def warned_step(batch: BatchFacts) -> Answer:
    """Warnings that torch or Python raise while network and step are made, in their words. A warning where they are
    known to harm: no gradient behind a checkpoint, the deviation of one value, a schedule that the task drives by
    itself. Else an information. Those on coming versions are left out.

    Costs: what the warning says; in a run it is printed once and scrolls away.
    Do: what the warning says.
    Follows from: L206, G710, R805.
    """
    told = [notice for notice in batch.notices if not _is_harmless(notice)]
    if not told:
        return None
    grave = [(notice, harm) for notice in told for words, harm in GRAVE if words in notice.text]
    first, harm = grave[0] if grave else (told[0], "")
    more = f"; and {len(told) - 1} more" if len(told) > 1 else ""
    who = "torch" if first.is_of_torch else "Python"
    return Hit(
        severity=Severity.WARNING if grave else Severity.INFO,
        confidence=Confidence.PROVEN if grave else Confidence.LIKELY,
        summary=f"{who} warns: {_cut(first.text)}",
        where=f"{first.kind}{f' at {first.place}' if first.place else ''}{more}",
        why=harm or "it was raised while network and step were made; in a run it is printed once",
        fix=Fix("do what it says, or silence it where it is meant"),
        figures={"warnings": len(told)},
        because=("L206", "G710", "R805"),
    )


def _is_harmless(notice: Notice) -> bool:
    return notice.kind in OF_VERSIONS or notice.text.startswith(HARMLESS)


def _cut(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
