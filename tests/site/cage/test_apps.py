"""An approved app lies ready for its messages, compiled, without a line of it being run."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from cape_fed.federation.fab import App, pack, read_app
from cape_fed.site.cage import inside, launch, setup
from cape_fed.site.cage.apps import LaidOut, app_in_hand
from cape_fed.site.config import SiteConfig
from tests.federation.test_fab import FILES
from tests.site.cage.test_cage import needs_bubblewrap

NAME = "hospital.app.1.0.0123abcd"
CHECKED_HASH = b"\x03\x00\x00\x00"


def app_of(files: Mapping[str, bytes]) -> App:
    return read_app(pack({**FILES, **files}))


def laid_out(runtime: Path, app: App) -> Path:
    """An app that is laid out and compiled; where it is."""
    runtime.mkdir(exist_ok=True)
    made = LaidOut(runtime)
    made.put(app, NAME)
    made.choose(app.hash)
    for thread in threading.enumerate():
        if thread.name == "compile":
            thread.join(60)
    found = app_in_hand(runtime)
    assert found is not None
    return found


def said(folder: Path, code: str) -> str:
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_every_module_has_byte_code_that_is_used_while_its_source_is_the_same(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    text = f"open({str(marker)!r}, 'w').close()\nvalue = 1\n"
    place = laid_out(tmp_path / "runtime", app_of({"pack/age.py": text.encode(), "broken.py": b"1 +"}))
    assert not marker.exists()
    compiled = {path.name.partition(".")[0]: path for path in place.rglob("*.pyc")}
    assert compiled.keys() == {path.stem for path in place.rglob("*.py")} - {"broken"}
    assert {path.read_bytes()[4:8] for path in compiled.values()} == {CHECKED_HASH}
    code = "from pack import age; print(age.value, age.__spec__.cached)"
    assert said(place, code) == f"1 {compiled['age']}"
    (place / "pack" / "age.py").write_text("value = 2\n")
    assert said(place, code).startswith("2 ")


def test_another_app_whose_folder_would_have_the_same_name_is_not_laid_out_in_its_place(tmp_path: Path) -> None:
    first, second, made = app_of({}), app_of({"more.py": b""}), LaidOut(tmp_path)
    for app in (first, second):
        made.put(app, NAME)
    made.choose(second.hash)
    assert app_in_hand(tmp_path) is None
    made.choose(first.hash)
    assert app_in_hand(tmp_path) == tmp_path / "apps" / NAME
    assert not (tmp_path / "apps" / NAME / "more.py").exists()


def test_who_opens_many_connections_from_a_cage_takes_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "AT_ONCE", 2)
    accepted: queue.Queue[socket.socket] = queue.Queue()

    def connect() -> socket.socket:
        near, far = socket.socketpair()
        accepted.put(far)
        return near

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "way"))
        listener.listen()

        def relay() -> None:
            with suppress(OSError):  # the listener is closed
                inside.relay(listener, connect)

        threading.Thread(target=relay, daemon=True).start()
        callers = []
        for _ in range(4):
            callers.append(socket.socket(socket.AF_UNIX))
            callers[-1].settimeout(30)
            callers[-1].connect(str(tmp_path / "way"))
        served = [accepted.get(timeout=30) for _ in range(2)]
        callers[0].sendall(b"question")
        assert served[0].recv(100) == b"question"
        served[0].sendall(b"answer")
        assert callers[0].recv(100) == b"answer"
        assert accepted.empty()
        callers[0].close()
        served[0].close()
        assert accepted.get(timeout=30)  # the next one is let in when one has ended
        for caller in callers[1:]:
            caller.close()


def test_where_it_cannot_be_laid_out_there_is_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    app, made = app_of({}), LaidOut(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        made.put(app, NAME)
        made.choose(app.hash)
    assert app_in_hand(tmp_path) is None
    assert {path.name for path in tmp_path.rglob("*")} == {"apps", "app"}
    made.put(app, NAME)
    made.choose(app.hash)
    assert app_in_hand(tmp_path) == tmp_path / "apps" / NAME
    made.choose("another")
    assert app_in_hand(tmp_path) is None


@needs_bubblewrap
def test_a_cage_shows_the_app_in_hand_and_no_other_and_none_can_be_changed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    site = SiteConfig(name="a", role="train", stores=(tmp_path / "store",), state=tmp_path / "state", device="cpu")
    runtime = tmp_path / "runtime"
    (runtime / "empty").mkdir(parents=True)
    bounds = setup.bounds_of(site, runtime).without_files()
    place = laid_out(runtime, app_of({}))
    (runtime / "apps" / "another").mkdir()
    code = (
        f"import os; home = os.environ['FLWR_HOME'] + '/apps'; assert os.listdir(home) == [{NAME!r}]\n"
        f"assert sorted(os.listdir(home + '/{NAME}')) == {sorted(path.name for path in place.iterdir())}\n"
        f"for path in ('a.py', '__pycache__/new'):\n"
        f"  try: open(home + '/{NAME}/' + path, 'w'); raise SystemExit(1)\n"
        f"  except OSError: pass\n"
    )
    assert launch.run_caged(bounds, [sys.executable, "-I", "-c", code]) == 0
