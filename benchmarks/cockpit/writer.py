"""A process that writes a run at a steady pace. Ends with its parent.

Usage: python -m benchmarks.cockpit.writer RUN STEPS_PER_S [HISTORY [LIMIT]] [--wide]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.cockpit.records import EYES, WIDE, WrittenRun

IS_WIDE = "--wide"
PERIOD_S = 0.02
"""Between two blocks of records; the recorder writes about as often."""
HEARTBEAT_S = 1.0


def main() -> None:
    """Write until ended."""
    words = [word for word in sys.argv[1:] if word != IS_WIDE]
    root, (rate, history, limit) = Path(words[0]), (*map(int, words[1:]), 0, 0)[:3]
    run, parent = WrittenRun(root, WIDE if IS_WIDE in sys.argv else EYES), os.getppid()
    run.append(history)
    run.status()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    started, beat = time.perf_counter(), 0.0
    while os.getppid() == parent:
        time.sleep(PERIOD_S)
        now = time.perf_counter() - started
        wanted = history + int(now * rate)
        run.append((min(wanted, limit) if limit else wanted) - run.step)
        if now - beat >= HEARTBEAT_S:
            beat = now
            run.status(steps_per_s=rate)


if __name__ == "__main__":
    main()
