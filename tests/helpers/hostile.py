"""Run directories as somebody hostile, or a broken disk, would leave them: one file replaced, one value changed.

Every damage is drawn from a seed, so that a failure can be drawn again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT = next((Path(__file__).parents[1] / "data" / "old_runs").iterdir())
JSON_FILES = ("meta.json", "status.json", "summary.json", "steps.json")
LINE_FILES = ("events.jsonl", "commands.jsonl")
BINARY_FILES = ("steps.bin", "samples.npz", "latest_model.pth", "best_model.pth")
TEXT_FILES = ("config.yaml", "console.log")
FILES = (*JSON_FILES, *LINE_FILES, *BINARY_FILES, *TEXT_FILES, ".lock", "overview.bin", "overview.json")

VALUES: tuple[Any, ...] = (
    *(None, True, "", "x", "\x1b[31mred\x1b[0m", "../../etc/passwd", [], [[]], {}, {"a": 1}),
    *(-1, 0, 1, 2**31, 2**62, 1e308, -0.5, "nan", "1e400", ["|O"], "<f4", "evil.py:Task", "a\nb\tc", "日本語" * 50),
)
TEXTS: tuple[bytes, ...] = (
    b"",
    b"\x00" * 100,
    b"\xff\xfe garbage",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"Infinity",
    b'{"schema": Infinity}',
    b'{"schema": 1' + b"0" * 400 + b"}",
    b'{"schema": 999}',
    b'{"schema": "1"}',
    b"[1, 2]",
    b'"text"',
    b"{" + b" " * 100_000,
    b'{"kind": "plan", "step": Infinity, "time": 1, "data": {}}\n',
    b'{"kind": "plan", "step": 1, "time": 1, "data": {"points": 5, "epochs": "x", "steps_per_epoch": []}}\n' * 3,
    b'{"kind": "resume", "step": 1, "time": 1, "data": {"from_step": "x", "from_epoch": []}}\n',
    b'{"kind": "validation", "step": 1, "time": 1, "data": {"raw": 3, "epoch": "x", "monitor": 7}}\n',
    b'{"kind": "epoch", "step": -1, "time": "x", "data": {"train": [1]}}\n',
    b'{"kind": "start", "step": 0, "time": 1, "data": {"text": "\\ud800"}}\n',
    b"x" * 5_000_000,
    b"a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    b"".join(b"a%d: &a%d [%s]\n" % (k, k, b",".join([b"*a%d" % (k - 1)] * 9) if k else b"x") for k in range(12)),
    b"a: " + b"[" * 3000 + b"]" * 3000,
    b"? {a: b}\n: c\n",
    b"!!python/object/apply:os.system [touch hostile]\n",
)


def hostile_run(root: Path, seed: int) -> tuple[Path, str]:
    """A damaged copy of a run below `root`, and what was done to it."""
    chance = random.Random(seed)
    run = root / KEPT.name
    shutil.copytree(KEPT, run)
    damage = chance.choice((_replace_file, _replace_file, _replace_text, _change_value, _change_value, _change_bytes))
    return run, damage(run, chance)


def _replace_file(run: Path, chance: random.Random) -> str:
    path, kind = run / chance.choice(FILES), chance.choice(tuple(KINDS))
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    return f"{path.name} is {kind}"


KINDS: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "empty": lambda path: path.touch(),
}


def _replace_text(run: Path, chance: random.Random) -> str:
    path, number = run / chance.choice(FILES), chance.randrange(len(TEXTS))
    path.write_bytes(TEXTS[number])
    return f"{path.name} holds TEXTS[{number}]"


def _change_bytes(run: Path, chance: random.Random) -> str:
    path = run / chance.choice([name for name in FILES if (run / name).exists()])
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        data = data[: chance.randrange(len(data) + 1)]
    for _ in range(min(len(data), 1 + chance.randrange(8))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(bytes(data))
    return f"{path.name} has changed bytes"


def _change_value(run: Path, chance: random.Random) -> str:
    """One value somewhere in the JSON of a file becomes another, or is left out."""
    path = run / chance.choice((*JSON_FILES, "events.jsonl"))
    lines = [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()
    row = chance.randrange(len(lines))
    content = json.loads(lines[row])
    holder, where = content, path.name
    key: Any = None  # a name or a position, as the holder has it
    while isinstance(holder, (dict, list)) and holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        where += f".{key}"
        below = holder[key]
        if not isinstance(below, (dict, list)) or not below or chance.random() < 0.4:
            break
        holder = below
    if chance.random() < 0.25 and isinstance(holder, dict):
        del holder[key]
        said = "left out"
    else:
        value = chance.choice(VALUES)
        holder[key] = value
        said = repr(value)[:40]
    lines[row] = json.dumps(content)
    path.write_text("\n".join(lines) + ("\n" if path.suffix == ".jsonl" else ""))
    return f"{where}: {said}"
