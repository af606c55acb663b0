"""Starts real `trainctl` processes quickly: a server imports torch once and forks for each command line.

Importing torch takes longer than a whole toy training. A forked child is the process that `trainctl` would be right
after its imports: its own pid, files, signal handlers and exit code. `cold=True` starts every one from nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
STARTER = "import sys; from trainctl.tui.cli.main import main; main(sys.argv[1:])"


RUNS_ON = 1000
"""No exit code."""


class Sittings:
    """Starts processes and waits for them. Use as a context manager: leaving it ends what still runs."""

    def __init__(self, *, cold: bool = False) -> None:
        self._cold: dict[int, subprocess.Popen[bytes]] | None = {} if cold else None
        self._running: set[int] = set()
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Sittings:
        if self._cold is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **ONE_THREAD},
            )
        return self

    def __exit__(self, *exc: object) -> None:
        for pid in list(self._running):
            os.kill(pid, signal.SIGKILL)
            self.wait(pid)
        if self._server is not None:
            assert self._server.stdin is not None and self._server.stdout is not None
            self._server.stdin.close()
            self._server.wait()
            self._server.stdout.close()

    def start(
        self,
        argv: Sequence[str],
        output: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        ignored: Sequence[int] = (),
    ) -> int:
        """Start `trainctl ARGV`, its output in the file `output`; returns the process id.

        `ignored`: signals it is born to ignore, as under `nohup`.
        """
        output.touch()
        folder, variables = str(cwd or Path.cwd()), dict(env or {})
        if self._cold is None:
            pid = self._ask(start=list(argv), output=str(output), cwd=folder, env=variables, ignored=list(ignored))
        else:
            with output.open("wb") as file:
                process = subprocess.Popen(
                    [sys.executable, "-c", STARTER, *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    cwd=folder,
                    env={**os.environ, **ONE_THREAD, **variables},
                    start_new_session=True,
                    preexec_fn=lambda: _ignore(ignored),
                )
            pid, self._cold[process.pid] = process.pid, process
        self._running.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Exit code of a process, when it has ended; minus the signal that ended it."""
        self._running.discard(pid)
        return self._ask(wait=pid) if self._cold is None else self._cold.pop(pid).wait()

    def poll(self, pid: int) -> int | None:
        """Exit code of a process, None while it runs."""
        if self._cold is None:
            code = self._ask(poll=pid)
            code = None if code == RUNS_ON else code
        else:
            code = self._cold[pid].poll()
            if code is not None:
                del self._cold[pid]
        if code is not None:
            self._running.discard(pid)
        return code

    def run(self, argv: Sequence[str], output: Path, **options: Any) -> int:
        """Start, and wait."""
        return self.wait(self.start(argv, output, **options))

    def _ask(self, **request: Any) -> int:
        assert self._server is not None and self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def serve() -> None:
    """Answer requests, one JSON line each, until there are no more."""
    importlib.import_module("torch._dynamo")  # an optimiser imports it when it is built

    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else RUNS_ON
        elif "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                _become(request)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _become(request: Mapping[str, Any]) -> None:
    """In the child: be `trainctl`, and never return."""
    from trainctl.tui.cli.main import main

    code = 1
    try:
        os.setsid()
        out = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        _ignore(request["ignored"])
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        sys.argv = ["trainctl", *request["start"]]
        main(request["start"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ignore(numbers: Sequence[int]) -> None:
    """Be born to ignore these signals and no other, also where the tests themselves run under `nohup`."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    serve()
