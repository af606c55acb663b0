"""`trainctl data` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

WORDS = ["data", "--device", "cpu", "--set", "data.samples=60", "--set", "train.batch_size=8"]


def test_the_text_says_balance_batches_tensors_and_samples(capsys: pytest.CaptureFixture[str]):
    assert run_command_line(WORDS) == 0
    out = capsys.readouterr().out
    for expected in ("eyes/balanced, built-in data", "train: 48 samples", "times the smallest", "6 batches of 8",
                     "each of the 48 samples once", "uint8 48×3×32×64", "built-in eye"):  # fmt: skip
        assert expected in out
    assert "\x1b" not in out


def test_json_is_one_document_with_pictures(capsys: pytest.CaptureFixture[str]):
    assert run_command_line([*WORDS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["schema", "title", "balance", "sampler", "tensors", "samples"]
    picture = found["samples"]["samples"][0]["image"]
    assert (picture["height"], picture["width"]) == (24, 48)


def test_progress_gives_each_part_when_it_is_ready(capsys: pytest.CaptureFixture[str]):
    assert run_command_line([*WORDS, "--json", "--progress"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["section"] for line in lines] == ["loading", "balance", "sampler", "tensors", "samples"]
    assert lines[1]["found"] == json.loads(out)["balance"]


@pytest.mark.parametrize("words", [["--preset", "no-such"], ["--data", "/no/such/folder"], ["--set", "no.such=1"]])
def test_what_cannot_be_looked_at_ends_with_two_and_one_line(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["data", "--device", "cpu", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("trainctl: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("verb", ["run", "data", "lr-find"])
def test_data_of_another_task_names_the_presets_that_fit(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("CATEGORY,SUBDIRS\ngood,a\n")
    assert run_command_line([verb, "--data", str(manifest)]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "data of the task weld (columns CATEGORY, SUBDIRS" in said and "weld/repaired" in said
