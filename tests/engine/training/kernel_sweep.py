"""Trains convolutions in a process of its own, so that one that writes outside its memory kills no tests.

`python kernel_sweep.py convolutions` compares gradients of weights with exact ones, `networks` trains those of the
built-in tasks; both end well where the guard of `trainctl.engine.training.layout` holds. `unguarded` calls the kernel
that it keeps away from, until the process dies of it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.data.feed import Feed
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.training.loop.precision import place
from trainctl.engine.training.setup import assemble_run

CPU = torch.device("cpu")
CHANNELS, STRIDES, SIZES = (1, 2, 3, 4, 7, 8, 12, 16), (1, 2, (2, 1), 3), ((2, 12), (1, 48))
SMALL = {
    "eyes": [
        "data.samples=40",
        "data.image_size=[16,32]",
        "model.num_blocks=2",
        "model.base_channels=8",
        "model.head=avg",
    ],
    "quality": ["data.references=4", "data.images=60", "data.image_size=32", "model.width=4", "model.stem=small"],
    "weld": ["data.samples=48", "data.val_samples=24", "model.width=16"],
}
ARCHITECTURES = {"eyes": [f"model.arch={arch}" for arch in ("baseline", "inverted_se", "convnext")]}


class Permuted(nn.Module):
    """Hands its channels-last input to a convolution, as networks do that normalise over channels."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.convolution(images_NCHW.contiguous(memory_format=torch.channels_last))


def convolutions() -> Iterator[tuple[nn.Module, tuple[int, ...]]]:
    """Small ones of all kinds, and the shape of their input."""
    for channels, stride, (batch, size) in itertools.product(CHANNELS, STRIDES, SIZES):
        shape = (batch, channels, size, size)
        down, right = stride if isinstance(stride, tuple) else (stride, stride)
        yield nn.Conv2d(channels, 8, 1, stride), shape
        yield nn.Conv2d(channels, 12, 3, stride, padding=1), shape
        yield nn.Conv2d(channels, channels, 1, stride, groups=channels), shape
        yield nn.ConvTranspose2d(6, channels, 1, stride, output_padding=(down - 1, right - 1)), (batch, 6, size, size)


def wrong_gradients(convolution: nn.Module, shape: tuple[int, ...], *, channels_last: bool, amp: bool) -> list[float]:
    """How far gradients of the placed network are from those in double precision, where that is too far."""
    images = torch.rand(shape)
    exact = gradient(convolution.double(), images.double(), amp=False)
    model = place(Permuted(convolution.float()), PrecisionConfig(channels_last=channels_last), CPU)
    found = [gradient(model, images, amp=amp) for _ in range(2)]
    errors = [((g - exact).abs().max() / exact.abs().max()).item() for g in found]
    return [error for error in errors if not error < (5e-2 if amp else 1e-3)]


def gradient(model: nn.Module, images: Tensor, *, amp: bool) -> Tensor:
    """Of the first weight of a network, for a sum in which no two elements of the output count the same."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        output = model(images)
    (output * torch.linspace(0, 1, output.numel(), dtype=images.dtype).view_as(output)).sum().backward()
    weight = next(model.parameters())
    assert weight.grad is not None
    return weight.grad.double()


def sweep_convolutions() -> None:
    torch.manual_seed(0)
    for convolution, shape in convolutions():
        for channels_last, amp in ((True, False), (False, False), (True, True)):
            for error in wrong_gradients(convolution, shape, channels_last=channels_last, amp=amp):
                raise AssertionError(f"{convolution} of {shape}, {channels_last=}, {amp=}: off by {error:.2g}")


def train_networks() -> None:
    """Three steps of a small network of every built-in task, as a run would take them."""
    for task, options in SMALL.items():
        for one in ARCHITECTURES.get(task, ["seed=0"]):
            words = [*options, one, "train.batch_size=16", "runtime.device=cpu", "precision.channels_last=true"]
            preset = "repaired" if task == "weld" else "balanced"
            config = resolve(preset, task=task, scale="small", overrides=words).config
            run = assemble_run(config, task_type(task), None)
            batches = Feed(run.splits.train, CPU).batches(run.task.sampler(run.splits.train).batches(0))
            for stored in itertools.islice(batches, 3):
                terms = run.task.step(run.state.model, run.task.prepare(stored)).terms
                loss = torch.stack(list(terms.values())).sum()
                loss.backward()
                run.state.optimizer.step()
                run.state.optimizer.zero_grad()
                assert loss.isfinite(), f"{task} {one}: the loss is {loss.item()}"


def call_the_kernel() -> None:
    """It writes past its workspace in each of these calls; how soon that is noticed depends on what lies behind."""
    for channels in (4, 6, 12):
        convolution = nn.Conv2d(channels, 16, 1, 2).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        for _ in range(30):
            convolution(torch.rand(4, channels, 64, 64)).sum().backward()


MODES = {"convolutions": sweep_convolutions, "networks": train_networks, "unguarded": call_the_kernel}

if __name__ == "__main__":
    for mode in sys.argv[1:]:
        MODES[mode]()
