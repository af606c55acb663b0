"""Samples of a map-style Dataset, read one by one: what is random in them depends on seed, epoch and sample alone.

So a resume is exact, and the number of worker processes changes nothing. Knows no split, no task and no device memory.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from trainctl.engine.data.processes import begin_worker
from trainctl.engine.errors import UserError, first_line
from trainctl.engine.launched import launched

GRACE_S = 1.0
"""How long a worker may take to end, once nobody wants its batches."""
AHEAD = 2
"""Batches that each worker fetches ahead."""
Key = tuple[int, int]
"""Which time the samples are drawn, and which sample."""


class MapDataset(Protocol):
    """What `torch.utils.data.Dataset` of the map style offers."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """One sample: a mapping of tensors, arrays or numbers, or a tuple of them."""
        ...


class Samples(Dataset[Any]):
    """A Dataset whose samples have names for their parts and random numbers of their own.

    Args:
        dataset: gives the samples.
        fields: names of a tuple's entries; empty where samples are mappings.
        seed: with the draw and the index it determines the random numbers of a sample.
    """

    def __init__(self, dataset: MapDataset, fields: Sequence[str] = (), seed: int = 0) -> None:
        self.dataset, self.fields, self.seed = dataset, tuple(fields), seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        draw, index = key
        # A hash of plain integers is the same in every process.
        number = hash((self.seed, draw, index)) & 0xFFFFFFFF
        random.seed(number)
        np.random.seed(number)
        torch.default_generator.manual_seed(number)
        return self._named(self.dataset[index])

    def batch(self, rows: Tensor, draw: int = 0) -> dict[str, Tensor]:
        """The samples with these indices, collated on the CPU; the global random numbers are as before afterwards."""
        with _random_numbers_kept():
            return collate([self[draw, index] for index in rows.tolist()])

    def _named(self, sample: Any) -> dict[str, Any]:
        if isinstance(sample, Mapping):
            return dict(cast("Mapping[str, Any]", sample))
        parts = list(cast("Sequence[Any]", sample)) if isinstance(sample, (tuple, list)) else [sample]
        if len(parts) != len(self.fields):
            kind = type(self.dataset).__name__
            example = tuple("xyzuvw"[: len(parts)])
            raise UserError(
                f"a sample of {kind} has {len(parts)} parts without names, and `fields` names {len(self.fields)}",
                f"name them: Split(dataset=…, fields={example!r})",
            )
        return dict(zip(self.fields, parts, strict=True))


def collate(samples: list[dict[str, Any]]) -> dict[str, Tensor]:
    """One tensor a field, batch dimension first; integers become int64, floating-point numbers float32.

    Raises:
        UserError: samples differ in fields or shapes, or a field is no number.
    """
    try:
        # A worker cannot hand over a tensor with a graph, and nobody trains through the data.
        plain = [{name: v.detach() if isinstance(v, Tensor) else v for name, v in row.items()} for row in samples]
        batch = cast("dict[str, Any]", default_collate(plain))
    except KeyError as err:
        raise UserError(f"a sample of a batch lacks {err}", "give every sample the same fields") from err
    except (TypeError, RuntimeError, ValueError) as err:
        raise UserError(
            f"the samples of a batch do not fit together: {first_line(err)}", "give tensors of one shape"
        ) from err
    bad = [name for name, value in batch.items() if not isinstance(value, Tensor)]
    if bad:
        raise UserError(f"{bad[0]} of a sample is no tensor and no number", "leave it out, or encode it as numbers")
    return {name: value.float() if value.dtype == torch.float64 else value for name, value in batch.items()}


def _collated_or_why_not(samples: list[dict[str, Any]]) -> dict[str, Tensor] | UserError:
    """In a worker: a mistake of the user's travels as it is, not as a traceback of another process."""
    try:
        return collate(samples)
    except UserError as err:
        return err


def _raised(batch: dict[str, Tensor] | UserError) -> dict[str, Tensor]:
    if isinstance(batch, UserError):
        raise batch
    return batch


class Workers:
    """Batches in order, read by worker processes that live as long as this.

    Args:
        samples: what is read.
        count: processes; 0: this one reads.
        pinned: put batches into pinned memory.
    """

    def __init__(self, samples: Samples, count: int, *, pinned: bool) -> None:
        self._samples, self._orders, self._count = samples, _Orders(), count
        self._loader: DataLoader[Any] | None = None
        if count:
            methods = multiprocessing.get_all_start_methods()
            self._loader = DataLoader(
                samples,
                batch_sampler=self._orders,
                num_workers=count,
                collate_fn=_collated_or_why_not,
                pin_memory=pinned,
                persistent_workers=True,
                prefetch_factor=AHEAD,
                worker_init_fn=partial(_begin, os.getpid()),
                # A user's task need not be importable by name, so it cannot be pickled for a fresh process.
                multiprocessing_context="fork" if "fork" in methods else None,
                generator=torch.Generator(),  # else each epoch would draw from the run's own random numbers
            )

    def batches(self, order: Sequence[Tensor], draw: int) -> Iterator[dict[str, Tensor]]:
        """The batches with the samples of `order`; `draw`: which time they are drawn."""
        if self._loader is None:
            return (self._samples.batch(rows, draw) for rows in order)
        self._orders.order, self._orders.draw = order, draw
        return map(_raised, self._loader)

    def close(self) -> None:
        """End the processes."""
        loader, self._loader = self._loader, None
        # They would go with the last reference, whenever that goes; a run that is over leaves none behind.
        reader = getattr(loader, "_iterator", None)
        if reader is not None:
            _end(reader)


def _end(reader: Any) -> None:
    """End the workers of a DataLoader's iterator within about `GRACE_S`.

    By itself it waits five seconds for each, and for ever for one that is stopped. Those which DataLoader does not know
    any more may be killed without an error of its own. All names here are torch's private ones.
    """
    from torch.utils.data._utils.signal_handling import _remove_worker_pids  # pyright: ignore

    if reader._worker_pids_set:
        _remove_worker_pids(id(reader))
        reader._worker_pids_set = False
    late = threading.Timer(GRACE_S, lambda: [worker.kill() for worker in reader._workers])
    late.start()
    try:
        reader._shutdown_workers()
    finally:
        late.cancel()


def _begin(loop: int, worker: int) -> None:
    """In a worker: see `begin_worker`. A launcher sends SIGTERM to all processes of a rank, which finishes its step."""
    begin_worker(loop, worker)
    if launched(os.environ) is not None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Orders:
    """The batches that the workers are to read, for DataLoader: changed from epoch to epoch."""

    order: Sequence[Tensor] = ()
    draw = 0

    def __iter__(self) -> Iterator[list[Key]]:
        for rows in self.order:
            yield [(self.draw, index) for index in rows.tolist()]

    def __len__(self) -> int:
        return len(self.order)


@contextlib.contextmanager
def _random_numbers_kept() -> Generator[None]:
    """Within it the global generators may be seeded; afterwards they are as before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
