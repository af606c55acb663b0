"""Starts the contenders of a benchmark, measures them, ends them. Knows no benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contender import Contender, Entry
from benchmarks.interleave import Timings, interleave


def measure(
    entries: Sequence[Entry], rounds: int, slice_s: float, optional: Sequence[Entry] = ()
) -> tuple[Timings, list[str]]:
    """Time `entries` and those of `optional` that start.

    Returns:
        The timings, and a line for each optional entry that does not start.

    Raises:
        RuntimeError: an entry that is not optional failed.
    """
    running = [Contender(entry) for entry in [*entries, *optional]]
    failed: list[str] = []
    try:
        standing: list[Contender] = []
        for index, contender in enumerate(running):
            try:
                contender.ready()
                standing.append(contender)
            except RuntimeError as err:
                if index < len(entries):
                    raise
                failed.append(f"{contender.label}: does not start here: {str(err).strip().splitlines()[-1]}")
        return interleave(standing, rounds, slice_s), failed
    finally:
        for contender in running:
            contender.close()
