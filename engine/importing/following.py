"""Follows foreign trainings while somebody looks at them: a process of its own, so that nobody waits for the reading.

`python -m trainctl.engine.importing.following PATH FOLDER [COLUMNS]` makes a run of each training at PATH, the newest
first, and says on standard output which that is, in a line of JSON. Then it looks at the files again and again and
brings the runs up to date. It ends, and removes FOLDER, when its standard input does: however whoever started it ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from trainctl.engine.diagnosis.logs.roles import Roles, parse_roles
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.importing.foreign import Source
from trainctl.engine.importing.found import find_sources
from trainctl.engine.importing.image import Image
from trainctl.engine.importing.keeping import look_at
from trainctl.engine.importing.story import Story
from trainctl.engine.importing.writing import Origin, finish, grow, preset_of, say_running, write_run
from trainctl.engine.runs.atomic import to_json
from trainctl.engine.runs.index import new_name
from trainctl.engine.runs.layout import RunPaths

LOOK_S = 0.5
"""Between two looks at the files."""
PATIENCE = 3.0
"""A source is left alone for so many times as long as it takes to read: a long log must not keep the machine busy."""
FRESH_S = 60.0
"""A source that was written to within this time may grow."""
BEAT_S = 2.0

Stamp = tuple[tuple[str, int, int], ...]


class Followed:
    """One training that is followed.

    Args:
        source: the training.
        folder: in which its run is made.
        roles, columns: what the user says of its names.

    Raises:
        UserError: it cannot be read, or the disk refuses.
    """

    def __init__(self, source: Source, folder: Path, roles: Roles, columns: str) -> None:
        self._source, self._roles, self._columns = source, roles, columns
        self._stamp = stamp_of(source)
        began = time.monotonic()
        self._image, origin = look_at(source, roles, columns)
        self._changed = origin.modified
        """When the source was last seen to change, seconds since 1970."""
        self._is_running = self._is_fresh()
        self.run = RunPaths(folder / new_name(preset_of(self._image)))
        self._story = self._write(origin)
        self._due = self._beat = time.monotonic()
        self._rest(began)

    def look(self) -> None:
        """Bring the run up to date."""
        now = time.monotonic()
        if now < self._due:
            return
        stamp = stamp_of(self._source)
        if stamp != self._stamp:
            self._stamp = stamp
            with contextlib.suppress(UserError):  # half written, or gone: what is known of it stays
                self._read()
        self._say_where_it_stands(now)
        self._rest(now)

    def _read(self) -> None:
        image, _ = look_at(self._source, self._roles, self._columns)
        self._story = grow(self.run, image, self._image, self._story)
        self._image, self._changed, self._is_running = image, time.time(), True

    def _write(self, origin: Origin) -> Story:
        self.run.root.mkdir(mode=0o700)
        return write_run(self.run, self._image, origin, is_followed=self._is_running)

    def _say_where_it_stands(self, now: float) -> None:
        if not self._is_running:
            return
        if not self._is_fresh():
            self._is_running = False
            finish(self.run, self._image, self._story)
        elif now - self._beat >= BEAT_S:
            self._beat = now
            say_running(self.run, self._image)

    def _is_fresh(self) -> bool:
        return time.time() - self._changed < FRESH_S and not _has_ended(self._image)

    def _rest(self, began: float) -> None:
        """Leave the source alone for a while."""
        now = time.monotonic()
        self._due = now + max(LOOK_S, PATIENCE * (now - began))


def _has_ended(image: Image) -> bool:
    """Whether the tool itself says that the training is over."""
    return image.foreign.state.is_over and image.foreign.ended is not None


def stamp_of(source: Source) -> Stamp:
    """By what a change of the source is noticed."""
    found: list[tuple[str, int, int]] = []
    for path in source.files():
        with contextlib.suppress(OSError):
            info = path.stat()
            found.append((str(path), info.st_size, info.st_mtime_ns))
    return tuple(found)


def newest_first(sources: Sequence[Source]) -> list[Source]:
    """The training that was written to last, then the others."""
    newest = [max((mtime for _, _, mtime in stamp_of(source)), default=0) for source in sources]
    order = sorted(range(len(sources)), key=lambda k: (-newest[k], k))
    return [sources[k] for k in order]


def follow(path: Path, folder: Path, columns: str) -> int:
    """Make the runs, say which is the first, and keep them up to date until standard input ends.

    Raises:
        UserError: no training can be read.
    """
    roles = parse_roles(columns) if columns else ()
    followed: list[Followed] = []
    refused: list[UserError] = []
    for source in newest_first(find_sources(path)):
        try:
            followed.append(Followed(source, folder, roles, columns))
        except UserError as err:
            refused.append(err)
            continue
        if len(followed) == 1:
            _say(followed[0].run)
        if _is_left():
            return ExitCode.OK
    if not followed:
        raise refused[0]
    while not _is_left(LOOK_S):
        for one in followed:
            with contextlib.suppress(UserError):  # the disk refuses: whoever looks is told by the age of the status
                one.look()
    return ExitCode.OK


def _say(run: RunPaths) -> None:
    sys.stdout.write(to_json({"run": str(run.root)}) + "\n")
    sys.stdout.flush()


def _is_left(wait_s: float = 0.0) -> bool:
    """Whether nobody looks any more."""
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def main(words: Sequence[str]) -> int:
    """Follow, and leave nothing behind."""
    path, folder, columns = Path(words[0]), Path(words[1]), words[2] if len(words) > 2 else ""
    try:
        return follow(path, folder, columns)
    except UserError as err:
        sys.stdout.write(to_json({"error": err.message, "hint": err.hint}) + "\n")
        return ExitCode.USAGE
    except BrokenPipeError:
        return ExitCode.OK
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
