"""Serves the cockpit of one run to browsers, each tab with a cockpit process of its own. Touches no training.

Needs the extra `web` (textual-serve, which brings the terminal for the page and aiohttp); uses nothing that has to be
fetched from elsewhere. The only module that knows of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import re
import secrets
import signal
import socket
import string
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from shlex import join, split
from typing import Any

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from trainctl.engine.errors import kind_and_words
from trainctl.tui.plain import printable
from trainctl.tui.processes.web_messages import (
    MOST_BYTES,
    Focused,
    Message,
    Pinged,
    Resized,
    Typed,
    read_message,
    terminal_size,
)

LOCAL_NAME = "localhost"
MAX_TABS = 16
"""Cockpits at a time: each is a process."""
GRACE_S = 3.0
"""How long a cockpit may take to close before it is ended."""
FONT_SIZE = 15
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?", re.ASCII)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Visits:
    """What a server did: tabs it opened, and seconds it was there."""

    num_tabs: int
    seconds: float


class Tab(AppService):
    """One cockpit process behind one browser tab."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._closing = asyncio.Lock()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # The terminal is the browser's, whatever the server was started from.
        environment = self._build_environment(width, height) | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = await asyncio.create_subprocess_exec(
            *split(self.command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the server, which then closes every tab
        )
        self._stdin = self._process.stdin
        return self._process

    async def ended(self) -> None:
        """Wait for the end of the process, by itself or by `end`."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def end(self) -> None:
        """Close the cockpit; one that does not close is killed."""
        # The end of the server and that of the tab come at once, and a pipe has one reader.
        async with self._closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop(), GRACE_S)
            process = self._process
            if process is None:
                return
            try:
                await asyncio.wait_for(_gone(process), GRACE_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_gone(process), GRACE_S)


async def _gone(process: Process) -> None:
    """Wait for the end of a process that nobody reads any more.

    What it still says is thrown away: as long as a pipe is full, asyncio does not see its end, nor that of the process.
    """
    pipes = (pipe for pipe in (process.stdout, process.stderr) if pipe is not None)
    await asyncio.gather(process.wait(), *(pipe.read() for pipe in pipes))


class WebServer(Server):
    """The page, its terminal's files, and a websocket for each tab.

    Args:
        words: command line of a cockpit.
        title: of the page.
        listener: where to listen, already bound: a taken port was found out before.
        secret: part of every address.
        complain: told, in a line, what went wrong that nobody else is told.
    """

    def __init__(
        self, words: Sequence[str], title: str, listener: socket.socket, secret: str, complain: Callable[[str], object]
    ) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(join(words), host, port, title)
        self._listener, self._prefix, self._complain = listener, f"/{secret}", complain
        self._is_ending = False
        self._is_local = is_local(host)
        self._tabs: set[Tab] = set()
        self._num_tabs = 0

    async def visit(self, on_ready: Callable[[], object]) -> Visits:
        """Serve until Ctrl-C or SIGTERM; then close every cockpit."""
        began, over = time.monotonic(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, over.set)
        speak_in_lines(self._complain)
        runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener).start()
            on_ready()
            await over.wait()
        finally:
            # The second Ctrl-C of somebody in a hurry must not leave cockpits behind.
            self._is_ending = True
            await asyncio.gather(*(tab.end() for tab in self._tabs))
            with contextlib.suppress(TimeoutError):  # whoever does not even read what is sent is not waited for
                await asyncio.wait_for(runner.cleanup(), 3 * GRACE_S)
        return Visits(self._num_tabs, time.monotonic() - began)

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._refuse_strangers])
        app.add_routes(
            [
                web.get(self._prefix + "/", self.handle_index),
                web.get(self._prefix + "/ws", self.handle_websocket),
                web.static(self._prefix + "/static", self.statics_path),
                web.get("/download/{key}", self.handle_download),
            ]
        )
        return app

    @web.middleware
    async def _refuse_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer our own page only. Any page in the same browser may connect to a port of this machine (cross-site
        WebSocket hijacking), and a name of its own may lead there (DNS rebinding)."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if self._is_local and not is_local(name_in(host)):
            raise web.HTTPForbidden(text="this server answers to localhost only")
        if origin is not None and origin.partition("://")[2] != host:
            raise web.HTTPForbidden(text="another page asked")
        try:
            return await handler(request)
        except ConnectionError:
            raise
        except OSError as err:  # a name that is too long for a file
            raise web.HTTPNotFound from err

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page."""
        page = string.Template(files("trainctl.tui.processes").joinpath("web.html").read_text())
        size = min(max(to_int(request.query.get("fontsize", ""), FONT_SIZE), 6), 48)
        title = html.escape(printable(self.title))
        return web.Response(text=page.substitute(title=title, font_size=size), content_type="text/html")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A tab: its cockpit lives as long as the connection."""
        if self._is_ending:
            raise web.HTTPServiceUnavailable(text="this server ends")
        if len(self._tabs) >= MAX_TABS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_TABS} cockpits are open already; close one")
        width, height = (terminal_size(to_int(request.query.get(name, ""), 80)) for name in ("width", "height"))
        connection = web.WebSocketResponse(heartbeat=15, max_msg_size=MOST_BYTES)
        await connection.prepare(request)

        async def goodbye() -> None:
            await connection.close()

        tab = Tab(
            self.command,
            write_bytes=connection.send_bytes,
            write_str=connection.send_str,
            close=goodbye,
            download_manager=self.download_manager,
        )
        self._tabs.add(tab)
        self._num_tabs += 1
        closing = None
        try:
            await tab.start(width, height)
            closing = asyncio.create_task(self._close_with(tab, connection))
            await self._process_messages(connection, tab)
        except ConnectionError:
            pass  # the page has gone
        except OSError as err:  # no more processes, or files
            self._complain(f"a cockpit cannot be started: {err.strerror or err}")
            await connection.close(code=WSCloseCode.TRY_AGAIN_LATER)
        finally:
            await tab.end()
            self._tabs.discard(tab)
            if closing is not None:
                await asyncio.wait([closing], timeout=GRACE_S)
            if request.transport is not None and not connection.closed:
                request.transport.abort()  # it does not read, so what is sent would wait for ever
        return connection

    async def _process_messages(self, websocket: web.WebSocketResponse, app_service: AppService) -> None:
        """Pass on what the page says, until it goes or says something that it would not."""
        async for message in websocket:
            try:
                if message.type is web.WSMsgType.TEXT:
                    await _pass_on(read_message(message.data), websocket, app_service)
            except (ValueError, RecursionError):
                await websocket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"not a message of the page")
            except ConnectionError:
                return  # the cockpit or the page has gone

    async def _close_with(self, tab: Tab, connection: web.WebSocketResponse) -> None:
        """The page says so when its cockpit is gone, even where that could not say goodbye."""
        await tab.ended()
        await connection.close()


async def _pass_on(message: Message, websocket: web.WebSocketResponse, tab: AppService) -> None:
    match message:
        case Typed(data):
            await tab.send_bytes(data)
        case Resized(width, height):
            await tab.set_terminal_size(width, height)
        case Pinged(value):
            await websocket.send_json(["pong", value])
        case Focused(is_focused):
            await (tab.focus() if is_focused else tab.blur())


class _Lines(logging.Handler):
    """Says in a line what libraries would print with a traceback; nothing of what clients do wrong, or go away from."""

    def __init__(self, complain: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._complain = complain

    def emit(self, record: logging.LogRecord) -> None:
        err = record.exc_info[1] if record.exc_info else None
        if not isinstance(err, (HttpProcessingError, ConnectionError)):
            self._complain(record.getMessage() if err is None else f"{record.getMessage()}: {kind_and_words(err)}")


def speak_in_lines(complain: Callable[[str], object]) -> None:
    """From now on nothing that the server is made of prints a traceback: anybody who reaches a port could cause it."""
    for name in ("aiohttp", "asyncio", "textual-serve"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(_Lines(complain))
        logger.propagate = False


def name_in(host: str) -> str:
    """The name or address in a `Host` header; empty where there is none."""
    found = HOST.fullmatch(host)
    return "" if found is None else found[1].strip("[]").lower()


def is_local(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name: `127.somewhere.example` is one too
        return host == LOCAL_NAME


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: the port is taken, or the host is not ours.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family)


def new_secret() -> str:
    """What nobody guesses."""
    return secrets.token_urlsafe(12)
