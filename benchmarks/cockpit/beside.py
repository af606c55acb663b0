"""The cockpit beside that of another version, in turns on one machine: this, that, that, this, ...

Usage: python -m benchmarks.cockpit.beside TREE [--only NAME] [--rounds N] [--quick]

`TREE` is a folder with the other version's package in it: `.cache/types` of a checkout of that version, once its
`make setup` has been there. Each turn is one of the other scripts as it is; figures of all rounds of a version are
shown by their median, and the two medians by their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cockpit.programs import OTHER, ROOT
from benchmarks.report import headline

SCRIPTS = ("paint", "keys", "cpu", "slowdown")
SIDES = ("other", "this")


def figures(script: str, tree: Path | None, *, quick: bool) -> dict[tuple[str, str], float]:
    """What a script measures, by label and unit: of this version, or of the one in `tree`."""
    environ = {**os.environ, **({OTHER: str(tree)} if tree else {})}
    argv = [sys.executable, "-m", f"benchmarks.cockpit.{script}", "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(argv, env=environ, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {(one["label"], one["unit"]): one["value"] for one in found["figures"]}


def compare(script: str, tree: Path, rounds: int, *, quick: bool) -> None:
    """Measure both in turns and print a line a figure."""
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for turn in range(rounds):
        for side in SIDES if turn % 2 else SIDES[::-1]:
            for key, value in figures(script, tree if side == "other" else None, quick=quick).items():
                values.setdefault(key, {name: [] for name in SIDES})[side].append(value)
    for (label, unit), sides in values.items():
        before, now = (statistics.median(sides[side]) if sides[side] else float("nan") for side in SIDES)
        spread = "  ".join(f"{min(sides[side]):.3g} … {max(sides[side]):.3g}" for side in SIDES if sides[side])
        ratio = f"{now / before:.2f}" if before else "-"
        print(f"   {label:<44} {before:9.3g} {now:9.3g} {unit:<10} {ratio:>6}   ({spread})", flush=True)


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--only", choices=SCRIPTS, action="append")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.tree / "trainctl" / "__init__.py").is_file():
        parser.error(f"{arguments.tree} has no package trainctl in it")
    for script in arguments.only or SCRIPTS:
        headline(f"cockpit, {script}: other, this, ratio", {"load": round(os.getloadavg()[0], 2)})
        compare(script, arguments.tree.resolve(), arguments.rounds, quick=arguments.quick)


if __name__ == "__main__":
    main()
