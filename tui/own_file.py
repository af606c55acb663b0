"""Reads a file of the user's own: a YAML list of names, each with a value. Knows no name that may stand in it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from trainctl.engine.errors import UserError


def entries_of(path: Path, what: str, example: str, cure: str) -> dict[str, object]:
    """Value by name.

    Args:
        path: which must exist.
        what: it lists: "keys".
        example: of a line.
        cure: for a file that cannot be read.

    Raises:
        UserError: it cannot be read, or is no such list.
    """
    import yaml

    hint = f"write lines like `{example}`"
    try:
        data: object = yaml.safe_load(path.read_text())
    except OSError as err:
        raise UserError(f"cannot read {path}: {err.strerror}", cure) from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise UserError(f"{path} is not YAML: {str(err).splitlines()[0]}", hint) from err
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"{path} is not a list of {what}", hint)
    return {str(name): value for name, value in cast("dict[object, object]", data).items()}
