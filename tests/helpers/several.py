"""Several processes on this machine that do the same together, each as one rank; and where they can meet."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Callable
from typing import Any

import torch

PATIENCE_S = 120.0


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environ_of(rank: int, size: int, port: int) -> dict[str, str]:
    """What a launcher would set."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def together(size: int, work: Callable[..., None], *given: Any, may_die: bool = False) -> None:
    """Let `size` processes do `work(rank, *given)`, forked: importing torch anew takes each of them seconds."""
    context = multiprocessing.get_context("fork")
    ranks = [context.Process(target=_on_one_core, args=(work, rank, given)) for rank in range(size)]
    for process in ranks:
        process.start()
    deadline = time.monotonic() + PATIENCE_S
    for process in ranks:
        process.join(max(deadline - time.monotonic(), 0))
    hanging = [rank for rank, process in enumerate(ranks) if process.is_alive()]
    for process in ranks:
        process.kill()
    assert not hanging, "they hang"
    assert may_die or [process.exitcode for process in ranks] == [0] * size


def _on_one_core(work: Callable[..., None], rank: int, given: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    work(rank, *given)
