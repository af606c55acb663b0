"""How fast logs are read, and in how much memory: a million lines of CSV, a hundred thousand of text and of JSON.

`python -m benchmarks.reading` writes each log into a temporary folder and reads it in a process of its own; beside it a
bare pass that keeps nothing: `csv.reader`, `str.split`, `json.loads`. Memory is the most that was resident, and what of
it was there before the log was opened.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

STATUS = Path("/proc/self/status")
"""Where Linux says the most memory of this process alone; the usual count has that of the process that began it."""


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--share", type=float, default=1.0, help="share of the lines")
    options.add_argument("--measure", nargs=2, metavar=("HOW", "FILE"), help="only this one, in this process")
    args = options.parse_args()
    if args.measure:
        _measure(*args.measure)
        return
    print(f"{'log':30} {'lines':>10} {'seconds':>8} {'bare':>8} {'peak MiB':>9} {'of it before':>13}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, lines, bare) in LOGS.items():
            path = Path(folder) / "log"
            path.write_text("".join(write(round(lines * args.share))), encoding="utf-8")
            seconds, peak, before = _elsewhere("read", path)
            least, _, _ = _elsewhere(bare, path)
            print(f"{name:30} {round(lines * args.share):10,} {seconds:8.2f} {least:8.2f} {peak:9.0f} {before:13.0f}")


def _elsewhere(how: str, path: Path) -> list[float]:
    words = [sys.executable, "-m", "benchmarks.reading", "--measure", how, str(path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def _measure(how: str, file: str) -> None:
    from trainctl.engine.diagnosis.logs.reading import read_log

    readers: dict[str, Callable[[Path], object]] = {"read": read_log, "csv": _csv, "split": _split, "json": _json}
    before = _resident()
    started = time.perf_counter()
    kept = readers[how](Path(file))
    seconds = time.perf_counter() - started
    print(seconds, _resident(), before)
    del kept


def _resident() -> float:
    """The most memory that was resident so far, in MiB."""
    words = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")).split()
    return int(words[1]) / 1024


def _csv(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.reader(file):
            pass


def _split(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        for line in file:
            line.split()


def _json(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)


def _dense(lines: int) -> Iterator[str]:
    draw = random.Random(0).random
    yield "epoch,step,train_loss,val_loss,accuracy,lr\n"
    for step in range(lines):
        yield f"{step // 10_000},{step},{draw():.6f},{draw():.6f},{draw():.4f},{draw() * 1e-3:.6g}\n"


def _sparse(lines: int) -> Iterator[str]:
    draw = random.Random(0).random
    yield "lr,step,train_loss,epoch,val_loss\n"
    for step in range(lines):
        yield f"{draw()!r},{step},,,\n" if step % 2 else f",{step},{draw()!r},{step // 10_000},\n"


def _text(lines: int) -> Iterator[str]:
    draw = random.Random(0).random
    for step in range(lines):
        stamp = f"2026-01-02 10:{step // 60 % 60:02d}:{step % 60:02d},345 INFO train.py:123]"
        place = f"Epoch {step // 1000}/100 step {step % 1000}/1000"
        yield f"{stamp} {place} | loss: {draw():.4f} | acc: {draw() * 100:.2f}% | lr: {draw():.3e} (3.2 it/s)\n"


def _objects(lines: int) -> Iterator[str]:
    draw = random.Random(0).random
    for step in range(lines):
        yield f'{{"step": {step}, "train": {{"loss": {draw()!r}}}, "lr": {draw():.6f}}}\n'


LOGS: dict[str, tuple[Callable[[int], Iterator[str]], int, str]] = {
    "CSV, six columns": (_dense, 1_000_000, "csv"),
    "CSV, sparse, all digits": (_sparse, 1_000_000, "csv"),
    "text, three figures a line": (_text, 100_000, "split"),
    "JSON lines": (_objects, 100_000, "json"),
}


if __name__ == "__main__":
    main()
