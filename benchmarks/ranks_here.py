"""Processes of this machine that train one run, each as one rank. Knows no benchmark."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from typing import Any


def as_ranks(size: int, work: Callable[..., None], *given: Any) -> None:
    """Let `size` fresh processes do `work(rank, size, port, *given)`, and wait for them.

    Raises:
        SystemExit: one of them failed.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=work, args=(rank, size, port, *given)) for rank in range(size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    if any(process.exitcode for process in ranks):
        raise SystemExit(f"a rank of {size} failed")
