"""What a task of the user's own gets from the contract."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.tasks.task import Task


class Wide(RunConfig):
    """Options."""

    width: int = 3


class Wider(Wide):
    """More of them."""


class Named(Task[Wide], ABC):
    """Says its options in brackets."""


class Heir(Named, ABC):
    """Says nothing more."""


class Refined(Named, ABC):
    """Says other ones in the older way."""

    config_type: ClassVar[type[RunConfig]] = Wider


class Plain(Task, ABC):
    """Has none of its own."""


class Explicit(Task, ABC):
    """Says them as tasks did before there were brackets."""

    config_type: ClassVar[type[RunConfig]] = Wide


def test_the_class_of_the_options_follows_from_the_brackets_or_is_said() -> None:
    assert [task.config_type for task in (Named, Heir, Refined, Plain, Explicit)] == [
        Wide,
        Wide,
        Wider,
        RunConfig,
        Wide,
    ]
