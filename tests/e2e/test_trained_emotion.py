"""What a trained network of conversations is used for: measured again, asked about dialogues, and both agree."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emotion_files import LENGTHS, field_parts, flat_arrays, write_npz
from pilots import MEDIUM, screen_text, shows

from trainctl.engine.data.emotion.options import CLASSES
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.index import find_run
from trainctl.tui.app import CockpitApp
from trainctl.tui.cli.main import run_command_line

EMOTIONS = CLASSES["iemocap6"]
SPEAKERS = np.array(["Mia", "Ben", "Mia"] * 5)
SPLIT = np.array(["train", "val", "train", "train", "test"])
TRAIN = [
    *("run", "--preset", "emotion/original", "--scale", "small", "--device", "cpu", "--data", "d.npz"),
    *("model.code=8", "model.hidden=8", "model.layers=1", "train.batch_size=2", "train.epochs=3", "optimizer.lr=0.01"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dialogues in `d.npz`, and a run on them in `runs`."""
    found = tmp_path_factory.mktemp("emotion")
    write_npz(found / "d.npz", speakers=SPEAKERS, split=SPLIT, names=np.array(list("abcde")))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert run_command_line(TRAIN) == ExitCode.OK
    return found


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run_command_line(["predict", "latest", "--json", *words]) == ExitCode.OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a wrong command gives."""
    capsys.readouterr()
    assert run_command_line(list(words)) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_every_utterance_is_a_line_and_needs_no_label(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = write_npz(folder / "bare.npz", labels=None, speakers=SPEAKERS, names=np.array(list("abcde")))
    rows = answered(capsys, "bare.npz")
    places = [(name, index) for name, num in zip("abcde", LENGTHS, strict=True) for index in range(num)]
    assert [(row["dialogue"], row["index"]) for row in rows] == places
    assert [row["speaker"] for row in rows] == SPEAKERS.tolist()
    assert all(row["emotion"] in EMOTIONS and 1 / 6 <= row["probability"] <= 1 for row in rows)
    assert {row["file"] for row in rows} == {"bare.npz"}
    assert rows == answered(capsys, "--data", bare.name)
    assert run_command_line(["predict", "latest", "bare.npz"]) == ExitCode.OK
    first, line = rows[0], capsys.readouterr().out.splitlines()[0]
    expected = f"dialogue a  index 0  speaker Mia  emotion {first['emotion']}  probability {first['probability']:.4f}"
    assert line == f"bare.npz  {expected}"


def test_answers_are_those_that_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answered(capsys, "d.npz")
    assert run_command_line(["evaluate", "latest", "--json", "--split", "all"]) == ExitCode.OK
    measured = json.loads(capsys.readouterr().out)
    table = np.zeros((6, 6), int)
    for truth, row in zip(flat_arrays()["labels"].tolist(), rows, strict=True):
        table[truth, EMOTIONS.index(row["emotion"])] += 1
    assert measured["confusion"] == {"classes": list(EMOTIONS), "truth_by_answer": table.tolist()}
    assert run_command_line(["evaluate", "latest", "--split", "all"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    rows_shown = {line.split()[0]: line.split()[1:] for line in lines[lines.index("") :] if line.startswith("  ")}
    for k, name in enumerate(EMOTIONS):
        assert [int(count) for count in rows_shown[name][:6]] == table[k].tolist() and len(rows_shown[name]) == 9
    for figures in measured["per_class"]:
        assert measured["metrics"][f"f1.{figures['name']}"] == pytest.approx(figures["f1"] or 0.0)


def test_a_name_is_the_same_speaker_in_a_file_that_has_only_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mia is the second name of the training data, and the first of this file."""
    whole = answered(capsys, "d.npz")
    arrays = {name: array[5:9] for name, array in flat_arrays().items() if name in ("text", "audio", "visual")}
    np.savez(folder / "third.npz", lengths=[4], speakers=SPEAKERS[5:9], **arrays)
    alone = answered(capsys, "third.npz")
    assert [row["probability"] for row in alone] == pytest.approx([row["probability"] for row in whole[5:9]], abs=1e-5)
    others = np.where(SPEAKERS == "Mia", "Ben", "Mia")
    np.savez(folder / "other.npz", lengths=[4], speakers=others[5:9], **arrays)
    changed = answered(capsys, "other.npz")
    assert any(abs(one["probability"] - two["probability"]) > 1e-4 for one, two in zip(alone, changed, strict=True))
    np.savez(folder / "one.npz", lengths=[1], speakers=SPEAKERS[5:6], **{k: v[:1] for k, v in arrays.items()})
    assert [row["speaker"] for row in answered(capsys, "one.npz")] == ["Mia"]


