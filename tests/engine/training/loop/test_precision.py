"""Which number format a run computes in, and where what was compiled is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.training.loop import precision
from trainctl.engine.training.loop.precision import Precision, keep_compiled

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("device", "computes", "expected"),
    [(CPU, True, None), (CUDA, True, torch.bfloat16), (CUDA, False, None)],
    ids=["cpu", "gpu", "gpu-that-would-emulate"],
)
def test_auto_is_bf16_where_a_gpu_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, computes: bool, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(precision, "_computes_bf16", lambda: computes)
    chosen = Precision(PrecisionConfig(amp="auto"), device)
    assert chosen.dtype is expected
    assert chosen.scaler is None


def test_what_is_compiled_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "chosen by the user")
    keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "chosen by the user"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled()
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).is_relative_to(tmp_path)
