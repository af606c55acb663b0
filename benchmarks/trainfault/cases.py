"""The table of cases: faults with their true causes, and healthy trainings that look odd. Knows no particular one.

The truth of a fault was written before anybody looked at what the diagnosis says of it. Codes are those of the
catalogue of causes; a code that no rule has yet makes the fault one that cannot be named.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from benchmarks.trainfault.change import Change


@dataclass(frozen=True)
class Case:
    """A fault or a healthy training."""

    name: str
    family: str
    says: str
    """What is wrong, or odd, in a line."""
    change: Callable[[float], Change]
    is_fault: bool
    cause: frozenset[str]
    """Codes that name the cause; empty: no rule does."""
    near: frozenset[str]
    """Codes that lead to it, if they are among the first three; those of `cause` are among them."""
    needs: frozenset[str]
    """Traits that a host must have, all of them."""
    lacks: frozenset[str]
    """Traits that it must not have."""
    doses: tuple[float, float, float]
    """Mild, usual, severe."""
    refusal: str = ""
    """Words of the line that refuses the training, where that names the cause; empty: nothing does."""

    def fits(self, traits: frozenset[str]) -> bool:
        """Whether a host of these traits can have it."""
        return self.needs <= traits and not self.lacks & traits


_CASES: dict[str, Case] = {}
HEALTHY = "healthy"
"""Family of a host as it is."""


def fault(
    name: str,
    says: str,
    *,
    cause: str = "",
    near: str = "",
    needs: str = "",
    lacks: str = "",
    doses: tuple[float, float, float] = (1, 1, 1),
    refusal: str = "",
) -> Callable[[type[Change]], type[Change]]:
    """Enter a fault; codes and traits are words of a text. Its family is the module that it stands in."""

    def enter(change: type[Change]) -> type[Change]:
        family, codes = change.__module__.rpartition(".")[2], frozenset(cause.split())
        wide = codes | {*near.split()}
        _enter(Case(name, family, says, change, True, codes, wide, *_traits(needs, lacks), doses, refusal))
        return change

    return enter


def trap(
    name: str,
    says: str,
    *,
    needs: str = "",
    lacks: str = "",
    dose: float = 1,
) -> Callable[[type[Change]], type[Change]]:
    """Enter a healthy training of which a rule may think otherwise."""

    def enter(change: type[Change]) -> type[Change]:
        nothing: frozenset[str] = frozenset()
        traits = _traits(needs, lacks)
        _enter(Case(name, HEALTHY, says, change, False, nothing, nothing, *traits, (dose, dose, dose)))
        return change

    return enter


@cache
def all_cases() -> dict[str, Case]:
    """Every case by its name."""
    from benchmarks.trainfault import faults

    for module in pkgutil.iter_modules(faults.__path__, f"{faults.__name__}."):
        importlib.import_module(module.name)
    return dict(_CASES)


def change_of(name: str, dose: float) -> Change:
    """What a case changes; the empty name: nothing.

    Raises:
        KeyError: no such case.
    """
    return all_cases()[name].change(dose) if name else Change(dose)


def _traits(needs: str, lacks: str) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(needs.split()), frozenset(lacks.split())


def _enter(case: Case) -> None:
    assert case.name not in _CASES, f"{case.name} is there twice"
    _CASES[case.name] = case
