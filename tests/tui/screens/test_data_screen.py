"""The page of the data: parts appear as they are ready, everything can be reached, pictures are drawn."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from job_pages import jobs_say, open_page
from pilots import MEDIUM, SMALL, cockpit, screen_text, shows, toasts, until
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.meta import write_meta
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.screens.jobs.data import DataScreen, SamplesView, tiles_of, unpacked


def picture(value: int) -> dict[str, Any]:
    pixels = np.zeros((12, 24, 3), np.uint8)
    pixels[3:9, 6:18] = value
    return {"height": 12, "width": 24, "data": base64.b64encode(pixels.tobytes()).decode()}


FOUND: dict[str, Any] = {
    "balance": {
        "classes": ["closed", "open"],
        "splits": [
            {"name": name, "num_samples": 100, "counts": [8, 92], "shares": [0.08, 0.92], "outside": 0}
            for name in ("train", "val")
        ],
        "groups": None,
        "notes": ["leak check: no near-duplicate across the split (20 validation images)"],
    },
    "sampler": {
        "kind": "RandomSampler", "num_samples": 100, "num_batches": 6, "sizes": [16, 16], "drawn": 96,
        "distinct": 96, "repeated": 0, "left_out": 4,
        "classes": {
            "names": ["closed", "open"], "per_batch": [1, 2.0, 2], "expected": 1.74, "observed": 1.67, "one_class": 2,
            "drawn_shares": [0.08, 0.92], "data_shares": [0.08, 0.92],
            "first": [{"counts": [0, 16], "distinct": 1, "expected": 1.74}] * 5,
        },
    },
    "tensors": {
        "tensors": [
            {"split": "train", "name": "images", "shape": [100, 3, 12, 24], "dtype": "uint8", "mean": 115.0,
             "std": 51.0, "min": 0.0, "max": 255.0, "nonfinite": 0, "looked_at": 100}
        ],
        "copies": {"val_in_train": 0, "num_val": 20, "repeated_in_train": 0.0, "example": None,
                   "contradicted": 0, "labelled": 0, "contradiction": None},
    },
    "samples": {
        "classes": ["closed", "open"],
        "samples": [
            {"index": k, "name": f"eyes/{k}.png", "class": k // 4, "image": picture(255), "augmented": picture(90)}
            for k in range(8)
        ],
        "no_pictures": "",
    },
}  # fmt: skip
LOADING = json.dumps({"section": "loading", "title": "eyes/balanced, built-in data"})


def parts(*names: str, **changes: Any) -> list[str]:
    found = {**FOUND, **changes}
    return [LOADING, *(json.dumps({"section": name, "found": found[name]}) for name in names or FOUND)]


Talk = Callable[[list[str]], list[tuple[str, ...]]]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch):
    """Jobs say prepared lines instead of running trainctl; gives the command lines they were started with."""
    return partial(jobs_say, monkeypatch)


@pytest.fixture
def own_run(live_run: SyntheticRun):
    """A run with its configuration, trained on data of the user's."""
    live_run.paths.config.write_text(resolve("eyes/balanced").to_yaml())
    write_meta(live_run.paths, {"schema": 1, "preset": "eyes/balanced", "scale": "small", "data": "/my/eyes"})
    return live_run


opened = partial(open_page, key="i", kind=DataScreen)


async def looked_through(pilot: Pilot[None]) -> None:
    await opened(pilot)
    await shows(pilot, "✓ looked through")


@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_every_part_can_be_reached_and_fits(own_run: SyntheticRun, talk: Talk, size: tuple[int, int]):
    started = talk(parts())
    async with CockpitApp(own_run.paths).run_test(size=size) as pilot:
        await looked_through(pilot)
        await shows(pilot, "closed █")
        assert "eyes/balanced, /my/eyes" in screen_text(pilot)
        for key, words in (
            ("1", ["1 Class balance", "train: 100 samples", "! largest class 11.5 times the smallest"]),
            ("2", ["2 Batches of the first epoch", "6 batches of 16", "× 2 of 6 batches hold one class only"]),
            ("3", ["3 Tensors", "uint8 100×3×12×24", "mean 115  std 51  min 0  max 255"]),
            ("4", ["4 Samples  as stored", "▀▀▀▀▀▀", "closed", "0.png"]),
        ):
            await pilot.press(key)
            for word in words:
                await shows(pilot, word)
        keys = screen_text(pilot).splitlines()[-1]
        assert all(word in keys for word in ("balance", "batches", "tensors", "samples", "augmented", "back"))
    config = str(own_run.paths.config.resolve())
    assert started == [("data", "--preset", config, "--scale", "small", "--data", "/my/eyes", "--json", "--progress")]


