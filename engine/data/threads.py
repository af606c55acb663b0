"""How many processor threads torch may use for a while. Knows nothing of what is computed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Generator[None]:
    """One thread for many small operations.

    On a machine that does other work as well, waiting for a second thread at the end of every operation of a fraction
    of a millisecond takes many times longer than it saves. Holds for the whole process.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
