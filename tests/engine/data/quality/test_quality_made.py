"""Made pictures: their kinds and scores, their seeds, and that the real distortions were applied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from quality_files import distort_cheaply

from trainctl.engine.data.distortions.apply import distort
from trainctl.engine.data.progress import Report, report
from trainctl.engine.data.quality import made as quality_made
from trainctl.engine.data.quality.made import choose_kinds, kinds, make_copies
from trainctl.engine.data.quality.photographs import built_in_references


@pytest.fixture
def tiles() -> np.ndarray:
    return built_in_references(3, 16, 0).images


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Callable[..., torch.Tensor]:
    monkeypatch.setattr(quality_made, "distort", distort_cheaply)
    return every_copy


def every_copy(references: np.ndarray, *, pristine: bool, seed: int, progress: Report = report) -> torch.Tensor:
    """All kinds of copies of every reference."""
    num_kinds = len(kinds(pristine=pristine))
    chosen = choose_kinds(len(references), len(references) * num_kinds, num_kinds, seed)
    return make_copies(references, chosen, pristine=pristine, seed=seed, progress=progress)


def test_there_are_125_kinds_and_the_reference_with_scores_from_the_opinions() -> None:
    made = kinds(pristine=True)
    assert len(made) == 126
    assert (made[0].number, made[0].level, made[0].score) == (0, 0, 1.0)
    jpeg = next(kind for kind in made if str(kind) == "I10 jpeg 4")
    assert jpeg.score == pytest.approx((1.95 - 1) / 4)
    assert len({(kind.number, kind.level) for kind in kinds(pristine=False)}) == 125


def test_copies_are_the_real_distortions_of_each_reference(tiles: np.ndarray) -> None:
    copies = every_copy(tiles, pristine=True, seed=0).unflatten(0, (3, 126))
    assert copies.dtype == torch.uint8
    assert (copies[:, 0].numpy() == tiles).all()
    for column, kind in enumerate(kinds(pristine=True)):
        if kind.number in (1, 7, 17, 21):  # nothing random in them
            exact = distort(torch.from_numpy(tiles) / 255, kind.number, kind.level, torch.Generator())
            assert (copies[:, column].float() - exact * 255).abs().max() <= 0.5 + 1e-3, str(kind)
    is_changed = (copies[:, 1:] != copies[:, :1]).flatten(2).any(2).any(0)
    unchanged = {str(kind) for kind, changed in zip(kinds(pristine=False), is_changed, strict=True) if not changed}
    assert {"I18 mean_shift 3", "I25 contrast_change 3"} <= unchanged
    assert len(unchanged) < 12


def test_the_seed_decides_what_is_random(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:
    first, again, other = (cheap(tiles, pristine=True, seed=seed) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_a_kind_does_not_depend_on_the_others(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:
    with_reference = cheap(tiles, pristine=True, seed=0).unflatten(0, (3, 126))
    without = cheap(tiles, pristine=False, seed=0).unflatten(0, (3, 125))
    assert with_reference[:, 1:].equal(without)


def test_references_differ_in_their_random_numbers(cheap: Callable[..., torch.Tensor]) -> None:
    same = np.full((2, 3, 16, 16), 128, dtype=np.uint8)
    copies = cheap(same, pristine=False, seed=0).unflatten(0, (2, 125))
    assert not copies[0].equal(copies[1])


def test_chunks_are_joined_in_order(
    cheap: Callable[..., torch.Tensor],
    tiles: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality_made, "distort", lambda images, *_: 1 - images)
    whole = cheap(tiles, pristine=True, seed=0)
    monkeypatch.setattr(quality_made, "CHUNK_PIXELS", 2 * 16 * 16)
    assert cheap(tiles, pristine=True, seed=0).equal(whole)


def test_processes_make_what_one_alone_makes(
    cheap: Callable[..., torch.Tensor], tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = cheap(tiles, pristine=True, seed=0)
    told: list[int] = []
    monkeypatch.setattr(quality_made, "FEW_PIXELS", 0)
    monkeypatch.setattr(quality_made, "num_threads", lambda: 3)
    monkeypatch.setattr(quality_made, "one_thread", None)  # it is not this process that makes them
    together = cheap(tiles, pristine=True, seed=0, progress=lambda _what, done, _total: told.append(done))
    assert together.equal(alone)
    assert told == sorted(told) and told[-1] == 378


def test_progress_ends_with_all_copies(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:
    told: list[tuple[str, int, int]] = []
    cheap(tiles, pristine=True, seed=0, progress=lambda *news: told.append(news))
    assert told[-1] == ("distorting pictures", 378, 378)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_part_of_the_kinds_is_drawn_for_each_reference() -> None:
    chosen = choose_kinds(400, 8000, 126, 3)
    assert chosen.shape == (400, 20)
    assert (np.diff(chosen, axis=1) > 0).all()  # no kind twice
    counts = np.bincount(chosen.ravel(), minlength=126)
    assert counts.min() > 30 and counts.max() < 100  # 63.5 ± 7.3 expected
    assert not (chosen[0] == chosen[1]).all()
    assert (choose_kinds(400, 8000, 126, 3) == chosen).all() and not (choose_kinds(400, 8000, 126, 4) == chosen).all()


def test_there_is_one_copy_at_least_and_none_twice() -> None:
    assert choose_kinds(10, 3, 126, 0).shape == (10, 1)
    assert choose_kinds(2, 9999, 126, 0).tolist() == [list(range(126))] * 2


def test_a_part_of_the_copies_lies_where_its_kinds_say(
    cheap: Callable[..., torch.Tensor],
    tiles: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality_made, "distort", lambda images, number, level, _: images / 2 + number / 100)
    chosen = choose_kinds(3, 12, 126, 0)
    copies = make_copies(tiles, chosen, pristine=True, seed=0, progress=report).unflatten(0, (3, 4))
    for row, columns in enumerate(chosen.tolist()):
        for place, column in enumerate(columns):
            number = kinds(pristine=True)[column].number
            expected = tiles[row] / 2 + number * 2.55 if number else tiles[row]
            assert np.abs(copies[row, place].numpy() - expected).max() <= 0.51
