"""The audit of the data: counts, batches, statistics and pictures agree with the data they were taken from."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
from toy_task import ToyTask, make_split, make_splits

from trainctl.engine.config.schema import RunConfig, RuntimeConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.probes.audit import (
    MAX_SHOWN,
    SECTIONS,
    audit,
    balance,
    fitting_batch,
    preview,
    sampler_audit,
)
from trainctl.engine.runs.atomic import to_json


def found(task: ToyTask) -> dict[str, Any]:
    """All sections, as they arrive on the other side of a pipe."""
    return json.loads(to_json(dict(audit(task))))


def images(count: int, **shape: int) -> Split:
    labels = torch.arange(count) % 2
    size = (shape.get("channels", 3), shape.get("height", 6), shape.get("width", 9))
    pixels = torch.randint(0, 256, (count, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return Split({"images": pixels, "labels": labels}, labels, names=tuple(f"{k}.png" for k in range(count)))


def test_every_section_is_there_and_plain():
    sections = found(ToyTask())
    assert tuple(sections) == SECTIONS
    assert all("missing" not in section for section in sections.values())


def test_balance_counts_every_split():
    labels = torch.tensor([0] * 90 + [1] * 10)
    section = balance(make_splits(make_split(100, 1, labels), make_split(8, 2)))
    train, val = section["splits"]
    assert train["counts"] == [90, 10, 0, 0] and train["shares"] == [0.9, 0.1, 0.0, 0.0]
    assert val["counts"] == [2, 2, 2, 2] and val["num_samples"] == 8


def test_a_permutation_draws_each_sample_once_and_leaves_out_the_rest_of_a_batch():
    task = ToyTask(splits=make_splits(make_split(40, 1)))
    section = sampler_audit(task, task.splits)
    assert (section["num_batches"], section["sizes"], section["drawn"]) == (2, [16, 16], 32)
    assert (section["distinct"], section["repeated"], section["left_out"]) == (32, 0, 8)


def test_batches_of_one_class_are_counted_and_set_against_chance():
    rows = torch.arange(400)
    task = ToyTask(sampler=lambda epoch: [rows[rows % 4 == k][:16] for k in (0, 1, 1, 2)])
    section = sampler_audit(task, task.splits)
    classes = section["classes"]
    assert classes["one_class"] == 4 and classes["per_batch"] == [1, 1.0, 1]
    assert section["repeated"] == 16 and section["left_out"] == 400 - 48
    assert classes["expected"] == pytest.approx(4 * (1 - 0.75**16))
    assert classes["drawn_shares"] == [0.25, 0.5, 0.25, 0.0]
    assert classes["first"][0]["counts"] == [16, 0, 0, 0] and len(classes["first"]) == 4


def test_a_task_without_classes_has_batches_all_the_same():
    split = Split({"x": torch.zeros(64, 3)})
    task = ToyTask(splits=Splits(split, split))
    sections = found(task)
    assert sections["sampler"]["classes"] is None and sections["sampler"]["num_batches"] == 4
    assert sections["balance"]["splits"][0]["counts"] is None
    assert sections["samples"]["samples"][0]["class"] is None


def test_statistics_and_copies_are_those_of_the_tensors():
    train, val = make_split(100, 1), make_split(10, 2)
    val.tensors["x"][3] = train.tensors["x"][7]
    sections = found(ToyTask(splits=make_splits(train, val)))
    row = sections["tensors"]["tensors"][0]
    assert (row["split"], row["name"], row["shape"], row["dtype"]) == ("train", "x", [100, 6], "float32")
    assert row["mean"] == pytest.approx(float(train.tensors["x"].mean()), abs=1e-6)
    assert row["max"] == pytest.approx(float(train.tensors["x"].max()), abs=1e-6)
    assert sections["tensors"]["copies"]["val_in_train"] == 1


def test_pictures_travel_as_bytes_with_the_class_and_the_name():
    splits = Splits(images(40), images(8), ("closed", "open"))
    section = preview(ToyTask(splits=splits), splits)
    assert [sample["class"] for sample in section["samples"]] == [0] * 4 + [1] * 4
    first = section["samples"][0]
    packed = first["image"]
    pixels = np.frombuffer(base64.b64decode(packed["data"]), np.uint8).reshape(packed["height"], packed["width"], 3)
    stored = splits.train.tensors["images"][first["index"]].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(pixels, stored)
    assert first["name"] == f"{first['index']}.png" and section["no_pictures"] == ""


def test_what_training_makes_of_a_sample_is_shown_beside_it():
    class Inverting(ToyTask):
        def augment(self, batch: Batch, generator: torch.Generator):
            return {**batch, "images": 255 - batch["images"]}

    splits = Splits(images(4), images(4), ("closed", "open"))
    sample = preview(Inverting(splits=splits), splits)["samples"][0]
    plain, changed = (np.frombuffer(base64.b64decode(sample[key]["data"]), np.uint8) for key in ("image", "augmented"))
    np.testing.assert_array_equal(255 - plain, changed)


def test_data_that_is_no_picture_says_so():
    section = preview(ToyTask(), make_splits())
    assert "no images" in section["no_pictures"] and section["samples"][0]["image"] is None


def test_many_classes_show_a_few_samples_each():
    labels = torch.arange(300) % 30
    split = Split({"x": torch.zeros(300, 2), "labels": labels}, labels)
    splits = Splits(split, split, tuple(f"c{k}" for k in range(30)))
    samples = preview(ToyTask(splits=splits), splits)["samples"]
    assert len(samples) == MAX_SHOWN and len({sample["class"] for sample in samples}) == MAX_SHOWN


def test_a_part_that_breaks_says_why_and_the_others_are_there():
    def broken(epoch: int):
        raise ZeroDivisionError("no batches today")

    sections = found(ToyTask(sampler=broken))
    assert sections["sampler"] == {"missing": "the sampler cannot be looked at: ZeroDivisionError: no batches today"}
    assert "missing" not in sections["samples"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_data_are_looked_through_where_the_device_of_the_run_is_not():
    task = ToyTask(RunConfig(runtime=RuntimeConfig(device="cuda")))
    assert found(task)["balance"]["splits"][0]["num_samples"] == 400


def test_looking_leaves_the_random_numbers_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found(ToyTask())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("num_samples", "size", "fits"),
    [(102, 64, 51), (100, 50, None), (97, 32, None), (130, 64, 43), (7, 8, 7), (5, 1, None), (5, 0, None)],
)
def test_a_batch_that_leaves_fewer_out_is_named(num_samples: int, size: int, fits: int | None):
    assert fitting_batch(num_samples, size) == fits
    if fits is not None:
        assert num_samples % fits < num_samples % size


def test_samples_that_no_epoch_draws_are_told_from_those_that_the_next_one_draws():
    split = make_split(102, 1)
    by_chance = sampler_audit(ToyTask(splits=make_splits(split)), make_splits(split))
    assert by_chance["by_drop_last"] and by_chance["left_out"] == 102 % by_chance["sizes"][1]
    assert by_chance["never"] < by_chance["left_out"]
    stuck = ToyTask(splits=make_splits(split), sampler=lambda epoch: torch.arange(64).roll(epoch).split(16))
    found = sampler_audit(stuck, make_splits(split))
    assert (found["left_out"], found["never"], found["by_drop_last"]) == (38, 38, False)
