"""Who wants to be told of what: options of the command line, else the environment, else the user's own file.

```yaml
on_end: notify-send "$TRAINCTL_RUN" "$TRAINCTL_SUMMARY"
on_finding: https://hooks.example.org/secret
bell: true
notify: true
```
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.user_folders import user_folder
from trainctl.tui.own_file import entries_of

ON_END, ON_FINDING = "TRAINCTL_ON_END", "TRAINCTL_ON_FINDING"
"""In the environment: for trainings that a program starts. Empty: nobody is told, whatever the file says."""
SECRET = ("--on-end", "--on-finding")
"""Options of which the value stays out of what is recorded: it may hold a token."""
_COMMANDS, _SWITCHES = ("on_end", "on_finding"), ("bell", "notify")


@dataclass(frozen=True)
class Wishes:
    """What is to happen."""

    on_end: str = ""
    """Command, or http(s) URL, for when a run ends; empty: none."""
    on_finding: str = ""
    """The same for a new error or warning of the rules."""
    bell: bool = False
    """Ring the terminal's bell in the cockpit."""
    notify: bool = False
    """Have the terminal show a notification."""

    @property
    def leave_the_terminal(self) -> bool:
        """Whether anybody waits for a command or a POST."""
        return bool(self.on_end or self.on_finding)

    @property
    def are_in_the_terminal(self) -> bool:
        """Whether the terminal itself is to be heard or seen."""
        return self.bell or self.notify


def alerts_path() -> Path:
    """The user's own file."""
    return user_folder("config") / "alerts.yaml"


def wished(
    on_end: str | None = None,
    on_finding: str | None = None,
    *,
    bell: bool | None = None,
    notify: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> Wishes:
    """What is wished in all; an argument that is None was not said on the command line.

    Raises:
        UserError: there is a mistake in the file.
    """
    said = os.environ if environ is None else environ
    own = load_wishes(alerts_path())
    end = said.get(ON_END, own.on_end) if on_end is None else on_end
    finding = said.get(ON_FINDING, own.on_finding) if on_finding is None else on_finding
    return Wishes(
        end.strip(), finding.strip(), own.bell if bell is None else bell, own.notify if notify is None else notify
    )


def unalerted(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which no training tells anybody: of many short trials nobody wants to hear."""
    return {**environ, ON_END: "", ON_FINDING: ""}


def without_secrets(argv: Sequence[str]) -> list[str]:
    """A command line without the values of the options that may hold a token."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        if word in SECRET:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in SECRET)):
            kept.append(word)
        if word == "--":
            kept.extend(words)
    return kept


def load_wishes(path: Path) -> Wishes:
    """The user's file; nothing without one.

    Raises:
        UserError: it cannot be read, or says what is not understood.
    """
    if not path.exists():
        return Wishes()
    entries: dict[str, Any] = entries_of(path, "alerts", "bell: true", "mend or remove it")
    for name, value in entries.items():
        if name not in (*_COMMANDS, *_SWITCHES):
            near = difflib.get_close_matches(name, (*_COMMANDS, *_SWITCHES), 1)
            hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join((*_COMMANDS, *_SWITCHES))}"
            raise UserError(f"{path}: no alert called {name!r}", hint)
        if not isinstance(value, str if name in _COMMANDS else bool):
            kind = "a command or a URL" if name in _COMMANDS else "true or false"
            raise UserError(f"{path}: {name} is {value!r}", f"write {kind}")
    return Wishes(**entries)
