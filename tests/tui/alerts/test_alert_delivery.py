"""A command or a server is told what there is to tell, within a bounded time; what goes wrong is one line."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from trainctl.tui.alerts import delivery
from trainctl.tui.alerts.delivery import deliver
from trainctl.tui.alerts.facts import Alert
from trainctl.tui.alerts.wishes import ON_END

PATH = {"PATH": "/usr/bin:/bin"}
ALERT = Alert(
    alert="end",
    run="mine $(touch hostile)",
    path="/runs/mine",
    preset="eyes/balanced",
    state="finished",
    verdict="wrong",
    code="D104",
    severity="error",
    summary="finished: D104 x\nand `touch hostile`",
    step=300,
    total_steps=300,
    metric="f1",
    best=0.91,
)


def test_a_command_has_the_facts_in_its_environment_and_as_json(tmp_path: Path):
    command = f'cd {tmp_path}; env > env; cat > json; echo $TRAINCTL_SUMMARY > summary; printf %s "$TRAINCTL_RUN" > run'
    assert deliver(command, ALERT, PATH | {ON_END: "secret", "MINE": "kept"}) == ""
    said = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert (said["TRAINCTL_STATE"], said["TRAINCTL_CODE"], said["TRAINCTL_BEST"]) == ("finished", "D104", "0.91")
    assert said["MINE"] == "kept"
    assert ON_END not in said
    assert (tmp_path / "run").read_text() == "mine $(touch hostile)"
    document = json.loads((tmp_path / "json").read_text())
    assert document["schema"] == 1
    assert document["summary"] == ALERT.summary
    assert document["text"].startswith("mine $(touch hostile): finished")
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("true", ""),
        ("exit 7", "exit code 7"),
        ("echo first >&2; echo not there >&2; exit 1", "exit code 1: not there"),
        ("kill -9 $$", "exit code 137"),
        ("/nowhere/to/be/found", "exit code 127"),
        ("printf 'a\\033[31mb' >&2; exit 2", "exit code 2: ab"),
        ("a\0b", "cannot be started"),
    ],
)
def test_what_goes_wrong_is_a_line(command: str, words: str):
    said = deliver(command, ALERT, PATH)
    assert said.startswith(words)
    assert bool(said) == bool(words)
    assert "\n" not in said


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(delivery, "COMMAND_S", 0.3)
    began = time.monotonic()
    assert deliver(f"sleep 600; touch {tmp_path}/late", ALERT, PATH).startswith("took longer than")
    assert time.monotonic() - began < 10


def test_what_a_command_leaves_in_the_background_is_not_waited_for():
    began = time.monotonic()
    assert deliver("sleep 20 & exit 0", ALERT, PATH) == ""
    assert time.monotonic() - began < 10


class Server(HTTPServer):
    """Answers with a code and keeps what it was given."""

    code = 200
    given: list[tuple[str, dict[str, Any]]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.given.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        del format


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.given = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_a_url_is_given_the_json(server: Server):
    assert deliver(f"http://127.0.0.1:{server.server_port}/secret", ALERT, {}) == ""
    ((kind, document),) = server.given
    assert kind == "application/json"
    assert document["run"] == ALERT.run


def test_a_server_that_refuses_is_said_without_the_address(server: Server):
    server.code = 404
    said = deliver(f"http://127.0.0.1:{server.server_port}/secret", ALERT, {})
    assert said == "127.0.0.1 answers 404 Not Found"


def test_nobody_at_home_is_a_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = deliver(f"http://127.0.0.1:{port}/secret", ALERT, {})
    assert said.startswith("127.0.0.1: ")
    assert "secret" not in said


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "POST_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = deliver(f"http://127.0.0.1:{silent.getsockname()[1]}/", ALERT, {})
    assert said.startswith("127.0.0.1")


@pytest.mark.parametrize("url", ["http://", "https://[", "http://\x00", "HTTP://a b/"])
def test_an_address_that_is_none_is_a_line(url: str):
    assert deliver(url, ALERT, {})
