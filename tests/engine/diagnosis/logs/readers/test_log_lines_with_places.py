"""Lines with a place, a scope or a part of a whole between a name and its figure: what is read, and what is none."""

from __future__ import annotations

import pytest
from log_files import first_line

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

Figures = dict[str, list[float]]


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def values(log: LogFacts) -> Figures:
    return {series.name: series.values.tolist() for series in log.series}


@pytest.mark.parametrize(
    ("text", "epochs", "steps"),
    [
        ("Loss [3, 100](epoch, minibatch): 2.5\nLoss [4, 200](epoch, minibatch): 1.5\n", [3, 4], [100, 200]),
        ("[3,  2000] loss: 2.5\n[4,  4000] loss: 1.5\n", [3, 4], [2000, 4000]),
        ("loss (epoch=3, batch=20) = 2.5\nloss (epoch=4, batch=40) = 1.5\n", [3, 4], [20, 40]),
        ("loss[epoch 3, step 5]: 2.5\nloss[epoch 4, step 6]: 1.5\n", [3, 4], [5, 6]),
        ("Epoch 3 loss@step 10: 2.5\nEpoch 4 loss@step 20: 1.5\n", [3, 4], [10, 20]),
    ],
    ids=first_line,
)
def test_a_place_between_a_name_and_its_value(text: str, epochs: list[float], steps: list[float]) -> None:
    log = read(text)
    assert list(values(log).values()) == [[2.5, 1.5]]
    assert log.table.epochs.tolist() == epochs
    assert log.table.steps.tolist() == steps


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "Training loss (for one batch) at step 200: 2.5\nTraining loss (for one batch) at step 400: 1.5\n",
            "Training loss",
        ),
        ("Score at iteration 200 is 2.5\nScore at iteration 400 is 1.5\n", "Score"),
        ("[200/9000] loss: 2.5\n[400/9000] loss: 1.5\n", "loss"),
        ("step_200:\tloss_2.50\nstep_400:\tloss_1.50\n", "loss"),
    ],
    ids=first_line,
)
def test_a_step_before_or_behind_a_name(text: str, name: str) -> None:
    log = read(text)
    assert values(log) == {name: [2.5, 1.5]}
    assert log.table.steps.tolist() == [200, 400]


@pytest.mark.parametrize(
    "word", ["Эпоха", "Época", "Epoca", "Époque", "Epoche", "Epoka", "エポック", "에포크", "에폭", "轮次"]
)
def test_an_epoch_in_another_language(word: str) -> None:
    log = read(f"{word} 1/9\nloss: 2.5\n{word} 2/9\nloss: 1.5\n")
    assert log.table.epochs.tolist() == [1, 2]
    assert values(log) == {"loss": [2.5, 1.5]}


@pytest.mark.parametrize("text", ["第 3 轮 loss: 0.5\n", "第3轮 loss: 0.5\n", "第 3/90 轮 loss: 0.5\n"])
def test_a_counted_epoch_in_chinese(text: str) -> None:
    log = read(text)
    assert log.table.epochs.tolist() == [3]
    assert values(log) == {"loss": [0.5]}


