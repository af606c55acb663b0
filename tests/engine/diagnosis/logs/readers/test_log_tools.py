"""Lines as known tools print them: each figure has its kind and its part of the training."""

from __future__ import annotations

import pytest
from log_files import first_line

from trainctl.engine.diagnosis.logs.course import training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

Figures = dict[tuple[Kind, str], list[float]]
TOTAL, RATE, LR, GRAD_NORM, SCORE = Kind.TOTAL, Kind.RATE, Kind.LR, Kind.GRAD_NORM, Kind.SCORE


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def figures(log: LogFacts) -> Figures:
    """Values by kind and part; of several of a kind the first named."""
    found: Figures = {}
    for one in log.series:
        if one.meaning.kind not in (Kind.OTHER, Kind.TIME, Kind.STEP):
            found.setdefault((one.meaning.kind, one.meaning.split), one.values.tolist())
    return found


CATBOOST = (
    "Learning rate set to 0.05\n"
    "0:\tlearn: 0.69\ttest: 0.7\tbest: 0.7 (0)\ttotal: 52.1ms\tremaining: 52.1s\n"
    "1:\tlearn: 0.66\ttest: 0.68\tbest: 0.68 (1)\ttotal: 98.2ms\tremaining: 49s\n"
    "2:\tlearn: 0.62\ttest: 0.69\tbest: 0.68 (1)\ttotal: 150ms\tremaining: 49.9s\n"
    "bestTest = 0.68\nbestIteration = 1\n"
)
MEGATRON = (
    " iteration       10/     500 | consumed samples:   5120 | elapsed time per iteration (ms): 7423.1 | "
    "learning rate: 4.5E-08 | global batch size:   512 | lm loss: 1.05E+01 | loss scale: 4096.0 | grad norm: 25.5 | "
    "number of skipped iterations:   0 | number of nan iterations:   0 |\n"
    "----------------------------------------------\n"
    " validation loss at iteration 10 | lm loss value: 1.025E+01 | lm loss PPL: 2.8E+04 |\n"
)
DEEPSPEED = (
    "[2031-05-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=2, lr=[3e-06], mom=[(0.9)]\n"
    "steps: 10 loss: 10.5 iter time (s): 1.234 samples/sec: 12.966\n"
    "[2031-05-01 10:00:12,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=20, skipped=2, lr=[6e-06], mom=[(0.9)]\n"
    "steps: 20 loss: 9.5 iter time (s): 1.234 samples/sec: 12.966\n"
)
PADDLE = (
    "[2031/05/01 10:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.001, acc: 0.25, norm_edit_dis: 0.5, "
    "loss: 25.5, avg_reader_cost: 0.5 s, avg_batch_cost: 0.8 s, avg_samples: 128.0, ips: 160.0 samples/s\n"
    "[2031/05/01 10:10:20] ppocr INFO: cur metric, acc: 0.5, norm_edit_dis: 0.7, fps: 1000.0\n"
    "[2031/05/01 10:10:21] ppocr INFO: best metric, acc: 0.75, is_float16: False, fps: 1000.0, best_epoch: 1\n"
)
ESTIMATOR = (
    "INFO:tensorflow:loss = 2.5, step = 1\nINFO:tensorflow:global_step/sec: 101.2\n"
    "INFO:tensorflow:Saving dict for global step 101: accuracy = 0.5, global_step = 101, loss = 1.75\n"
    "INFO:tensorflow:loss = 1.5, step = 201 (0.9 sec)\nINFO:tensorflow:Loss for final step: 1.25.\n"
)
FLAIR = (
    "2031-01-01 10:00:10,000 epoch 1 - iter 10/100 - loss 1.25 - samples/sec: 100.00 - lr: 0.1\n"
    "2031-01-01 10:00:40,000 DEV : loss 0.75 - f1-score (micro avg)  0.5\n"
)
SPACY = (
    "E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE \n"
    "---  ------  ------------  --------  ------  ------  ------  ------\n"
    "  0       0          0.00     45.00   10.00   60.00    5.00    0.10\n"
    "  1     200         30.00   1345.00   55.00   60.00   50.00    0.55\n"
)
NNUNET = (
    "2031-05-01 10:00:00.123456: Epoch 0 \n2031-05-01 10:00:00.123456: Current learning rate: 0.01 \n"
    "2031-05-01 10:02:00.123456: train_loss 0.25 \n2031-05-01 10:02:00.123456: val_loss -0.5 \n"
    "2031-05-01 10:02:00.123456: Pseudo dice [0.5, 0.25] \n"
)
DETECTRON = (
    "[05/01 10:00:00 d2.utils.events]:  eta: 1:00:00  iter: 19  total_loss: 2.5  loss_cls: 1.2  lr: 0.001  "
    "max_mem: 5000M\n[05/01 10:10:00 d2.evaluation.testing]: copypaste: AP,AP50,APs\n"
    "[05/01 10:10:00 d2.evaluation.testing]: copypaste: 20.5,40.5,5.5\n"
)
MARIAN = (
    "[2031-01-01 10:00:00] Ep. 1 : Up. 500 : Sen. 31,543 : Cost 9.5 * 1,234,567 : Time 100.1s : gNorm 1.25\n"
    "[2031-01-01 10:05:00] [valid] Ep. 1 : Up. 500 : bleu : 10.5 : new best\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CATBOOST, {(TOTAL, "train"): [0.69, 0.66, 0.62], (TOTAL, "val"): [0.7, 0.68, 0.69]}),
        (
            MEGATRON,
            {
                (LR, ""): [4.5e-8],
                (Kind.TERM, ""): [10.5],
                (Kind.LOSS_SCALE, ""): [4096],
                (GRAD_NORM, ""): [25.5],
                (Kind.TERM, "val"): [10.25],
                (Kind.ERROR, "val"): [2.8e4],
            },
        ),
        (DEEPSPEED, {(LR, ""): [3e-6, 6e-6], (TOTAL, ""): [10.5, 9.5]}),
        (PADDLE, {(LR, ""): [0.001], (RATE, ""): [0.25], (TOTAL, ""): [25.5], (RATE, "val"): [0.5]}),
        (ESTIMATOR, {(TOTAL, ""): [2.5, 1.5], (RATE, "val"): [0.5], (TOTAL, "val"): [1.75]}),
        (FLAIR, {(TOTAL, ""): [1.25], (LR, ""): [0.1], (TOTAL, "val"): [0.75], (RATE, "val"): [0.5]}),
        (SPACY, {(Kind.TERM, ""): [0, 30], (RATE, ""): [10, 55], (SCORE, ""): [0.1, 0.55]}),
        (NNUNET, {(LR, ""): [0.01], (TOTAL, "train"): [0.25], (TOTAL, "val"): [-0.5], (RATE, ""): [0.5]}),
        (DETECTRON, {(TOTAL, ""): [2.5], (Kind.TERM, ""): [1.2], (LR, ""): [0.001], (RATE, ""): [20.5]}),
        (MARIAN, {(TOTAL, ""): [9.5], (GRAD_NORM, ""): [1.25], (SCORE, "val"): [10.5]}),
        (
            "Epoch: 1, Train: 0.5, Val: 0.25, Test: 0.25, Loss: 0.75\n",
            {(TOTAL, ""): [0.75], (RATE, "train"): [0.5], (RATE, "val"): [0.25], (RATE, "test"): [0.25]},
        ),
        ("Train: 0.5, acc: 0.75 | Val: 0.6, acc: 0.7\n", {(RATE, "train"): [0.75], (RATE, "val"): [0.7]}),
        ("steps:   1%|          | 10/1000 [00:10<16:40,  1.01s/it, avr_loss=0.125]\n", {(TOTAL, ""): [0.125]}),
        ("Epoch(val) [1][50]\tbbox_mAP: 0.25, bbox_mAP_s: 0.5\n", {(RATE, "val"): [0.25]}),
        ("Epoch[0] Batch [0-9]\tSpeed: 1000.1 samples/sec\taccuracy=0.5\n", {(RATE, ""): [0.5]}),
        (
            "Epoch 1, v_num=0-00, reduced_train_loss=9.5, val_loss=9.25\n",
            {(TOTAL, "train"): [9.5], (TOTAL, "val"): [9.25]},
        ),
        (
            "loss: 0.5\nTest Accuracy of the model on the 10000 test images: 97.5 %\n",
            {(TOTAL, ""): [0.5], (RATE, "test"): [97.5]},
        ),
        (
            "step=100 | loss=2.5 | |g|=1.25 | lr=3.0e-04\n",
            {(TOTAL, ""): [2.5], (GRAD_NORM, ""): [1.25], (LR, ""): [3e-4]},
        ),
        (
            "epoch 1 | loss_train 0.5 | acc_train 51.5% | acc_valid 50.5% | lr 0.001\n",
            {(TOTAL, "train"): [0.5], (RATE, "train"): [51.5], (RATE, "val"): [50.5], (LR, ""): [0.001]},
        ),
        ("epoch=1 tr_loss=1.5 va_loss=1.25\n", {(TOTAL, "train"): [1.5], (TOTAL, "val"): [1.25]}),
        ("| eprewmean | -12.5 |\n| policy_loss | 0.5 |\n", {(Kind.REWARD, ""): [-12.5], (Kind.TERM, ""): [0.5]}),
    ],
    ids=first_line,
)
def test_figures_of_a_tool(text: str, expected: Figures) -> None:
    assert figures(read(text)) == expected


