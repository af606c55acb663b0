"""The panel of the worst samples: what the user sees of the file that the run wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, screen_text, shows, until, until_in_view
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.validated.samples import WorstSamples, write_samples
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.halfblocks import RAMP
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.widgets.pictures import Caption, shortened
from trainctl.tui.widgets.worst_images import WorstPanel, tiles_of


def worst(count: int = 12, step: int = 100, **changes: Any) -> WorstSamples:
    """White squares in black pictures; all but the last were answered wrongly."""
    images = np.zeros((count, 24, 48, 3), np.uint8)
    images[:, 6:18, 12:36] = (255, 255, 255)
    values: dict[str, Any] = {
        "step": step,
        "epoch": 2,
        "num_samples": 1200,
        "losses": np.linspace(5, 1, count, dtype=np.float32),
        "truths": ("open",) * count,
        "predictions": (*("closed 97%",) * (count - 1), "open 51%"),
        "names": tuple(f"val/eye_{k}.png" for k in range(count)),
        "images": images,
    }
    return WorstSamples(**(values | changes))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)


def panel(pilot: Pilot[None]) -> WorstPanel:
    return pilot.app.screen.query_one(WorstPanel)


def shown(pilot: Pilot[None]) -> int:
    """Pictures that can be seen."""
    return screen_text(pilot).count("× open") + screen_text(pilot).count("✓ open")


async def look(pilot: Pilot[None]) -> str:
    """The panel in full size."""
    panel(pilot).focus()
    await pilot.press("m")
    await until(pilot, lambda: panel(pilot).size.height > 15)
    await pilot.pause(0.05)
    return screen_text(pilot)


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_pictures_stand_beside_each_other_with_truth_answer_and_loss(
    live_run: SyntheticRun, size: tuple[int, int]
):
    write_samples(live_run.paths, worst())
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "step 100/200")
        await until_in_view(
            pilot, panel(pilot), lambda: f"{shown(pilot)} of 12 with the largest loss of 1,200" in screen_text(pilot)
        )
        text = screen_text(pilot)
        assert (
            "step 100, raw weights" in text
            and "▀▀▀▀" in text
            and "× open" in text
            and "  loss 5" in text
            and "closed 97%" in text
        )
        await pilot.press("m")
        await until(pilot, lambda: panel(pilot).size.width >= size[0] - 3)
        await until(pilot, lambda: f"{shown(pilot)} " in str(panel(pilot).border_subtitle))


async def test_a_large_panel_shows_all_of_them_with_their_names(live_run: SyntheticRun):
    write_samples(live_run.paths, worst())
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        text = await look(pilot)
        assert text.count("× open") == 11 and text.count("✓ open") == 1
        assert "eye_0.png" in text and "eye_11.png" in text and "val/eye" not in text


async def test_without_colours_pictures_are_drawn_in_plain_characters(live_run: SyntheticRun, plain: None):
    write_samples(live_run.paths, worst())
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        text = await look(pilot)
        assert "▀" not in text and RAMP[-1] * 8 in text


async def test_colours_are_those_of_the_picture(live_run: SyntheticRun):
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0, 0], images[0, 1] = (250, 10, 20), (10, 20, 250)
    one = worst(1, images=images, predictions=("closed 97%",))
    write_samples(live_run.paths, one)
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100, raw weights")
        await look(pilot)
        styles = [segment.style for segment in panel(pilot).render_line(0) if segment.style]
        assert any(style.color and style.color.triplet == (250, 10, 20) for style in styles)


async def test_a_new_validation_replaces_the_pictures(live_run: SyntheticRun):
    write_samples(live_run.paths, worst())
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100, raw weights")
        live_run.train(20)
        write_samples(live_run.paths, worst(step=120))
        live_run.events.append(EventKind.VALIDATION, 120, epoch=3, raw={"loss": 0.3, "f1": 0.9})
        await shows(pilot, "step 120, raw weights")


async def test_a_torn_file_is_a_warning_and_the_rest_is_shown(live_run: SyntheticRun):
    write_samples(live_run.paths, worst())
    live_run.paths.samples.write_bytes(live_run.paths.samples.read_bytes()[:500])
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        await shows(pilot, "no validation yet")
        await shows(pilot, "! warning")


async def test_samples_without_pictures_are_listed(live_run: SyntheticRun):
    write_samples(live_run.paths, worst(images=np.zeros((12, 0, 0, 3), np.uint8)))
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        text = await look(pilot)
        assert text.count("closed 97%") == 11 and "▀" not in text


def crops(count: int = 12) -> WorstSamples:
    """Noisy squares: distortions with long names and short ones, none of them answered exactly."""
    kinds = [("jpeg 4 0.24", "0.61"), ("non_eccentricity_patch 2 0.73", "-0.02"), ("pristine 1.00", "0.44")]
    words = [kinds[k % 3] for k in range(count)]
    return worst(
        count,
        truths=tuple(truth for truth, _ in words),
        predictions=tuple(answer for _, answer in words),
        names=tuple(f"photos/cat.jpg at 12,{k} {truth.rpartition(' ')[0]}" for k, (truth, _) in enumerate(words)),
        images=np.random.default_rng(0).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8),
        losses=np.linspace(0.5625, 0.1, count, dtype=np.float32),
    )


@pytest.fixture
def quality_run(new_run: NewRun):
    run = new_run(preset="quality/balanced", classes=()).begin()
    run.train(100)
    run.validate(2, 0.4, 0.9)
    return run


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_scores_are_shown_beside_each_other_and_not_called_wrong(
    quality_run: SyntheticRun, size: tuple[int, int]
):
    write_samples(quality_run.paths, crops())
    async with CockpitApp(quality_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "step 100/200")
        await until_in_view(
            pilot,
            panel(pilot),
            lambda: all(words in screen_text(pilot) for words in ("with the largest loss of 1,200", "0.61", "2 0.73")),
        )
        text = screen_text(pilot)
        assert "jpeg 4 0.24" in text and "0.61" in text and "▀▀▀▀" in text
        assert "2 0.73" in text and "× jpeg" not in text and "× 0.61" not in text and "✓ pristine" not in text


async def test_a_large_panel_says_what_each_crop_is_and_how_far_off_its_answer(quality_run: SyntheticRun):
    write_samples(quality_run.paths, crops())
    async with CockpitApp(quality_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        text = await look(pilot)
        assert text.count("jpeg 4 0.24") == 4 and text.count("patch 2 0.73") == 4
        assert "loss 0.562" in text and "at 12,0 jpeg 4" in text


@pytest.mark.parametrize(("width", "start", "end"), [(20, "jpeg 4 0.24", "jpeg 4 0.24"), (6, "jpeg+6", "6+0.24")])
def test_a_caption_that_does_not_fit_loses_its_end_or_its_beginning(width: int, start: str, end: str):
    assert shortened(Caption("jpeg 4 0.24", "text"), width) == start
    assert shortened(Caption("jpeg 4 0.24", "text", keeps_end=True), width) == end


def test_wide_characters_are_left_out_whole():
    assert shortened(Caption("眼睛眼睛 1", "text", keeps_end=True), 6) == "3+睛 1"


async def test_other_tasks_have_no_such_panel(new_run: NewRun):
    run = new_run(preset="mine").begin()
    run.train(10)
    async with CockpitApp(run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 10/200")
        assert "Worst samples" not in screen_text(pilot)


CLASSES = ("left", "left eye", "left 2", "right eye")


@pytest.mark.parametrize(
    ("truth", "answer", "mark"),
    [
        ("left eye", "left eye 93%", "✓"),
        ("left", "left eye 93%", "×"),
        ("left eye", "left 93%", "×"),
        ("left", "left 93%", "✓"),
        ("left", "left 2", "×"),
        ("right eye", "right eye", "✓"),
        ("right eye", "left eye 51%", "×"),
    ],
)
def test_class_names_of_several_words_are_compared_whole(truth: str, answer: str, mark: str):
    (tile,) = tiles_of(worst(1, truths=(truth,), predictions=(answer,)), CLASSES)
    assert tile.captions[0].text.startswith(f"{mark} {truth}")


def test_a_run_that_says_which_answers_are_right_is_believed():
    tiles = tiles_of(worst(2, truths=("a", "a"), predictions=("why not", "a"), rights=(True, False)), ("a", "b"))
    assert [tile.captions[0].text[0] for tile in tiles] == ["✓", "×"]
