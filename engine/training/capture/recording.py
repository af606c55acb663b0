"""Records what a function asks of a CUDA device, so that it can be launched again as one: a CUDA graph.

Knows streams, memory pools and generators; not what is recorded, nor when that pays.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch

from trainctl.engine.errors import first_line
from trainctl.engine.training.capture.frozen import host_draws

Body = Callable[[], object]
Launch = Callable[[], object]

LEAD = 32
"""Launches between two looks at how far the device is: Python is at most twice as many ahead."""
DRAWN = "random numbers are drawn in Python"
"""What `rehearse` says of a body whose Python decides by chance."""
WAITS = "synchronizing CUDA operation"
"""How torch's warning of an operation that waits for the device names it."""


class RecordingError(Exception):
    """Something cannot be recorded; nothing of it has happened."""


class Recording(Protocol):
    """Runs and records functions of one device."""

    def rehearse(self, body: Body) -> list[str]:
        """Run `body` where it would be recorded. Returns what in it a recording could not repeat, in words."""
        ...

    def record(self, body: Body) -> Launch:
        """Record what `body` asks of the device, which is not done; returns what does it, with the same memory.

        Raises:
            RecordingError: something in it cannot be recorded.
        """
        ...


class CudaRecording:
    """CUDA graphs that share one pool of memory: no two of them are ever launched at once.

    Args:
        device: the GPU.
        generators: sources of random numbers that the functions draw from, besides the device's own.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self._device, self._generators = device, list(generators)
        # One stream for both, so that what the first runs reserve per stream (cuBLAS's workspace) is there already.
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._marks = deque[torch.cuda.Event]()
        self._num_launched = 0

    def rehearse(self, body: Body) -> list[str]:
        """Run `body` on the stream of the recordings, with torch on the watch for operations that wait."""
        current, draws = torch.cuda.current_stream(self._device), [*host_draws(), torch.get_rng_state().tolist()]
        self._stream.wait_stream(current)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mode = torch.cuda.get_sync_debug_mode()
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with torch.cuda.stream(self._stream):
                    body()
            finally:
                torch.cuda.set_sync_debug_mode(mode)
        current.wait_stream(self._stream)
        found: list[str] = []
        for warning in caught:
            if WAITS in str(warning.message):
                found.append(f"{Path(warning.filename).name}:{warning.lineno} waits for the device")
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        if draws != [*host_draws(), torch.get_rng_state().tolist()]:
            found.append(DRAWN)
        return list(dict.fromkeys(found))

    def record(self, body: Body) -> Launch:
        """Capture `body` into a graph of its own."""
        with torch.cuda.device(self._device):
            own = [*self._generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        before = [generator.get_state() for generator in own]
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        try:
            # The mode: other threads of ours copy records from the device meanwhile, as they may.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                body()
        except Exception as err:
            _release(own, before, self._device)
            raise RecordingError(first_line(err)) from err

        def launch() -> None:
            graph.replay()
            self._keep_pace()

        return launch

    def _keep_pace(self) -> None:
        """Let Python be some launches ahead of the device, not the thousand that its queue would take.

        Else whoever asks for a pause, a checkpoint or the end of the run waits for all that has been launched.
        """
        self._num_launched += 1
        if self._num_launched % LEAD == 0:
            event = torch.cuda.Event(blocking=True)  # it sleeps, and other threads have the processor
            event.record()
            self._marks.append(event)
            if len(self._marks) > 1:
                self._marks.popleft().synchronize()


def make_recording(device: torch.device, generators: Sequence[torch.Generator]) -> Recording | None:
    """What records on a device; none: nothing does."""
    return CudaRecording(device, generators) if device.type == "cuda" else None


def _release(generators: Sequence[torch.Generator], states: Sequence[torch.Tensor], device: torch.device) -> None:
    """Give the generators states that no broken recording holds: torch leaves them as if it were still going on."""
    for generator, state in zip(generators, states, strict=True):
        fresh = torch.Generator(device)
        fresh.set_state(state)
        generator.graphsafe_set_state(fresh)
