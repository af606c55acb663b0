"""Ranks side by side: the one that the others wait for stands out; a run of one process has no such panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pilots import MEDIUM, cockpit, shows
from synthetic_run import NewRun

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.pace import PaceReader, RankPace, newest_paces
from trainctl.engine.runs.ranks.side_by_side import BUSY, UNMEASURED
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter
from trainctl.tui.app import CockpitApp
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.ranks import RankPanel, has_ranks

LAYOUT = RecordLayout(terms=("bce",), scalars=(BUSY,), unmeasured=UNMEASURED)


def write_ranks(run: RunPaths, *taken: tuple[float, float], steps: int = 100) -> None:
    """Records of ranks that fetch and work for so many seconds a step."""
    for rank, (fetched, busy) in enumerate(taken):
        paths = run.of_rank(rank)
        paths.root.mkdir(parents=True)
        rows = np.zeros(steps, LAYOUT.dtype)
        rows["step"], rows["loss"], rows["batch_size"] = np.arange(1, steps + 1), 0.5 + rank, 8
        rows["data_s"], rows[f"scalar.{BUSY}"] = fetched, busy
        writer = StepWriter(paths, LAYOUT)
        writer.append(rows)
        writer.close()


def seen(*ranks: RankPace) -> RunView:
    return RunView(RunPaths(Path("run")), ranks=ranks)


def rows_of(view: RunView, width: int = 60, height: int = 10) -> list[str]:
    return [row.plain for row in RankPanel().rows(view, Scene(), width, height)]


async def test_the_rank_that_the_others_wait_for_is_named(new_run: NewRun):
    run = new_run().begin()
    run.train(100)
    write_ranks(run.paths, (0.001, 0.009), (0.001, 0.029))
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "Ranks")
        await shows(pilot, "rank 1 takes 3.00 times as long as rank 0")
        await shows(pilot, "rank 0  10 ms")
        assert cockpit(pilot).panels["ranks"].display


def test_one_process_has_no_such_panel(new_run: NewRun):
    run = new_run().begin()
    assert newest_paces(run.paths) == () and not has_ranks(seen())


def test_bars_are_of_one_scale_and_show_what_is_waited():
    fast, slow = RankPace(0, 0.001, 0.009, 0.5, 8), RankPace(1, 0.01, 0.01, 0.6, 8)
    first, second = rows_of(seen(fast, slow))
    width = sum(second.count(sign) for sign in "░█")
    assert second.count("·") == 0 and second.count("░") == pytest.approx(width / 2, abs=1)
    assert first.count("·") == pytest.approx(width / 2, abs=1)
    assert first.endswith("loss 0.5, 8 samples") and second.endswith("loss 0.6, 8 samples")


def test_of_more_ranks_than_rows_the_slowest_are_shown():
    ranks = [RankPace(k, 0.0, 0.001 * (k + 1), 0.5, 8) for k in range(64)]
    found = rows_of(seen(*ranks), height=4)
    assert [row.split("  ")[0].strip() for row in found] == ["rank 63", "rank 62", "rank 61", "+61 ranks, none slower"]


@pytest.mark.parametrize("width", [1, 8, 20, 200])
def test_whatever_is_known_fits(width: int):
    ranks = (RankPace(0, float("nan"), 0.1, float("nan"), 0), RankPace(1, 0.0, 0.0, float("inf"), 10**9))
    assert max(map(len, rows_of(seen(*ranks), width))) <= width
    assert RankPanel().note(seen(*ranks)) == ""


def test_ranks_are_looked_at_once_a_second(new_run: NewRun):
    run, now = new_run().begin(), [0.0]
    reader = PaceReader(run.paths, lambda: now[0])
    reader.poll()
    write_ranks(run.paths, (0.001, 0.009), (0.001, 0.029))
    reader.poll()
    assert reader.found == ()
    now[0] = 1.5
    reader.poll()
    assert [pace.rank for pace in reader.found] == [0, 1]


def test_what_takes_long_to_look_at_is_looked_at_less_often(new_run: NewRun, monkeypatch: pytest.MonkeyPatch):
    run, now, looks = new_run().begin(), [0.0], list[float]()

    def slowly(paths: RunPaths) -> tuple[RankPace, ...]:
        looks.append(now[0])
        now[0] += 0.5
        return ()

    monkeypatch.setattr("trainctl.engine.runs.ranks.pace.newest_paces", slowly)
    reader = PaceReader(run.paths, lambda: now[0])
    for _ in range(100):
        reader.poll()
        now[0] += 0.25
    assert len(looks) == 3 and looks[1] - looks[0] == pytest.approx(10.5, abs=0.25)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_ranks_that_cannot_be_read_are_none(new_run: NewRun, content: bytes):
    run = new_run().begin()
    write_ranks(run.paths, (0.001, 0.009), (0.001, 0.029))
    run.paths.of_rank(0).steps_layout.write_bytes(content)
    run.paths.of_rank(1).steps_layout.write_bytes(content)
    assert newest_paces(run.paths) == ()
