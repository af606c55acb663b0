"""`--fail-on`, `--ignore` and `--sarif` of `trainctl diagnose`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.tui.cli.main import run_command_line

WARNING = "epoch,loss\n" + "".join(f"{k},{2 + k / 10}\n" for k in range(20))
"""A loss that rises to 1.9 times its beginning (O601)."""
ERROR = "epoch,loss\n1,0.5\n2,nan\n3,nan\n4,0.5\n"


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warning.csv").write_text(WARNING)
    (tmp_path / "error.csv").write_text(ERROR)


def ask(*words: str) -> int:
    return run_command_line(["diagnose", *words])


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert ask(*words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err.removeprefix("trainctl: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("log", "fail_on", "code"),
    [
        ("error.csv", "error", 3),
        ("error.csv", "never", 0),
        ("warning.csv", "error", 0),
        ("warning.csv", "warning", 3),
        ("warning.csv", "info", 3),
    ],
)
def test_the_exit_code_is_three_from_the_named_severity_on(log: str, fail_on: str, code: int) -> None:
    assert ask(log, "--fail-on", fail_on) == code


def test_an_ignored_finding_fails_nothing_and_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("error.csv", "--ignore", "n901=known  since\nMay") == 0
    assert "– ignored  N901 loss not finite: loss is nan (known since May)\n" in capsys.readouterr().out
    assert ask("error.csv", "--ignore", "N901=known", "--json", "--fail-on", "info") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == []
    assert [(entry["code"], entry["reason"]) for entry in document["ignored"]] == [("N901", "known")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ignore", "D101"], "--ignore D101: no reason; say why: --ignore 'D101=it is meant to be so'"),
        (["--ignore", "D101= "], "--ignore D101: no reason; say why: --ignore 'D101=it is meant to be so'"),
        (["--ignore", "D1O1=x"], "no rule has the code 'D1O1'; did you mean D101 single-class batches?"),
        (["--ignore", "=x"], "no rule has the code ''; `trainctl rules` lists them"),
        (["--ignore", "D101=a", "--ignore", "d101=b"], "--ignore D101: twice; give one reason"),
        (["--fail-on", "bad"], "invalid value for '--fail-on': 'bad' is not one of"),
        (["--sarif", "-", "--json"], "--sarif - and --json: one of the two; give --sarif a file"),
        (["--sarif", "."], "--sarif .: a folder; name a file in it"),
        (["--sarif", "warning.csv"], "--sarif warning.csv: a file that is no SARIF is there already; name another"),
    ],
)
def test_what_cannot_be_asked_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys, "error.csv", *words).startswith(message)
    assert Path("warning.csv").read_text() == WARNING


def test_sarif_is_one_document_with_the_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("error.csv", "--sarif", "-") == 3
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "error.csv"}, "region": {"startLine": 3}}
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["name"] == "loss not finite"


def test_sarif_goes_into_a_file_beside_the_report_and_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    for log, count in (("error.csv", 1), ("warning.csv", 1)):
        ask(log, "--sarif", "out.sarif", "--json")
        out, err = capsys.readouterr()
        assert json.loads(out)["schema"] == 1 and err == "SARIF written to out.sarif\n"
        assert len(json.loads(Path("out.sarif").read_text())["runs"][0]["results"]) == count
    assert "O601" in Path("out.sarif").read_text() and "loss is nan" not in Path("out.sarif").read_text()
    assert ask("error.csv", "--sarif", "nowhere/out.sarif") == 2
    assert "its folder is gone" in capsys.readouterr().err


def test_a_setting_is_placed_in_the_users_own_file_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    Path("odd.yaml").write_text("extends: emotion/basic\n\nloss_weights:\n  encoder: 50\n")
    words = ["--scale", "small", "--only", "loss", "--sarif", "-"]
    ask("--preset", "odd.yaml", *words)
    assert locations(capsys)["C317"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "odd.yaml"}, "region": {"startLine": 4}}}
    ]
    ask("--preset", "emotion/basic", "loss_weights.encoder=50", *words)
    assert locations(capsys)["C317"] == []


def locations(capsys: pytest.CaptureFixture[str]) -> dict[str, list[object]]:
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    return {result["ruleId"]: result["locations"] for result in results}
