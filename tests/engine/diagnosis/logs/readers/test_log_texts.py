"""Texts as trainings print them: what is a figure, of which name, and of which part of the training."""

from __future__ import annotations

import math

import pytest

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def values(log: LogFacts) -> dict[str, list[float]]:
    return {series.name: series.values.tolist() for series in log.series}


def splits(log: LogFacts) -> dict[str, str]:
    return {series.name: series.meaning.split for series in log.series}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I0203 11:22:33.4 812 top_loss.cc:77] step 5 loss 1.5\n", {"loss": [1.5]}),
        ("2026-02-03 11:22:33.444 | INFO | pkg.core.loop:after_step:31 - loss: 0.5\n", {"loss": [0.5]}),
        ("(loop:66) INFO: loss=0.5\n", {"loss": [0.5]}),
        ("[train.py:185] loss 0.5\n", {"loss": [0.5]}),
        ("11:22:33loss: 0.5\n", {"loss": [0.5]}),
        ("loss: tensor(0.5, device='cuda:0')\n", {"loss": [0.5]}),
        ("loss: np.float64(0.5)\n", {"loss": [0.5]}),
        ("\x1b[1mloss\x1b[0m: \x1b[32m0.5\x1b[0m\n", {"loss": [0.5]}),
        ("\ufeffloss: 0.5\n", {"loss": [0.5]}),
        ("loss: 0.5 | \U0001f552 77.5\n", {"loss": [0.5]}),
        ("loss: 1,234.5\n", {"loss": [1234.5]}),
        ("loss: 12ms acc: 0.5\n", {"acc": [0.5]}),
        ("V_acc.   0.5\n", {"V_acc": [0.5]}),
        ("Accuracy: 512/1024 (50%)\n", {"Accuracy": [50.0]}),
        ("mAP@0.50:0.95: 0.25\n", {"mAP@0.50-0.95": [0.25]}),
        ("avg loss so far is 0.03\n", {"avg loss so far": [0.03]}),
        ("Loss is 1.25. Current learning rate is 0.04.\n", {"Loss": [1.25], "Current learning rate": [0.04]}),
        ("'val_loss' reached 1.5 (best 1.5), saving 'x/epoch=0-step=100.ckpt'\n", {"val_loss": [1.5]}),
        ("Loss is Infinity.\n", {"Loss": [math.inf]}),
        ("700.5 avg loss, 0.001 rate\n", {"avg loss": [700.5], "learning rate": [0.001]}),
        (
            "objective function for 'out' for minibatches 0-9 is -0.25 over 12 frames.\n",
            {"objective function": [-0.25]},
        ),
        (" Average Recall (AR) @[ IoU=0.50:0.95 | area= all | maxDets=100 ] = 0.25\n", {"AR": [0.25]}),
        ("Namespace(lr=0.1, epochs=40)\nloss: 0.5\n", {"loss": [0.5]}),
        ("3/9 [=>...] - loss: 2.5\b\b\b\b\b9/9 [====] - loss: 2.25 - val_loss: 2\n", {"loss": [2.25], "val_loss": [2]}),
        (" 10%|█ | 1/9 [00:01, loss=2]\r100%|██| 9/9 [00:09, loss=1]\n\nend\nend\n", {"loss": [1.0]}),
        ("0%|  | 0/9\rloss: 2.5:  10%|█ | 1/9\rloss: 2.25:  20%|█ | 2/9", {"loss": [2.5, 2.25]}),
    ],
)
def test_what_is_a_figure(text: str, expected: dict[str, list[float]]) -> None:
    assert values(read(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Train Epoch: 1 | loss: 2.5 | acc: 0.25\nVal Result | loss: 1.5 | acc: 0.5\n",
        "1epoch results: [train] loss=2.5, acc=0.25, [valid] loss=1.5, acc=0.5\n",
        "Epoch 1/9\n11:22:33train loss: 2.5 acc: 0.25\n11:22:34val loss: 1.5 acc: 0.5\n",
        "Epoch 1\nTrain:\nloss: 2.5\nacc: 0.25\nValidation:\nloss: 1.5\nacc: 0.5\n",
        "** Train metrics **\n  loss = 2.5\n  acc = 0.25\n** Running Evaluation **\n  loss = 1.5\n  acc = 0.5\n",
        "Epoch(train) [1][5/9] loss: 2.5 acc: 0.25\nEpoch(val) [1][9/9] loss: 1.5 acc: 0.5\n",
        "{'train': {'loss': 2.5, 'acc': 0.25}, 'val': {'loss': 1.5, 'acc': 0.5}}\n",
        "train | loss 2.5 acc 0.25\nval | loss 1.5 acc 0.5\n",
    ],
)
def test_a_word_for_the_part_holds_for_the_whole_row(text: str) -> None:
    log = read(text)
    found = {(series.meaning.kind, series.meaning.split): series.values.tolist() for series in log.series}
    assert found == {
        (Kind.TOTAL, "train"): [2.5],
        (Kind.RATE, "train"): [0.25],
        (Kind.TOTAL, "val"): [1.5],
        (Kind.RATE, "val"): [0.5],
    }


def test_a_part_says_nothing_of_the_learning_rate() -> None:
    assert splits(read("train loss: 1.5, val loss: 1.25, lr: 0.1\n"))["lr"] == ""


def test_a_word_that_names_one_of_several_sets_stays_in_the_names() -> None:
    log = read("train loss 1.5, dev-clean WER 12.5 CER 4.5, dev-other WER 25.5 CER 9.5\n")
    assert values(log)["dev-clean CER"] == [4.5]
    assert values(log)["dev-other CER"] == [9.5]
    assert splits(log)["dev-other CER"] == "val"


