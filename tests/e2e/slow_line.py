"""Runs a command in a pseudo terminal and hands its output on at the pace of an old modem.

`python slow_line.py BYTES_PER_S COMMAND...`
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import sys
import termios
import time
import tty

PORTION_S = 0.05


def main(bytes_per_s: float, words: list[str]) -> int:
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    child, master = pty.fork()
    if child == 0:
        os.execvp(words[0], words)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        relay(master, max(int(bytes_per_s * PORTION_S), 1))
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def relay(master: int, portion: int) -> None:
    """Until the command closes its terminal."""
    while True:
        ready, _, _ = select.select([0, master], [], [])
        if 0 in ready:
            os.write(master, os.read(0, 1024))
        if master in ready:
            try:
                data = os.read(master, portion)
            except OSError:
                return
            if not data:
                return
            os.write(1, data)
            time.sleep(PORTION_S * len(data) / portion)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
