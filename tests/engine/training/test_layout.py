"""What is kept from channels-last on a CPU and what is not, and that the kernel behind it is not reached."""

from __future__ import annotations

import copy
import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.task import Splits
from trainctl.engine.training.layout import contiguous, strided_pointwise, unknown_pointwise
from trainctl.engine.training.loop.precision import compile_options, layout_notes, place

CPU, LAST = torch.device("cpu"), PrecisionConfig(channels_last=True)
CHECK = "libc_malloc_debug.so.0"


def is_last(values: Tensor) -> bool:
    """Whether torch takes it for channels-last: also where `is_contiguous` says both."""
    return torch.empty_like(values).stride() == values.stride() and values.stride(1) == 1 and values.stride(3) != 1


@given(
    channels=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.sampled_from([1, 3, (1, 3), (1, 1)]),
    stride=st.sampled_from([1, 2, 3, (2, 1), (1, 2), (1, 1)]),
    is_grouped=st.booleans(),
    is_transposed=st.booleans(),
)
def test_strided_1x1_convolutions_of_few_channels_are_found(
    channels: tuple[int, int],
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    is_grouped: bool,
    is_transposed: bool,
) -> None:
    kind = nn.ConvTranspose2d if is_transposed else nn.Conv2d
    one, other = (channels[0], channels[0]) if is_grouped else channels
    groups = one if is_grouped else 1
    layer = kind(one, other, kernel, stride, groups=groups)
    few = (other if is_transposed else one) < 16
    expected = kernel in (1, (1, 1)) and stride not in (1, (1, 1)) and groups == 1 and few
    assert list(strided_pointwise(nn.Sequential(layer))) == (["0"] if expected else [])


@pytest.mark.parametrize("layer", [nn.Conv1d(4, 8, 1, 2), nn.Conv3d(4, 8, 1, 2), nn.Linear(4, 8)])
def test_other_layers_are_not(layer: nn.Module) -> None:
    assert not strided_pointwise(layer) and not unknown_pointwise(layer)


def inputs_of(module: nn.Module) -> list[Tensor]:
    """What a module works on, behind its other hooks."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    return seen


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("is_copy", [True, False])
def test_only_the_dangerous_layer_is_contiguous(channels_last: bool, is_copy: bool) -> None:
    """Its input too, where the network makes it channels-last by itself; and in copies, such as averaged weights."""
    config = PrecisionConfig(channels_last=channels_last)
    model = place(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1, 2)), config, CPU)
    model = copy.deepcopy(model) if is_copy else model
    seen = inputs_of(list(model.children())[1])
    images = torch.rand(2, 3, 10, 10).to(memory_format=torch.channels_last)
    model(images).sum().backward()
    first, second = (layer.weight for layer in model.children() if isinstance(layer, nn.Conv2d))
    assert is_last(first) == channels_last
    assert not is_last(second) and not is_last(seen[0])
    assert second.grad is not None and first.grad is not None


def test_weights_behind_a_parametrisation_are_contiguous_too() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 1, 2))
    model = place(nn.Sequential(layer), LAST, CPU)
    assert not any(is_last(p) for p in model.parameters() if p.dim() == 4)


def test_the_optimizer_keeps_the_parameters_it_had() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 1, 2))
    before = list(model.parameters())
    assert all(a is b for a, b in zip(place(model, LAST, CPU).parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("shape", "is_suspect"),
    [((8, 4, 1, 1), True), ((8, 16, 1, 1), False), ((1, 4, 1, 1), False), ((8, 4, 3, 3), False), ((8, 4), False)],
)
def test_a_weight_for_a_functional_convolution_keeps_the_network_contiguous(
    shape: tuple[int, ...], is_suspect: bool
) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    model.register_parameter("own", nn.Parameter(torch.rand(shape)))
    placed = place(model, LAST, CPU)
    assert is_last(model[0].weight) == (not is_suspect)  # pyright: ignore[reportArgumentType]
    notes = layout_notes(placed, LAST, CPU)
    assert [note.startswith("the network stays contiguous: with own ") for note in notes] == [True] * is_suspect


def test_compiled_networks_keep_the_layout_where_it_matters() -> None:
    safe, dangerous = nn.Sequential(nn.Conv2d(16, 8, 1, 2)), nn.Sequential(nn.Conv2d(4, 8, 1, 2))
    assert compile_options(safe, CPU) is None
    assert compile_options(dangerous, CPU) == {"layout_optimization": False}
    assert compile_options(dangerous, torch.device("cuda")) is None


@pytest.mark.parametrize("shape", [(8, 4, 1, 1), (2, 1, 5, 5), (2, 4, 5, 5), (3, 4)])
def test_contiguous_means_what_it_says(shape: tuple[int, ...]) -> None:
    values = torch.rand(shape)
    given_values = values.to(memory_format=torch.channels_last) if len(shape) == 4 else values
    assert contiguous(given_values).stride() == values.stride()
    assert torch.equal(contiguous(given_values), values)


class Strided(ToyTask):
    """The toy task with two strided 1x1 convolutions, which it does not call."""

    def build_model(self, splits: Splits) -> nn.Module:
        toy = super().build_model(splits)
        first = next(toy.children())
        first.add_module("narrow", nn.Conv2d(4, 8, 1, 2))
        first.add_module("wide", nn.Conv2d(16, 8, 1, 2))
        return toy


def test_the_user_is_told_once_which_layer_and_why(tmp_path: Path) -> None:
    assert run_toy(tmp_path / "run", resolved(train={"epochs": 1}), task_type=Strided).code == ExitCode.OK
    notes = [event.data["text"] for event in reader_of(tmp_path / "run").events if event.kind == EventKind.NOTE]
    assert [note for note in notes if "1x1" in note] == [
        "0.narrow: contiguous, because a strided 1x1 convolution of few channels could write outside its memory in "
        "channels-last on a CPU (docs/upstream.md)"
    ]


def sweep(*modes: str, isa: str, limit_s: int = 120) -> subprocess.CompletedProcess[str]:
    """Run `kernel_sweep.py` on one core under glibc's check of the heap, as on a CPU that knows no more than `isa`."""
    environ = {
        **os.environ,
        "GLIBC_TUNABLES": "glibc.malloc.check=3",
        "LD_PRELOAD": CHECK,
        "ONEDNN_MAX_CPU_ISA": isa,
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, str(Path(__file__).with_name("kernel_sweep.py")), *modes]
    return subprocess.run(words, env=environ, capture_output=True, text=True, timeout=limit_s, check=False)


@pytest.fixture(scope="module")
def heap_check() -> None:
    """Skips where glibc's check of the heap is not to be had, or the CPU is of another kind."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the kernel is one for x86")
    try:
        ctypes.CDLL(CHECK)
    except OSError:
        pytest.skip(f"needs {CHECK}")


@pytest.mark.slow
@pytest.mark.usefixtures("heap_check")
def test_no_convolution_writes_outside_its_memory() -> None:
    done = sweep("convolutions", "networks", isa="AVX2")
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.usefixtures("heap_check")
def test_the_kernel_is_still_what_it_is_kept_away_from() -> None:
    if " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no such kernel")
    try:
        done = sweep("unguarded", isa="AVX2", limit_s=40)
    except subprocess.TimeoutExpired:
        return  # it wrote over the lists of the heap itself, and whoever allocates next searches them for ever
    assert done.returncode < 0, "the kernel keeps to its memory now: the guard can go, see docs/upstream.md"
