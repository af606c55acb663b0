"""The cockpit in a browser: a server on this machine, a process per tab, a page in a real browser."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from pretender import pretender

from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.cli.main import run_command_line

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

aiohttp = pytest.importorskip("aiohttp", reason="needs the extra `web`")
pytest.importorskip("textual_serve", reason="needs the extra `web`")

from browser import browser, find_browser  # noqa: E402  # needs aiohttp

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0


class Served:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.first_line = process.stdout.readline()
        self.url = self.first_line.split()[-1]

    def cockpits(self) -> list[int]:
        """Processes it has started and not ended."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in children.split()]

    def end(self) -> tuple[int, str, str]:
        """Ctrl-C: exit code, and what was printed."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


@contextmanager
def serving(run: RunPaths, *words: str) -> Generator[Served]:
    with serving_what([str(run.root)], *words) as served:
        yield served


@contextmanager
def serving_what(what: Sequence[str], *words: str) -> Generator[Served]:
    command = [sys.executable, "-m", "trainctl.tui.cli.main", "ui", *what, "--web", "--port", "0", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Served(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPaths]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pretender(tmp_path / "runs") as (paths, _):
        yield paths


async def until_text(tab: ClientWebSocketResponse, text: str) -> None:
    """Read what the cockpit draws until this is drawn."""
    drawn, limit = b"", time.monotonic() + PATIENCE_S
    while text.encode() not in drawn:
        assert time.monotonic() < limit, drawn[-2000:]
        message = await tab.receive(timeout=PATIENCE_S)
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), drawn[-2000:]
        drawn += message.data if isinstance(message.data, bytes) else message.data.encode()


async def until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)


async def test_each_tab_is_a_cockpit_that_ends_with_it_and_ctrl_c_ends_the_server(run: RunPaths) -> None:
    with serving(run) as served:
        assert "(read only): http://127.0.0.1:" in served.first_line
        async with aiohttp.ClientSession() as session:
            async with session.get(served.url) as answer:
                page = await answer.text()
            assert answer.status == 200 and run.root.name in page
            assert "http:" not in page.replace("/^http/", "") and "https:" not in page  # nothing from elsewhere
            for name in ("js/textual.js", "css/xterm.css", "fonts/RobotoMono-VariableFont_wght.ttf"):
                async with session.get(f"{served.url}static/{name}") as answer:
                    assert answer.status == 200
            async with session.ws_connect(f"{served.url}ws?width=120&height=40") as tab:
                await until_text(tab, " RUNNING ")
                assert len(served.cockpits()) == 1
                await tab.send_json(["stdin", "?"])
                await until_text(tab, "Acting on the run")
                await tab.send_json(["stdin", "q"])  # closes the help
                await tab.send_json(["stdin", "s"])
                await until_text(tab, "read only")
            await until(lambda: not served.cockpits())
            async with session.ws_connect(f"{served.url}ws?width=80&height=24") as tab:
                await until_text(tab, " RUNNING ")
                code, out, err = await asyncio.to_thread(served.end)
        assert code == 0 and err == "", err
        assert "Served 2 tabs in" in out and f"trainctl ui {run.root}" in out
    assert not run.commands.exists()


async def test_without_a_run_every_tab_has_the_list_of_runs(run: RunPaths) -> None:
    with serving_what(["--runs-dir", str(run.root.parent)]) as served:
        assert served.first_line.startswith(f"the runs of {run.root.parent} (read only): http://127.0.0.1:")
        address = f"{served.url}ws?width=120&height=40"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as tab:
            await until_text(tab, run.root.name)
            await tab.send_json(["stdin", "D"])
            await until_text(tab, "read only")
            await tab.send_json(["stdin", "\r"])
            await until_text(tab, " RUNNING ")
        code, out, err = await asyncio.to_thread(served.end)
    assert code == 0 and err == "", err
    assert f"Records are in {run.root.parent}." in out
    assert run.root.exists()


async def test_whoever_has_the_address_may_control_where_that_is_allowed(run: RunPaths) -> None:
    with serving(run, "--allow-control") as served:
        root, secret, _ = served.url.rsplit("/", 2)
        assert len(secret) >= 16 and "(with control)" in served.first_line
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/ws", "/static/js/textual.js"):
                async with session.get(root + path) as answer:
                    assert answer.status == 404
            async with session.ws_connect(f"{served.url}ws?width=120&height=40") as tab:
                await until_text(tab, " RUNNING ")
                await tab.send_json(["stdin", "c"])
                await until(run.commands.exists)
        assert '"checkpoint"' in run.commands.read_text()


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}, {"Origin": "null"}]
)
async def test_another_page_in_the_same_browser_is_refused(run: RunPaths, headers: dict[str, str]) -> None:
    with serving(run) as served:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(f"{served.url}ws", headers=headers)
        assert served.cockpits() == []


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        *(("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)),
        *(("127.evil.example", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example", False)),
        *(("10.0.0.1", False), ("", False)),
    ],
)
def test_a_name_that_begins_like_an_address_is_not_this_machine(host: str, is_ours: bool) -> None:
    from trainctl.tui.processes.web import is_local

    assert is_local(host) is is_ours


async def test_what_is_no_message_of_the_page_ends_its_tab_and_nothing_else(run: RunPaths) -> None:
    with serving(run) as served:
        async with aiohttp.ClientSession() as session:
            too_deep = '["ping", ' + "[" * 960 + "]" * 960 + "]"  # to be read, but not to be written
            for sent in ("not JSON", "[" * 100_000, too_deep, '{"a": 1}', '["resize", 3]', "[]"):
                async with session.ws_connect(f"{served.url}ws?width=1000000000&height=-3") as tab:
                    await tab.send_str(sent)
                    last = await tab.receive(timeout=PATIENCE_S)
                    while last.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                        last = await tab.receive(timeout=PATIENCE_S)
                    assert last.type is aiohttp.WSMsgType.CLOSE and last.data == aiohttp.WSCloseCode.UNSUPPORTED_DATA
            async with session.ws_connect(f"{served.url}ws?width=120&height=40") as tab:
                await tab.send_json(["resize", {"width": 10**15, "height": 10**15}])
                await until_text(tab, " RUNNING ")
                code, _, err = await asyncio.to_thread(served.end)
        assert code == 0 and err == "", err


def test_a_page_that_reads_nothing_cannot_keep_the_server(run: RunPaths) -> None:
    handshake = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
    )
    with serving(run) as served:
        address = urlsplit(served.url)
        with socket.socket() as page:
            page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            page.connect((address.hostname, address.port))
            head = f"GET {address.path}ws?width=1000&height=1000 HTTP/1.1\r\nHost: localhost\r\n"
            page.sendall((head + handshake.format("dGhlIHNhbXBsZSBub25jZQ==")).encode())
            limit = time.monotonic() + PATIENCE_S
            while not served.cockpits():
                assert time.monotonic() < limit
            time.sleep(5)  # by now it has drawn more than the connection holds
            code, _, err = served.end()
    assert code == 0 and err == "", err


async def test_the_name_of_a_run_is_text_on_the_page(run: RunPaths) -> None:
    named = run.root.rename(run.root.with_name("<script>alert(1)</script>".replace("/", "")))
    with serving(RunPaths(named)) as served:
        async with aiohttp.ClientSession() as session, session.get(served.url) as answer:
            page = await answer.text()
    assert "&lt;script&gt;alert(1)" in page and "<script>alert(1)" not in page


async def test_a_cockpit_whose_server_is_killed_ends_too(run: RunPaths) -> None:
    with serving(run) as served:
        address = f"{served.url}ws?width=80&height=24"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as tab:
            await until_text(tab, " RUNNING ")
            (cockpit,) = served.cockpits()
            served.process.kill()
            await until(lambda: not is_alive(cockpit))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_host_that_others_reach_is_warned_of(run: RunPaths) -> None:
    with serving(run, "--host", "0.0.0.0") as served:
        code, _, err = served.end()
    assert code == 0
    assert err.count("\n") == 1 and err.startswith("trainctl: warning: everyone who reaches 0.0.0.0:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "nowhere.invalid"], "cannot listen on nowhere.invalid:8000"),
        (["--port", "70000"], "--port 70000 is no port"),
        (["--allow-control", "--readonly"], "exclude each other"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    run: RunPaths, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run_command_line(["ui", str(run.root), "--web", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_taken_port_is_said_in_a_line_and_nothing_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["ui", "--preset", "eyes/balanced", "--runs-dir", str(tmp_path / "runs"), "--web", "--port", str(port)]
        assert run_command_line(words) == 2
    err = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in err and "in use" in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_the_extra_the_command_that_installs_it_is_named(
    run: RunPaths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "trainctl.tui.processes.web", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve.app_service", None)
    assert run_command_line(["ui", str(run.root), "--web"]) == 2
    assert "pip install 'trainctl-cockpit[web]'" in capsys.readouterr().err


def test_options_of_the_server_need_web(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["ui", str(run.root), "--port", "9000"]) == 2
    assert "add --web" in capsys.readouterr().err


def test_without_a_run_one_is_started_and_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trainctl.tui.cli.commands.web as module
    import trainctl.tui.processes.launch

    served: list[object] = []
    monkeypatch.setattr(
        trainctl.tui.processes.launch, "launch", lambda request: (RunPaths(tmp_path / request.preset), None)
    )
    monkeypatch.setattr(module, "serve_web", lambda shown, options, listener: served.append(shown.words) or 0)
    assert run_command_line(["ui", "--preset", "eyes/balanced", "--web", "--port", "0"]) == 0
    assert served == [(str((tmp_path / "eyes/balanced").resolve()),)]


@pytest.mark.skipif(find_browser() is None, reason="needs a Chromium on the path")
@pytest.mark.skipif(os.name != "posix", reason="reads /proc")
async def test_a_browser_shows_the_cockpit_and_takes_keys_and_the_mouse(run: RunPaths, tmp_path: Path) -> None:
    with serving(run) as served:
        async with browser(tmp_path / "profile") as chromium, chromium.page(served.url) as page:
            text = await page.shows("RUNNING", "Loss", "no problem seen so far", "q quit")
            assert any(0x2800 < ord(char) < 0x2900 for char in text)
            await page.press("?")
            await page.shows("Acting on the run", "esc closes")
            await page.press("q")
            await page.shows("q quit")
            await page.click(*cell_of(text, "Classes"))
            await page.press("m")  # what was clicked fills the screen
            await page.shows_not("Loss")
            assert "Classes" in await page.text()
            assert all(address.split("/")[2] == served.url.split("/")[2] for address in page.requested)
        await until(lambda: not served.cockpits())


def cell_of(text: str, word: str) -> tuple[int, int]:
    """Column and row of a word on the screen."""
    row = next(k for k, line in enumerate(text.splitlines()) if word in line)
    return text.splitlines()[row].index(word), row
