"""`trainctl explain` and `trainctl rules` as a user sees them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from rich.console import Console

from trainctl.engine.diagnosis.explanation import catalogue
from trainctl.tui.cli.main import run_command_line


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command_line(argv) == 0
    out, err = capsys.readouterr()
    assert err == "" and "\x1b" not in out
    return out


def test_a_rule_is_explained_with_all_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "explain", "d101")
    assert out == printed(capsys, "explain", "D101")
    lines = out.splitlines()
    assert lines[0] == "D101 single-class batches   error · sampler"
    of_log = next(k for k, line in enumerate(lines[1:], 1) if line.startswith("D101 "))
    lines = lines[:of_log]
    told = {line[2:18].strip(): line[18:] for line in lines[1:] if line[2:18].strip()}
    assert told["judges"] == "before training, records"
    assert told["tests"].endswith("X ~ Binomial(n, Σ p_c^B), below 1e-6.")
    assert told["needs"] == "batches of the sampler"
    assert told["welcomes"].startswith("classes and their counts, ")
    assert told["told apart from"] == told["follows from"] == "D103 class imbalance"
    assert "K401 contrastive loss at its floor" in told["leads to"]
    assert told["costs"] and told["do"]
    assert told["try"].startswith("trainctl diagnose --only sampler ")
    assert told["seen in"] == "presets weld/stuck" and "trainctl verify D101 " in out


def test_a_code_for_runs_and_one_for_logs_are_both_explained(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "explain", "c307")
    assert out.count("C307 loss is ") == 2 and "\n\nC307 loss is printed as a sum over batches" in out


def test_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(capsys, "explain", "Q503", "--json"))
    (rule,) = document["rules"]
    assert (document["code"], rule["name"], rule["severity"]) == ("Q503", "refit renumbers the clusters", "error")
    assert "Agreement below .5 that renumbering lifts to .7" in rule["test"]
    assert {"code": "Q502", "name": "uneven or empty clusters"} in rule["leads_to"]
    assert "quality/original" in document["presets"]
    assert rule["try"][:2] == ["trainctl diagnose --only model", "trainctl diagnose RUN"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("D1O1", "no rule has the code 'D1O1'; did you mean D101 single-class batches?"),
        ("overfitting", "no rule has the code 'overfitting'; did you mean R801 overfitting?"),
        ("???", "no rule has the code '???'; `trainctl rules` lists them"),
    ],
)
def test_an_unknown_code_is_one_line_with_the_nearest(
    written: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["explain", written]) == 2
    assert capsys.readouterr() == ("", f"trainctl: error: {said}\n")


@pytest.mark.parametrize(("words", "columns"), [(["explain", "D101"], 80), (["rules"], 100)])
def test_on_a_terminal_no_line_is_beyond_its_width(
    words: list[str], columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run_command_line(words) == 0
    plain = [Console().render_str("").from_ansi(line) for line in capsys.readouterr().out.splitlines()]
    assert max(line.cell_len for line in plain) <= columns


def test_the_table_lists_every_rule_and_counts_them_by_section(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "rules").splitlines()
    assert lines[0].split() == ["code", "severity", "section", "cost", "judges", "name"]
    rules = catalogue()
    assert [line.split()[0] for line in lines[1 : len(rules) + 1]] == [rule.code for rule, _ in rules]
    assert f"{len(rules)} rules of {len({rule.code for rule, _ in rules})} codes: data " in lines[-2]
    document = json.loads(printed(capsys, "rules", "--json"))
    assert document["sections"] == dict(Counter(rule.section for rule, _ in rules))
    first = document["rules"][0]
    assert set(first) == {"code", "name", "section", "severity", "cost", "judges"}
    assert all(entry["judges"] for entry in document["rules"])
