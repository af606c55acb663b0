"""YAML with positions: every value knows its line, so that an error can name it.

Values follow the YAML 1.2 core schema, not 1.1: `3e-4` is a number, and `off`, `yes` and `12:30` are text. Knows
nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from trainctl.engine.errors import UserError
from trainctl.engine.files import read_limited

KeyPath = tuple[str, ...]
"""Keys from the root to a value."""

_TAG = "tag:yaml.org,2002:"
# YAML 1.2.2, section 10.3.2, "Tag Resolution" of the core schema, each with the first characters it can have.
_CORE: tuple[tuple[str, str, list[str]], ...] = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes; replaces the YAML 1.1 rules of its base with the core schema."""


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either version of YAML would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out; a reader should not have to look up anchors."""
        del data
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        """As the base class, but with lists of numbers on one line."""
        if all(isinstance(item, int | float) for item in sequence):
            flow_style = True
        return super().represent_sequence(tag, sequence, flow_style)


def _represent_text(dumper: _Dumper, text: str) -> ScalarNode:
    # In its other styles PyYAML folds Unicode line breaks into spaces; this one escapes them.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


MAX_BYTES = 4 << 20
"""Of a file."""
MAX_VALUES, MAX_DEPTH = 100_000, 64
"""Of a document. A few aliases of aliases can stand for billions of values."""


@dataclass(frozen=True)
class Document:
    """A YAML mapping and where its values stand."""

    name: str
    """What messages call the file."""
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    """Line (from 1) of each key, by its path."""
    text: str
    """The file as it is, comments included."""

    def at(self, path: KeyPath) -> str:
        """`file:line` of the key at this path, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines[path]}" if path else self.name


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        UserError: the file cannot be read, or is not a YAML mapping; names the line.
    """
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"file not found: {path}") from None
    except UnicodeDecodeError as err:
        raise UserError(f"{path}: not UTF-8 text (byte {err.start})") from None
    except (OSError, ValueError) as err:
        raise UserError(f"cannot read {path}: {getattr(err, 'strerror', None) or err}") from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse the text of a YAML file; `name` is what messages call it.

    Raises:
        UserError: not a YAML mapping, a key twice, or a tag; names the line.
    """
    root = _compose(text, name)
    if root is None:
        return Document(name, {}, {}, text)
    if not isinstance(root, MappingNode):
        raise UserError(f"{name}:{_line(root)}: expected `key: value` lines")
    lines: dict[KeyPath, int] = {}
    return Document(name, _Construct(name, lines).value(root, ()), lines, text)


def parse_value(text: str) -> Any:
    """The value of one override. What is not YAML is text; nothing at all is the empty text."""
    if not text.strip():
        return ""
    try:
        root = _compose(text, "")
        return None if root is None else _Construct("", {}).value(root, ())
    except UserError:
        return text


def dump(values: Mapping[str, Any]) -> str:
    """YAML text that `parse_document` reads back to equal values; lists of numbers stand on one line."""
    text: str = yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=False
    )
    return text


def format_value(value: Any) -> str:
    """One value as it would be written in a file, on one line."""
    options: dict[str, Any] = {"Dumper": _Dumper, "allow_unicode": True, "width": 10**6, "default_flow_style": True}
    text: str = yaml.dump(value, **options).removesuffix("\n").removesuffix("\n...")
    if "\n" in text:  # only between double quotes can a line break be written without breaking the line
        text = yaml.dump(value, **options, default_style='"').removesuffix("\n")
    return text


def _compose(text: str, name: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        line = mark.line + 1 if mark else 1
        raise UserError(f"{name}:{line}: not valid YAML: {err.problem or err.context}") from None
    except yaml.YAMLError as err:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(err).split())}") from None
    except (RecursionError, ValueError) as err:
        why = "it is nested too deeply" if isinstance(err, RecursionError) else str(err)
        raise UserError(f"{name}: not valid YAML: {why}") from None


def _line(node: Node) -> int:
    return node.start_mark.line + 1


class _Construct:
    """Turns nodes into plain Python values and notes the line of every key."""

    def __init__(self, name: str, lines: dict[KeyPath, int]) -> None:
        self._name = name
        self._lines = lines
        self._open: list[Node] = []
        self._count = 0

    def value(self, node: Node, path: KeyPath) -> Any:
        """The value of a node at this path."""
        self._count += 1
        if self._count > MAX_VALUES or len(self._open) > MAX_DEPTH:
            what = "more values" if self._count > MAX_VALUES else "values nested more deeply"
            raise self._error(node, f"{what} than a configuration has (aliases count each time)")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if any(node is above for above in self._open):
            raise self._error(node, "a value that contains itself")
        self._open.append(node)
        try:
            if isinstance(node, SequenceNode):
                self._require(node, "seq")
                return [self.value(item, path) for item in node.value]
            assert isinstance(node, MappingNode)
            self._require(node, "map")
            return self._mapping(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._error(key_node, "a key must be a word")
            key = str(key_node.value)
            below = (*path, key)
            if key in first:
                written = ".".join(below)
                raise self._error(key_node, f"key {written} given twice (first on line {first[key]})")
            first[key] = _line(key_node)
            self._lines.setdefault(below, first[key])
            result[key] = self.value(value_node, below)
        return result

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int":
                return self._number(node, lambda: int(text, 0 if text[:2] in ("0x", "0o") else 10))
            case "float":
                return self._number(node, lambda: float(_SPECIAL.sub(r"\1", text)))
            case _:
                raise self._error(node, f"cannot read a value tagged {node.tag}")

    def _number(self, node: ScalarNode, convert: Any) -> Any:
        try:
            return convert()
        except ValueError:
            raise self._error(node, f"{node.value!r} is not a number") from None

    def _require(self, node: Node, tag: str) -> None:
        if node.tag != _TAG + tag:
            raise self._error(node, f"cannot read a value tagged {node.tag}")

    def _error(self, node: Node, what: str) -> UserError:
        return UserError(f"{self._name}:{_line(node)}: {what}")


_SPECIAL = re.compile(r"\.(inf|nan)", re.IGNORECASE)
