"""Signs of life of each rank, and its last words: kept where all can read them, also when one is killed.

A thread counts in the store that the ranks have met at. Whose count stands still is gone, or stopped; who ends by
himself says why. Knows a store and ranks, no run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from torch.distributed.distributed_c10d import Store

from trainctl.engine.ranks import Ranks

BEAT_S = 0.5
"""Between two signs of life."""
PATIENCE_S = 3.0
"""How long one may be silent, or take to say what is wrong."""
LOOK_S = 0.1
GOODBYE_S = 1.0
"""How long the process of the rank that leads takes to end."""
ANSWER_S = 5.0
"""How long the store may take: it goes with the machine it is on."""


class StoreWitness:
    """Counts for this rank, from creation to `close`.

    Args:
        ranks: who this is.
        store: a connection of its own: this thread must not wait for another's question.
        is_hosted: whether a launcher keeps the store, which ends the others when one process ends; else the process
            that leads keeps it, and who asks after its end is answered with noise.
    """

    def __init__(self, ranks: Ranks, store: Store, *, is_hosted: bool) -> None:
        self._ranks, self._store, self._is_hosted = ranks, store, is_hosted
        self._store.set_timeout(timedelta(seconds=ANSWER_S))
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._heard = dict[int, str]()
        self._num_heard = 0
        with suppress(RuntimeError):
            self._store.set(f"life/{ranks.rank}", "0")
        self._thread = threading.Thread(target=self._beat, name="trainctl-witness", daemon=True)
        self._thread.start()

    def say(self, reason: str) -> None:
        """Leave word why this rank ends; empty: because another does not answer."""
        with suppress(RuntimeError), self._lock:
            number = self._store.add("ends", 1)
            self._store.set(f"end/{number}", json.dumps([self._ranks.rank, reason]))

    def reasons(self) -> str:
        """Who is gone and why, in words: the first that says so, else those that give no sign of life."""
        others = [rank for rank in range(self._ranks.size) if rank != self._ranks.rank]
        try:
            before, until = self._counts(others), time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                told = [f"rank {rank}: {reason}" for rank, reason in self._said().items() if reason]
                if told:
                    return told[0]
                time.sleep(LOOK_S)
            after, said = self._counts(others), self._said()
        except RuntimeError:
            return "rank 0 is gone, or the machine where the processes met"
        # Who has said that another is gone may be gone himself by now.
        gone = [rank for rank in others if after[rank] == before[rank] and rank not in said]
        if not gone:
            return "a rank did not answer in time; all of them live"
        names = f"ranks {', '.join(map(str, gone))} are" if len(gone) > 1 else f"rank {gone[0]} is"
        return f"{names} gone: killed, stopped, or without a network"

    def close(self, *, is_patient: bool, is_well: bool) -> None:
        """Give no more signs of life, and go; patient: once the rank that leads has gone, see `meeting.part`."""
        with suppress(RuntimeError):
            if self._ranks.leads:
                self._store.set("over", "1")
            elif is_patient:
                self._wait_for_lead()
        self._ended.set()
        self._thread.join(ANSWER_S)
        with suppress(RuntimeError):
            self._store.set(f"bye/{self._ranks.rank}", "1")
            if self._ranks.leads and is_patient and not self._is_hosted:
                self._wait_for_others()
        if not (self._ranks.leads or is_well) and self._is_hosted:
            time.sleep(GOODBYE_S)

    def _wait_for_others(self) -> None:
        """Until none of them will ask the store any more."""
        until = time.monotonic() + PATIENCE_S
        keys = [f"bye/{rank}" for rank in range(self._ranks.size)]
        while not self._store.check(keys) and time.monotonic() < until:
            time.sleep(LOOK_S / 5)

    def _wait_for_lead(self) -> None:
        """Until it has written its last words, or gives no sign of life."""
        count, since = b"", time.monotonic()
        while not self._get("over") and time.monotonic() - since < PATIENCE_S:
            now = self._get("life/0")
            if now != count:
                count, since = now, time.monotonic()
            time.sleep(LOOK_S)

    def _beat(self) -> None:
        number = 0
        while not self._ended.wait(BEAT_S):
            number += 1
            with suppress(RuntimeError), self._lock:
                self._store.set(f"life/{self._ranks.rank}", str(number))

    def _counts(self, others: list[int]) -> Mapping[int, bytes]:
        """In one question: a thousand ranks ask at the same time, each after a thousand."""
        keys = [f"life/{rank}" for rank in others]
        with self._lock:
            if self._store.check(keys):
                return dict(zip(others, self._store.multi_get(keys), strict=True))
        return {rank: self._get(key) for rank, key in zip(others, keys, strict=True)}

    def _said(self) -> Mapping[int, str]:
        """Last words of those that have left any, in the order in which they did; empty ones speak of somebody else."""
        with self._lock:
            number = self._store.add("ends", 0)
            keys = [f"end/{k}" for k in range(self._num_heard + 1, number + 1)]
            if keys and self._store.check(keys):
                for rank, words in map(json.loads, self._store.multi_get(keys)):
                    self._heard.setdefault(rank, words)
                self._num_heard = number
        return {rank: words for rank, words in self._heard.items() if rank != self._ranks.rank}

    def _get(self, key: str) -> bytes:
        with self._lock:
            return self._store.get(key) if self._store.check([key]) else b""
