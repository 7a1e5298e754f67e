"""The documentation is built strictly, has every page in its menu, and needs nothing from elsewhere."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.docs.browser import CHROMIUM, WHY_NOT, open_browser

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\" >]+)|<link[^>]*\shref=\"?([^\" >]+)[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    no_network = {"NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **no_network}
    )
    assert done.returncode == 0, done.stderr
    return out


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f" docs/{path.name}\n" not in menu]
    assert missing == []


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loaded = [first or second for first, second in LOADED.findall(page.read_text())]
        assert loaded
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
@pytest.mark.timeout(600)
def test_pages_read_well_in_a_browser(site: Path, address: str, tmp_path: Path) -> None:
    pages = sorted(page.relative_to(site).parent.as_posix() for page in site.rglob("index.html"))
    chosen = [page for page in pages if "decisions/" not in page]
    with open_browser(tmp_path / "profile") as browser:
        for page in chosen:
            url = address if page == "." else f"{address}{page}/"
            for width in (400, 1200):
                seen = browser.open(url, width)
                assert seen.outside(address) == [], page
                assert seen.errors == [], page
                assert seen.without_text == [], page
                assert seen.width <= width, f"{page} is {seen.width} pixels wide on a screen of {width}"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
def test_the_browser_sees_what_is_wrong_with_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>x</title><div style='width:700px'>wide</div>"
        "<img src='data:image/gif;base64,R0lGODdhAQABAIAA'>"
        "<script>console.error('said'); fetch('http://127.0.0.1:9/away')</script>"
    )
    with open_browser(tmp_path / "profile") as browser:
        seen = browser.open(page.as_uri(), 400)
    assert seen.outside() == ["http://127.0.0.1:9/away"]
    assert "said" in seen.errors[0]
    assert seen.width >= 700
    assert len(seen.without_text) == 1
