"""What the presets of runs promise, beside what was measured. Pure.

A promise in words stays words: nothing is made up to check it. One that names a measured metric and a number, such as
`F1 .95`, `accuracy >= 0.9` or `recall 95 %`, is compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.tui.charts.axis import duration, short
from trainctl.tui.compare.comparison import lower_is_better, monitored_metrics
from trainctl.tui.compare.facts import RunFacts

_NUMERIC = re.compile(
    r"(?:best |validation |val )?(?P<name>[a-z][\w .-]*?)\s*(?P<sign>>=|<=|≥|≤|>|<|=|:|of)?\s*"
    r"(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(?P<percent>%)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Promise:
    """One promise, as the document says it.

    Args:
        text: the promise.
        kept: whether the figures keep it; none: it is not about a figure that is measured.
        measured: the figure it is about; empty where there is none.
    """

    text: str
    kept: bool | None = None
    measured: str = ""

    @property
    def verdict(self) -> str:
        """Symbol and word."""
        if self.kept is None:
            return "· in words"
        return "✓ kept" if self.kept else "× not kept"

    @property
    def meaning(self) -> str:
        """How good or bad that is, in the words of `words.styles`; dim where it is neither."""
        return {None: "dim", True: "ok", False: "error"}[self.kept]


def promises_of(run: RunFacts) -> list[Promise]:
    """What the run's preset promises, and the problems it is known to have."""
    texts: Any = run.about.get("promises") or ()
    found = [_compared(run, str(text)) for text in texts]
    expected: Any = run.about.get("findings") or ()
    for code in expected:
        seen = str(code) in run.findings
        found.append(Promise(f"known problem {code}", None, "reported in this run" if seen else "not reported so far"))
    return found


def measured_words(run: RunFacts) -> str:
    """The figures to hold against promises in words."""
    parts: list[str] = []
    for metric in monitored_metrics([run]):
        best = run.best(metric, lower=bool(lower_is_better([run], metric)))
        if best is None:
            continue
        parts.append(f"best {metric} {short(best.value, 4)} at epoch {best.epoch} ({best.weights})")
    if run.last_loss == run.last_loss:
        parts.append(f"training loss {short(run.last_loss, 4)}")
    if math.isfinite(run.fluctuation()):
        parts.append(f"fluctuation {short(run.fluctuation())}")
    if run.seconds == run.seconds:
        parts.append(f"{run.epochs} epochs in {duration(run.seconds)}")
    if run.first_nonfinite:
        parts.append(f"not finite from step {run.first_nonfinite}")
    return "; ".join(parts) or "nothing measured yet"


def source_words(run: RunFacts) -> str:
    """Where the promises stand."""
    return ", ".join(str(run.about[key]) for key in ("source", "section") if run.about.get(key))


def _compared(run: RunFacts, text: str) -> Promise:
    found = _NUMERIC.fullmatch(text.strip().rstrip("."))
    metric = _metric(run.metrics(), found["name"]) if found else None
    if found is None or metric is None:
        return Promise(text)
    target = float(found["value"]) / (100 if found["percent"] else 1)
    at_most = found["sign"] in ("<", "<=", "≤") or (
        found["sign"] not in (">", ">=", "≥") and lower_is_better([run], metric) is True
    )
    best = run.best(metric, lower=at_most)
    if best is None:
        return Promise(text)
    kept = best.value <= target if at_most else best.value >= target
    kept = kept and (best.value != target or found["sign"] not in ("<", ">"))
    return Promise(text, kept, f"{metric} {short(best.value, 4)} at epoch {best.epoch} ({best.weights})")


def _metric(metrics: Sequence[str], name: str) -> str | None:
    """The metric meant by a name in a sentence."""
    wanted = re.sub(r"\W|_", "", name.lower())
    return next((metric for metric in metrics if re.sub(r"\W|_", "", metric.lower()) == wanted), None)
