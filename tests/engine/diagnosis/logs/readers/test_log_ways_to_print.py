"""Ways in which figures are printed: each is read with its name, its part of the training and its place."""

from __future__ import annotations

import pytest
from log_files import each, first_line

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.reading import parse_log

TRAIN, VAL = ("total loss", "train"), ("total loss", "val")


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def figures(text: str) -> dict[tuple[str, str], list[float]]:
    """The newest value and the count of what is judged, by kind and part; of several of a kind the first named."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in read(text).series:
        if one.meaning.kind not in (Kind.OTHER, Kind.TIME, Kind.STEP):
            told = (str(one.meaning.kind), one.meaning.split)
            found.setdefault(told, [float(one.values[-1]), len(one.values)])
    return found


WAYS = [
    (each(lambda k: f"train loss: 100%[*******->]1.{k:03d}", 5), {TRAIN: [1.004, 5]}),
    (each(lambda k: f"train loss: 12.5% [====>    ] 1.{k:03d}", 5), {TRAIN: [1.004, 5]}),
    (each(lambda k: f"Epoch: {k}\nValidation loss {6312 + k}:  0.14{k}", 5), {VAL: [0.144, 5]}),
    (each(lambda k: f"loss[{k}]: 0.{k}", 5), {TRAIN: [0.4, 5]}),
    (
        each(lambda k: f"Epoch {k}: Loss (train/val): 2.10{k}/2.80{k}, Acc (train/val): 0.6/0.{k}", 5),
        {TRAIN: [2.104, 5], VAL: [2.804, 5], ("rate", "train"): [0.6, 5], ("rate", "val"): [0.4, 5]},
    ),
    (each(lambda k: f"Epoch {k} | train/val loss: 2.{k} / 3.{k}", 5), {TRAIN: [2.4, 5], VAL: [3.4, 5]}),
    (
        each(lambda k: f"EPOCH:  {k}\ncurrent training loss is :\n9.{k}e-05\nDEV: loss, acc, f1\n0.7 0.9{k} 0.6", 5),
        {TRAIN: [9.4e-05, 5], VAL: [0.7, 5], ("rate", "val"): [0.94, 5]},
    ),
    (
        each(lambda k: f"epoch -> {k}.000000\nvalid_en-fr_mt_ppl -> 97{k}.19\nvalid_en-fr_mt_acc -> 4.01", 4),
        {("error rate", "val"): [973.19, 4], ("rate", "val"): [4.01, 4]},
    ),
    (
        each(lambda k: f"Epoch {k}/9, Loss 6.27, Raw Acc (0.39, 2.49), Val Loss 4.{k}, Val Acc (0.5{k}, 2.7)", 4),
        {TRAIN: [6.27, 4], ("rate", "train"): [0.39, 4], VAL: [4.3, 4], ("rate", "val"): [0.53, 4]},
    ),
    (
        each(lambda k: f"Ep. 1 : Up. {k}000 : Sen. {k}0,000 : Cost 9{k}.5 : 428.61 words/s : L.r. 1.8{k}e-05", 4),
        {TRAIN: [93.5, 4], ("learning rate", ""): [1.83e-05, 4]},
    ),
    (
        each(
            lambda k: f"Epoch {k}: 100%|██| 9/9 [00:09<00:00, val_loss=0.9]val_loss 0.3{k} val/a1 0.4 val/abs_rel 0.2",
            4,
        ),
        {VAL: [0.33, 4], ("error rate", "val"): [0.2, 4]},
    ),
    (
        each(lambda k: f"epoch: {k} |loss 0.2{k} | wh_loss 1.5 | loss 0.1{k} | wh_loss 2.2 | ", 4),
        {TRAIN: [0.23, 4], VAL: [0.13, 4], ("loss term", "train"): [1.5, 4], ("loss term", "val"): [2.2, 4]},
    ),
    (
        each(lambda k: f"[10]\tvalid_0's auc: 0.{k}", 4)
        + "Early stopping, best iteration is:\n[3]\tvalid_0's auc: 0.1\n",
        {("rate", "val"): [0.3, 4]},
    ),
    (
        each(lambda k: f"08:22:05,322 P8266 INFO Train loss: 0.{k}\n08:22:05,322 P8266 INFO NDCG(k=20): 0.2{k}", 4),
        {TRAIN: [0.3, 4], ("rate", ""): [0.23, 4]},
    ),
    (
        each(lambda k: f"Avg : g 1.3{k} d 0.2 ad 0.1| step {k}: 100%|██| 9/9 [05:01<00:00]", 4),
        {("loss term", ""): [1.33, 4]},
    ),
    (
        each(lambda k: f"[INFO] 10:37:17,265 [    train.py:   98]:    Epoch: {k}, Loss: 0.{k}", 4),
        {TRAIN: [0.3, 4]},
    ),
    (
        each(lambda k: f"Ball. Step: {k}000. Time Elapsed: 1{k}.5 s. Mean Reward: {k}.5. Std of Reward: 0.7.", 4),
        {("reward", ""): [3.5, 4]},
    ),
]


LETTERS = "[  1]    144{0} || B: 5.{0}95 | C: 3.668 | M: 6.919 | T: {1:.3f} || ETA: 0:50:39 || timer: 0.298"
IMAGENET = (
    "Epoch: [{0}][4000/5005]\tLoss 2.{0}e+00 (2.3e+00)\tAcc@1  6{0}.1 ( 60.0)\n"
    "Test: [100/196]\tLoss 2.5e+00 (2.5e+00)\tAcc@1  5{0}.0 ( 58.0)\n *   Acc@1 5{0}.7 Acc@5 81.2"
)


@pytest.mark.parametrize(("text", "told"), WAYS, ids=first_line)
def test_ways_to_print(text: str, told: dict[tuple[str, str], list[float]]) -> None:
    assert figures(text) == told


def test_places_of_what_was_a_part_of_a_name() -> None:
    log = read(each(lambda k: f"Validation loss {500 * k}: 0.{k}", 5))
    assert log.table.steps.tolist() == [0, 500, 1000, 1500, 2000]
    ranked = read(each(lambda k: f"Epoch {k} Recall(k=5): 0.1 Recall(k=10): 0.2 HitRate(k=20): 0.3", 4))
    assert [(one.name, str(one.meaning.kind)) for one in ranked.series] == [
        ("Recall@5", "rate"),
        ("Recall@10", "rate"),
        ("HitRate@20", "rate"),
    ]


def test_objects_of_a_list_are_parts() -> None:
    row = '{{"epoch": {0}, "seats": [{{"q_loss": 4.{0}}}, {{"q_loss": 3.{0}}}]}}'
    assert [one.name for one in read(each(row.format, 4)).series] == ["seats/0/q_loss", "seats/1/q_loss"]


def test_evaluations_summed_up_are_of_the_reward() -> None:
    head = "steps\tepisodes\telapsed\tmean\tmedian\tstdev\tmax\tmin\n"
    log = read(head + each(lambda k: f"{k}000\t{k}0\t3{k}.5\t-1{k}\t-2{k}\t4\t-7\t-18", 5))
    assert [one.name for one in log.of(Kind.REWARD)] == ["mean"]
    plain = read("step\tmean\tmax\tmin\tloss\n" + each(lambda k: f"{k}\t1{k}\t2\t0\t0.{k}", 5))
    assert not plain.of(Kind.REWARD)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("validation_0-auc", "validation_1-auc"), ["train", "val"]),
        (("validation_0-auc", "validation_0-logloss"), ["val", "val"]),
        (("train-auc", "validation_0-auc", "validation_1-auc"), ["train", "val", "val"]),
        (("valid_0-auc", "valid_1-auc"), ["val", "val"]),
    ],
)
def test_the_first_of_numbered_sets(names: tuple[str, ...], splits: list[str]) -> None:
    log = read(each(lambda k: f"[{k}]\t" + "\t".join(f"{name}:0.9{k}" for name in names), 6))
    assert [one.meaning.split for one in log.series] == splits


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("reward_valid_json", "reward", ""),
        ("rewards/valid_format_reward/mean", "reward", ""),
        ("reward_valid_mean", "reward", "val"),
        ("valid_reward", "reward", "val"),
        ("eval/reward_valid_json", "reward", "val"),
        ("ladder_cost", "other", ""),
        ("avg_batch_cost", "time and speed", ""),
        ("time_cost", "time and speed", ""),
        ("train_cost", "total loss", "train"),
        ("avg_weight_age", "other", ""),
        ("kl_weight", "weight of a loss term", ""),
        ("features.0.weight gradient norm", "gradient norm", ""),
        ("reward_per_sec", "reward", ""),
        ("frames_per_sec", "time and speed", ""),
        ("reward_rate", "other", ""),
        ("S", "other", ""),
        ("val_wa_pct", "rate", "val"),
        ("ReconstructRate", "rate", ""),
        ("Verification error", "error rate", "val"),
        ("Minibatch Loss", "total loss", ""),
        ("char train", "error rate", "train"),
        ("Obj(log[Pzx])", "score", ""),
        ("obj_loss", "loss term", ""),
        ("train_word", "other", "train"),
    ],
)
def test_what_names_mean(name: str, kind: str, split: str) -> None:
    meaning = meaning_of(name)
    assert (str(meaning.kind), meaning.split) == (kind, split)


def test_letters_of_which_one_is_the_sum() -> None:
    def as_lines(off: float) -> LogFacts:
        return read(each(lambda k: LETTERS.format(k, 15.682 + 0.1 * k + off * k), 5))

    log = as_lines(0)
    assert [one.name for one in log.of(Kind.TOTAL)] == ["T"]
    assert [one.meaning.term for one in log.of(Kind.TERM)] == ["b", "c", "m"]
    assert not as_lines(0.1).of(Kind.TOTAL, Kind.TERM)


def test_what_sums_a_test_up_is_none_of_the_training() -> None:
    log = read(each(IMAGENET.format, 6))
    rates = {one.name: one.values.tolist() for one in log.of(Kind.RATE)}
    assert rates["Acc@1"] == [60.1, 61.1, 62.1, 63.1, 64.1, 65.1]
    assert rates["Acc@1 (test)"][-2:] == [55.0, 55.7]


def test_a_list_in_prose_is_none() -> None:
    log = read(each(lambda k: f"worker {k} shard 3 | step {k} loss 0.{k}\nworker {k} shard 3", 4))
    assert [one.name for one in log.series] == ["loss"]
