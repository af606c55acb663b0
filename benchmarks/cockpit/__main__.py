"""Runs all benchmarks of the cockpit: `python -m benchmarks.cockpit [--only NAME] [--quick] [--json]`."""

from __future__ import annotations

from benchmarks.cockpit import cpu, dialogs, keys, long_run, memory, paint, runs_list, slowdown
from benchmarks.cockpit.figures import run_scripts

SCRIPTS = [module.SCRIPT for module in (paint, keys, dialogs, cpu, slowdown, long_run, memory, runs_list)]

if __name__ == "__main__":
    run_scripts(SCRIPTS, __doc__)
