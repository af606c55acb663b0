"""Tables with blank cells, of classes, without a header, of a single figure; and settings, which are no figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from log_files import first_line

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log, read_log
from trainctl.engine.errors import UserError


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def values(log: LogFacts) -> dict[str, list[float]]:
    return {series.name: series.values.tolist() for series in log.series}


def left(every: int) -> str:
    """Columns flush left, of which a validation fills some every few rows."""
    rows = [
        f"{k:<9}  {3 - k / 8:<10}  {(2.5 if k % every == 0 else ''):<8}  {0.125:<8}  {k * 2.5}\n" for k in range(1, 17)
    ]
    return "iteration  main/loss   val/loss  main/acc  elapsed_time\n" + "".join(rows)


def right(every: int) -> str:
    """Columns flush right, of which one holds a sign where there was a checkpoint."""
    rows = [f"{k:7d}  {3 - k / 8:12.4f}  {'+' if k % every else ' ':>4}  {2.5:6.4f}\n" for k in range(1, 17)]
    return "  epoch    train_loss    cp     dur\n-------  ------------  ----  ------\n" + "".join(rows)


@pytest.mark.parametrize("every", [1, 2, 4, 16])
def test_blank_cells_of_columns_flush_left(every: int) -> None:
    figures = values(read(left(every)))
    assert figures["main/loss"] == [3 - k / 8 for k in range(1, 17)]
    assert figures["main/acc"] == [0.125] * 16
    assert figures["val/loss"] == [2.5] * (16 // every)


@pytest.mark.parametrize("every", [2, 3, 16])
def test_blank_cells_of_columns_flush_right(every: int) -> None:
    figures = values(read(right(every)))
    assert figures == {"train_loss": [3 - k / 8 for k in range(1, 17)], "dur": [2.5] * 16}


CLASSES = (
    "+-------+------+------+\n| Class | IoU  | Acc  |\n+-------+------+------+\n"
    "| road  | 90.5 | 95.5 |\n| tree  | 0.0  | nan  |\n+-------+------+------+\n"
    "+-------+------+------+\n| aAcc  | mIoU | mAcc |\n+-------+------+------+\n"
    "| 80.5  | 45.5 | 47.5 |\n+-------+------+------+\n"
    "Iter(val) [400]\taAcc: 0.8050, mIoU: 0.4550\n"
)


def test_rows_of_classes_are_no_figures_of_the_training() -> None:
    assert values(read(CLASSES)) == {
        "aAcc": [80.5],
        "mIoU": [45.5],
        "mAcc": [47.5],
        "aAcc (val)": [0.805],
        "mIoU (val)": [0.455],
    }


def test_lines_beside_a_small_table_are_read() -> None:
    table = "\nstep | train_loss | eval_loss\n-- | -- | --\n60 | 2.25 | 2.5\n120 | 1.25 | 1.5\n"
    figures = values(read("".join(f"Running loss: {3 - k / 8}\n" for k in range(9)) + table))
    assert figures["Running loss"] == [3 - k / 8 for k in range(9)]
    assert figures["eval_loss"] == [2.5, 1.5]


SETTINGS = "epoch : 1000\nbatch : 32\nlr : 0.001\nweight_decay: 0.0005\nmomentum : 0.9\nprecision: 16\n"
ROWS = "".join(f"global_step = {k}, loss = {2 - k / 8}, lr = 0.5\n" for k in range(1, 9))


def test_a_block_of_settings_is_no_row() -> None:
    log = read(SETTINGS + ROWS)
    assert set(values(log)) == {"loss", "lr"}
    assert not (log.table.epochs == 1000).any()
    assert log.table.steps[-8:].tolist() == list(range(1, 9))


def test_a_place_of_its_own_line_is_one() -> None:
    log = read("seed: 3\nEpoch: 5\nstep: 20\nloss: 0.5\nEpoch: 6\nstep: 40\nloss: 0.25\n")
    assert (log.table.epochs[-2:].tolist(), log.table.steps[-2:].tolist()) == ([5, 6], [20, 40])


def test_weights_and_the_size_of_batches_are_kept() -> None:
    log = read("weight_recon: 0.5\nbatch_size: 64\nseed: 3\n" + ROWS)
    assert set(values(log)) == {"weight_recon", "batch_size", "loss", "lr"}
    assert log.batch_size == 64


def test_a_measurement_before_the_training_is_kept() -> None:
    assert values(read("seed: 3\n\n\n\n\nTest accuracy: 0.125\n" + ROWS))["Test accuracy"] == [0.125]


def test_where_a_training_is_taken_up_is_no_place() -> None:
    epochs = "".join(f"Epoch: {k}/9, loss: 0.5\n" for k in (1, 2))
    log = read("Engine run resuming from iteration 0, epoch 0 until 9 epochs\n" + epochs)
    assert log.table.epochs.tolist() == [1, 2]


def test_a_heading_below_a_place_holds() -> None:
    log = read("Epoch: 37\nValidation:\n  loss: 0.5\nEpoch: 38\nValidation:\n  loss: 0.25\n")
    assert values(log) == {"loss (val)": [0.5, 0.25]}
    assert log.table.epochs.tolist() == [37, 38]


METRIC = "".join(f"16689574{k:05d} {3 - k / 8} {k}\n" for k in range(9))


def test_a_metric_of_mlflow_is_called_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "train_loss").write_text(METRIC)
    table = read_log(tmp_path / "train_loss")
    (column,) = table.columns
    assert (column.name, column.values.tolist()) == ("train_loss", [3 - k / 8 for k in range(9)])
    assert table.steps.tolist() == list(range(9))
    assert table.times is not None
    assert table.times[0] == 1668957400.0


@pytest.mark.parametrize("name", ["", "metrics"])
def test_a_folder_of_metrics_of_mlflow(tmp_path: Path, name: str) -> None:
    (tmp_path / "metrics" / "val").mkdir(parents=True)
    (tmp_path / "meta.yaml").write_text("run_id: abc\n")
    (tmp_path / "metrics" / "loss").write_text(METRIC)
    (tmp_path / "metrics" / "val" / "loss").write_text(METRIC)
    assert {column.name for column in read_log(tmp_path / name).columns} == {"loss", "val/loss"}


@pytest.mark.parametrize(
    ("name", "expected", "split"),
    [
        ("run-a_validation-tag-epoch_loss.csv", "epoch_loss", "val"),
        ("loss.csv", "loss", ""),
        ("export.csv", "Value", ""),
    ],
)
def test_an_export_of_tensorboard_is_called_as_its_file(tmp_path: Path, name: str, expected: str, split: str) -> None:
    (tmp_path / name).write_text(
        "Wall time,Step,Value\n" + "".join(f"1678974232.5,{k},{3 - k / 8}\n" for k in range(9))
    )
    table = read_log(tmp_path / name)
    (column,) = [one for one in table.columns if one.name != "Wall time"]
    assert (column.name, column.split) == (expected, split)
    assert table.steps.tolist() == list(range(9))


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{k},0,{1 - k / 64}\n" for k in range(9)),
        "".join(f"17,{k},move_right,79.5,40\n" for k in range(9)),
        "".join(f"{k}\t0.5\t0.25\n" for k in range(9)),
    ],
    ids=first_line,
)
def test_that_a_header_is_missing_is_said(text: str) -> None:
    with pytest.raises(UserError, match="has no header"):
        read(text)


def test_a_text_without_figures_misses_no_header() -> None:
    with pytest.raises(UserError, match="has no figures with names"):
        read("a text\nof words\n")


def test_lists_of_figures_are_said_to_be_left_out() -> None:
    rows = [{"step": k, "loss": 3 - k / 8, "lr": [0.125], "acc": [[0.5, 0.25]], "names": ["a"]} for k in range(9)]
    log = read("".join(json.dumps(row) + "\n" for row in rows))
    assert values(log) == {"loss": [3 - k / 8 for k in range(9)], "lr": [0.125] * 9}
    assert log.table.notes == ("lists of figures are left out: acc",)
