"""Where the user's own files lie outside of a run: configuration, what is remembered, what is kept for speed.

platformdirs knows the places (on Linux those of the XDG base directory specification). Makes no folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

NAME = "trainctl"
_DEFAULTS = {"cache": ".cache", "config": ".config", "state": ".local/state"}


def user_folder(kind: Literal["cache", "config", "state"]) -> Path:
    """The folder of one kind.

    Raises:
        RuntimeError: the user has no home.
    """
    from platformdirs import PlatformDirs  # the command line asks for none of these before it prints its help

    found = Path(getattr(PlatformDirs(NAME, appauthor=False), f"user_{kind}_dir"))
    # A relative $XDG_..._HOME counts as unset (XDG base directory specification), which platformdirs leaves to us.
    return found if found.is_absolute() else Path.home() / _DEFAULTS[kind] / NAME
