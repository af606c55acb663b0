"""The benchmark of the diagnosis does what it says: faults are planted, judged, mended and counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.trainfault import fixing, judging, plan, verdicts
from benchmarks.trainfault.__main__ import main
from benchmarks.trainfault.cases import all_cases
from benchmarks.trainfault.damage import Usual, harms, usual
from benchmarks.trainfault.fixing import recovers
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.hosts.digits import DigitsMlp
from benchmarks.trainfault.hosts.friedman import Friedman
from benchmarks.trainfault.tally import half, loud, tally
from benchmarks.trainfault.trial import Result, Trial, configuration, read_result, run_trial, task_of
from benchmarks.trainfault.verdicts import Verdict

SHORT: Mapping[str, Any] = {"train.epochs": 2, "train.batch_size": 64}
FAULTS = [case.name for case in all_cases().values() if case.is_fault]
TRAPS = [case.name for case in all_cases().values() if not case.is_fault]


def result(honest: float = 0.9, reported: float | None = None, **fields: Any) -> Result:
    plain = Result("digits-mlp", "", 1, 1, "finished", "", honest if reported is None else reported, honest, 10, 1.0)
    return replace(plain, **fields)


def finding(code: str, severity: str = "warning", cause: str | None = None, **fields: Any) -> dict[str, Any]:
    fix = {"text": "do it", "set": fields.pop("settings", None)}
    words = {"name": code, "summary": "so", "where": "there", "why": "so: thus", "section": "loss"}
    rest = {"confidence": "likely", "primary": False, "figures": {}, "ruled_out": [], "fix": fix, **words, **fields}
    return {"code": code, "severity": severity, "consequence_of": cause, **rest}


def verdict(case: str = "lr-high", host: str = "digits-mlp", **paths: list[dict[str, Any]]) -> Verdict:
    told: dict[str, Any] = {path: {"findings": paths.get(path, []), "seconds": 0.1} for path in judging.PATHS}
    told["live"] = [(5, []), (20, ["O604"]), (50, ["O601"])]
    return Verdict(Trial(host, case, 1), result(case=case), told)


USUAL = Usual("digits-mlp", mean=0.95, least_loss=0.03, gap=0.0, least_gap=0.02)


def test_there_are_as_many_faults_hosts_and_healthy_trainings_as_promised() -> None:
    healthy = sum(all_cases()[name].fits(host.traits) for name in TRAPS for host in HOSTS.values())
    assert len(FAULTS) >= 60 and len(HOSTS) >= 6 and len(plan.SEEDS) == 3
    assert healthy + len(HOSTS) * len(plan.HEALTHY_SEEDS) >= 120
    halves = [host.is_held_out for host in HOSTS.values()]
    assert halves.count(True) == halves.count(False)


def test_every_fault_has_a_host_of_each_half_or_needs_what_one_half_alone_has() -> None:
    for name in FAULTS:
        case = all_cases()[name]
        assert any(case.fits(host.traits) for host in HOSTS.values()), name
        assert case.cause <= case.near and len(set(case.doses)) in (1, 2, 3)


@pytest.mark.parametrize("host", HOSTS)
def test_every_case_that_fits_a_host_gives_a_training_that_can_begin(host: str) -> None:
    """Configuration, data, network, sampler and a forward pass; what cannot be is for the engine to refuse."""
    for case in all_cases().values():
        if not case.fits(HOSTS[host].traits) or case.name in ("pretrained-frozen", "label-beyond"):
            continue
        task = task_of(Trial(host, case.name, 1))
        splits = task.load()
        model = task.build_model(splits)
        batch = task.prepare(splits.train.at(task.sampler(splits.train).batches(0)[0]))
        output = task.step(model, task.augment(batch, torch.Generator()))
        assert all(term.dim() == 0 for term in output.terms.values()), case.name


def test_what_is_planted_changes_settings_data_or_network_and_nothing_else() -> None:
    plain, high = configuration(Trial("digits-mlp", "", 1)), configuration(Trial("digits-mlp", "lr-high", 1))
    assert high.config.optimizer.lr == pytest.approx(50 * plain.config.optimizer.lr)
    severe = configuration(Trial("digits-mlp", "lr-high", 1, level=2))
    assert severe.config.optimizer.lr == pytest.approx(500 * plain.config.optimizer.lr)
    healthy, shuffled = (task_of(Trial("digits-mlp", case, 1)).load() for case in ("", "labels-shuffled"))
    assert torch.equal(healthy.train.tensors["x"], shuffled.train.tensors["x"])
    assert not torch.equal(healthy.train.tensors["y"], shuffled.train.tensors["y"])
    assert torch.equal(healthy.val.tensors["y"], shuffled.val.tensors["y"])


def test_train_validation_and_examination_share_no_sample() -> None:
    for host in (DigitsMlp, Friedman):
        task = task_of(Trial(host.name, "", 2))
        splits, exam = task.load(), task.exam()
        rows = [{tuple(row) for row in part.tensors["x"].tolist()} for part in (splits.train, splits.val, exam)]
        assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_the_target_is_judged_in_its_own_unit_however_it_was_scaled() -> None:
    task = task_of(Trial("regression", "target-unscaled", 1))
    truth = task.load().val.tensors["y"]
    figures = task.metrics({"answer": truth + 100.0, "truth": truth})
    assert figures["rmse"] == pytest.approx(1.0, rel=1e-3)  # the dose is 100


def test_worse_and_misreported_results_count_and_usual_ones_do_not() -> None:
    healthy = [result(0.95 + 0.002 * k) for k in range(6)]
    found = usual("digits-mlp", healthy)
    assert found.mean == pytest.approx(0.955) and found.least_loss == HOSTS["digits-mlp"].margin
    assert harms(found, [result(0.80), result(0.82), result(0.96)]) == "worse"
    assert harms(found, [result(0.80), result(0.95), result(0.96)]) == ""
    assert harms(found, [result(0.95, 1.0)] * 2) == "misreported"
    assert harms(found, [result(math.nan, state="failed")] * 3) == "worse"
    spread = usual("digits-mlp", [result(0.95 + 0.02 * k) for k in range(6)])
    assert spread.least_loss == pytest.approx(3 * 0.02 * math.sqrt(3.5))


def test_a_metric_that_should_fall_is_worse_where_it_is_larger() -> None:
    found = Usual("regression", mean=0.4, least_loss=0.05, gap=0.0, least_gap=0.05)
    assert found.is_worse(result(0.6)) and not found.is_worse(result(0.3))


def test_a_fix_recovers_half_of_what_was_lost() -> None:
    assert recovers(USUAL, result(0.55), result(0.80)) and not recovers(USUAL, result(0.55), result(0.70))
    assert recovers(USUAL, result(math.nan), result(0.94)) and not recovers(USUAL, result(math.nan), result(0.5))
    assert not recovers(USUAL, result(math.nan), result(math.nan))
    assert recovers(USUAL, result(0.95, 0.5), result(0.95)) and not recovers(
        USUAL, result(0.95, 0.5), result(0.95, 0.6)
    )


def test_what_is_said_is_held_against_the_truth() -> None:
    silent = verdict()
    assert not (silent.speaks() or silent.is_detected() or silent.is_first() or silent.is_among())
    symptom = verdict(records=[finding("O604"), finding("D113", "info"), finding("O601", confidence="hint")])
    assert symptom.is_detected() and symptom.is_among() and not symptom.is_first()
    named = verdict(preflight=[finding("O601")], records=[finding("E1007"), finding("O601")])
    assert named.is_first() and not named.is_first("records") and named.order("all") == ["O601", "E1007"]
    other = verdict(records=[finding("Q501"), finding("Q502"), finding("Q503"), finding("O601")])
    assert other.speaks() and other.is_detected() and not other.is_among()
    assert (symptom.first_step(), named.first_step()) == (20, 0)


def test_a_training_that_is_refused_in_the_right_words_was_detected() -> None:
    refused = verdict("label-beyond")
    assert not refused.is_detected()
    said = replace(refused, result=result(reason="the train split has 45 labels outside 0..9", state="refused"))
    assert said.is_first() and said.first_step() == 0


def test_shares_are_counted_by_half_and_path() -> None:
    held_out = verdict(host="digits-conv", records=[finding("O601")])
    both = [held_out, verdict(log=[finding("N901")])]
    assert half(both, is_held_out=True) == [held_out]
    assert tally(both).first == 1 and tally(both, "log").detected == 1 and tally(both, "log").first == 0
    assert len(loud(both, "any")) == 2 and len(loud(both)) == 1


def test_the_settings_of_the_first_finding_that_has_any_are_tried() -> None:
    lower = finding("O601", "error", primary=True, settings={"optimizer.lr": 0.001})
    proposal = fixing.proposed(verdict(preflight=[finding("D106", "info")], records=[lower]))
    assert proposal is not None and proposal.settings == {"optimizer.lr": 0.001} and proposal.codes == ("O601",)
    assert fixing.proposed(verdict(records=[finding("O604")])) is None


def test_where_the_cause_was_found_before_training_no_symptom_is_mended() -> None:
    lower = finding("O601", "error", primary=True, settings={"optimizer.lr": 0.001})
    assert fixing.proposed(verdict(preflight=[finding("D106")], records=[lower])) is None


def test_a_fault_goes_through_all_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DigitsMlp, "options", {**DigitsMlp.options, **SHORT})
    monkeypatch.setattr(plan, "HEALTHY_SEEDS", (1, 2))
    monkeypatch.setattr(verdicts, "trials", plan.trials)
    only = ["--hosts", "digits-mlp", "--cases", "input-nan", "--seeds", "1", "--results", str(tmp_path / "kept")]
    page, misses = tmp_path / "page.md", tmp_path / "misses.md"
    assert main([*only, "--page", str(page), "--misses", str(misses)]) == 0
    folder = Trial("digits-mlp", "input-nan", 1).folder(tmp_path / "kept")
    kept, told = read_result(folder), judging.read_judged(folder)
    assert kept is not None and kept.state == "failed" and math.isnan(kept.honest)
    assert told is not None and told["preflight"]["findings"][0]["code"] == "D107"
    assert {path: told[path]["seconds"] > 0 for path in judging.PATHS} == dict.fromkeys(judging.PATHS, True)
    assert told["live"] and all(step <= kept.steps for step, _ in told["live"])
    text = page.read_text(encoding="utf-8")
    assert "| data | input-nan | D107 | - | - | - | 1 | 1 | 1 | D107 |" in text
    first = misses.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("## Healthy trainings with a warning or an error: ") and first.endswith(" of 2")


def test_what_was_trained_is_not_trained_again(tmp_path: Path) -> None:
    trial = Trial("digits-mlp", "", 1, fix=SHORT)
    first = run_trial(trial, tmp_path / "trial")
    assert first.state == "finished" and 0 < first.honest <= 1 and first.steps > 0
    again = run_trial(trial, tmp_path / "trial")
    assert again == first


def test_a_fix_that_has_another_figure_watched_misreports_nothing(tmp_path: Path) -> None:
    broken = run_trial(Trial("digits-mlp", "metric-nan", 1, fix=SHORT), tmp_path / "broken")
    mended = run_trial(
        Trial("digits-mlp", "metric-nan", 1, fix={**SHORT, "train.monitor": "loss"}), tmp_path / "mended"
    )
    assert math.isnan(broken.reported) and mended.reported == mended.honest == broken.honest


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dream"])
    assert "no stage dream" in capsys.readouterr().err
