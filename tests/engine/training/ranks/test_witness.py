"""What the ranks of a run learn of one that is gone: its last words, or that it gives no sign of life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from torch.distributed import HashStore  # pyright: ignore[reportPrivateImportUsage]

from trainctl.engine.ranks import Ranks
from trainctl.engine.training.ranks import witness
from trainctl.engine.training.ranks.witness import StoreWitness

SIZE = 300


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: HashStore) -> None:
        self._store, self.asked = store, 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._store, name)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[HashStore]:
    monkeypatch.setattr(witness, "PATIENCE_S", 0.3)
    monkeypatch.setattr(witness, "BEAT_S", 0.02)
    found = HashStore()
    for rank in range(SIZE):
        found.set(f"life/{rank}", "7")
    yield found


def test_of_many_ranks_those_that_are_gone_are_named_in_a_handful_of_questions(store: HashStore):
    asked = Counting(store)
    asks, lives = (
        StoreWitness(Ranks(1, SIZE), asked, is_hosted=True),
        StoreWitness(Ranks(5, SIZE), store, is_hosted=True),
    )
    before = asked.asked
    reasons = asks.reasons()
    assert reasons.startswith("ranks 0, 2, 3, 4, 6, ") and reasons.endswith(
        " are gone: killed, stopped, or without a network"
    )
    assert asked.asked - before < 60  # its own signs of life included
    for one in (asks, lives):
        one.close(is_patient=False, is_well=True)


def test_the_first_that_says_why_is_quoted_whoever_complained_of_others_before(store: HashStore):
    first, second, third = (StoreWitness(Ranks(rank, 3), store, is_hosted=True) for rank in range(3))
    second.say("")
    first.say("ValueError: bad [1, 2]\nand more")
    first.say("something later")
    assert second.reasons() == third.reasons() == "rank 0: ValueError: bad [1, 2]\nand more"
    for one in (first, second, third):
        one.close(is_patient=False, is_well=True)


def test_who_has_complained_and_gone_is_not_the_one_that_is_gone(store: HashStore):
    store.set("life/2", "7")  # the third gives no sign of life
    first, second = (StoreWitness(Ranks(rank, 3), store, is_hosted=True) for rank in range(2))
    second.say("")
    second.close(is_patient=False, is_well=True)
    assert first.reasons() == "rank 2 is gone: killed, stopped, or without a network"
    first.close(is_patient=False, is_well=True)
