"""The whole augmentation: nothing on means nothing changed, and one state gives one batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainctl.engine.data.augment.options import EyesAugment
from trainctl.engine.data.augment.pipeline import augment_eyes

EVERYTHING = EyesAugment(clahe=0.3, crop_padding=2, mixup_alpha=0.2, cutmix_alpha=1.0)
NOTHING = EyesAugment(hflip=0, photometric=0, clahe=0)


def make_batch(count: int = 32) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(9)
    return {
        "images": torch.rand(count, 3, 8, 16, generator=source),
        "labels": torch.arange(count) % 2,
        "index": torch.arange(count),
    }


def test_nothing_on_changes_nothing_and_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    batch = make_batch()
    out = augment_eyes(batch, NOTHING, generator)
    assert torch.equal(out["images"], batch["images"])
    assert torch.equal(generator.get_state(), state)
    assert "targets" not in out


@pytest.mark.parametrize("config", [EyesAugment(), EVERYTHING])
def test_the_same_generator_state_gives_the_same_batch(config: EyesAugment) -> None:
    generator = torch.Generator().manual_seed(1)
    augment_eyes(make_batch(), config, generator)
    state = generator.get_state()
    first = augment_eyes(make_batch(), config, generator)
    generator.set_state(state)
    second = augment_eyes(make_batch(), config, generator)
    third = augment_eyes(make_batch(), config, generator)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["images"], third["images"])


def test_range_labels_and_other_columns_are_kept() -> None:
    batch = make_batch()
    before = batch["images"].clone()
    out = augment_eyes(batch, EVERYTHING, torch.Generator().manual_seed(4))
    assert torch.equal(batch["images"], before)
    assert 0.0 <= float(out["images"].min()) <= float(out["images"].max()) <= 1.0
    assert torch.equal(out["labels"], batch["labels"])
    assert torch.equal(out["index"], batch["index"])
    assert out["targets"].shape == (32,)
    assert out["targets"].dtype == torch.float32


def test_channels_last_images_give_the_same_result() -> None:
    batch = make_batch()
    last = {**batch, "images": batch["images"].contiguous(memory_format=torch.channels_last)}
    results = [augment_eyes(b, EyesAugment(), torch.Generator().manual_seed(2))["images"] for b in (batch, last)]
    assert torch.equal(*results)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_gpu() -> None:
    generator = torch.Generator("cuda").manual_seed(0)
    batch = {name: tensor.cuda() for name, tensor in make_batch(256).items()}
    augment_eyes(batch, EVERYTHING, generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = augment_eyes(batch, EVERYTHING, generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert bool(out["images"].isfinite().all())
