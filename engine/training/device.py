"""Chooses and prepares the device: which one, how many threads, the memory allocator, the random seeds."""

from __future__ import annotations

import ctypes
import platform
import random
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.config.schema import RuntimeConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEEP_BYTES = 1 << 30
MAPPED_BYTES = 1 << 17
"""Of a tensor that is given back as it is freed."""


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA, else MPS, else the CPU.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise UserError(f"runtime.device: {name!r} is no device", "use auto, cpu, cuda, cuda:1 or mps") from err
    available = {
        "cpu": device.index in (None, 0),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UserError(f"runtime.device: {name} is not available on this machine", "use --device auto or cpu")
    return device


def prepare_process(config: RuntimeConfig, device: torch.device, *, is_short: bool = False) -> None:
    """Set what holds for the whole process: threads, determinism, matrix precision, memory reuse.

    Args:
        config: of the process.
        device: that is computed on.
        is_short: memory is what there is too little of, so that time is spent on giving it back.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    if device.type == "cpu":
        give_freed_memory_back() if is_short else keep_freed_memory()


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed activations instead of giving them back to the system at every step.

    glibc maps each large tensor anew and zero-fills its pages at first touch; on small machines that takes as
    long as the convolutions (docs/performance.md has the figures). Returns whether it was possible.
    """
    return _set_allocator({M_MMAP_THRESHOLD: KEEP_BYTES, M_TRIM_THRESHOLD: 2 * KEEP_BYTES - 1})


def give_freed_memory_back() -> bool:
    """Ask the C library to give each large tensor back as it is freed; returns whether it was possible.

    glibc begins so, and learns from what it sees freed to keep up to 32 MB of each: of a network in parts, of which a
    unit is whole for a moment, most of it would stay.
    """
    return _set_allocator({M_MMAP_THRESHOLD: MAPPED_BYTES, M_TRIM_THRESHOLD: 2 * MAPPED_BYTES})


def _set_allocator(options: Mapping[int, int]) -> bool:
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(libc.mallopt(option, value) for option, value in options.items())


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def card_ids(device: torch.device) -> tuple[str, ...]:
    """Identities (UUIDs) of the cards behind a device, by which others know them too; none: it is no NVIDIA card.

    The number of a device says nothing of the machine: `CUDA_VISIBLE_DEVICES` counts anew.
    """
    if device.type != "cuda":
        return ()
    identity = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return () if identity is None else (str(identity),)


def describe_device(device: torch.device) -> str:
    """Name of the device for people."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return "cpu, 1 thread" if threads == 1 else f"cpu, {threads} threads"
    return str(device)
