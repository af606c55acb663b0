"""A user's own keys: a YAML file of `action: key`, checked before the cockpit opens. Knows no screen.

```yaml
stop: ctrl+s
whole_run: home
```
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from textual.keys import REPLACED_KEYS, Keys

from trainctl.engine.errors import UserError
from trainctl.engine.user_folders import user_folder
from trainctl.tui.actions import ACTIONS
from trainctl.tui.own_file import entries_of

RESERVED = {"escape", "enter", "tab", "shift+tab", "ctrl+p", "ctrl+c", *"123456789"}
"""Keys that dialogs, panels and the palette need."""
MODIFIERS = {"ctrl", "shift", "alt", "super", "meta", "hyper"}
_NAMED = {key.value for key in Keys} | set(REPLACED_KEYS) | set(REPLACED_KEYS.values())


def keys_path() -> Path:
    """Where the file is looked for when none is named."""
    return user_folder("config") / "keys.yaml"


def load_keymap(path: Path, *, must_exist: bool) -> dict[str, str]:
    """Key by name of the action; empty without a file.

    Raises:
        UserError: the file is missing though named, is no list of keys, names an unknown action or key, or gives one
            key to two actions.
    """
    if not must_exist and not path.exists():
        return {}
    # A bare digit is a number to YAML, and `y` and `n` may be truth values to other readers of the file.
    found = entries_of(path, "keys", "stop: ctrl+s", "name a file of keys")
    entries = {name: str(key) for name, key in found.items()}
    names = [action.name for action in ACTIONS]
    keymap: dict[str, str] = {}
    for name, key in entries.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"actions: {', '.join(names)}"
            raise UserError(f"{path}: no action called {name!r}", hint)
        keymap[name] = _checked_key(path, name, key)
    _refuse_double(path, keymap)
    return keymap


def _checked_key(path: Path, name: str, key: str) -> str:
    *modifiers, last = key.strip().split("+") if key.strip() != "+" else ["plus"]
    known = len(last) == 1 or last in _NAMED
    if not last or not known or set(modifiers) - MODIFIERS:
        raise UserError(f"{path}: {name}: no key is called {key!r}", "write it like x, ctrl+s, f5 or home")
    if key.strip() in RESERVED:
        raise UserError(f"{path}: {name}: {key} belongs to dialogs and panels", "choose another key")
    return "plus" if key.strip() == "+" else key.strip()


def _refuse_double(path: Path, keymap: Mapping[str, str]) -> None:
    taken: dict[str, str] = {}
    for action in ACTIONS:
        for key in keymap.get(action.name, action.key).split(","):
            if key in taken:
                raise UserError(f"{path}: {key} is given to {taken[key]} and to {action.name}", "give one another key")
            taken[key] = action.name
