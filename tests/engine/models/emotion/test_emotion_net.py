"""The network of conversations: padding changes nothing, attention keeps to its window, gates start as said."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.models.emotion.context import GatedMemory, WindowedLayer, window_mask
from trainctl.engine.models.emotion.gates import Gate, shares
from trainctl.engine.models.emotion.net import EmotionNet
from trainctl.engine.models.emotion.options import EmotionModel

DIMS = (6, 3, 4)


def network(**options: Any) -> EmotionNet:
    torch.manual_seed(0)
    return EmotionNet(EmotionModel.model_validate({"code": 16, "hidden": 12, **options}), DIMS, 5).eval()


def dialogues(lengths: list[int], longest: int, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Features, speakers and validity; what is padding holds noise, which must not matter."""
    draw = torch.Generator().manual_seed(seed)
    size = (len(lengths), longest)
    features, speakers = torch.randn(*size, sum(DIMS), generator=draw), torch.randint(2, size, generator=draw)
    return features, speakers, torch.arange(longest) < torch.tensor(lengths)[:, None]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 5), st.integers(0, 3))
def test_a_dialogue_comes_out_the_same_in_any_company(lengths: list[int], padding: int, window: int) -> None:
    model, longest = network(window=window), max(lengths)
    features, speakers, valid = dialogues(lengths, longest + padding)
    together = model(features, speakers, valid)
    for row, length in enumerate(lengths):
        alone = model(features[row : row + 1, :length], speakers[row : row + 1, :length], valid[row : row + 1, :length])
        torch.testing.assert_close(together.logits[row, :length], alone.logits[0], rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(together.gates, alone.gates, strict=True):
            torch.testing.assert_close(ours.value[row, :length], theirs.value[0], rtol=1e-4, atol=1e-5)
        first = sum(lengths[:row])
        for mine, its in zip(together.reconstructions, alone.reconstructions, strict=True):
            torch.testing.assert_close(mine[first : first + length], its, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [0, 1, 3, 20])
def test_masked_attention_is_the_slow_loop_over_pairs(window: int) -> None:
    torch.manual_seed(2)
    layer = WindowedLayer(16, 0.3).eval()
    x, (_, _, valid) = torch.randn(2, 7, 16), dialogues([7, 4], 7)
    fast = layer(x, window_mask(valid, window))
    query, key, value = layer.query_key_value(layer.norm(x)).chunk(3, -1)
    slow = torch.zeros_like(x)
    size = 16 // layer.heads
    for b, length in enumerate((7, 4)):
        for i in range(length):
            seen = [j for j in range(length) if abs(i - j) <= window]
            for head in range(layer.heads):
                part = slice(head * size, (head + 1) * size)
                scores = torch.stack([query[b, i, part] @ key[b, j, part] / math.sqrt(size) for j in seen])
                weights = scores.softmax(0)
                slow[b, i, part] = sum(weights[k] * value[b, j, part] for k, j in enumerate(seen))
    after = x + layer.out(slow)
    expected = after + layer.mlp(layer.mlp_norm(after))
    torch.testing.assert_close(fast[valid], expected[valid], rtol=1e-4, atol=1e-5)


def test_the_memory_is_the_recurrence_it_is_written_as() -> None:
    torch.manual_seed(3)
    memory, x = GatedMemory(8, "sigmoid"), torch.randn(2, 5, 8)
    states, (forget, take) = memory(x)
    last = torch.zeros(2, 8)
    for t in range(5):
        last = forget.value[:, t] * last + take.value[:, t] * x[:, t]
        torch.testing.assert_close(states[:, t], last)


def test_half_of_a_clamped_gate_is_dead_at_the_start_and_has_no_gradient() -> None:
    torch.manual_seed(0)
    gate, x, valid = Gate("g", 512, 512, "hardtanh"), torch.rand(4, 50, 512), torch.ones(4, 50, dtype=torch.bool)
    gated = gate(x)
    closed, opened = shares(gated, valid)
    # A normal pre-activation of deviation 1/√3 is below 0 in half of all cases, and above 1 in 1 − Φ(√3) = 4.2 %.
    beyond = 0.5 * math.erfc(math.sqrt(3) / math.sqrt(2))
    assert float(closed) == pytest.approx(0.5, abs=0.02)
    assert float(opened) == pytest.approx(beyond, abs=0.01)
    gated.raw.retain_grad()
    (gated.value - 0.5).square().mean().backward()
    assert gated.raw.grad is not None
    dead = gated.raw.grad == 0
    assert float(dead.float().mean()) == pytest.approx(0.5 + beyond, abs=0.02)
    assert torch.equal(dead, (gated.raw <= 0) | (gated.raw >= 1))


@pytest.mark.parametrize("form", ["sigmoid", "hardsigmoid"])
def test_other_gates_start_alive(form: Any) -> None:
    torch.manual_seed(0)
    gated = Gate("g", 256, 256, form)(torch.randn(2, 30, 256))
    closed, opened = shares(gated, torch.ones(2, 30, dtype=torch.bool))
    assert float(closed) == float(opened) == 0


def test_what_a_gate_is_made_of_has_a_gradient_everywhere() -> None:
    torch.manual_seed(0)
    gated = Gate("g", 32, 32, "hardtanh")(torch.randn(2, 9, 32))
    gated.raw.retain_grad()
    (gated.raw - 0.5).square().mean().backward()
    assert gated.raw.grad is not None
    assert bool((gated.raw.grad != 0).all())


def test_shares_count_only_what_is_there() -> None:
    gated = Gate("g", 8, 8, "hardtanh")(torch.randn(2, 6, 8))
    valid = torch.arange(6) < torch.tensor([6, 2])[:, None]
    closed, _ = shares(gated, valid)
    expected = torch.cat([gated.value[0], gated.value[1, :2]]) <= 0
    assert float(closed) == pytest.approx(float(expected.float().mean()))


def test_far_away_is_out_of_the_window() -> None:
    model = network(window=2, gate="sigmoid", layers=1)
    features, speakers, valid = dialogues([12], 12)
    around = model(features, speakers, valid).logits
    changed = features.clone()
    changed[0, 11] += 5
    moved = (model(changed, speakers, valid).logits - around).abs().amax(-1)[0] > 1e-6
    assert moved.tolist() == [False] * 9 + [True] * 3


def test_a_network_without_layers_has_its_memory_alone() -> None:
    out = network(layers=0)(*dialogues([3], 3))
    assert F.softmax(out.logits, -1).shape == (1, 3, 5)
    assert [gate.name for gate in out.gates] == ["utterance", "forget", "input", "temporal"]
