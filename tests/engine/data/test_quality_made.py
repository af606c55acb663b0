"""Made pictures: their kinds and scores, their seeds, and that the real distortions were applied."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from quality_files import distort_cheaply

from trainctl.engine.data import quality_made
from trainctl.engine.data.distortions.apply import distort
from trainctl.engine.data.photographs import built_in_references
from trainctl.engine.data.progress import report
from trainctl.engine.data.quality_made import kinds, make_copies


@pytest.fixture
def tiles() -> np.ndarray:  # type: ignore[type-arg]
    return built_in_references(3, 16, 0).images


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Callable[..., torch.Tensor]:
    monkeypatch.setattr(quality_made, "distort", distort_cheaply)
    return partial(make_copies, progress=report)


def test_there_are_125_kinds_and_the_reference_with_scores_from_the_opinions() -> None:
    made = kinds(pristine=True)
    assert len(made) == 126
    assert (made[0].number, made[0].level, made[0].score) == (0, 0, 1.0)
    jpeg = next(kind for kind in made if str(kind) == "I10 jpeg 4")
    assert jpeg.score == pytest.approx((1.95 - 1) / 4)
    assert len({(kind.number, kind.level) for kind in kinds(pristine=False)}) == 125


def test_copies_are_the_real_distortions_of_each_reference(tiles: np.ndarray) -> None:  # type: ignore[type-arg]
    copies = make_copies(tiles, pristine=True, seed=0, progress=report).unflatten(0, (3, 126))
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


def test_the_seed_decides_what_is_random(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:  # type: ignore[type-arg]
    first, again, other = (cheap(tiles, pristine=True, seed=seed) for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)


def test_a_kind_does_not_depend_on_the_others(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:  # type: ignore[type-arg]
    with_reference = cheap(tiles, pristine=True, seed=0).unflatten(0, (3, 126))
    without = cheap(tiles, pristine=False, seed=0).unflatten(0, (3, 125))
    assert with_reference[:, 1:].equal(without)


def test_references_differ_in_their_random_numbers(cheap: Callable[..., torch.Tensor]) -> None:
    same = np.full((2, 3, 16, 16), 128, dtype=np.uint8)
    copies = cheap(same, pristine=False, seed=0).unflatten(0, (2, 125))
    assert not copies[0].equal(copies[1])


def test_chunks_are_joined_in_order(
    cheap: Callable[..., torch.Tensor],
    tiles: np.ndarray,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality_made, "distort", lambda images, *_: 1 - images)
    whole = cheap(tiles, pristine=True, seed=0)
    monkeypatch.setattr(quality_made, "CHUNK_PIXELS", 2 * 16 * 16)
    assert cheap(tiles, pristine=True, seed=0).equal(whole)


def test_progress_ends_with_all_copies(cheap: Callable[..., torch.Tensor], tiles: np.ndarray) -> None:  # type: ignore[type-arg]
    told: list[tuple[str, int, int]] = []
    make = partial(cheap.func, tiles, pristine=True, seed=0)  # type: ignore[attr-defined]
    make(progress=lambda *news: told.append(news))
    assert told[-1] == ("distorting pictures", 378, 378)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
