"""Terms of the `emotion` task: reconstruction over utterances, and the focal form of the likelihood."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from trainctl.engine.losses.reconstruction import last_dialogue, reconstruction
from trainctl.engine.losses.utterances import focal_nll, nll


def tensors(seed: int, scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    x, error = torch.randn(3, 6, 4, generator=draw), torch.rand(3, 6, 4, generator=draw) * 2 - 1
    return x + scale * error, x, torch.arange(6) < torch.tensor([6, 1, 4])[:, None]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(1e-3, 0.999))
def test_smooth_l1_is_half_the_squared_error_below_one(seed: int, scale: float) -> None:
    """So a weight of .03 after the change is one of .015 of what .05 was before."""
    again, x, valid = tensors(seed, scale)
    halved, squared = (reconstruction(again[valid], x[valid], kind) for kind in ("smooth_l1", "mse"))
    torch.testing.assert_close(0.03 * halved, 0.015 * squared)


def test_beyond_one_it_grows_like_the_distance() -> None:
    again, x = torch.full((1, 2), 5.0), torch.zeros(1, 2)
    assert float(reconstruction(again, x, "smooth_l1")) == pytest.approx(4.5)
    assert float(reconstruction(again, x, "mse")) == pytest.approx(25.0)


def test_the_mean_is_over_utterances_whatever_dialogue_they_are_of() -> None:
    again, x, valid = tensors(1, 0.5)
    by_hand = torch.cat([(again[b, :n] - x[b, :n]).square().mean(-1) for b, n in enumerate((6, 1, 4))]).mean()
    torch.testing.assert_close(reconstruction(again[valid], x[valid], "mse"), by_hand)


def test_the_last_dialogue_alone_decides_where_the_loss_is_set_to_zero_for_each() -> None:
    again, x, valid = tensors(2, 0.5)
    before = last_dialogue(again[valid], x[valid], valid, "mse")
    torch.testing.assert_close(before, (again[2, :4] - x[2, :4]).square().mean(-1).sum())
    again[:2] += 100
    torch.testing.assert_close(last_dialogue(again[valid], x[valid], valid, "mse"), before)


def test_focal_is_the_likelihood_times_how_unsure_the_answer_is() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 4) * 3, torch.randint(4, (50,))
    p = logits.softmax(-1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(focal_nll(logits, labels, 2.0), -((1 - p) ** 2) * p.log())
    torch.testing.assert_close(focal_nll(logits, labels, 0.0), F.cross_entropy(logits, labels, reduction="none"))
    torch.testing.assert_close(nll(logits, labels).mean(), F.cross_entropy(logits, labels))


def test_a_certain_answer_has_a_finite_gradient() -> None:
    logits = torch.tensor([[60.0, 0.0], [-60.0, 0.0]], requires_grad=True)
    focal_nll(logits, torch.tensor([0, 0]), 0.5).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
