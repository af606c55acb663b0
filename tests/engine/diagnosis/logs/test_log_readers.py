"""Logs as tools write them: every format gives the same table, and what is no log says so in one line."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_files import FORMATS, Row

from trainctl.engine.diagnosis.logs.evidence import is_log
from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_unit, parse_number
from trainctl.engine.diagnosis.logs.reading import parse_log, read_log
from trainctl.engine.errors import UserError

ROWS: list[Row] = [
    {"epoch": 1, "train_loss": 1.5, "val_loss": 1.25, "lr": 0.001},
    {"epoch": 2, "train_loss": 1.125, "val_loss": 1.0, "lr": 0.0005},
]


def read(text: str | bytes) -> LogFacts:
    return read_facts(parse_log(text if isinstance(text, bytes) else text.encode(), "log"))


def values(log: LogFacts) -> dict[str, list[float]]:
    return {series.name: series.values.tolist() for series in log.series}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_table(form: str) -> None:
    log = read(FORMATS[form](ROWS))
    assert values(log) == {"train_loss": [1.5, 1.125], "val_loss": [1.25, 1.0], "lr": [0.001, 0.0005]}
    assert log.table.epochs.tolist() == [1, 2]
    assert log.table.num_rows == 2


def test_sparse_rows_of_a_csv_logger_keep_their_lines() -> None:
    log = read("epoch,step,train_loss,val_loss\n0,49,1.5,\n0,49,,1.4\n1,99,1.2,\n")
    train, val = log.series
    assert (train.column.lines.tolist(), val.column.lines.tolist()) == ([2, 4], [3])
    assert log.table.steps.tolist() == [49, 49, 99]


def test_a_csv_to_which_a_second_run_was_appended() -> None:
    assert values(read("loss,acc\n1.0,0.5\nloss,acc\n0.9,0.6\n")) == {"loss": [1.0, 0.9], "acc": [0.5, 0.6]}


def test_nested_objects_torn_lines_and_words_for_nan() -> None:
    log = read(
        '{"step": 1, "train": {"loss": "NaN"}, "ok": true, "note": null}\n{"step": 2, "train": {"loss": 1.5}}\n{"st'
    )
    assert list(values(log)) == ["train/loss"]
    assert np.isnan(log.series[0].values[0])
    assert log.series[0].meaning.split == "train"


def test_a_keras_history() -> None:
    assert values(read(json.dumps({"loss": [1.0, 0.5], "val_loss": [1.5, 1.0]}))) == {
        "loss": [1.0, 0.5],
        "val_loss": [1.5, 1.0],
    }


def test_a_trainer_state_names_steps_and_epochs() -> None:
    state = {"log_history": [{"loss": 2.0, "epoch": 0.5, "step": 10}, {"eval_loss": 1.0, "epoch": 1.0, "step": 20}]}
    log = read(json.dumps(state, indent=2))
    assert values(log) == {"loss": [2.0], "eval_loss": [1.0]}
    assert log.table.steps.tolist() == [10, 20]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Epoch 3/50 loss 1.23 val_loss=1.5 acc: 91.2%", {"loss": [1.23], "val_loss": [1.5], "acc": [91.2]}),
        ("{'loss': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}", {"loss": [1.25], "learning_rate": [5e-05]}),
        ("1875/1875 [====] - 3s 2ms/step - loss: 0.25 - acc: 0.9", {"loss": [0.25], "acc": [0.9]}),
        ("2026-01-01 12:00:05,1 INFO step 100 | train loss: 1.5 | 12.3s", {"train loss": [1.5]}),
        ("[epoch 1, step   200] loss: 2.125", {"loss": [2.125]}),
        ("Epoch: [0][10/5005]\tTime 0.5 (0.6)\tLoss 6.5 (7.0)", {"Loss": [6.5]}),
        (
            "Epoch 0: 10%|█ | 3/30 [00:01<00:10, loss=1.5]\rEpoch 0: 100%|██| 30/30 [00:11<00:00, loss=0.5]",
            {"loss": [0.5]},
        ),
        ("第 1 轮 训练损失：0.5 验证损失：0.25", {"训练损失": [0.5], "验证损失": [0.25]}),
        ("\x1b[32mloss: 0.5\x1b[0m", {"loss": [0.5]}),
        ("loss: nan", {"loss": [float("nan")]}),
        ("loss: -1.5e-3.", {"loss": [-0.0015]}),
        ("loss: 0.5 # should be in [-0.9, -0.7], target: 3", {"loss": [0.5]}),
    ],
)
def test_lines_as_trainings_print_them(text: str, expected: dict[str, list[float]]) -> None:
    assert repr(values(read(text))) == repr(expected)


def test_headings_tell_training_from_validation() -> None:
    log = read("Train:\n  loss: 1.0\n  acc: 0.5\nValidation:\n  loss: 1.5\nTrain:\n  loss: 0.5\n")
    assert values(log) == {"loss (train)": [1.0, 0.5], "acc (train)": [0.5], "loss (val)": [1.5]}
    assert log.table.num_rows == 2


def test_columns_of_a_terminal() -> None:
    text = (
        "epoch  train_loss  valid_loss  time\n0      1.5         1.25        0:12\n1      1.25        1.0         0:12"
    )
    log = read(text)
    assert values(log) == {"train_loss": [1.5, 1.25], "valid_loss": [1.25, 1.0]}
    assert log.table.epochs.tolist() == [0, 1]


def test_utf_16_as_windows_shells_write_it() -> None:
    assert values(read("loss: 0.5\nloss: 0.25\n".encode("utf-16"))) == {"loss": [0.5, 0.25]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary file"),
        (b"nothing happened today\n", "no figures"),
        (b"[]", "no figures"),
        (b"a,b\nx,y\n", "no figures"),
    ],
)
def test_what_is_no_log_is_said_in_one_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_log(path)
    assert "understood: CSV" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        table = parse_log(text.encode("utf-8", errors="replace"), "log")
    except UserError:
        return
    assert table.num_values > 0


@given(st.floats(-1e6, 1e6), st.integers(0, 8))
def test_rounding_is_within_half_a_unit(value: float, decimals: int) -> None:
    text = f"{value:.{decimals}f}"
    parsed = parse_number(text)
    assert parsed is not None
    assert abs(parsed.value - value) <= half_unit(text) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("trainLoss", Kind.TOTAL, "train"),
        ("eval/total_loss", Kind.TOTAL, "val"),
        ("loss_quality", Kind.TERM, ""),
        ("term.bce", Kind.TERM, ""),
        ("weight.bce", Kind.WEIGHT, ""),
        ("lr[0]", Kind.LR, ""),
        ("lr-AdamW", Kind.LR, ""),
        ("learning_rate", Kind.LR, ""),
        ("grad_norm.stem", Kind.GRAD_NORM, ""),
        ("loss_scale", Kind.LOSS_SCALE, ""),
        ("train-logloss", Kind.TERM, "train"),
        ("valid_0's l2", Kind.TERM, "val"),
        ("valid_1 binary_logloss", Kind.TERM, "val"),
        ("eval-error", Kind.ERROR, "val"),
        ("dev-clean WER", Kind.ERROR, "val"),
        ("train_perplexity_step", Kind.ERROR, "train"),
        ("PER", Kind.ERROR, ""),
        ("rollout/ep_rew_mean", Kind.REWARD, ""),
        ("Total_Reward", Kind.REWARD, ""),
        ("ep_rewmean", Kind.REWARD, ""),
        ("rewards/margins", Kind.OTHER, ""),
        ("reward_std", Kind.OTHER, ""),
        ("rewards/accuracies", Kind.RATE, ""),
        ("train/approx_kl", Kind.KL, "train"),
        ("clipfrac", Kind.CLIP_FRACTION, ""),
        ("train/clip_range", Kind.OTHER, "train"),
        ("explained_variance", Kind.EXPLAINED_VARIANCE, ""),
        ("val_psnr", Kind.SCORE, "val"),
        ("average objf", Kind.SCORE, ""),
        ("errD", Kind.TERM, ""),
        ("total", Kind.TOTAL, ""),
        ("metrics/mAP50-95(B)", Kind.RATE, ""),
        ("lr/pg0", Kind.LR, ""),
        ("optim0_lr0", Kind.LR, ""),
        ("returning lr", Kind.OTHER, ""),
        ("run-1 - val/loss", Kind.TOTAL, "val"),
        ("run-1 - val/loss__MAX", Kind.OTHER, ""),
        ("info/learner/train/stats/total_loss", Kind.TOTAL, "train"),
        ("te_acc", Kind.RATE, "test"),
        ("xent", Kind.TERM, ""),
        ("update_ratio", Kind.UPDATE_RATIO, ""),
        ("eval_samples_per_second", Kind.TIME, "val"),
        ("time/total_timesteps", Kind.STEP, ""),
        ("iter_time", Kind.TIME, ""),
        ("train_loss (summary)", Kind.OTHER, "train"),
        ("best_val_loss", Kind.OTHER, "val"),
        ("val_Acc@1", Kind.RATE, "val"),
        ("accumulation", Kind.OTHER, ""),
        ("mean_entropy", Kind.ENTROPY, ""),
        ("cross_entropy", Kind.TERM, ""),
        ("mean max-posterior", Kind.MAX_POSTERIOR, ""),
        ("global_step", Kind.STEP, ""),
        ("epoch", Kind.EPOCH, ""),
        ("samples_per_s", Kind.TIME, ""),
    ],
)
def test_what_names_mean(name: str, kind: Kind, split: str) -> None:
    assert (meaning_of(name).kind, meaning_of(name).split) == (kind, split)


def write_events(folder: Path, *names: str) -> Path:
    pytest.importorskip("tensorboard")
    event, summary_type, record_writer = (
        getattr(importlib.import_module(f"tensorboard.{module}"), name)
        for module, name in (
            ("compat.proto.event_pb2", "Event"),
            ("compat.proto.summary_pb2", "Summary"),
            ("summary.writer.record_writer", "RecordWriter"),
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.1.host"
    with path.open("wb") as file:
        writer = record_writer(file)
        writer.write(event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step in (0, 10, 20):
            pairs = dict.fromkeys(names, 1.5) or {"loss/train": 1.5 - step / 40, "loss/val": 2.0}
            summary = summary_type(
                value=[summary_type.Value(tag=tag, simple_value=value) for tag, value in pairs.items()]
            )
            writer.write(event(step=step, wall_time=2.0, summary=summary).SerializeToString())
    return path


@pytest.mark.parametrize("by_folder", [False, True])
def test_tensorboard_events_are_rows_by_step(by_folder: bool, tmp_path: Path) -> None:
    path = write_events(tmp_path)
    table = read_log(tmp_path if by_folder else path)
    assert table.steps.tolist() == [0, 10, 20]
    assert values(read_facts(table)) == {"loss/train": [1.5, 1.25, 1.0], "loss/val": [2.0, 2.0, 2.0]}


def test_folders_of_train_and_validation_are_one_training(tmp_path: Path) -> None:
    write_events(tmp_path / "train", "epoch_loss", "epoch_accuracy")
    write_events(tmp_path / "validation", "epoch_loss")
    assert is_log(str(tmp_path), tmp_path / "runs")
    log = read_facts(read_log(tmp_path))
    assert {series.name: series.meaning.split for series in log.of(Kind.TOTAL)} == {
        "epoch_loss (train)": "train",
        "epoch_loss (val)": "val",
    }
    assert log.table.steps.tolist() == [0, 10, 20]


def test_folders_of_several_values_of_one_chart(tmp_path: Path) -> None:
    write_events(tmp_path, "lr")
    write_events(tmp_path / "Loss_train", "Loss")
    write_events(tmp_path / "Loss_val", "Loss")
    log = read_facts(read_log(tmp_path))
    assert {series.name: series.meaning.split for series in log.series} == {
        "lr": "",
        "Loss_train/Loss (train)": "train",
        "Loss_val/Loss (val)": "val",
    }


def test_several_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_events(tmp_path / name, "loss")
    with pytest.raises(UserError, match="several trainings: first and second both have loss; name one"):
        read_log(tmp_path)


def test_an_event_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = write_events(tmp_path).rename(tmp_path / "renamed")
    assert read_log(path).format == "TensorBoard events"


def test_event_files_are_read_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_events(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert read_log(path).num_values == 6
