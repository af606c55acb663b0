"""The plan of a run whose configuration somebody else wrote: read, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import VALUES

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.config.yamlfile import dump
from trainctl.engine.diagnosis.facts.plan import plan_facts, recorded_plan
from trainctl.engine.errors import UserError

ODD: tuple[Any, ...] = (*VALUES, float("inf"), float("-inf"), float("nan"), [{}], {"clusters": "x", "name": []})


def plan_or_refusal(path: Path, values: dict[str, Any]) -> str:
    path.write_text(dump(values))
    try:
        recorded_plan(path)
    except UserError as err:
        return str(err)
    return ""


def test_the_plan_of_a_run_is_that_of_its_configuration(tmp_path: Path) -> None:
    config = RunConfig(task="x")
    (tmp_path / "config.yaml").write_text(dump(config.model_dump(mode="json")))
    assert recorded_plan(tmp_path / "config.yaml") == plan_facts(config)


SLOW = [pytest.param(section, marks=pytest.mark.slow) for section in ("train", "schedule")]


@pytest.mark.few(1)
@pytest.mark.parametrize("section", ["optimizer", "precision", "freeze", "seed", *SLOW])
def test_no_value_ends_the_reader(tmp_path: Path, section: str) -> None:
    path, whole = tmp_path / "config.yaml", RunConfig(task="x").model_dump(mode="json")
    for value in ODD:
        plan_or_refusal(path, whole | {section: value})
        for key in whole[section] if isinstance(whole[section], dict) else ():
            plan_or_refusal(path, whole | {section: {**whole[section], key: value}})
    infinite = {"train": {**whole["train"], "epochs": float("inf")}}
    assert "is not the config.yaml of a run" in plan_or_refusal(path, whole | infinite)


@pytest.mark.few(1)
@pytest.mark.parametrize("section", ["model", "refit", "loss"])
def test_no_section_of_a_task_ends_the_reader(tmp_path: Path, section: str) -> None:
    path, whole = tmp_path / "config.yaml", RunConfig(task="x").model_dump(mode="json")
    whole |= {
        "model": {"clusters": 3, "features": 8},
        "refit": {"mode": "matched", "every": 2},
        "loss": {"name": "bce"},
    }
    assert plan_or_refusal(path, whole) == ""
    for value in ODD:
        plan_or_refusal(path, whole | {section: value})
        for key in whole[section]:
            plan_or_refusal(path, whole | {section: {**whole[section], key: value}})
