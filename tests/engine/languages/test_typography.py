"""Between Chinese and Latin text stands one space, beside full-width punctuation and between characters none."""

from __future__ import annotations

import pytest

from trainctl.engine.languages.typography import joined


@pytest.mark.parametrize(
    ("left", "right", "whole"),
    [
        ("损失", "loss", "损失 loss"),
        ("loss", "从", "loss 从"),
        ("损失 ", "从", "损失从"),
        ("损失", "（3）", "损失（3）"),
        ("loss ", "，另有", "loss，另有"),
        ("loss ", "(x)", "loss (x)"),
        ("从 ", "−0.5", "从 −0.5"),
        ("", "loss", "loss"),
    ],
)
def test_pieces_are_joined(left: str, right: str, whole: str) -> None:
    assert joined(left, right) == whole
