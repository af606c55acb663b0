"""A terminal of our own, in tmux: starts a command, types and clicks, resizes, reads the screen."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sittings import ONE_THREAD, STARTER

PATIENCE_S = 30.0


class Screen:
    """A terminal in which a shell runs one command, then says with which code it ended."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.folder, self.width, self.height = folder, width, height
        self._socket = str(folder / "tmux")
        self._is_open = False

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, *words: str, before: Sequence[str] = (), **environment: str) -> None:
        """Run `trainctl WORDS`; `before`: a program that runs it."""
        # COLUMNS: as an exported variable of a shell, which does not follow a resize
        variables = {
            **ONE_THREAD,
            "COLUMNS": str(self.width),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            **environment,
        }
        command = ["env", *(f"{k}={v}" for k, v in variables.items()), *before, sys.executable, "-c", STARTER, *words]
        shell = f"{shlex.join(command)}; echo ended with $?; sleep {PATIENCE_S}"
        if self._is_open:
            self.tmux("respawn-pane", "-k", "-c", str(self.folder), shell)
        else:
            size = ("-x", str(self.width), "-y", str(self.height))
            self.tmux("new-session", "-d", *size, "-c", str(self.folder), shell)
        self._is_open = True

    def resize(self, width: int, height: int | None = None) -> None:
        self.width, self.height = width, height or self.height
        self.tmux("resize-window", "-x", str(width), "-y", str(self.height))

    def press(self, *keys: str) -> None:
        """Keys as tmux names them."""
        self.tmux("send-keys", *keys)

    def click(self, column: int, row: int) -> None:
        """Press and release the left button on a cell, the first is (0, 0)."""
        self._mouse(0, column, row)
        self._mouse(0, column, row, "m")

    def wheel_up(self, column: int, row: int) -> None:
        self._mouse(64, column, row)

    def _mouse(self, button: int, column: int, row: int, kind: str = "M") -> None:
        # As a terminal reports it in SGR mode (xterm, "Extended coordinates").
        self.tmux("send-keys", "-l", f"\x1b[<{button};{column + 1};{row + 1}{kind}")

    def child(self) -> int:
        """The process that the shell runs."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def kill_child(self) -> None:
        os.kill(self.child(), 9)

    def lines(self) -> list[str]:
        return self.tmux("capture-pane", "-p").splitlines()

    def codes(self) -> str:
        """The screen with its colours."""
        return self.tmux("capture-pane", "-p", "-e")

    def shows(self, condition: Callable[[list[str]], object]) -> list[str]:
        """The screen, once it fulfils a condition."""
        limit = time.monotonic() + PATIENCE_S
        while not condition(found := self.lines()):
            assert time.monotonic() < limit, "\n".join(found)
            time.sleep(0.05)
        return found

    def shows_text(self, *texts: str) -> list[str]:
        """The screen, once all of these are on it."""
        return self.shows(lambda lines: all(text in "\n".join(lines) for text in texts))

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)
