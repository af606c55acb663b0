"""What anybody who reaches the port may send is answered, and costs no more than a line. No cockpit is started here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="needs the extra `web`")
pytest.importorskip("textual_serve", reason="needs the extra `web`")

from aiohttp import web  # noqa: E402  # only where it is installed
from aiohttp.test_utils import BaseTestServer, TestServer  # noqa: E402

from trainctl.tui.processes.web import WebServer, is_local, listen, name_in, speak_in_lines  # noqa: E402


@asynccontextmanager
async def serving(said: list[str], title: str = "run") -> AsyncGenerator[BaseTestServer]:
    """The server's application on a port, with cockpits that end at once."""
    with listen("127.0.0.1", 0) as listener:
        server = WebServer(["true"], title, listener, "secret", said.append)
        speak_in_lines(said.append)
        async with TestServer(await server._make_app()) as test:
            yield test


async def answer(server: BaseTestServer, sent: bytes) -> bytes:
    """All that comes back for these bytes."""
    assert server.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def request(path: str = "/secret/", host: str | None = "localhost", more: str = "", version: str = "1.1") -> bytes:
    line = "" if host is None else f"Host: {host}\r\n"
    return f"GET {path} HTTP/{version}\r\n{line}{more}Connection: close\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "127.3.2.1:80", "[::1]", "[::1]:8000"])
async def test_this_machine_by_any_of_its_names(host: str) -> None:
    assert is_local(name_in(host))
    async with serving([]) as server:
        assert (await answer(server, request(host=host))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.evil.example",
            "[::1",
            "[",
            "[]",
            "[zz]",
            "[::1]evil",
            "::1",
            "evil.example@127.0.0.1",
            "localhost#",
            "",
        ),
        *("evil.example\\@localhost", "localhost/..", "localhost:x", "localhost:80:80", "localhost.", "127.1", "a b"),
    ],
)
async def test_another_name_is_refused_however_it_is_written(host: str) -> None:
    said: list[str] = []
    async with serving(said) as server:
        assert (await answer(server, request(host=host))).startswith(b"HTTP/1.1 403")
        assert (await answer(server, request(host=None, version="1.0"))).startswith(b"HTTP/1.0 403")
    assert said == []


@pytest.mark.parametrize("origin", ["null", "http://[", "http://[::1", "//", "", "http://localhost:9", "\xff"])
async def test_another_origin_is_refused_however_it_is_written(origin: str) -> None:
    async with serving([]) as server:
        same = await answer(server, request(host="localhost:8000", more="Origin: http://localhost:8000\r\n"))
        assert same.startswith(b"HTTP/1.1 200")
        other = await answer(server, request(host="localhost:8000", more=f"Origin: {origin}\r\n"))
        assert other.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "sent",
    [
        *(b"\x16\x03\x01\x00\xa5\x01\x00", os.urandom(3000), b"\0" * 100, b"GET /" + b"a" * 100_000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /secret/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /secret/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "noise", "zeros", "long", "http2", "length", "chunk"],
)
async def test_what_is_no_request_prints_nothing(sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    async with serving(said) as server:
        await answer(server, sent)
        await answer(server, request().replace(b"close", b"keep-alive") + sent)  # behind one that is good
        assert (await answer(server, request())).startswith(b"HTTP/1.1 200")
    assert said == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["/", "/secret", "/ws", "/static/js/textual.js", "/secret/static/" + "a" * 5000])
async def test_what_is_not_there_is_not_found(path: str) -> None:
    async with serving([]) as server:
        assert (await answer(server, request(path))).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("title", ["a\udcff", "a\x1b[31m\x07b", "a\nb", "<i>", "$title${x}$$", "\u202ea"])
async def test_any_name_of_a_run_is_text_on_the_page(title: str) -> None:
    async with serving([], title) as server:
        page = await answer(server, request())
    assert page.startswith(b"HTTP/1.1 200") and b"<i>" not in page and b"\x1b" not in page
    assert b"<title>" in page and b"</title>" in page.split(b"<title>")[1].split(b"\n")[0]


async def test_a_fault_of_ours_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    async def fail(request: web.Request) -> web.Response:
        raise KeyError("ours\nentirely")

    speak_in_lines(said.append)
    app = web.Application()
    app.router.add_get("/", fail)
    async with TestServer(app) as server:
        assert (await answer(server, request("/"))).startswith(b"HTTP/1.1 500")
    assert len(said) == 1 and "KeyError: 'ours\\nentirely'" in said[0] and "\n" not in said[0]
    assert capfd.readouterr() == ("", "")


async def test_a_cockpit_that_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    with listen("127.0.0.1", 0) as listener:
        app = await WebServer([str(tmp_path / "gone")], "run", listener, "secret", said.append)._make_app()
        async with (
            TestServer(app) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://localhost:{server.port}/secret/ws") as tab,
        ):
            assert (await tab.receive(timeout=20)).data == aiohttp.WSCloseCode.TRY_AGAIN_LATER
    assert said == ["a cockpit cannot be started: No such file or directory"]
