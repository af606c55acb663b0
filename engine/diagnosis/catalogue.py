"""The registry of rules: code, name, severity, cost and the place of each in the differential.

A rule is a pure function whose parameters are the parts of the evidence it needs, called as in `Evidence`
(a parameter with a default is welcome but not needed). It answers with a `Hit`, with None when all is well, or
with `Unchecked`. A new rule is one decorated function in one file of `rules/`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np

from trainctl.engine.diagnosis import rules as rules_package
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Hit, NotChecked, Severity, Unchecked

SECTIONS = (
    "environment",
    "data",
    "sampler",
    "labels",
    "model",
    "gradient flow",
    "optimiser and schedule",
    "loss",
    "evaluation",
)
"""Parts of a training in the order in which a report goes through them."""

Answer = Hit | Unchecked | None


class Cost(StrEnum):
    """The cheapest evidence a rule can live on."""

    STATIC = "static"
    """The configuration."""
    DATA = "data"
    """The data and the sampler, no network."""
    BATCH = "batch"
    """One batch through a copy of the network."""
    RECORDS = "records"
    """The records of a run."""


class Precedence(IntEnum):
    """Classes of causes: a fault of an earlier class explains one of a later class, not the other way round."""

    DATA = 1
    """Non-finite values and faults of the data."""
    MECHANICS = 2
    """Gradient, optimiser, graph."""
    SAMPLER = 3
    """Sampler and labels."""
    LOSS = 4
    """Loss composition."""
    SCHEDULE = 5
    """Learning rate and schedule."""
    GRADIENT_FLOW = 6
    CAPACITY = 7


@dataclass(frozen=True)
class Rule:
    """One entry of the catalogue."""

    code: str
    name: str
    section: str
    severity: Severity
    """Usual severity; a hit may be milder or worse."""
    precedence: Precedence
    cost: Cost
    rivals: tuple[str, ...]
    """Codes with the same symptom: where they were checked and are clean, the finding says so."""
    judge: Callable[..., Answer]
    needs: tuple[str, ...]
    welcomes: tuple[str, ...]

    def apply(self, evidence: Evidence) -> Finding | NotChecked | None:
        """Ask the rule."""
        for part in self.needs:
            if getattr(evidence, part) is None:
                return NotChecked(self.code, evidence.why_missing(part))
        parts = {part: getattr(evidence, part) for part in (*self.needs, *self.welcomes)}
        with np.errstate(all="ignore"):  # what overflows or is no number is data here
            answer = self.judge(**parts)
        if isinstance(answer, Unchecked):
            return NotChecked(self.code, answer.why)
        return None if answer is None else self._finding(answer)

    def _finding(self, hit: Hit) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            section=self.section,
            severity=hit.severity,
            confidence=hit.confidence,
            summary=hit.summary,
            where=hit.where,
            why=hit.why,
            fix=hit.fix,
            figures=hit.figures,
            ruled_out=hit.ruled_out,
            because=hit.because,
            explains=hit.explains,
        )


_REGISTRY: dict[str, Rule] = {}
_LOG_REGISTRY: dict[str, Rule] = {}
"""Rules over the logs of other tools. Where the fault is the same, so is the code."""


def rule(
    code: str,
    name: str,
    *,
    section: str,
    severity: Severity,
    precedence: Precedence,
    cost: Cost,
    rivals: Iterable[str] = (),
    of_log: bool = False,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Enter a function into the catalogue under `code`; `of_log`: it judges logs of any tool, not runs."""
    assert section in SECTIONS, section
    registry = _LOG_REGISTRY if of_log else _REGISTRY

    def enter(judge: Callable[..., Answer]) -> Callable[..., Answer]:
        assert code not in registry, f"{code} is taken"
        needs, welcomes = _parameters(judge)
        registry[code] = Rule(code, name, section, severity, precedence, cost, tuple(rivals), judge, needs, welcomes)
        return judge

    return enter


def all_rules(*, of_log: bool = False) -> dict[str, Rule]:
    """Every rule by code, in the order of the codes; `of_log`: those over the logs of any tool instead."""
    _import_rules()
    registry = _LOG_REGISTRY if of_log else _REGISTRY
    return dict(sorted(registry.items(), key=lambda item: (item[0][0], int(item[0][1:]))))


@functools.cache
def _import_rules() -> None:
    """Once: to look through the folders takes as long as a third of the judgement of a run."""
    for module in pkgutil.walk_packages(rules_package.__path__, f"{rules_package.__name__}."):
        importlib.import_module(module.name)


def course_rules() -> dict[str, Rule]:
    """The rules over the course of a training, by code: what they say of a log they say of a run too."""
    return all_rules(of_log=True)


def every_rule() -> dict[str, Rule]:
    """Whatever may speak of a run, by code."""
    return course_rules() | all_rules()


def _parameters(judge: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the parts a rule needs, and of those it can do without."""
    parameters = inspect.signature(judge).parameters.values()
    known = Evidence.__dataclass_fields__
    assert all(parameter.name in known for parameter in parameters), f"{judge.__name__}: unknown evidence"
    needs = tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)
    welcomes = tuple(p.name for p in parameters if p.default is not inspect.Parameter.empty)
    return needs, welcomes
