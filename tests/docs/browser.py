"""Pages in headless Chromium: what they ask for, what they complain of, and whether they fit a narrow screen."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WHY_NOT = "there is no Chromium here: apt-get install chromium"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)
HARMLESS = ("file:", "data:", "blob:", "about:")
WIDTH_OF = "document.documentElement.scrollWidth"
WITHOUT_TEXT = """JSON.stringify([
  ...[...document.images].filter(image => !image.alt.trim()).map(image => image.src.slice(0, 80)),
  ...[...document.querySelectorAll('figure svg, svg[role=img]')]
    .filter(svg => !svg.getAttribute('aria-label') && !svg.querySelector('title') && !svg.closest('[aria-label]'))
    .map(svg => svg.outerHTML.slice(0, 80)),
])"""


@dataclass
class Seen:
    """What a page did at one width."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    width: int = 0
    without_text: list[str] = field(default_factory=list)

    def outside(self, allowed: str = "file:") -> list[str]:
        """Addresses that are neither part of the page nor below ``allowed``."""
        return [url for url in self.requests if not url.startswith((*HARMLESS, allowed))]


class Browser:
    """One Chromium with one tab at a time."""

    def __init__(self, port: int) -> None:
        self.port = port

    def open(self, url: str, width: int, picture: Path | None = None) -> Seen:
        """Load a page at a width of ``width`` CSS pixels and watch it until it is quiet; perhaps save how it looks."""
        answer = urlopen(Request(f"http://127.0.0.1:{self.port}/json/new", method="PUT"), timeout=30)
        tab = json.loads(answer.read())
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            seen = _Tab(socket).visit(url, width, picture)
        urlopen(f"http://127.0.0.1:{self.port}/json/close/{tab['id']}", timeout=30)
        return seen


class _Tab:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.sent, self.seen = socket, 0, Seen()
        self.loaded = False
        self.last = time.monotonic()

    def visit(self, url: str, width: int, picture: Path | None) -> Seen:
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=url)
        end = time.monotonic() + 60
        while not self.loaded or time.monotonic() - self.last < 0.5:
            if time.monotonic() > end:
                raise TimeoutError(f"{url} is not loaded after 60 s")
            self.receive(0.1)
        self.seen.width = int(self.evaluate(WIDTH_OF))
        self.seen.without_text = json.loads(self.evaluate(WITHOUT_TEXT))
        if picture is not None:
            import base64

            picture.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        return self.seen

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression)["result"]["value"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.sent += 1
        number = self.sent
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := self.receive(60)) is None or message.get("id") != number:
            pass
        assert "error" not in message, (method, message)
        result: dict[str, Any] = message["result"]
        return result

    def receive(self, seconds: float) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
        except TimeoutError:
            return None
        self.note(message.get("method", ""), message.get("params", {}))
        return message

    def note(self, event: str, said: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.seen.requests.append(said["request"]["url"])
            self.last = time.monotonic()
        elif event == "Page.loadEventFired":
            self.loaded, self.last = True, time.monotonic()
        elif event == "Runtime.exceptionThrown":
            self.seen.errors.append(str(said["exceptionDetails"])[:300])
        elif event == "Runtime.consoleAPICalled" and said["type"] in ("error", "assert"):
            self.seen.errors.append(str(said["args"])[:300])
        elif event == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.seen.errors.append(said["entry"]["text"] + " " + said["entry"].get("url", ""))


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Browser(_port(profile / "DevToolsActivePort", process))
    finally:
        process.terminate()
        process.wait(30)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that Chromium writes down when it listens."""
    end = time.monotonic() + 60
    while not (file.exists() and file.read_text().strip()):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Chromium has not started: {process.poll()}")
        time.sleep(0.05)
    return int(file.read_text().split()[0])
