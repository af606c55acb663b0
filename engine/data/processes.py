"""Work in processes of this machine: how one begins, and many independent pieces that write into shared memory.

Knows nothing of what is worked on.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

import numpy as np
from numpy.typing import NDArray

PR_SET_PDEATHSIG = 1
"""Of `prctl`: the signal a process gets when its parent ends."""


def begin_worker(loop: int, _worker: int = 0) -> None:
    """Ctrl-C reaches every process of the terminal: the process `loop` decides what it means, and ends its workers.

    Where that one is killed, they go with it. DataLoader's own workers look for their parent between two batches only,
    so that one which reads slowly, or hangs, would stay for long or for ever.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != loop:  # it went before
            os._exit(1)
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which the loop ends them


def can_fork() -> bool:
    """Whether a process here can begin with the memory of its parent."""
    return "fork" in multiprocessing.get_all_start_methods()


def shared_array(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Zeros, uint8, in memory that forked processes write into for all.

    Not of /dev/shm, which containers give 64 MB.
    """
    num = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, max(num, 1)), np.uint8, num).reshape(shape)


def in_processes(work: Callable[[int], int], order: Sequence[int], processes: int) -> Iterator[int]:
    """Call `work` with each of `order` in forked processes of one thread each; what it gives, as it gets ready.

    The processes see what this one sees when they begin; what `work` changes is theirs, but for `shared_array`s.

    Args:
        work: need not be picklable.
        order: long pieces first, or the last one to end is waited for.
        processes: how many, at least one.

    Raises:
        Exception: what `work` raises; BrokenProcessPool where a process was killed.
    """
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("fork"), initializer=_begin, initargs=(os.getpid(), work)
    )
    try:
        for future in as_completed([pool.submit(_work, item) for item in order]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_given: list[Callable[[int], int]] = []
"""In a worker: what it is to do. Inherited, so that it need not be picklable."""


def _begin(parent: int, work: Callable[[int], int]) -> None:
    import torch

    begin_worker(parent)
    torch.set_num_threads(1)  # the threads of the parent are not here, and would be waited for
    _given.append(work)


def _work(item: int) -> Any:
    return _given[-1](item)