def test_prose_that_speaks_of_training_is_no_heading() -> None:
    log = read("Starting training...\nEpoch 1 loss: 1.5\nTraining completed. Saving model...\nEpoch 2 loss: 1.25\n")
    assert values(log) == {"loss": [1.5, 1.25]}


@pytest.mark.parametrize(
    ("text", "epochs", "steps", "unit"),
    [
        ("[7]\ttrain-auc:0.5\n[8]\ttrain-auc:0.75\n", [], [7, 8], "round"),
        ("[20:01:02] [7] test-error:0.5\n[20:01:03] [8] test-error:0.25\n", [], [7, 8], "round"),
        ("0:\tlearn: 0.5\n1:\tlearn: 0.25\n", [], [0, 1], "round"),
        ("Epoch: [3][10/90]\tLoss 6.5 (7.0)\n", [3], [10], "batch"),
        ("Epoch [3][10/90]\tloss: 6.5\n", [3], [10], "batch"),
        ("epoch 003:    10 / 90 loss=6.5\n", [3], [10], "batch"),
        ("Train: 3 [  10/90 ( 11%)]  Loss: 6.5 (6.5)\n", [3], [10], "batch"),
        ("[3/5][10/90]\tLoss_D: 1.5\tLoss_G: 4.5\n", [3], [10], "batch"),
        ("Episode 10\tAverage reward: 1.5\nEpisode 20\tAverage reward: 2.5\n", [], [10, 20], "episode"),
        ("iterations:57, loss:1.5\niterations:58, loss:1.25\n", [], [57, 58], "iteration"),
        ("| epoch   3 |    10/   90 batches | loss  6.5\n", [3], [10], "batch"),
        ("[Epoch 3/9] [Batch 10/90] [D loss: 0.5] [G loss: 1.5]\n", [3], [10], "batch"),
        ("第 3 轮 第 10 步 损失：0.5\n", [3], [10], "step"),
        ("3epoch results: loss=1.5\n", [3], [], "step"),
    ],
)
def test_where_a_row_stands(text: str, epochs: list[float], steps: list[float], unit: str) -> None:
    table = read(text).table
    assert [value for value in table.epochs.tolist() if value == value] == epochs
    assert [value for value in table.steps.tolist() if value == value] == steps
    assert table.step_unit == unit


def test_a_table_of_names_and_values_is_one_row_by_table() -> None:
    frame = "| rollout/    |    |\n|    ep_rew_mean | {} |\n| train/ | |\n|    loss | {} |\n-------------\n"
    log = read("-------------\n" + frame.format(12, 1.5) + "-------------\n" + frame.format(15, 1.25))
    assert values(log) == {"rollout/ep_rew_mean": [12.0, 15.0], "train/loss": [1.5, 1.25]}
    assert log.table.num_rows == 2
    assert log.series[0].meaning.kind is Kind.REWARD


def test_a_table_in_columns_may_repeat_its_header_and_stand_beside_another() -> None:
    bar = ": 100%|████| 9/9 [00:05<00:00, 3.01it/s]\n"
    text = "".join(
        "   Epoch   GPU_mem   box_loss   cls_loss   Size\n"
        f"     {epoch}/9     2.65G      {2 - epoch / 4}      nan     640{bar}"
        f"   Class  Images  Box(P  mAP50  mAP50-95){bar}"
        f"   all    128     0.5    0.25   {epoch / 8}\n"
        for epoch in (1, 2)
    )
    log = read(text)
    assert values(log)["box_loss"] == [1.75, 1.5]
    assert values(log)["mAP50-95)"] == [0.125, 0.25]
    assert [math.isnan(value) for value in values(log)["cls_loss"]] == [True, True]


def test_a_table_between_whose_rows_other_lines_stand() -> None:
    head, between = "epoch  train_loss  valid_loss  time\n", "Saving the model now, please wait.\n"
    log = read(f"{head}0      1.5    1.25    00:12\n{between}1      1.25     1.0    00:12\n{between}")
    assert values(log) == {"train_loss": [1.5, 1.25], "valid_loss": [1.25, 1.0]}
    assert log.table.epochs.tolist() == [0, 1]


def test_the_same_line_of_several_processes_counts_once() -> None:
    lines = ["{'loss': 1.5, 'epoch': 0.5}", "{'loss': 1.25, 'epoch': 1.0}"]
    text = "".join(f"node{node}: {line}\n" for line in lines for node in (2, 0, 1))
    assert values(read(text)) == {"loss": [1.5, 1.25]}
    assert values(read("[rank0]: step 1 loss 1.5\n[rank1]: step 1 loss 1.75\n")) == {"loss": [1.5, 1.75]}


def test_equal_losses_of_one_process_are_all_kept() -> None:
    assert values(read("{'loss': 0.0, 'epoch': 0.0}\n" * 3)) == {"loss": [0.0, 0.0, 0.0]}


def test_the_closing_row_of_a_trainer_is_no_training_loss() -> None:
    log = read("{'loss': 1.5, 'epoch': 1.0}\n{'train_runtime': 9.5, 'train_loss': 2.5, 'epoch': 2.0}\n")
    assert [series.name for series in log.of(Kind.TOTAL)] == ["loss"]


def test_a_configuration_keeps_the_weights_that_it_names() -> None:
    log = read("Namespace(lr=0.1, cluster_weight=0.5)\nloss: 0.5\nloss: 0.25\n")
    assert values(log) == {"cluster_weight": [0.5], "loss": [0.5, 0.25]}
