"""Drives a headless Chromium through its DevTools protocol, over aiohttp alone: no driver program, no download."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_S = 60.0
"""A browser that is installed but does not start within this is as good as none."""
PATIENCE_S = 40.0
# The page keeps its terminal to itself: whoever is given an attribute `fitAddon` is the one that holds it.
CATCH_TERMINAL = """
Object.defineProperty(Object.prototype, "fitAddon", {
  configurable: true,
  set(value) {
    window.holder = this;
    Object.defineProperty(this, "fitAddon", {value, writable: true, configurable: true});
  },
});
"""
READ_TERMINAL = """
(() => {
  const terminal = window.holder?.terminal;
  if (!terminal) return "";
  const rows = [...Array(terminal.rows).keys()];
  return rows.map(k => terminal.buffer.active.getLine(k)?.translateToString(true) ?? "").join("\\n");
})()
"""


def find_browser() -> str | None:
    """A Chromium on the path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requested: list[str] = []
        """Addresses the page asked for."""

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=PATIENCE_S)
            if answer.get("method") == "Network.requestWillBeSent":
                self.requested.append(answer["params"]["request"]["url"])
            elif answer.get("method") == "Network.webSocketCreated":
                self.requested.append(answer["params"]["url"])
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        for domain in ("Page", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=CATCH_TERMINAL)
        await self.call("Page.navigate", url=url)

    async def text(self) -> str:
        """What the terminal in the page shows."""
        return str(await self.evaluate(READ_TERMINAL) or "")

    async def shows(self, *words: str) -> str:
        """Wait until the terminal shows all of these; returns all it shows."""
        return await self._until(lambda text: all(word in text for word in words))

    async def shows_not(self, word: str) -> str:
        """Wait until this is gone; returns all the terminal shows."""
        return await self._until(lambda text: word not in text)

    async def _until(self, holds: Callable[[str], bool]) -> str:
        limit = time.monotonic() + PATIENCE_S
        while not holds(text := await self.text()):
            assert time.monotonic() < limit, text
            await asyncio.sleep(0.05)
        return text

    async def press(self, key: str) -> None:
        await self.evaluate("window.holder.terminal.focus()")
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def click(self, column: int, row: int) -> None:
        """Click on a cell of the terminal."""
        box = await self.evaluate(
            "(r => [r.x, r.y, r.width, r.height, holder.terminal.cols, holder.terminal.rows])"
            "(document.querySelector('.xterm-screen').getBoundingClientRect())"
        )
        x, y, width, height, columns, rows = box
        at = {"x": x + (column + 0.5) * width / columns, "y": y + (row + 0.5) * height / rows}
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    async def screenshot(self) -> bytes:
        import base64

        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


class Browser:
    """A running Chromium."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session, self._port = session, port

    @asynccontextmanager
    async def page(self, url: str) -> AsyncGenerator[Page]:
        """A new tab on this address, closed at the end."""
        root = f"http://127.0.0.1:{self._port}/json"
        async with self._session.put(f"{root}/new?about:blank") as answer:
            target = await answer.json()
        async with self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            await page.open(url)
            yield page
        async with self._session.get(f"{root}/close/{target['id']}"):
            pass


@asynccontextmanager
async def browser(folder: Path) -> AsyncGenerator[Browser]:
    """A headless Chromium with a profile of its own, ended at the end."""
    program = find_browser()
    assert program is not None
    words = [program, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run"]
    words += ["--window-size=1280,800", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # it refuses to run as root otherwise
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*words, "about:blank"], stdout=log, stderr=log)
    try:
        port_file, limit = folder / "DevToolsActivePort", time.monotonic() + START_S
        while not (port_file.exists() and port_file.read_text().strip()):
            if process.poll() is not None or time.monotonic() > limit:
                pytest.skip(f"the browser does not start here: {(folder / 'log').read_text()[-300:]}")
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as session:
            yield Browser(session, int(port_file.read_text().split()[0]))
    finally:
        process.terminate()
        process.wait()