async def test_parts_appear_before_all_are_ready(own_run: SyntheticRun, talk: Talk):
    talk([*parts("balance"), "wait"])
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await opened(pilot)
        await shows(pilot, "train: 100 samples")
        assert "batches of the first epoch, " in screen_text(pilot).splitlines()[0]
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))


async def test_loading_is_said(own_run: SyntheticRun, talk: Talk):
    talk([LOADING, "wait"])
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await shows(pilot, "Data  loading, ")
        assert "eyes/balanced, /my/eyes" in screen_text(pilot)


async def test_a_shows_what_training_makes_of_the_samples_and_back(own_run: SyntheticRun, talk: Talk):
    talk(parts())
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await looked_through(pilot)
        view = pilot.app.screen.query_one(SamplesView)
        assert view.tiles[0].image is not None and view.tiles[0].image.max() == 255
        await pilot.press("a")
        await shows(pilot, "as training changes them")
        assert view.tiles[0].image is not None and view.tiles[0].image.max() == 90
        await pilot.press("a")
        await shows(pilot, "as stored")


async def test_without_colours_samples_are_drawn_in_plain_characters(
    own_run: SyntheticRun, talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)
    talk(parts())
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await looked_through(pilot)
        await pilot.press("4")
        await shows(pilot, "")
        assert "▀" not in screen_text(pilot)


async def test_data_without_pictures_says_so_and_lists_the_samples(own_run: SyntheticRun, talk: Talk):
    samples = [{**sample, "image": None, "augmented": None} for sample in FOUND["samples"]["samples"]]
    talk(parts(samples={"classes": ["closed", "open"], "samples": samples, "no_pictures": "nothing can be drawn"}))
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await looked_through(pilot)
        await pilot.press("4")
        await shows(pilot, "nothing can be drawn")
        assert "7.png" in screen_text(pilot)


async def test_a_part_that_is_missing_says_why(own_run: SyntheticRun, talk: Talk):
    talk(parts(sampler={"missing": "no batch can be formed"}, samples={"missing": "no thumbnails today"}))
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await looked_through(pilot)
        await shows(pilot, "! no batch can be formed")
        await pilot.press("4")
        await shows(pilot, "no thumbnails today")


async def test_what_goes_wrong_is_said(own_run: SyntheticRun, talk: Talk):
    talk(["trainctl: error: no file or folder /my/eyes (check --data)"])
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await opened(pilot)
        await shows(pilot, "× no file or folder /my/eyes")


async def test_a_run_without_a_configuration_has_no_data_to_look_at(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 100/200")
        await pilot.press("i")
        await until(pilot, lambda: any("configuration is not known yet" in text for text in toasts(pilot)))


@pytest.mark.slow
async def test_a_real_look_at_the_data_of_a_run(live_run: SyntheticRun):
    live_run.paths.config.write_text(
        resolve("eyes/balanced", overrides=["data.samples=200", "train.batch_size=16"]).to_yaml()
    )
    write_meta(live_run.paths, {"schema": 1, "preset": "eyes/balanced", "scale": "small", "data": None})
    async with CockpitApp(live_run.paths, readonly=True).run_test(size=MEDIUM) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "✓ looked through" in screen_text(pilot), limit_s=60)
        await shows(pilot, "train: 160 samples")
        await pilot.press("4")
        await shows(pilot, "built-in eye")
        await shows(pilot, "▀▀▀▀▀▀▀▀▀▀")


def test_bytes_that_do_not_fit_are_black_not_an_error():
    assert unpacked({"height": 2, "width": 2, "data": "AAAA"}).shape == (2, 2, 3)
    assert tiles_of({}, augmented=False) == []
