"""Settings of a training as other tools keep them, as plain data of bounded size. Runs nothing: no tags, no pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from trainctl.engine.config.yamlfile import parse_value, read_document
from trainctl.engine.errors import UserError
from trainctl.engine.files import parse_json, read_limited
from trainctl.engine.importing.foreign import clean_name

BESIDE = {"metrics.csv": "hparams.yaml", "results.csv": "args.yaml", "metrics.json": "config.yaml"}
"""Where settings lie beside a log that is called so: of Lightning, ultralytics, detectron2."""
HPARAMS = "hparams.yaml"
MOST_ENTRIES, DEEPEST, LONGEST = 2000, 8, 2000
MOST_BYTES = 8 << 20


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as plain data: names that can be printed, texts that are not too long, no more than so many of them."""
    return _Keeper().mapping(settings, 0)


def typed(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings that were kept as text: what reads as a number, as true, false or null is that."""
    return plain({name: parse_value(value) if len(value) <= LONGEST else value for name, value in settings.items()})


def beside(log: Path) -> dict[str, Any]:
    """The settings that a tool keeps beside a log of this name; empty where there are none that can be read."""
    name = BESIDE.get(log.name)
    return {} if name is None else yaml_mapping(log.parent / name)


def yaml_mapping(path: Path) -> dict[str, Any]:
    """What a YAML file holds; empty where there is none, or it cannot be read."""
    try:
        return plain(read_document(path).values)
    except UserError:
        return {}


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none that can be read."""
    try:
        found: Any = parse_json(read_limited(path, MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


class _Keeper:
    def __init__(self) -> None:
        self.left = MOST_ENTRIES

    def mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in values.items():
            if self.left <= 0:
                break
            self.left -= 1
            kept[clean_name(str(key)) or "unnamed"] = self.value(value, depth + 1)
        return kept

    def value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if abs(value) < 2**63 else str(value)[:LONGEST]
        if isinstance(value, str):
            return clean_name(value, LONGEST)
        if depth >= DEEPEST:
            return clean_name(str(type(value).__name__))
        if isinstance(value, Mapping):
            return self.mapping(cast("Mapping[Any, Any]", value), depth)
        if isinstance(value, list | tuple):
            items = cast("list[Any]", value)
            self.left -= len(items)
            return [self.value(item, depth + 1) for item in items[: max(self.left + len(items), 0)]]
        return clean_name(str(value), LONGEST)
