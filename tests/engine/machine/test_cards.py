"""Cards tell what they can; where there is no card, driver or package there is none, and nothing is wrong."""

from __future__ import annotations

import math
import sys
import threading

import pytest
from fake_nvml import FakeLibrary, h200

from trainctl.engine.machine import cards as asked
from trainctl.engine.machine.cards import Card, Cards


def with_library(monkeypatch: pytest.MonkeyPatch, library: object) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)


def test_a_card_tells_use_memory_temperature_and_power(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeLibrary(h200())
    with_library(monkeypatch, library)
    cards = Cards()
    assert cards.read() == (Card(0, "NVIDIA H200", 87, 12 << 30, 141 << 30, 54, 412.3),)
    cards.read()
    assert library.num_inits == 1


def test_without_the_package_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    with_library(monkeypatch, None)  # importing it is then an ImportError
    assert Cards().read() == ()


def test_without_a_driver_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeLibrary()

    def refuse() -> None:
        raise RuntimeError("NVML: driver not loaded")

    monkeypatch.setattr(library, "nvmlInit", refuse)
    with_library(monkeypatch, library)
    assert Cards().read() == ()


def test_only_the_cards_that_are_wanted_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with_library(monkeypatch, FakeLibrary(h200(), h200(uuid=b"GPU-ABC-2", name=b"NVIDIA A100")))
    assert [card.name for card in Cards(["abc-2"]).read()] == ["NVIDIA A100"]


def test_where_none_is_wanted_the_driver_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeLibrary(h200())
    with_library(monkeypatch, library)
    assert Cards(()).read() == () and library.num_inits == 0


def test_what_a_card_does_not_tell_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = h200(use=math.nan, power=-1)
    del bare["temperature"]
    with_library(monkeypatch, FakeLibrary(bare, {"uuid": "x", "name": "fallen off the bus"}))
    (card,) = Cards().read()
    assert card.figures == {"memory_used_bytes": 12 << 30, "memory_total_bytes": 141 << 30}


def test_a_driver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    library, released = FakeLibrary(h200()), threading.Event()
    monkeypatch.setattr(library, "nvmlInit", released.wait)
    monkeypatch.setattr(asked, "LIMIT_S", 0.01)
    with_library(monkeypatch, library)
    cards = Cards()
    assert cards.read() == () and cards.read() == ()
    monkeypatch.setattr(asked, "LIMIT_S", 30.0)
    released.set()
    assert [card.name for card in cards.read()] == ["NVIDIA H200"]
