"""What the user sees and what reaches the run, key by key."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, commands, screen_text, session_of, shows, toasts, until
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import RunState
from trainctl.tui.actions import ACTIONS
from trainctl.tui.app import CockpitApp
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screens.dialogs.choice import ChoiceScreen
from trainctl.tui.widgets.gradients import GradientPanel
from trainctl.tui.widgets.learning_rate import LearningRatePanel
from trainctl.tui.widgets.loss import LossPanel


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_a_glance_says_state_progress_and_verdict(live_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "step 100/200 50%")
        await shows(pilot, "no problem seen so far")
        text = screen_text(pilot)
        for expected in ("RUNNING", "eyes/balanced", "epoch 3/4", "ETA 3 min 20 s", "45.2 steps/s", "live"):
            assert expected in text


@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_every_key_of_the_footer_fits(live_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "q quit")
        last = screen_text(pilot).splitlines()[-1]
        assert [
            f"{a.shown_key} {a.label}" for a in ACTIONS if a.footer and f"{a.shown_key} {a.label}" not in last
        ] == []


async def test_loss_shows_total_terms_and_validation(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "val ema 0.45")
        for name in ("bce  1 ×", "aux  0.5 × 0.3 = 0.15", "total", "● val 0.4", "◆ val ema 0.45"):
            await shows(pilot, name)
        await pilot.press("m")  # two points of one epoch may share a cell of a small panel
        await until(pilot, lambda: pilot.app.screen.query_one(LossPanel).size.height > 30)
        drawn = pilot.app.screen.query_one(LossPanel).as_text()
        assert drawn.count("●") == drawn.count("◆") == 1, "at the newest: before it the lines are joined"


async def test_learning_rate_shows_the_plan_ahead_and_where_we_are(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "warmup 20 steps")
        drawn = pilot.app.screen.query_one(LearningRatePanel).as_text()
        assert "^100" in drawn and "200 step" in drawn and "░" in drawn
        right_half = [line[len(line) * 3 // 4 :] for line in drawn.splitlines()[:-1]]
        assert any(0x2800 < ord(char) < 0x2900 for line in right_half for char in line)


async def test_gradients_name_the_clip_norm_and_what_is_frozen(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "clip at 5 · frozen: teacher")
        assert "stem" in screen_text(pilot) and "head" in screen_text(pilot)


async def test_classes_show_shares_and_the_batch(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "closed █")
        row = next(line for line in screen_text(pilot).splitlines() if "closed █" in line)
        counts = live_run_counts(pilot)
        share = 100 * counts[0] / counts.sum()
        assert f"{share:.1f}%" in row and "│" in row


def live_run_counts(pilot: Pilot[None]) -> np.ndarray:
    """Class counts of the epoch in progress."""
    return present(session_of(pilot).view.epoch_counts)


async def test_a_class_that_an_epoch_never_saw_is_named(new_run: NewRun):
    run = new_run().begin()
    run.train(60, classes=[0, 64])
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "missing last epoch: closed")
        await shows(pilot, "! warning  no sample of closed in the last epoch")


async def test_the_log_holds_console_and_events(live_run: SyntheticRun):
    live_run.say("loading 1000 images")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "loading 1000 images")
        cockpit(pilot).log_panel.focus()
        await pilot.press("m")
        await shows(pilot, "epoch 2  val    loss 0.4  f1 0.9")


async def test_records_written_later_appear(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        live_run.train(20)
        await shows(pilot, "step 120/200")
        assert pilot.app.screen.query_one(LossPanel).content.span() == (0, 201), "from the start to the planned end"


@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_an_empty_run_says_starting(empty_run: RunPaths, size: tuple[int, int]):
    async with CockpitApp(empty_run).run_test(size=size) as pilot:
        await shows(pilot, "STARTING")
        assert "no step yet" in screen_text(pilot)


async def test_a_half_written_run_is_shown_as_far_as_it_goes(live_run: SyntheticRun):
    live_run.paths.meta.write_text("{")
    with live_run.paths.steps.open("ab") as file:
        file.write(b"torn")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        await shows(pilot, "! warning")


async def test_a_crashed_run_says_so(live_run: SyntheticRun):
    live_run.status(RunState.RUNNING, process_start=1, heartbeat=time.time() - 40)
    live_run.say("RuntimeError: boom")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "PRESUMED CRASHED")
        assert "× error" in screen_text(pilot) and "silent 4" in screen_text(pilot)
        await shows(pilot, "RuntimeError: boom")


async def test_a_loss_that_is_not_finite_is_an_error_and_marked(live_run: SyntheticRun):
    live_run.train(1, loss=np.nan)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "× error  the loss is not finite at step 101")
        assert "×" in pilot.app.screen.query_one(LossPanel).as_text().splitlines()[0]


@pytest.mark.parametrize(("key", "verb"), [("space", "pause"), ("c", "checkpoint"), ("v", "validate")])
@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_a_key_asks_the_run_and_the_acknowledgement_is_shown(
    live_run: SyntheticRun, key: str, verb: str, size: tuple[int, int]
):
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press(key)
        await shows(pilot, f"asked: {verb}")
        (command,) = commands(live_run)
        assert command["verb"] == verb and command["sender"] == "cockpit"
        live_run.events.append(EventKind.COMMAND, 101, id=command["id"], verb=verb, args={}, effect="it took effect")
        await until(pilot, lambda: any(f"step 101: {verb}: it took effect" in text for text in toasts(pilot)))
        assert session_of(pilot).view.asked == {}


async def test_space_resumes_a_paused_run(live_run: SyntheticRun):
    live_run.status(RunState.PAUSED)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "PAUSED")
        await pilot.press("space")
        assert commands(live_run)[0]["verb"] == "resume"


@pytest.mark.parametrize(
    ("typed", "op", "value"), [("0.25", "mul", 0.25), ("x0.25", "mul", 0.25), ("=3e-4", "set", 3e-4)]
)
async def test_a_typed_learning_rate_is_a_factor_unless_it_says_equals(
    live_run: SyntheticRun, typed: str, op: str, value: float
):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("l")
        pilot.app.screen.query_one(Input).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: bool(commands(live_run)))
        assert commands(live_run)[0]["args"] == {"name": "lr", "op": op, "value": value}


async def test_a_learning_rate_that_makes_no_sense_is_explained_and_not_sent(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("l")
        pilot.app.screen.query_one(Input).value = "-3"
        await pilot.press("enter")
        await shows(pilot, "is not above 0")
        await pilot.press("escape")
        assert commands(live_run) == []


async def test_y_makes_the_axis_of_the_chosen_panel_logarithmic(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("y")
        await shows(pilot, "Loss log")
        pilot.app.screen.query_one(GradientPanel).focus()
        await pilot.press("y")
        await until(pilot, lambda: "Gradient norm log" not in screen_text(pilot))
        await pilot.press("y")
        await shows(pilot, "Gradient norm log")


async def test_m_lets_a_panel_fill_the_screen_and_back(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "Gradient norm")
        await pilot.press("m")
        await until(pilot, lambda: "Gradient norm" not in screen_text(pilot))
        assert pilot.app.screen.query_one(LossPanel).size.width > 110
        await pilot.press("m")
        await shows(pilot, "Gradient norm")


@pytest.mark.few(3)
@pytest.mark.parametrize("number", range(1, 8))
async def test_any_panel_fills_a_small_screen(live_run: SyntheticRun, number: int):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press(str(number), "m")
        await until(pilot, lambda: cockpit(pilot).zoomed is not None)
        await until(pilot, lambda: cockpit(pilot).panels[present(cockpit(pilot).zoomed)].outer_size.height == 20)
        text = screen_text(pilot)
        assert "RUNNING" in text and "q quit" in text, "header and keys stay"
        await pilot.press("escape")
        await until(pilot, lambda: cockpit(pilot).zoomed is None)


async def test_help_lists_every_key(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("question_mark")
        await shows(pilot, "esc closes")
        page = str(pilot.app.screen.query_one(Static).content)
        assert all(action.help in page for action in ACTIONS)
        await pilot.press("escape")
        assert pilot.app.screen is cockpit(pilot)


async def test_keys_of_the_cockpit_do_nothing_under_a_dialog(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("question_mark", "s", "c", "v")
        assert commands(live_run) == []


async def test_the_palette_offers_the_same_actions(live_run: SyntheticRun):
    app = CockpitApp(live_run.paths)
    async with app.run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert all(f"{action.label} ({action.shown_key})" in titles for action in ACTIONS)


async def test_a_finding_of_the_palette_acts(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("ctrl+p")
        await pilot.press(*"save")
        await shows(pilot, "Write a checkpoint now.")
        await pilot.press("down", "enter")
        await until(pilot, lambda: bool(commands(live_run)))
        assert commands(live_run)[0]["verb"] == "checkpoint"


@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_a_run_is_not_ended_without_a_question(live_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "step 100/200")
        await pilot.press("s")
        await shows(pilot, "Go on training")
        await pilot.press("s", "enter")  # what is typed on does not end it either
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))
        assert commands(live_run) == []
        await pilot.press("s")
        await shows(pilot, "Stop: finish this step")
        await pilot.press("down", "enter")
        await until(pilot, lambda: [command["verb"] for command in commands(live_run)] == ["stop"])
        await shows(pilot, "asked: stop")
        assert "It was asked to stop" in session_of(pilot).farewell()


@pytest.mark.few(2)
@pytest.mark.parametrize("key", ["space", "s", "c", "v", "l"])
async def test_readonly_refuses_and_says_so(live_run: SyntheticRun, key: str):
    async with CockpitApp(live_run.paths, readonly=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press(key)
        await until(pilot, lambda: any("read only" in text for text in toasts(pilot)))
        assert commands(live_run) == []


async def test_a_run_that_is_over_takes_no_commands(live_run: SyntheticRun):
    live_run.status(RunState.FINISHED)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        await pilot.press("space")
        await until(pilot, lambda: any("the run is over" in text for text in toasts(pilot)))
        assert commands(live_run) == []


async def test_a_preset_shows_the_difference_before_it_starts(live_run: SyntheticRun, tmp_path: Path):
    request = LaunchRequest(live_run.paths.root.parent, preset="eyes/balanced")
    async with CockpitApp(live_run.paths, request).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("p")
        await shows(pilot, "● eyes/balanced  (present")
        options = pilot.app.screen.query_one(OptionList)
        index = next(
            k for k in range(options.option_count) if "eyes/conservative" in str(options.get_option_at_index(k).prompt)
        )
        options.highlighted = index
        await pilot.press("enter")
        await shows(pilot, "loss.name")
        assert "focal -> bce" in screen_text(pilot)
        await pilot.press("escape")
        assert len(list(live_run.paths.root.parent.glob("*eyes*"))) == 1


async def test_choosing_a_preset_starts_a_new_run_and_shows_it(live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch):
    started: list[LaunchRequest] = []

    def fake(request: LaunchRequest):
        from trainctl.engine.runs.index import create_run

        started.append(request)
        return create_run(request.runs_dir, request.preset or "run"), None

    monkeypatch.setattr("trainctl.tui.app.launch", fake)
    request = LaunchRequest(live_run.paths.root.parent, preset="eyes/balanced", scale="small")
    async with CockpitApp(live_run.paths, request).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit(pilot).confirm_preset("eyes/current")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChoiceScreen))
        await pilot.press("down", "enter")  # stop the present one first
        await shows(pilot, "STARTING")
        assert started[0].preset == "eyes/current" and started[0].scale == "small"
        assert commands(live_run)[0]["verb"] == "stop"


@pytest.mark.parametrize(("downs", "verbs"), [(0, []), (1, ["stop"])])
async def test_leaving_detaches_or_stops(live_run: SyntheticRun, downs: int, verbs: list[str]):
    app = CockpitApp(live_run.paths)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("q")
        await shows(pilot, "Detach: the training goes on")
        await pilot.press(*["down"] * downs, "enter")
        await until(pilot, lambda: not app.is_running or app._exit)
    assert [command["verb"] for command in commands(live_run)] == verbs


async def test_escape_stays(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("q", "escape")
        assert pilot.app.screen is cockpit(pilot)


async def test_light_theme_and_no_colour_draw_the_same_characters(
    live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "not enough to judge")
        dark = screen_text(pilot)
        await pilot.press("t", "down", "enter")
        await until(pilot, lambda: pilot.app.theme == "trainctl-light")
        await until(pilot, lambda: screen_text(pilot) == dark)
    monkeypatch.setenv("NO_COLOR", "1")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        await shows(pilot, "no problem seen so far")
        assert pilot.app.no_color and pilot.app.theme == "trainctl-no-colour"


async def test_a_theme_of_textual_works_too(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        pilot.app.theme = "nord"
        await pilot.pause()
        assert "RUNNING" in screen_text(pilot)


async def test_the_farewell_says_how_to_come_back(live_run: SyntheticRun):
    app = CockpitApp(live_run.paths)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
    text = present(app.session).farewell()
    assert "is running at step 100/200" in text and f"trainctl ui {live_run.paths.root}" in text
    assert "\n" not in text


async def test_a_run_that_cannot_be_read_is_explained(live_run: SyntheticRun, tmp_path: Path):
    live_run.paths.status.write_text('{"schema": 99}')
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: any("schema 99" in text for text in toasts(pilot)))


async def test_an_event_that_the_trainer_also_prints_stands_in_the_log_once(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=(160, 50)) as pilot:
        await shows(pilot, "RUNNING")
        cockpit(pilot).log_panel.focus()
        await pilot.press("m")
        text = "the loader left out three unreadable files"
        live_run.events.append(EventKind.NOTE, 1, text=text)
        with live_run.paths.console.open("a") as console:
            console.write(f"12:00:00 note: {text}\nsomething of the task's own\n")
        await shows(pilot, "something of the task's own")
        assert screen_text(pilot).count(text) == 1


async def test_a_contrastive_run_shows_how_far_from_collapse_it_is(runs_dir: Path):
    run = SyntheticRun(runs_dir, "weld/warmup", scalars=("mean_cosine", "no_positive", "positives")).begin()
    run.train(30, scalar__mean_cosine=0.97, scalar__no_positive=4, scalar__positives=1.5)
    run.validate(1, 0.5, 0.8, supcon_normalised=0.9)
    async with CockpitApp(run.paths).run_test(size=(160, 50)) as pilot:
        for said in ("mean cosine 0.97", "● val supcon 0.9", "all embeddings equal"):
            await shows(pilot, said)
        for said in ("anchors without a positive: 4", "positives/anchor 1.5"):
            await shows(pilot, said)


async def test_panels_of_another_task_stay_away(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=(160, 50)) as pilot:
        await shows(pilot, "Worst samples")
        assert "Embedding" not in screen_text(pilot)


async def test_a_preset_of_ones_own_keeps_the_panels_of_its_task(live_run: SyntheticRun) -> None:
    write_meta(live_run.paths, {"schema": 1, "preset": "mine.yaml", "task": "eyes", "started": time.time()})
    app = CockpitApp(live_run.paths)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: session_of(pilot).view.meta is not None)
        assert session_of(pilot).task == "eyes"
        await shows(pilot, "Worst samples")
