"""Entry point of `trainctl`: turns every ending into an exit code and one clear line.

Imports no more than the command line needs: typer and pydantic together take longer to import than the cockpit takes to
draw itself, so opening a run in it goes past them.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.crash import print_traceback
from trainctl.tui.cli.live.streams import open_standard_streams
from trainctl.tui.plain import printable


def main(argv: Sequence[str] | None = None) -> None:
    """Run `trainctl` and end the process with the exit code that belongs to the ending."""
    open_standard_streams()
    # Threads that spin while they wait for each other make a training several times slower as soon as anything
    # else runs on the machine (docs/performance.md). OpenMP reads this when torch is imported, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _hold_back_warning(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows `?`, not a traceback
    try:
        code = run_command_line(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception as err:  # a fault of ours, or of the user's task
        print_traceback(err)
        code = ExitCode.RUN_FAILED
    if (sys.argv[1:] if argv is None else argv)[:1] == ["diagnose"]:
        # Nothing waits for what a last collection would find; over all that torch has made it takes half a second.
        gc.freeze()
    sys.exit(code)


def _hold_back_warning(argv: Sequence[str]) -> None:
    """A scheduler may warn of its time limit (SIGUSR1, SIGUSR2) while a training still starts, and would end it with
    that: the signal waits until the run can write a checkpoint."""
    if argv and argv[0] == "run" and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})


def run_command_line(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; a mistake of the user is said in one line on stderr."""
    try:
        return _run(argv)
    except UserError as err:
        sys.stderr.write(f"trainctl: error: {printable(str(err))}\n")
        return err.code
    except KeyboardInterrupt:
        sys.stderr.write("trainctl: interrupted\n")
        return ExitCode.INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] in ("run", "ui") and "--" in argv:
        from trainctl.tui.cli.live.watched import run_line

        code = run_line(argv)
        if code is not None:
            return code
    if argv and argv[0] == "ui":
        from trainctl.tui.cli.opening import open_by_name

        code = open_by_name(argv[1:])
        if code is not None:
            return code
    from trainctl.tui.cli.group import run_group

    return run_group(argv)


if __name__ == "__main__":
    main()
