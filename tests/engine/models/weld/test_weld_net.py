"""The weld network: shapes, missing modalities, freezing, input scales."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainctl.engine.data.weld.options import MODALITIES, WeldData
from trainctl.engine.models.weld.encoders import Standardise, build_encoder
from trainctl.engine.models.weld.net import WeldNet
from trainctl.engine.models.weld.options import WeldModel
from trainctl.engine.optim.optimizers import freeze

DATA = WeldData(video=(2, 8), image=(5, 6), audio=(1, 6), sensor=(18, 3))


def batch_of(num: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {name: getattr(DATA, name) for name in MODALITIES}
    arrays = {name: torch.randn(num, *shape, generator=generator) for name, shape in shapes.items()}
    return {**arrays, "present": torch.ones(num, 4, dtype=torch.bool)}


def net_of(num_classes: int | None = None, **model: Any) -> WeldNet:
    torch.manual_seed(0)
    options: dict[str, Any] = {"width": 16, "embedding": 12, "layers": 1, **model}
    return WeldNet(WeldModel(**options), DATA, num_classes).eval()


@pytest.mark.parametrize("encoder", ["mlp", "transformer", "conv"])
def test_every_encoder_can_be_used_for_every_modality(encoder: Any) -> None:
    names = {f"{name}_encoder": encoder for name in MODALITIES}
    embeddings = net_of(**names)(batch_of())
    assert embeddings.shape == (5, 12)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize(("patch", "tokens"), [(1, 18), (4, 5), (18, 1)])
def test_a_patch_of_time_steps_becomes_one_token(patch: int, tokens: int) -> None:
    encoder = build_encoder("transformer", (18, 3), 16, layers=1, patch=patch)
    assert encoder(torch.randn(2, 18, 3)).shape == (2, tokens, 16)


def test_what_is_missing_has_no_influence_and_what_is_there_has() -> None:
    net, batch = net_of(), batch_of()
    batch["present"][:, 2] = False
    changed = {**batch, "audio": batch["audio"] + 100}
    torch.testing.assert_close(net(changed), net(batch))
    seen = {**batch, "present": torch.ones(5, 4, dtype=torch.bool)}
    assert not torch.allclose(net(seen), net(batch))
    assert not torch.allclose(net({**batch, "video": batch["video"] + 1}), net(batch))


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    net, batch = net_of(), batch_of()
    alone = {name: tensor[:1] for name, tensor in batch.items()}
    torch.testing.assert_close(net(alone), net(batch)[:1])


def test_without_normalisation_the_embedding_has_any_length() -> None:
    lengths = net_of(layer_norm=False, l2_normalize=False)(batch_of()).norm(dim=1)
    assert not torch.allclose(lengths, torch.ones(5), atol=1e-2)


def test_each_encoder_can_be_frozen_by_its_name() -> None:
    net = net_of()
    freeze(net, ("video", "sensor"))
    trained = {name.partition(".")[0] for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"image", "audio", "fusion", "project"}
    net(batch_of()).sum().backward()
    assert all(p.grad is None for p in net.get_submodule("video").parameters())


def test_every_parameter_has_a_gradient() -> None:
    net = net_of(num_classes=3)
    assert net.classifier is not None
    embeddings = net(batch_of())
    (embeddings[:, 0].sum() + net.classifier(embeddings).square().sum()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_input_scales_are_those_of_the_present_training_samples() -> None:
    net, batch = net_of(), batch_of(50)
    batch["sensor"] = 200 + 30 * batch["sensor"]
    batch["present"][40:, 3] = False
    batch["sensor"][40:] = 0
    net.fit_scales(batch)
    scaled = net.get_submodule("sensor.0")(batch["sensor"][:40])
    torch.testing.assert_close(scaled.mean((0, 1)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std((0, 1), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert "sensor.0.mean" in net.state_dict()


def test_a_feature_that_never_changes_is_only_shifted() -> None:
    scale = Standardise(2)
    rows = torch.tensor([[[5.0, 1.0]], [[5.0, 3.0]]])
    scale.fit(rows)
    assert scale(rows)[:, 0].tolist() == [[0, -1], [0, 1]]
    scale.fit(rows[:0])
    assert scale.mean.tolist() == [5, 2]
