"""`trainctl presets` as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from trainctl.engine.config.yamlfile import parse_document
from trainctl.tui.cli import output
from trainctl.tui.cli.main import run_command_line

NAMES = ("aggressive", "balanced", "conservative", "current")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINCTL__SEED", raising=False)


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command_line(["presets", *argv]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def complaint(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command_line(["presets", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_the_list_has_every_preset_with_its_line_under_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "list", "--task", "eyes").splitlines()
    assert lines[0] == "eyes"
    assert [line.split()[0] for line in lines[1:]] == list(NAMES)


def test_the_list_marks_what_is_recommended_and_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    marked = [line for line in printed(capsys, "list").splitlines() if "recommended, default" in line]
    assert [line.split()[0] for line in marked] == ["balanced"]


def test_presets_alone_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys) == printed(capsys, "list")


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {entry["name"]: entry for entry in json.loads(printed(capsys, "list", "--json"))}
    assert entries["eyes/balanced"]["default"] is True
    assert entries["eyes/current"]["findings"] == ["S1102", "S1101", "O605"]


def test_a_task_without_presets_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no presets for task 'noses'" in complaint(capsys, "list", "--task", "noses")


def test_show_prints_the_file_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", "current")
    assert text == (Path(__file__).parents[3] / "presets/eyes/current.yaml").read_text(encoding="utf-8")


def test_show_resolved_has_every_value_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "show", "balanced", "--resolved").splitlines()
    assert lines[0] == "eyes/balanced at full scale"
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert rows["optimizer.eps"] == ["1.0e-08", "default"]
    assert rows["loss.name"][:2] == ["focal", "preset"]
    assert len({line.index(" preset (") for line in lines if " preset (" in line}) == 1


def test_show_takes_overrides_in_both_spellings_and_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINCTL__SEED", "7")
    text = printed(capsys, "show", "balanced", "optimizer.lr=3e-4", "-s", "train.epochs=2", "--scale", "small")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()}
    assert rows["optimizer.lr"] == "0.0003 command line (optimizer.lr=3e-4)"
    assert rows["train.epochs"] == "2 command line (train.epochs=2)"
    assert rows["seed"] == "7 environment (TRAINCTL__SEED)"
    assert rows["model.num_blocks"].startswith("4 scale (presets/eyes/current.yaml:")


def test_show_without_a_name_means_the_default_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "show") == printed(capsys, "show", "eyes/balanced")
    assert printed(capsys, "show", "seed=3").startswith("eyes/balanced at full scale\n")


def test_show_as_json_has_values_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "show", "current", "--json"))
    assert data["values"]["optimizer.lr"] == 1e-4
    assert data["sources"]["optimizer.lr"]["kind"] == "preset"
    assert data["values"].keys() == data["sources"].keys()


def test_show_reads_a_users_own_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: balanced\nseed: 9  # mine\n", encoding="utf-8")
    assert printed(capsys, "show", str(mine)) == mine.read_text(encoding="utf-8")
    assert f"file not found: {tmp_path}/no.yaml" in complaint(capsys, "show", f"{tmp_path}/no.yaml")


def test_diff_has_the_keys_that_differ_with_both_values(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "diff", "current", "conservative").splitlines()
    assert lines[0].split() == ["eyes/current", "eyes/conservative"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert rows["schedule.patience"] == ["2", "5"]
    assert "seed" not in rows


def test_diff_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "diff", "current", "balanced", "--json"))
    assert {"key": "loss.name", "a": "bce", "b": "focal"} in found


def test_diff_of_a_preset_with_itself_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "diff", "current", "current").count("lead to the same values") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show", "balancd"], "unknown preset 'balancd'; did you mean balanced?"),
        (["show", "balanced", "lr=3"], "command line: unknown key lr; did you mean optimizer.lr?"),
        (["show", "--scale", "tiny"], "invalid value for '--scale': 'tiny' is not one of 'small', 'full'"),
        (["diff", "current"], "missing argument 'B'; see `trainctl presets diff --help`"),
        (["shw"], "no such command 'shw'. Did you mean 'show'?"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert message in complaint(capsys, *argv)


def test_a_pipe_gets_no_escape_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["list"], ["show"], ["show", "--resolved"], ["diff", "current", "balanced"]):
        assert "\x1b" not in printed(capsys, *argv)


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_colour_unless_it_is_refused_and_no_line_beyond_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "70")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    text = printed(capsys, "list")
    assert ("\x1b[32m" in text) is not no_color
    plain = [Console().render_str("").from_ansi(line) for line in text.splitlines()]
    assert max(line.cell_len for line in plain) <= 70
    words = " ".join(line.plain for line in plain).split()
    assert "label" in words
    assert "smoothing," in words


def test_columns_align_by_terminal_cells_not_characters() -> None:
    lines = output.align([[("眼睛", ""), ("a", "")], [("eyes", ""), ("b", "")]])
    assert ["".join(text for text, _ in line) for line in lines] == ["眼睛  a", "eyes  b"]


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"a": [float("inf"), float("nan"), 1.5]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5]}


def test_a_shown_file_is_valid_yaml_on_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        assert parse_document(printed(capsys, "show", name), name).values["about"]
