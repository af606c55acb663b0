"""Folders that are not called open and closed: an error that says what they hold, and the option that says it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from eyes_files import write_images

from trainctl.engine.data.eyes.folders import class_by_name, list_folders
from trainctl.engine.data.images import remedy
from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

SMALL = ["--scale", "small", "--device", "cpu", "data.image_size=[16,32]", "train.batch_size=8"]
TRAIN = [*SMALL, "train.epochs=1", "model.base_channels=8", "model.num_blocks=2"]
MAPPED = "Opened_Eyes=open,closed_eyes=closed"


def eyes(root: Path, *, has_splits: bool, opened: str = "opened_eyes", closed: str = "closed_eyes") -> Path:
    """12 open and 8 closed eyes, in each of two splits or altogether."""
    for seed, part in enumerate(("train", "val") if has_splits else ("",)):
        write_images(root / part / opened, 12, seed=2 * seed + 1)
        write_images(root / part / closed, 8, seed=2 * seed + 2)
    return root


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.few(6)
@pytest.mark.parametrize("has_splits", [False, True])
@pytest.mark.parametrize("opened, closed", [("opened_eyes", "closed_eyes"), ("Open-Eyes", "eyes_shut"), ("1", "0")])
@pytest.mark.parametrize("verb", ["run", "data", "diagnose"])
def test_the_error_names_the_folders_and_the_option_that_works(
    verb: str, opened: str, closed: str, has_splits: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eyes(tmp_path / "eyes", has_splits=has_splits, opened=opened, closed=closed)
    assert run_command_line([verb, "--data", "eyes", *SMALL]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "unknown split" not in said
    assert opened in said and closed in said
    (option,) = (word for word in said.split() if "=open" in word and "=closed" in word)
    assert run_command_line(["data", "--data", "eyes", *SMALL, "--classes", option.rstrip(";"), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["balance"]["splits"]
    total = [sum(split["counts"][k] for split in counts) for k in range(2)]
    assert total == ([16, 24] if has_splits else [8, 12])


@pytest.mark.parametrize("has_splits", [False, True])
def test_what_folders_hold_is_recorded_and_known_to_later_commands(
    has_splits: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eyes(tmp_path / "eyes", has_splits=has_splits)
    assert run_command_line(["run", "--data", "eyes", *TRAIN, "--classes", MAPPED]) == ExitCode.OK
    config = yaml.safe_load((tmp_path / "runs" / "latest" / "config.yaml").read_text())
    assert config["data"]["classes"] == {"Opened_Eyes": "open", "closed_eyes": "closed"}
    capsys.readouterr()
    assert run_command_line(["evaluate", "--split", "all", "--json"]) == ExitCode.OK
    table = json.loads(capsys.readouterr().out)["confusion"]["truth_by_answer"]
    assert [sum(row) for row in table] == ([16, 24] if has_splits else [8, 12])
    eyes(tmp_path / "others", has_splits=False, opened="auf_open", closed="zu")
    words = ["evaluate", "--data", "others", "--classes", "auf_open=open,zu=closed", "--json"]
    assert run_command_line(words) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["samples"] == 20
    assert run_command_line(["diagnose", "latest", "--preflight", "--only", "labels"]) == ExitCode.OK
    assert f"closed {8 if has_splits else 6}, open {12 if has_splits else 10}" in capsys.readouterr().out
    assert run_command_line(["predict", "latest", "eyes"]) == ExitCode.OK


def test_several_folders_may_hold_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eyes(tmp_path / "eyes", has_splits=False, opened="open", closed="closed")
    write_images(tmp_path / "eyes" / "half", 6, seed=9)
    assert run_command_line(["data", "--data", "eyes", *SMALL, "--classes", "half=closed", "--json"]) == 0
    counts = [split["counts"] for split in json.loads(capsys.readouterr().out)["balance"]["splits"]]
    assert [sum(column) for column in zip(*counts, strict=True)] == [14, 12]


@pytest.mark.parametrize("written", ["a", "a=", "=open", "a=ajar", "", ","])
def test_what_is_no_mapping_is_one_line(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["data", "--classes", written, *SMALL]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--classes" in said


@pytest.mark.parametrize(
    ("name", "held"),
    [
        *(("Open_Eyes", "open"), ("eyesOpened", "open"), ("eyes_closed", "closed"), ("SHUT", "closed")),
        *(("not_open", None), ("open_or_closed", None), ("images", None), ("unopened", None), ("闭眼", "closed")),
    ],
)
def test_only_names_that_tell_are_guessed(name: str, held: str | None) -> None:
    assert class_by_name(name) == held


def test_a_split_of_an_unknown_name_is_still_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eyes(tmp_path / "eyes" / "holdout", has_splits=False, opened="open", closed="closed")
    assert run_command_line(["data", "--data", "eyes", *SMALL]) == ExitCode.USAGE
    assert "unknown split 'holdout'" in capsys.readouterr().err


def options_in(line: str) -> str:
    """The value of `--classes` that an error line advises."""
    return line.partition("--classes ")[2].split(";")[0]


def test_an_option_that_names_one_folder_is_answered_with_one_that_names_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eyes(tmp_path / "eyes", has_splits=False)
    assert run_command_line(["data", "--data", "eyes", "--classes", "opened_eyes=open,no=closed"]) == ExitCode.USAGE
    option = options_in(capsys.readouterr().err)
    assert option == "opened_eyes=open,closed_eyes=closed"
    assert run_command_line(["data", "--data", "eyes", *SMALL, "--classes", option]) == ExitCode.OK


@pytest.mark.parametrize(
    ("folders", "words", "advised"),
    [
        (["a", "b"], ["a=open"], "a=open,b=closed"),
        (["a", "b"], ["a=closed"], "a=closed,b=open"),
        (["1", "10", "13", "7"], [], "FOLDER=open,FOLDER=closed"),  # process numbers are no classes
        (["openjdk", "a", "b", "c", "d", "e"], [], "FOLDER=open,FOLDER=closed"),
        (["opened", "rest"], [], "opened=open,FOLDER=closed"),
        (["dev", "bin", "etc", "proc"], [], "FOLDER=open,FOLDER=closed"),  # one `dev` makes no split
        (["open", "rest"], [], "FOLDER=closed"),
    ],
)
def test_only_what_the_folders_tell_is_advised(
    folders: list[str], words: list[str], advised: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in folders:
        write_images(tmp_path / "eyes" / name, 2)
    given = ["--classes", *words] if words else []
    assert run_command_line(["data", "--data", "eyes", *SMALL, *given]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert options_in(said) == advised and "unknown split" not in said and said.count("\n") == 1


@pytest.mark.parametrize("preset", ["eyes/balanced", "quality/repaired"])
def test_a_folder_that_may_be_listed_but_not_searched_is_named_once(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = eyes(tmp_path / "eyes", has_splits=False, opened="open", closed="closed") / "open"
    # Root may search anything, so the system's answer is stood in for.
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and real(path, mode))
    small = ["--preset", preset, "--scale", "small", "--device", "cpu"]
    assert run_command_line(["data", "--data", str(tmp_path / "eyes"), *small]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert f"permission denied: {locked} may be listed, not searched; make the folder searchable" in said
    assert said.count("\n") == 1 and "repair" not in said


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (["permission denied"] * 2, "make them readable"),
        (["not an image"], "repair or remove them"),
        (["not an image", "permission denied"], "repair them, make them readable or remove them"),
    ],
)
def test_what_to_do_about_images_is_what_would_help(reasons: list[str], words: str) -> None:
    assert remedy(reasons) == words


def test_a_folder_of_one_class_is_sent_to_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "eyes" / "open", 3)
    assert run_command_line(["data", "--data", "eyes", *SMALL]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "no folder 'closed'; both classes are needed" in said and "--classes" not in said


def test_one_folder_holds_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eyes(tmp_path / "eyes", has_splits=False)
    option = "opened_eyes=open,opened_eyes=closed"
    assert run_command_line(["data", "--data", "eyes", "--classes", option]) == ExitCode.USAGE
    assert "'opened_eyes' twice; a folder holds open or closed, not both" in capsys.readouterr().err


def listed(root: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    found = list_folders(root)
    return dict(zip(found.names, found.class_ids.tolist(), strict=True)), found.notes


def test_folders_whose_names_differ_in_case_all_count(tmp_path: Path) -> None:
    for name in ("OPEN", "open", "Closed"):
        write_images(tmp_path / name, 2)
    labels, _ = listed(tmp_path)
    assert sorted(name.partition("/")[0] for name in labels) == ["Closed"] * 2 + ["OPEN"] * 2 + ["open"] * 2


def test_images_of_no_known_class_are_counted(tmp_path: Path) -> None:
    for name in ("open", "closed", "half/more", "nothing"):
        write_images(tmp_path / name, 2 if name != "nothing" else 0)
    labels, notes = listed(tmp_path)
    assert len(labels) == 4
    assert notes == ("2 images in folders of no known class were left out: half (--classes says what one holds)",)


def test_a_link_that_leads_up_gives_no_image_another_class(tmp_path: Path) -> None:
    for name in ("open", "closed", "elsewhere/more"):
        write_images(tmp_path / "eyes" / name if "/" not in name else tmp_path / name, 2)
    for name, target in (("up", ".."), ("self", "."), ("far", "../../elsewhere"), ("top", "/")):
        (tmp_path / "eyes" / "open" / name).symlink_to(target)
    labels, _ = listed(tmp_path / "eyes")
    assert [name.partition("/")[0] for name in labels] == ["closed"] * 2 + ["open"] * 4
    assert sum("/far/more/" in name for name in labels) == 2
