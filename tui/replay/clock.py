"""The clock of a replay: which moment of the run is shown, and how fast it goes by. Knows no file and no widget.

Positions are seconds since the beginning of the recording, pauses between two sittings left out.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Sequence

SPEEDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4)
"""Seconds of the run in a second of the replay."""
PLAYING_TIME_S = 60.0
"""How long a whole run takes at the speed it begins with, about."""


class Sittings:
    """The stretches of time in which the run was alive, one behind the other.

    Args:
        spans: begin and end of each, seconds since 1970, ascending and apart; at least one.
    """

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        assert spans and all(begin <= end for begin, end in spans)
        self._spans = list(spans)
        self._offsets = [0.0]
        for begin, end in self._spans:
            self._offsets.append(self._offsets[-1] + end - begin)

    @property
    def duration_s(self) -> float:
        """Of all together."""
        return self._offsets[-1]

    def moment(self, position_s: float) -> float:
        """Seconds since 1970 at a position; between two sittings the later one's beginning."""
        index = min(bisect.bisect_right(self._offsets, position_s) - 1, len(self._spans) - 1)
        begin, end = self._spans[max(index, 0)]
        return min(begin + position_s - self._offsets[max(index, 0)], end)


def fitting_speed(duration_s: float) -> float:
    """The speed at which a run plays in about a minute."""
    return min(SPEEDS, key=lambda speed: abs(max(duration_s, 1e-3) / speed - PLAYING_TIME_S))


class ReplayClock:
    """Plays, pauses and seeks. May be used from any thread.

    Args:
        now: the time by which it plays, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._duration_s, self._speed = 0.0, 1.0
        self._position_s, self._since = 0.0, now()
        self._wants_to_play = True

    def begin(self, duration_s: float) -> None:
        """Play a recording of this length from its beginning."""
        with self._lock:
            self._duration_s, self._speed = duration_s, fitting_speed(duration_s)
            self._settle(0.0)

    @property
    def duration_s(self) -> float:
        """Length of the recording; 0 before `begin`."""
        return self._duration_s

    @property
    def speed(self) -> float:
        """One of `SPEEDS`."""
        return self._speed

    @property
    def position_s(self) -> float:
        """Where the replay is."""
        with self._lock:
            return self._present()

    @property
    def fraction(self) -> float:
        """Where the replay is, from 0 to 1."""
        return self.position_s / self._duration_s if self._duration_s > 0 else 0.0

    @property
    def is_playing(self) -> bool:
        """Whether time goes by; not at the end."""
        return self._wants_to_play and self.position_s < self._duration_s

    def toggle(self) -> None:
        """Pause, or play on; from the end: play again from the beginning."""
        with self._lock:
            at = self._present()
            if at >= self._duration_s:
                self._wants_to_play = True
                self._settle(0.0)
            else:
                self._settle(at)
                self._wants_to_play = not self._wants_to_play

    def seek(self, fraction: float) -> None:
        """Go to a part of the recording, from 0 to 1; beyond is the nearest of the two."""
        with self._lock:
            self._settle(min(max(fraction, 0.0), 1.0) * self._duration_s)

    def seek_by(self, fraction: float) -> None:
        """Go on, or back, by a part of the recording."""
        self.seek(self.fraction + fraction)

    def faster(self) -> None:
        """The next speed."""
        self._change_speed(+1)

    def slower(self) -> None:
        """The speed before."""
        self._change_speed(-1)

    def _change_speed(self, by: int) -> None:
        with self._lock:
            self._settle(self._present())
            index = SPEEDS.index(self._speed) + by
            self._speed = SPEEDS[min(max(index, 0), len(SPEEDS) - 1)]

    def _present(self) -> float:
        gone = (self._now() - self._since) * self._speed if self._wants_to_play else 0.0
        return min(self._position_s + gone, self._duration_s)

    def _settle(self, position_s: float) -> None:
        self._position_s, self._since = position_s, self._now()