def test_pickles_are_answered_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With dialogues that are neither for training nor for testing, and with labels that say nothing."""
    parts = field_parts() | {"labels": {}, "train": ["d4"], "test": ["d1"]}
    (folder / "d.pkl").write_bytes(pickle.dumps(tuple(parts.values()), 2))
    rows = answered(capsys, "d.pkl")
    assert [row["dialogue"] for row in rows] == ["d4"] * 5 + ["d1"] * 2 + ["d0"] * 3 + ["d2"] * 4 + ["d3"]
    assert [row["speaker"] for row in rows[:5]] == list("MFMFM")


def test_what_does_not_fit_the_network_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_npz(folder / "mute.npz", audio=None)
    write_npz(folder / "wide.npz", audio=np.zeros((15, 5)))
    (folder / "notes.txt").write_text("nothing")
    for command in (("predict", "latest", "{}"), ("evaluate", "latest", "--data", "{}")):
        for name, said in (
            ("mute.npz", "mute.npz has no audio; the network was trained on text, audio, visual: give each of them"),
            ("wide.npz", "audio of wide.npz has 5 features, the network was trained on 3; give features made"),
            ("notes.txt", "notes.txt is neither an .npz nor a pickle; name an .npz"),
        ):
            assert said in refused(capsys, *(word.format(name) for word in command))
    assert "file not found: none.npz" in refused(capsys, "predict", "latest", "none.npz")
    assert "no file to apply it to" in refused(capsys, "predict", "latest")


def test_of_a_folder_what_does_not_fit_is_named_and_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "many").mkdir()
    write_npz(folder / "many" / "a.npz", audio=None)
    write_npz(folder / "many" / "b.npz", speakers=None)
    assert run_command_line(["predict", "latest", "many"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out.count("\n") == 15 and "many/b.npz  dialogue 0  index 0  speaker 0  " in out
    assert "many/a.npz has no audio; left out" in err


def test_the_onnx_file_answers_as_predict_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    rows = answered(capsys, "d.npz")
    assert run_command_line(["export", "latest", "--to", "onnx", "--out", "e.onnx"]) == ExitCode.OK
    shown = "text BxLx4, audio BxLx3, visual BxLx2, speakers BxL, valid BxL -> logits BxLx6, probabilities BxLx6"
    out = capsys.readouterr().out
    assert out.startswith(f"wrote e.onnx  {shown}  (raw weights of epoch ")
    assert out.endswith("left out: the decoders of both autoencoders, which no answer needs\n")
    session = onnxruntime.InferenceSession(folder / "e.onnx")
    names = json.loads(session.get_modelmeta().custom_metadata_map["trainctl"])["speakers"]
    arrays, begin = flat_arrays(), 0
    for num in LENGTHS:
        at = slice(begin, begin + num)
        given = {name: arrays[name][None, at].astype(np.float32) for name in ("text", "audio", "visual")}
        given["speakers"] = np.array([[names.index(name) for name in SPEAKERS[at]]])
        (found,) = session.run(["probabilities"], given | {"valid": np.ones((1, num), bool)})
        assert [EMOTIONS[k] for k in found[0].argmax(-1)] == [row["emotion"] for row in rows[at]]
        assert found[0].max(-1) == pytest.approx([row["probability"] for row in rows[at]], abs=1e-5)
        begin += num


async def test_the_cockpit_shows_gates_and_emotions_of_the_run(folder: Path) -> None:
    async with CockpitApp(find_run(folder / "runs", "latest")).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        await shows(pilot, "at 0 or 1: ")
        await shows(pilot, "weakest ")
        text = screen_text(pilot)
        for name in ("utterance ", "forget ", "input ", "temporal ", *EMOTIONS):
            assert f"│{name}" in text
        assert "cannot read" not in text and " Classes " not in text


def test_dialogues_without_names_are_told_by_their_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_npz(tmp_path / "nameless.npz", speakers=SPEAKERS)
    rows = answered(capsys, str(tmp_path / "nameless.npz"))
    assert list(dict.fromkeys(row["dialogue"] for row in rows)) == [str(k) for k in range(len(LENGTHS))]
