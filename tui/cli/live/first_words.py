"""What a training says of itself before there is a run: that it starts, and what it is doing until its first step.

Writes the status of a run directory that was made for it, so that whoever waits in the cockpit sees what for. Knows no
torch, and hands over as soon as the run itself can speak.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace

from trainctl.engine.data.progress import reporting_to
from trainctl.engine.errors import UserError, kind_and_words
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import first_status, write_status

BEAT_S = 1.0
WRITE_S = 0.2
"""Between two writings of how far something is."""
ENDED = "ended before its first step"
BUILDING = "building the network"


class FirstWords:
    """Says what is being done, until it is over or the run takes over.

    Args:
        paths: the run directory; it exists, and nobody else writes it.
        preset: what is asked for, in a word.
    """

    def __init__(self, paths: RunPaths, preset: str) -> None:
        self._paths, self._ended = paths, threading.Event()
        self._status = first_status(os.getpid(), preset, "reading the configuration")
        self._written_s = 0.0
        self._lock = threading.Lock()
        self._write()
        self._thread = threading.Thread(target=self._beat, name="first words", daemon=True)
        self._thread.start()

    def say(self, what: str) -> None:
        """From now on this is done."""
        with self._lock:
            self._status = replace(self._status, message=what)
        self._write()

    def report(self, what: str, done: int, total: int) -> None:
        """As `engine.data.progress.report`."""
        if done >= total:
            self.say(BUILDING)
        elif time.monotonic() - self._written_s >= WRITE_S:
            self.say(f"{what} {done:,} of {total:,}")

    def hand_over(self) -> None:
        """The run speaks for itself. Nothing is written any more when this returns; again is harmless."""
        with self._lock:
            self._ended.set()

    def fail(self, reason: str) -> None:
        """It will not begin. Nothing where the run has taken over."""
        with self._lock:
            self._status = replace(self._status, state=RunState.FAILED, message=reason)
        self._write()
        self.hand_over()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._write()

    def _write(self) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._written_s = time.monotonic()
                with suppress(UserError):  # a disk that refuses is found by the run
                    write_status(self._paths, replace(self._status, heartbeat=time.time()))


@contextmanager
def speaking_first(paths: RunPaths | None, preset: str) -> Generator[FirstWords | None]:
    """Within, the directory that was made for a run says what is being done; `paths` none: there is no such."""
    if paths is None or not paths.root.is_dir() or paths.meta.exists() or paths.steps.exists():
        yield None
        return
    words = FirstWords(paths, preset)
    try:
        with reporting_to(words.report):
            yield words
    except UserError as err:
        words.fail(str(err))
        raise
    except Exception as err:
        words.fail(kind_and_words(err))
        raise
    except BaseException:
        words.fail(ENDED)
        raise
    finally:
        words.hand_over()
