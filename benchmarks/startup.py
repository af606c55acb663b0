"""How long a user waits: help, lists, the cockpit's import, and the first recorded step. Each in a fresh process.

Usage: python -m benchmarks.startup [--quick]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.interleave import Measured, Timings, interleave
from benchmarks.report import Options, headline, machine, read_options, save

CLI = "import sys; from trainctl.tui.cli.main import main; sys.exit(main())"
DEADLINE_S = 120.0
POLL_S = 0.005


class Command:
    """Starts a program and waits for its end."""

    def __init__(self, key: str, label: str, code: str, words: Sequence[str] = ()) -> None:
        self.key, self.label = key, label
        self._argv = [sys.executable, "-c", code, *words]

    def take(self, steps: int) -> float:
        """Run it so often, one after the other."""
        started = time.perf_counter()
        for _ in range(steps):
            subprocess.run(self._argv, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


class FirstStep:
    """Starts `trainctl run` and waits until a reader could see its first step."""

    key, label = "first_step", "trainctl run, to the first recorded step"

    def __init__(self, device: str) -> None:
        self._words = ["run", "--device", device, "--scale", "small"]

    def take(self, steps: int) -> float:
        """Start so many runs, one after the other, and end each."""
        seconds = 0.0
        for _ in range(steps):
            with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
                seconds += self._start(Path(folder))
        return seconds

    def _start(self, runs: Path) -> float:
        started = time.perf_counter()
        argv = [sys.executable, "-c", CLI, *self._words, "--runs-dir", str(runs)]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + DEADLINE_S
            while not any(path.stat().st_size for path in runs.glob("*/steps.bin")):
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise RuntimeError(f"no step was recorded: trainctl {' '.join(self._words)}")
                time.sleep(POLL_S)
            seconds = time.perf_counter() - started
            process.kill()
        return seconds


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    device = options.choose()
    about = machine(device)
    headline("startup, each in a fresh process", about)
    commands: list[Measured] = [
        Command("python", "python alone", "pass"),
        Command("help", "trainctl --help", CLI, ["--help"]),
        Command("presets", "trainctl presets list", CLI, ["presets", "list"]),
        Command("cockpit", "import of the cockpit (trainctl.tui.app)", "import trainctl.tui.app"),
        Command("torch", "import of torch alone", "import torch"),
        FirstStep(device),
    ]
    timings = interleave(commands, 2 if options.quick else 9, slice_s=0.0)
    _print(timings)
    save("startup", about, {"startup": timings})


def _print(timings: Timings) -> None:
    width = max(map(len, timings.labels.values()))
    print(f"   {'':{width}}  {'median':>8}  least … most, in seconds")
    for key, label in timings.labels.items():
        seconds = timings.seconds[key]
        print(f"   {label:{width}}  {timings.median(key):8.3f}  {min(seconds):.3f} … {max(seconds):.3f}")


if __name__ == "__main__":
    main()