@pytest.mark.parametrize(
    ("text", "steps", "epochs"),
    [
        (DEEPSPEED, [10, 10, 20, 20], []),
        (ESTIMATOR, [1, 101, 201], []),
        (SPACY, [0, 200], [0, 1]),
        (NNUNET, [], [0]),
        (MARIAN, [500], [1]),
        ("epoch: 0/80, acc_iter=50, cur_iter=50/928, loss=2.5\nepoch: 0/80, acc_iter=60, loss=2\n", [50, 60], [0, 0]),
        ("   --> STEP: 24/243 -- GLOBAL_STEP: 267\n     | > loss: 3.5  (3.9)\n", [267], []),
    ],
    ids=first_line,
)
def test_where_the_rows_of_a_tool_stand(text: str, steps: list[float], epochs: list[float]) -> None:
    table = read(text).table
    assert sorted({step for step in table.steps.tolist() if step == step}) == sorted(set(steps))
    assert [epoch for epoch in table.epochs.tolist() if epoch == epoch] == epochs


def test_parts_without_a_name_are_told_by_their_course() -> None:
    rising = "".join(f"epoch {k} train: {0.5 + k / 20:.2f} val: {0.5 + k / 25:.2f}\n" for k in range(8))
    still = "epoch 1 train: 0.5 val: 0.5\nepoch 2 train: 0.5 val: 0.5\nloss: 1\n"
    assert set(figures(read(rising))) == {(RATE, "train"), (RATE, "val")}
    assert set(figures(read(still))) == {(TOTAL, ""), (RATE, "train"), (RATE, "val")}
    percents = still.replace("0.5", "50.5")
    assert set(figures(read(percents))) == {(TOTAL, "")}


def test_of_a_mean_over_the_epoch_and_one_batch_the_mean_is_the_training_loss() -> None:
    log = read("".join(f"epoch {k} train_loss_step={2 - k / 8} train_loss_epoch={3 - k / 8}\n" for k in range(4)))
    loss = training_loss(log)
    assert loss is not None
    assert loss.name == "train_loss_epoch"


def test_a_test_that_is_told_again_and_again_is_the_validation() -> None:
    log = read("".join(f"epoch {k} loss={2 - k / 8} test_loss={3 - k / 8}\n" for k in range(4)))
    assert {one.name: one.meaning.split for one in log.series}["test_loss"] == "val"
    once = read("epoch 1 loss=2 val_loss=2\nepoch 2 loss=1 val_loss=1\ntest_loss=1.5\n")
    assert {one.name: one.meaning.split for one in once.series}["test_loss"] == "test"
