"""A measured loop in a process of its own, so that no loop's threads, memory allocator or garbage are another's.

All processes live through the whole benchmark and stand still between their slices, so they can be interleaved.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.gate import FAILED, Gate

PATIENCE_S = 15.0
"""How long a process may take to end before it is killed."""


@dataclass(frozen=True)
class Entry:
    """What is to be measured: `run(gate, *arguments)`, importable, in a fresh process."""

    key: str
    label: str
    run: Callable[..., object]
    arguments: tuple[Any, ...] = ()
    threads: int | None = None
    environ: tuple[tuple[str, str], ...] = ()
    clock: Callable[[], float] = time.perf_counter
    """What its seconds are of; `time.thread_time` counts the thread that trains and nobody else."""


class Contender:
    """The running process of an entry. Stands before its first step once `ready` has returned."""

    def __init__(self, entry: Entry) -> None:
        self.key, self.label = entry.key, entry.label
        context = multiprocessing.get_context("forkserver")  # imports torch once for all of them
        context.set_forkserver_preload(["torch", "trainctl.engine.training.session"])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, entry))
        self._process.start()
        theirs.close()

    def ready(self) -> None:
        """Wait until it stands before its first step.

        Raises:
            RuntimeError: it failed; the message is its traceback.
        """
        self._answer()

    def take(self, steps: int) -> float:
        """Let it take so many steps; returns the seconds they took.

        Raises:
            RuntimeError: it failed; the message is its traceback.
        """
        self._connection.send(steps)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        if self._process.is_alive():
            self._connection.send(None)
            self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
        self._connection.close()

    def _answer(self) -> float:
        kind: str
        value: Any
        try:
            kind, value = self._connection.recv()
        except EOFError:
            kind, value = FAILED, "the process ended"
        if kind == FAILED:
            raise RuntimeError(f"{self.label}: {value}")
        return value


def _main(connection: Connection, entry: Entry) -> None:
    import torch

    os.environ.update(entry.environ)
    if entry.threads:
        torch.set_num_threads(entry.threads)
    try:
        entry.run(Gate(connection, entry.clock), *entry.arguments)
    except Exception:
        connection.send((FAILED, traceback.format_exc()))
    else:
        connection.send((FAILED, "the loop ended by itself"))
