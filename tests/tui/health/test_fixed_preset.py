"""Which settings a preset with a fix takes, and how it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.config.yamlfile import read_document
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Severity
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.health.fixed_preset import Origin, chosen_fixes, plan_preset


def found(code: str, settings: dict[str, Any] | None, **more: Any) -> Finding:
    known: dict[str, Any] = dict.fromkeys(("name", "section", "summary", "where", "why"), "w")
    known |= {"severity": Severity.WARNING, "confidence": Confidence.LIKELY, "figures": {}, "ruled_out": ()}
    return Finding(code, fix=Fix("f", settings), **(known | more))


def values(findings: list[Finding]) -> dict[str, tuple[Any, str]]:
    return {key: (value, finding.code) for key, (value, finding) in chosen_fixes(findings).items()}


def test_the_primary_causes_settings_stand_alone() -> None:
    cause = found("D112", {"train.epochs": 9}, primary=True)
    assert values([cause, found("C301", {"loss_weights.x": 0.1})]) == {"train.epochs": (9, "D112")}


def test_where_no_setting_mends_the_cause_the_others_are_taken_the_earlier_first() -> None:
    findings = [
        found("D107", None, primary=True),
        found("D112", {"train.epochs": 9}),
        found("C301", {"loss_weights.x": 0.1, "train.epochs": 50}),
        found("C316", {"loss.gamma": 0}, confidence=Confidence.HINT),
    ]
    assert values(findings) == {"train.epochs": (9, "D112"), "loss_weights.x": (0.1, "C301")}


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "--fix: nothing was found to mend; leave out --fix"),
        ([found("D107", None), found("D103", {})], "--fix: no setting mends D107, D103; follow the text of the fix"),
    ],
)
def test_no_setting_is_one_line(findings: list[Finding], said: str) -> None:
    with pytest.raises(UserError) as refused:
        chosen_fixes(findings)
    assert str(refused.value) == said


def origin(*overrides: str) -> Origin:
    base = resolve("eyes/conservative", scale="small")
    return Origin(resolve("eyes/conservative", scale="small", overrides=overrides), "eyes/conservative", base)


def test_what_the_user_set_and_what_the_fix_sets_is_written_and_nothing_else(tmp_path: Path) -> None:
    finding = found("O601", {"optimizer.lr": 1e-4}, primary=True)
    fixed = plan_preset(origin("seed=7", "runtime.device=cpu", "freeze=[]"), chosen_fixes([finding]), {})
    path = tmp_path / "fixed.yaml"
    path.write_text(fixed.text(path))
    written = read_document(path).values
    assert {key: value for key, value in written.items() if key != "about"} == {
        "extends": "eyes/conservative",
        "seed": 7,
        "optimizer": {"lr": 1e-4},
    }
    assert fixed.device == "cpu"
    reread = resolve(str(path), scale="small", overrides=["runtime.device=cpu"])
    assert reread.values() == fixed.fixed.values()


def test_a_setting_that_is_in_force_does_not_fit_or_would_be_overruled_is_refused() -> None:
    settings = chosen_fixes([found("O601", {"optimizer.lr": 1e-4})])
    with pytest.raises(UserError, match=r"optimizer\.lr=0\.0001 is in force already"):
        plan_preset(origin("optimizer.lr=1e-4"), settings, {})
    with pytest.raises(UserError, match="TRAINCTL__OPTIMIZER__LR would overrule the preset"):
        plan_preset(origin(), settings, {"TRAINCTL__OPTIMIZER__LR": "1"})
    with pytest.raises(UserError, match=r"optimizer\.lr"):
        plan_preset(origin(), chosen_fixes([found("O601", {"optimizer.lr": -1.0})]), {})


def test_a_name_that_yaml_would_misread_is_quoted(tmp_path: Path) -> None:
    odd = tmp_path / "odd: #1\n.yaml"
    odd.write_text("extends: eyes/conservative\n")
    base = resolve(str(odd), scale="small")
    finding = found("D112", {"train.epochs": 9}, name="few\nsteps")
    fixed = plan_preset(Origin(base, str(odd), base), chosen_fixes([finding]), {})
    path = tmp_path / "fixed.yaml"
    path.write_text(fixed.text(path))
    assert resolve(str(path), scale="small").values()["train.epochs"] == 9
