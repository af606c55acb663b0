"""Brings batches to the device: the split lives there when it fits, else it is pinned and fetched ahead.

Knows tensors and indices; which samples belong together is the sampler's business.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.data.reading import Samples, Workers
from trainctl.engine.ranks import ALONE, Ranks

RESIDENT_SHARE = 0.5
"""Share of the device's free memory the data may take; the rest is for the network and its activations."""
AHEAD = 2
"""Batches fetched ahead when the data does not fit."""
MOST_WORKERS = 4
HANDLE = "__indices__"
"""Name under which a handle carries indices; no task's batch has it."""


class Feed:
    """Batches of one split on `device`.

    Args:
        split: data, on the CPU, or there already: then it is taken as it lies.
        device: where the batches are needed.
        workers: processes that read a Dataset; none: as many as there are cores to spare, at most 4.
        seed: of what is random in a Dataset.
    """

    def __init__(self, split: Split, device: torch.device, workers: int | None = None, seed: int = 0) -> None:
        self.device = device
        self._length = len(split)
        self.is_read_singly = split.dataset is not None
        """Whether samples are read one by one, so that a batch may be long in coming."""
        self._workers: Workers | None = None
        if split.dataset is not None:
            count = spare_cores() if workers is None else workers
            samples = Samples(split.dataset, split.fields, seed)
            self._workers = Workers(samples, count, pinned=device.type == "cuda")
        self.is_resident = fits(split.tensors, device)
        if self.is_resident:
            self._tensors = {name: tensor.to(device) for name, tensor in split.tensors.items()}
        else:
            self._tensors = {name: tensor.pin_memory() for name, tensor in split.tensors.items()}

    @property
    def num_samples(self) -> int:
        """Of the split."""
        return self._length

    def batches(self, order: Sequence[Tensor], draw: int = 0) -> Iterator[Batch]:
        """The batches with the samples of `order` (index tensors, int64, CPU), one after the other.

        Args:
            order: the samples of each batch.
            draw: which time the samples are drawn (the epoch): what is random in a Dataset depends on it.
        """
        if self._workers is not None:
            return map(self._place, self._workers.batches(order, draw))
        if not self.is_resident:
            return self._fetch_ahead(order)
        return map(self._gather, self._placed(order))

    def handles(self, order: Sequence[Tensor], draw: int = 0) -> Iterator[Batch]:
        """As `batches`, but of data that live on the device only the indices, for `open` to gather by.

        What a recorded step takes: the less is copied for each, the better.
        """
        if self._workers is not None or not self.is_resident:
            return self.batches(order, draw)
        return ({HANDLE: indices} for indices in self._placed(order))

    def open(self, handle: Batch) -> Batch:
        """The batch of a handle. Asks things of the device only."""
        return self._gather(handle[HANDLE]) if HANDLE in handle else handle

    def slices(self, batch_size: int, ranks: Ranks = ALONE) -> Iterator[Batch]:
        """The split in order, `batch_size` samples at a time; of several ranks each takes every `size`-th slice."""
        if self._workers is not None:
            yield from self.batches(torch.arange(self._length).split(batch_size)[ranks.rank :: ranks.size])
            return
        for start in range(0, self._length, batch_size)[ranks.rank :: ranks.size]:
            part = {name: tensor[start : start + batch_size] for name, tensor in self._tensors.items()}
            yield self._place(part)

    def close(self) -> None:
        """End the processes that read, if there are any."""
        if self._workers is not None:
            self._workers.close()

    def _place(self, part: Batch) -> Batch:
        return {name: tensor.to(self.device, non_blocking=True) for name, tensor in part.items()}

    def _placed(self, order: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.device.type == "cpu" or not order:
            return order
        # one copy for the whole epoch: many small ones from pageable memory would each be staged
        flat = torch.cat(list(order))
        flat = flat.pin_memory() if self.device.type == "cuda" else flat
        return flat.to(self.device, non_blocking=True).split([len(indices) for indices in order])

    def _gather(self, indices: Tensor) -> Batch:
        return {name: tensor.index_select(0, indices) for name, tensor in self._tensors.items()}

    def _fetch_ahead(self, order: Sequence[Tensor]) -> Iterator[Batch]:
        fetched: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        abandoned = threading.Event()

        def fetch() -> None:
            try:
                for indices in order:
                    part = {name: tensor[indices].pin_memory() for name, tensor in self._tensors.items()}
                    while not abandoned.is_set():
                        try:
                            fetched.put(part, timeout=0.1)
                            break
                        except queue.Full:
                            continue
                    if abandoned.is_set():
                        return
            except BaseException as err:
                fetched.put(err)

        thread = threading.Thread(target=fetch, name="trainctl-feed", daemon=True)
        thread.start()
        try:
            for _ in order:
                part = fetched.get()
                if isinstance(part, BaseException):
                    raise part
                yield self._place(part)
        finally:
            abandoned.set()


def spare_cores() -> int:
    """Processes that may read beside the loop, at most `MOST_WORKERS`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, max(1, usable - 1))


def fits(tensors: Mapping[str, Tensor], device: torch.device) -> bool:
    """Whether the tensors may live on the device. On a CPU they already do, and so do those that were made there."""
    if any(tensor.device.type != "cpu" for tensor in tensors.values()):
        return True
    return has_room(sum(tensor.nbytes for tensor in tensors.values()), device)


def has_room(num_bytes: int, device: torch.device) -> bool:
    """Whether data of this size may live on the device."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return num_bytes <= RESIDENT_SHARE * free
