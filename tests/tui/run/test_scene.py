"""Zooming and panning never lose the run, whatever the order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.run.scene import MIN_WINDOW, LossMode, Scene, Unit, following

extents = st.tuples(st.integers(0, 10**7), st.integers(1, 10**7)).map(lambda pair: (float(pair[0]), float(sum(pair))))
moves = st.lists(
    st.one_of(
        st.tuples(st.just("zoom"), st.sampled_from([0.5, 0.8, 1.25, 2.0]), st.none() | st.floats(-10, 2e7)),
        st.tuples(st.just("pan"), st.floats(-3, 3), st.none()),
        st.tuples(st.just("cursor"), st.floats(-1, 1), st.none()),
    ),
    max_size=30,
)


@given(extents, moves)
def test_any_moves_leave_a_window_inside_the_run(
    extent: tuple[float, float], moves: list[tuple[str, float, float | None]]
):
    scene = Scene()
    for kind, amount, around in moves:
        if kind == "zoom":
            scene.zoom(amount, around, extent)
        elif kind == "pan":
            scene.pan(amount, extent)
        else:
            scene.move_cursor(amount, extent)
        if scene.window is not None:
            start, stop = scene.window
            assert extent[0] - 1e-6 <= start < stop <= extent[1] + 1e-6
            assert stop - start >= MIN_WINDOW * (1 - 1e-9)
        if kind == "cursor":
            low, high = scene.window or extent
            assert scene.cursor is not None and low - 1 <= scene.cursor <= max(high - 1, low)


def test_zooming_keeps_the_step_under_the_pointer_where_it_is():
    scene = Scene()
    scene.zoom(0.5, 250, (0, 1000))
    assert scene.window == (125, 625)
    scene.zoom(0.5, 250, (0, 1000))
    assert scene.window == (187.5, 437.5)


def test_zoomed_out_to_everything_it_follows_the_run_again():
    scene = Scene()
    scene.zoom(0.5, None, (0, 1000))
    scene.zoom(2.0, None, (0, 1000))
    assert scene.window is None


def test_panning_stops_at_the_ends():
    scene = Scene(window=(100, 200))
    scene.pan(-5, (0, 1000))
    assert scene.window == (0, 100)
    scene.pan(50, (0, 1000))
    assert scene.window == (900, 1000)


def test_nothing_to_look_at_changes_nothing():
    scene = Scene()
    scene.zoom(0.5, None, (0, 0))
    scene.pan(1, (0, 0))
    scene.move_cursor(1, (0, 0))
    assert scene == Scene()


def test_choices_go_round():
    assert [following(unit) for unit in Unit] == [Unit.EPOCH, Unit.TIME, Unit.STEP]
    assert following(LossMode.SHARE) is LossMode.WEIGHT
    assert following(LossMode.WEIGHT) is LossMode.WEIGHTED
