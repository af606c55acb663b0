"""Figures of machine and cards in words, as the panel and `trainctl top` say them. Pure."""

from __future__ import annotations

import math

from trainctl.engine.machine.cards import Card
from trainctl.tui.words.folder import size_words


def memory_words(used: float, total: float = math.nan) -> str:
    """Bytes in words: `812 MB`, `12.9 of 151 GB`; empty where they are not known."""
    if math.isnan(used):
        return ""
    if math.isnan(total):
        return size_words(int(used))
    whole = size_words(int(total))
    size, unit = whole.rsplit(" ", 1)
    mine, own_unit = size_words(int(used)).rsplit(" ", 1)
    return f"{mine} of {size} {unit}" if own_unit == unit else f"{mine} {own_unit} of {whole}"


def cores_words(percent: float, cores: int = 0) -> str:
    """How many cores a share of processors is, 100 being one: `1.9 of 2 cores`; empty where it is not known."""
    if math.isnan(percent):
        return ""
    used = f"{percent / 100:.1f}"
    return f"{used} of {cores} cores" if cores else f"{used} cores"


def percent_words(percent: float) -> str:
    """`87 %`; empty where it is not known."""
    return "" if math.isnan(percent) else f"{percent:.0f} %"


def heat_words(degrees: float, *, plain: bool = False) -> str:
    """`71 °C`; empty where it is not known."""
    return "" if math.isnan(degrees) else f"{degrees:.0f} {'C' if plain else '°C'}"


def power_words(watts: float) -> str:
    """`243 W`; empty where it is not known."""
    return "" if math.isnan(watts) else f"{watts:.0f} W"


def card_words(card: Card, *, plain: bool = False) -> list[str]:
    """Use, memory, temperature and power, as far as the card tells; `plain`: without the sign of degrees."""
    return [
        percent_words(card.use_percent),
        memory_words(card.memory_used_bytes, card.memory_total_bytes),
        heat_words(card.temperature_c, plain=plain),
        power_words(card.power_w),
    ]
