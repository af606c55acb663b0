"""What was measured, beside what is wanted: printed as a table, kept as JSON. Also the command line of each script."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from benchmarks.cockpit.terminal import COLUMNS, ROWS
from benchmarks.report import headline, processor, save


@dataclass(frozen=True)
class Figure:
    """One line of a table.

    Args:
        label: what it is.
        value: what was measured.
        unit: of the value.
        low, high: range of the repetitions, where there were any.
        limit: it should be below this; none: for information.
        ratio: of the value to that of `versus`, measured in the same session.
        versus: what it is compared with.
    """

    label: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    ratio: float | None = None
    versus: str = ""

    @property
    def verdict(self) -> str:
        """The target and whether it is met, in words."""
        if self.limit is None:
            return ""
        return f"< {self.limit:g} {self.unit}: {'met' if self.value < self.limit else 'MISSED'}"


def of_samples(
    label: str,
    samples: Sequence[float],
    unit: str,
    limit: float | None = None,
    baseline: Sequence[float] = (),
    versus: str = "",
) -> Figure:
    """The median of repetitions, its range, and how it compares with those of `baseline`."""
    middle = statistics.median(samples)
    reference = statistics.median(baseline) if baseline else 0
    ratio = middle / reference if reference else None
    return Figure(label, middle, unit, min(samples), max(samples), limit, ratio, versus)


@dataclass(frozen=True)
class Script:
    """One benchmark.

    Args:
        name: for the command line and the file of results.
        title: what is measured.
        measure: does it; takes the numbers below.
        full: arguments of `measure` (how often, how long).
        quick: the same for a look.
    """

    name: str
    title: str
    measure: Callable[..., list[Figure]]
    full: dict[str, Any]
    quick: dict[str, Any]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "textual": version("textual"),
        "terminal": f"{COLUMNS}x{ROWS}",
        "load": round(os.getloadavg()[0], 2),
    }


def run_scripts(scripts: Sequence[Script], description: str | None, argv: Sequence[str] | None = None) -> None:
    """Measure, print, keep: what the command line asks for of `scripts`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repetitions, for a look")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    if len(scripts) > 1:
        names = [script.name for script in scripts]
        parser.add_argument("--only", choices=names, action="append", help="leave out the others; may be repeated")
    arguments = parser.parse_args(argv)
    only = getattr(arguments, "only", None)
    # So that `with` and `finally` end the programs that were started, also when a job is ended from outside.
    signal.signal(signal.SIGTERM, _leave)
    for script in scripts:
        if not only or script.name in only:
            _run(script, arguments.quick, arguments.json)


def _run(script: Script, quick: bool, as_json: bool) -> None:
    about = machine()
    if not as_json:
        headline(f"cockpit, {script.name}: {script.title}", about)
    numbers = script.quick if quick else script.full
    figures = script.measure(**numbers)
    kept = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    if as_json:
        print(json.dumps({"benchmark": script.name, "machine": about, "numbers": numbers, "figures": kept}))
    else:
        print_table(figures)
    save(f"cockpit_{script.name}", about, {}, numbers=numbers, figures=kept)


def print_table(figures: Sequence[Figure]) -> None:
    """The figures, one a line."""
    width = max(len(figure.label) for figure in figures)
    for figure in figures:
        spread = f"({_number(figure.low)} … {_number(figure.high)})" if figure.high is not None else ""
        ratio = f"{figure.ratio:.2f} × {figure.versus}" if figure.ratio is not None else ""
        measured = f"{_number(figure.value):>9} {figure.unit:<11}"
        print(f"   {figure.label:<{width}}  {measured} {spread:<21} {figure.verdict:<24} {ratio}".rstrip())
    sys.stdout.flush()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _leave(number: int, frame: object) -> None:
    del frame
    sys.exit(128 + number)
