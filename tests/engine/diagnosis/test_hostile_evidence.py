"""Whatever facts hold, no rule raises: numbers of real facts are made NaN, infinite, zero, negative or huge.

More of it, on the facts of whole presets: `TRAINCTL_FUZZ_CASES=5000`.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_runs import LAYOUT, records, validate, write
from healthy_networks import HEALTHY
from mixture_toy import MixtureToy

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.task import Task

Number = Callable[[float], float]
NUMBERS: dict[str, Number] = {
    "nan": lambda value: math.nan,
    "infinite": lambda value: math.inf,
    "zero": lambda value: 0.0,
    "negative": lambda value: -abs(value) - 1,
    "huge": lambda value: 1e308,
    "tiny": lambda value: value * 1e-300,
    "other units": lambda value: value * 1e6,
}
CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "40"))
USUAL = 100
"""Cases up to which toys must do in place of presets."""
PRESETS = {
    "quality/original": ["data.references=6", "data.image_size=32", "data.cache=false"],
    "emotion/original": ["data.dialogues=40", "data.text=24", "data.audio=8", "data.visual=16", "model.hidden=48"],
    "weld/stuck": ["data.samples=120", "data.val_samples=60", "train.batch_size=8"],
}
TOYS: dict[str, Callable[[], Task]] = {
    "a mixture": MixtureToy,
    "a classifier": HEALTHY["branch_scaled_by_zero"],
}
NAMES = (*TOYS, "weld/stuck", "a run", *(PRESETS if CASES > USUAL else ()))
KEPT = ("course", "log", "reference", "plan", "environment")
"""Logs, whose shapes are tested as logs, and what a configuration that was checked says."""


def evidence_of(name: str) -> Evidence:
    resolved = resolve(name, scale="small", overrides=["runtime.device=cpu", *PRESETS[name]])
    return gather(task_type(resolved.config.task)(resolved.config, None), budget_s=600)


@pytest.fixture(scope="module", params=list(dict.fromkeys(NAMES)))
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    if request.param in PRESETS:
        return evidence_of(request.param)
    if request.param in TOYS:
        return gather(TOYS[request.param](), budget_s=600)
    paths = write(tmp_path_factory.mktemp("run"), records(200, lambda step: 2 / (1 + step / 50)), LAYOUT)
    validate(paths, [2.0, 1.5, 1.0, 0.8], [0.4, 0.5, 0.6, 0.7])
    return read_evidence(paths)


def changed(value: Any, number: Number) -> Any:
    """The same facts with other numbers: of the same types and lengths."""
    if isinstance(value, bool | str | Enum | Path) or value is None:
        return value
    if isinstance(value, int):
        return _whole(value, number)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "OUSb" else _array(value, number)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: changed(getattr(value, one.name), number) for one in fields(value) if one.init}
        )
    if isinstance(value, tuple | list):
        return type(value)(changed(one, number) for one in value)
    if isinstance(value, Mapping):
        return {key: changed(one, number) for key, one in value.items()}
    return value


def _whole(value: int, number: Number) -> int:
    """A count: never below 0, and no other thing than a number."""
    new = number(float(value))
    return int(min(new, 2**62)) if math.isfinite(new) and new >= 0 else value


def _array(value: np.ndarray[Any, Any], number: Number) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        new = np.array([number(float(one)) for one in value.ravel()], np.float64)
        if value.dtype.kind in "iu":
            new = np.array([_whole(int(one), number) for one in value.ravel()], np.float64)
            new = np.minimum(new, np.iinfo(value.dtype).max // 2)
        return new.astype(value.dtype).reshape(value.shape)


def anyhow(draw: random.Random) -> Number:
    """Each number becomes something else, or stays as it is."""
    kinds = [*NUMBERS.values(), lambda value: value]
    return lambda value: draw.choice(kinds)(value)


def emptied(value: Any) -> Any:
    """The same facts of nothing: everything that has a length has none."""
    if isinstance(value, np.ndarray):
        return value[:0]
    if isinstance(value, tuple | list):
        return type(value)()
    if isinstance(value, Mapping):
        return {}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: emptied(getattr(value, one.name)) for one in fields(value) if one.init})
    return value


def judge(evidence: Evidence) -> None:
    for code, rule in all_rules().items():
        answer = rule.apply(evidence)
        assert answer is None or (answer.code == code and answer.why)
        if isinstance(answer, Finding):
            assert answer.summary and answer.where and answer.fix.text
    json.dumps(diagnose(evidence).to_json(), allow_nan=False)


def parts(evidence: Evidence) -> list[str]:
    return [
        one.name
        for one in fields(evidence)
        if one.name not in (*KEPT, "missing") and getattr(evidence, one.name) is not None
    ]


@pytest.mark.parametrize("kind", NUMBERS)
def test_no_rule_raises_whatever_the_numbers_of_all_parts_are(facts: Evidence, kind: str) -> None:
    judge(replace(facts, **{part: changed(getattr(facts, part), NUMBERS[kind]) for part in parts(facts)}))


@pytest.mark.parametrize("kind", NUMBERS)
def test_no_rule_raises_whatever_the_numbers_of_one_part_are(facts: Evidence, kind: str) -> None:
    for part in parts(facts):
        judge(replace(facts, **{part: changed(getattr(facts, part), NUMBERS[kind])}))


def test_no_rule_raises_where_numbers_do_not_fit_one_another(facts: Evidence) -> None:
    for seed in range(CASES):
        number = anyhow(random.Random(seed))
        judge(replace(facts, **{part: changed(getattr(facts, part), number) for part in parts(facts)}))


def test_no_rule_raises_of_facts_that_are_empty_or_missing(facts: Evidence) -> None:
    for part in parts(facts):
        judge(replace(facts, **{part: emptied(getattr(facts, part))}))
        judge(replace(facts, **{part: None}))
    judge(Evidence())
