"""Tells somebody: runs a command of the user's, or posts to a URL. Bounded in time; what goes wrong is a line of words.

Knows no run beyond the alert.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

from trainctl.engine.runs.atomic import to_json
from trainctl.tui.alerts.facts import Alert
from trainctl.tui.alerts.wishes import ON_END, ON_FINDING
from trainctl.tui.plain import printable

COMMAND_S, POST_S = 30.0, 10.0
"""How long a command may take, and an answer of the server."""
MOST_QUOTED = 200
"""Letters of what a command printed, and bytes of that which are read."""
TAIL_BYTES = 4096


def deliver(target: str, alert: Alert, environ: Mapping[str, str]) -> str:
    """Tell; returns why it failed, empty where it did not.

    Args:
        target: a URL that begins with http:// or https://, else a command for the shell.
        alert: what is told: a command has it in its environment, and as JSON on standard input; a URL as JSON.
        environ: of the command.
    """
    data = to_json(alert.document()).encode()
    if target.lower().startswith(("http://", "https://")):
        return _post(target, data)
    kept = {name: value for name, value in environ.items() if name not in (ON_END, ON_FINDING)}
    return _run(target, data, {**kept, **alert.environment()})


def _run(command: str, data: bytes, environ: Mapping[str, str]) -> str:
    """Files rather than pipes: what it leaves running in the background may hold them open as long as it likes."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(data)
        given.seek(0)
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=dict(environ),
                start_new_session=True,
            )
        except (OSError, ValueError) as err:
            return f"cannot be started: {err}"
        try:
            code = process.wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"took longer than {COMMAND_S:.0f} s and was ended"
        if code == 0:
            return ""
        said.seek(max(said.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
        lines = said.read().decode(errors="replace").strip().splitlines()
    last = f": {printable(lines[-1])[:MOST_QUOTED]}" if lines else ""
    return f"exit code {code if code >= 0 else 128 - code}{last}"


def _post(url: str, data: bytes) -> str:
    """In a thread: a server that answers a byte at a time must not hold us up."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(_answer(url, data)), name="post", daemon=True)
    thread.start()
    thread.join(2 * POST_S)
    return found[0] if found else f"{_host(url)} does not answer"


def _answer(url: str, data: bytes) -> str:
    headers = {"Content-Type": "application/json", "User-Agent": "trainctl"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=POST_S):
            return ""
    except urllib.error.HTTPError as err:
        return f"{_host(url)} answers {err.code} {printable(str(err.reason))[:MOST_QUOTED]}".rstrip()
    except (OSError, HTTPException, ValueError) as err:
        reason = getattr(err, "reason", None) or getattr(err, "strerror", None) or type(err).__name__
        return f"{_host(url)}: {printable(str(reason))[:MOST_QUOTED]}"


def _host(url: str) -> str:
    """What may be said of an address: its path may be a secret."""
    try:
        return urllib.parse.urlsplit(url).hostname or "the server"
    except ValueError:
        return "the server"
