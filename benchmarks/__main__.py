"""Runs all benchmarks: `python -m benchmarks [--quick] [--threads N] [--device cpu|cuda] [--only NAME]`."""

from __future__ import annotations

import argparse
import time

from benchmarks import capture, eyes_engine, recorder_mlp, startup, watched
from benchmarks.report import RESULTS, Options, add_options

ALL = {
    "recorder_mlp": recorder_mlp.main,
    "eyes_engine": eyes_engine.main,
    "capture": capture.main,
    "startup": startup.main,
    "watched": watched.main,
}


def main() -> None:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add_options(parser)
    parser.add_argument("--only", choices=tuple(ALL), action="append", help="leave out the others; may be repeated")
    arguments = vars(parser.parse_args())
    only = arguments.pop("only") or list(ALL)
    started = time.monotonic()
    for name in only:
        ALL[name](Options(**arguments))
    print(f"\nresults as JSON: {RESULTS}  ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
