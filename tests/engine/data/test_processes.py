"""Forked processes: they see what their parent sees, write into shared memory, fail aloud and leave nothing behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

import pytest
import torch

from trainctl.engine.data.processes import can_fork, in_processes, shared_array

pytestmark = pytest.mark.skipif(not can_fork(), reason="no process begins with the memory of its parent here")


def test_every_piece_is_done_once_by_another_process_of_one_thread() -> None:
    rows = shared_array((5, 3))
    threads = shared_array((5,))
    mine = os.getpid()

    def fill(row: int) -> int:
        rows[row] = row + 1
        threads[row] = torch.get_num_threads()
        return os.getpid()

    makers = list(in_processes(fill, [4, 0, 2, 1], 2))
    assert rows[:, 0].tolist() == [1, 2, 3, 0, 5]
    assert threads.tolist() == [1, 1, 1, 0, 1]
    assert len(makers) == 4 and mine not in makers
    assert not multiprocessing.active_children()


def test_what_a_piece_raises_is_raised_here_and_no_process_is_left() -> None:
    def fail(row: int) -> int:
        raise ValueError(f"piece {row}")

    with pytest.raises(ValueError, match="piece"):
        list(in_processes(fail, [0, 1, 2], 2))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("shape", [(0, 4), (2, 3, 4)])
def test_shared_memory_begins_as_zeros_of_the_shape(shape: tuple[int, ...]) -> None:
    array = shared_array(shape)
    assert array.shape == shape
    assert not array.any()


def test_who_stops_asking_ends_the_processes() -> None:
    def count(row: int) -> int:
        return row

    def first_of(work: Callable[[int], int]) -> int:
        pieces = in_processes(work, range(50), 2)
        try:
            return next(pieces)
        finally:
            pieces.close()  # pyright: ignore[reportAttributeAccessIssue]

    assert first_of(count) in range(50)
    assert not multiprocessing.active_children()
