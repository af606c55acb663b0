"""A list that is kept: what it says, and what it reads again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_run_directories import SampleRun

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.folder.listing import RunListing
from trainctl.engine.runs.folder.removal import DOING
from trainctl.engine.runs.folder.trial import TRIAL_NAME, Trial
from trainctl.engine.runs.index import SmallFiles, list_runs, read_small_files
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness

FIRST, SECOND = "20260101-120000-eyes-a-00aa", "20260102-120000-eyes-b-00bb"


@pytest.fixture
def two(tmp_path: Path) -> tuple[SampleRun, SampleRun]:
    """A run that is over and one that goes on."""
    over, live = SampleRun(tmp_path, FIRST), SampleRun(tmp_path, SECOND)
    over.end()
    return over, live


def test_the_kept_list_says_what_a_new_one_says(tmp_path: Path, two: tuple[SampleRun, SampleRun]):
    listing = RunListing(tmp_path)
    for _ in range(2):
        infos = listing.refresh()
        assert [(i.name, i.state, i.step, i.best) for i in infos] == [
            (i.name, i.state, i.step, i.best) for i in list_runs(tmp_path)
        ]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs whose files were read."""
    names: list[str] = []

    def reading(paths: RunPaths) -> SmallFiles:
        names.append(paths.root.name)
        return read_small_files(paths)

    monkeypatch.setattr("trainctl.engine.runs.folder.listing.read_small_files", reading)
    return names


def test_only_changed_runs_are_read_again_and_the_others_are_the_same_objects(
    tmp_path: Path, two: tuple[SampleRun, SampleRun], read: list[str]
):
    listing = RunListing(tmp_path)
    before = listing.refresh()
    after = listing.refresh()
    assert read == [SECOND, FIRST] and after[1] is before[1]
    two[1].go(5)
    after = listing.refresh()
    assert read == [SECOND, FIRST, SECOND] and after[0].step == 25 and after[1] is before[1]


def test_a_process_that_ends_without_a_word_is_noticed_without_a_changed_file(tmp_path: Path, read: list[str]):
    run = SampleRun(tmp_path, FIRST)
    listing = RunListing(tmp_path)
    (live,) = listing.refresh(now=run_time(run))
    (crashed,) = listing.refresh(now=run_time(run) + 1e6)
    assert live.liveness is Liveness.LIVE and crashed.liveness is Liveness.SILENT and read == [FIRST]


def run_time(run: SampleRun) -> float:
    return float(json.loads(run.paths.status.read_text())["heartbeat"])


def test_runs_come_and_go_and_a_limit_keeps_the_newest(tmp_path: Path, two: tuple[SampleRun, SampleRun]):
    listing = RunListing(tmp_path)
    assert [info.name for info in listing.refresh(1)] == [SECOND]
    SampleRun(tmp_path, "20260103-120000-eyes-c-00cc")
    two[0].paths.root.rename(tmp_path / f"{DOING}x")
    assert [info.name for info in listing.refresh()] == ["20260103-120000-eyes-c-00cc", SECOND]
    assert RunListing(tmp_path / "nowhere").refresh() == []


def test_a_run_that_goes_on_has_the_best_so_far(tmp_path: Path):
    run = SampleRun(tmp_path, FIRST)
    measured = {"monitor": "loss", "monitor_mode": "min", "best": True}
    run.events.append(EventKind.VALIDATION, 10, epoch=1, raw={"loss": 0.5}, ema={"loss": 0.4}, **measured)
    run.events.append(EventKind.VALIDATION, 20, epoch=2, raw={"loss": 0.7}, monitor="loss", monitor_mode="min")
    run.go(1)
    (info,) = RunListing(tmp_path).refresh()
    assert info.best is not None and (info.best.metric, info.best.value, info.best.epoch) == ("loss", 0.4, 1)


@pytest.mark.parametrize(
    ("content", "trial"),
    [
        ('{"study": "lr", "number": 3, "state": "pruned"}', Trial("lr", 3, "pruned")),
        ('{"study": "lr", "number": "3"}', Trial("lr")),
        ('{"study": "", "number": 3}', None),
        ('{"study": 5}', None),
        ("[1]", None),
        ("{", None),
    ],
)
def test_a_trial_names_its_study_and_nonsense_is_left_out(tmp_path: Path, content: str, trial: Trial | None):
    run = SampleRun(tmp_path, FIRST)
    run.end(RunState.FINISHED)
    (run.paths.root / TRIAL_NAME).write_text(content)
    (info,) = RunListing(tmp_path).refresh()
    assert info.trial == trial and not info.problem