def test_a_list_of_losses_is_no_place() -> None:
    assert values(read("Epoch 1 loss [0.5, 0.25]\nEpoch 2 loss [0.25, 0.125]\n")) == {"loss": [0.5, 0.25]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "7: [D loss: 0.5, acc: 0.75] [A loss: 1.5, acc: 0.25]\n",
            {"D loss": [0.5], "D acc": [0.75], "A loss": [1.5], "A acc": [0.25]},
        ),
        (
            "[G loss: 0.5, adv: 0.25, pixel: 0.125] [D loss: 0.5]\n",
            {"G loss": [0.5], "adv": [0.25], "pixel": [0.125], "D loss": [0.5]},
        ),
        (
            "epoch 1 [loss: 0.5, acc: 0.75] [val_loss: 1.5, acc: 0.25]\n",
            {"loss": [0.5], "acc": [0.75], "val_loss": [1.5], "val acc": [0.25]},
        ),
        (
            "Epoch 1 Encoder (loss: 0.5, acc: 0.75) Decoder (loss: 1.5, acc: 0.25)\n",
            {"Encoder loss": [0.5], "Encoder acc": [0.75], "Decoder loss": [1.5], "Decoder acc": [0.25]},
        ),
        (
            "Epoch 1 | student loss: 0.5, acc: 0.75 | teacher loss: 1.5, acc: 0.25\n",
            {"student loss": [0.5], "student acc": [0.75], "teacher loss": [1.5], "teacher acc": [0.25]},
        ),
    ],
    ids=first_line,
)
def test_whose_figures_a_bracket_holds(text: str, expected: Figures) -> None:
    assert values(read(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epoch 1 loss 0.5 acc=30/40\n", {"loss": [0.5], "acc": [0.75]}),
        ("Accuracy 30/40\n", {"Accuracy": [0.75]}),
        ("loss 0.5 acc: 0.75/0.5\n", {"loss": [0.5]}),
        ("epoch 3/40 loss: 0.5\n", {"loss": [0.5]}),
        ("Network Accuracy (Loss): 0.75 (1.5)\n", {"Network Accuracy": [0.75], "Network Loss": [1.5]}),
        ("Test score # 0: 0.25\nTest score # 1: 6.5\n", {"Test score 0": [0.25], "Test score 1": [6.5]}),
        ("loss: 0.5 # 2 GPUs\n", {"loss": [0.5]}),
        ("Obj(log[Pzx]) = -30.5   TokenAcc = 65.5%\n", {"Obj(log[Pzx])": [-30.5], "TokenAcc": [65.5]}),
        ("Loss 0.5   LearningRate 0.0500   Epoch: 0\n", {"Loss": [0.5], "LearningRate": [0.05]}),
        ("Epoch: [1][0/9] Loss 0.5 (0.5) Prec@1 50.5 (50.5)\n", {"Loss": [0.5], "Prec@1": [50.5]}),
        ("700.5 avg loss, 0.001 rate, 0.9 seconds\n", {"avg loss": [700.5], "learning rate": [0.001]}),
        ("Skipping step, loss scaler 0 reducing loss scale to 1024.0\n", {"loss scale": [1024.0]}),
        ("Warning: NaN or Inf found in input tensor.\nloss: 0.5\n", {"loss": [0.5]}),
        ("(iou loss, Normalizer: (iou: 0.07, cls: 1.00) Region 3, iou_loss = 62.5\n", {"iou_loss": [62.5]}),
        ("saved checkpoint best.pt (epoch 2 @ 695 updates, score 9.5)\nloss: 0.5\n", {"loss": [0.5]}),
    ],
    ids=first_line,
)
def test_what_stands_for_a_figure(text: str, expected: Figures) -> None:
    assert values(read(text)) == expected


def test_a_framed_header_is_a_header() -> None:
    epoch = "Epoch: {0} | 57s\n****train_loss,train_acc,valid_loss****\n{1}\t{2}\t{3}\n"
    log = read(epoch.format(1, 2.5, 0.25, 1.5) + epoch.format(2, 2.25, 0.5, 1.25))
    assert values(log) == {"train_loss": [2.5, 2.25], "train_acc": [0.25, 0.5], "valid_loss": [1.5, 1.25]}


@pytest.mark.parametrize("part", ["Validate Set", "validating", "Evaluating"])
def test_verbs_of_the_validation(part: str) -> None:
    log = read(f"- (Epoch 1/9), Loss: 2.5\n- {part}, Loss: 1.5\n- (Epoch 2/9), Loss: 2.0\n- {part}, Loss: 1.0\n")
    (validation,) = log.of(Kind.TOTAL, split="val")
    assert validation.values.tolist() == [1.5, 1.0]
    assert [2.5, 2.0] in values(log).values()


def test_the_end_of_a_line_heads_the_lines_below() -> None:
    epoch = "Epoch {0} - Evaluation time (seconds): 8.5 - {1} metrics:\n \tAccuracy: 0.5\n \tLoss: {2}\n"
    log = read(epoch.format(1, "train", 1.5) + epoch.format(1, "val", 2.5))
    assert {one.meaning.split: one.values.tolist() for one in log.of(Kind.TOTAL)} == {"train": [1.5], "val": [2.5]}


def test_two_loggers_say_the_same_once() -> None:
    line = "{0}Loss {1} LearningRate 0.05 Global Step: {2}\n"
    text = "".join(line.format(before, 3 - k / 10, 50 * k) for k in range(1, 4) for before in ("root: ", "Training: "))
    assert values(read(text))["LearningRate"] == [0.05] * 3


@pytest.mark.parametrize("blob", ["ab/" * 1000, "@" * 3000, "train" * 600, "-_." * 1000], ids=lambda blob: blob[:3])
def test_something_encoded_hides_no_figure_beside_it(blob: str) -> None:
    text = "".join(f"step {step} {blob} loss: {1 / step:.4f}\n" for step in range(1, 4))
    assert values(read(text)) == {"loss": [1.0, 0.5, 0.3333]}
