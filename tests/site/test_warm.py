"""A process that has loaded libraries forks for every order; forks share nothing, and enter a cage without power."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cape_fed.site import warm
from cape_fed.site.warmth import LIBRARIES, NO_THREADS, Forked, WarmProcess, ask


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WarmProcess]:
    made = WarmProcess(tmp_path / "warm")
    made.libraries = ("json",)
    yield made
    made.stop()


def said(process: WarmProcess, code: str, **order: object) -> tuple[int, str]:
    """Exit code and output of Python code in a fork."""
    with tempfile.TemporaryFile() as output:
        forked = ask(process.path, {"command": [sys.executable, "-I", "-c", code], **order}, output)
        assert forked is not None
        code_ = forked.wait(60)
        output.seek(0)
        return code_, output.read().decode()


def test_a_fork_does_what_it_is_told_and_its_end_is_told(process: WarmProcess) -> None:
    process.start()
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))), os.getppid()); raise SystemExit(7)"
    ended, text = said(process, code)
    assert ended == 7
    assert text.startswith("[0, 1, 2, 3] ")  # the fourth is the folder that is being read
    assert process.process is not None
    assert int(text.split()[-1]) != process.process.pid
    assert said(process, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")[0] == -15


def test_a_fork_does_not_go_through_what_was_loaded_before_it(process: WarmProcess, tmp_path: Path) -> None:
    module = tmp_path / "flwr" / "supernode" / "cli"
    module.mkdir(parents=True)
    for folder in (module, module.parent, module.parent.parent):
        (folder / "__init__.py").touch()
    (module / "__init__.py").write_text(
        "import gc\ndef flwr_clientapp(): print(len(gc.get_objects()), gc.get_freeze_count(), flush=True)\n"
    )
    process.environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process.libraries = (*process.libraries, "numpy")  # enough for the ratio on every version of Python
    process.start()
    with tempfile.TemporaryFile() as output:
        forked = ask(process.path, {"command": ["flwr-clientapp"]}, output)
        assert forked is not None
        assert forked.wait(60) == 0
        output.seek(0)
        watched, frozen = map(int, output.read().split())
    assert frozen > 10 * watched > 0


def test_forks_draw_different_numbers(tmp_path: Path) -> None:
    """What is drawn at random is a secret in a private run."""
    module = tmp_path / "flwr" / "supernode" / "cli"
    module.mkdir(parents=True)
    for folder in (module, module.parent, module.parent.parent):
        (folder / "__init__.py").touch()
    (module / "__init__.py").write_text(
        "import random, numpy\ndef flwr_clientapp(): print(random.random(), numpy.random.rand(), flush=True)\n"
    )
    process = WarmProcess(tmp_path / "warm", {**os.environ, "PYTHONPATH": str(tmp_path)})
    process.libraries = ("random", "numpy")
    process.start()
    drawn: list[str] = []
    for _ in range(2):
        with tempfile.TemporaryFile() as output:
            forked = ask(process.path, {"command": ["flwr-clientapp"]}, output)
            assert forked is not None
            assert forked.wait(60) == 0
            output.seek(0)
            drawn += output.read().decode().split()
    process.stop()
    assert len(set(drawn)) == len(drawn) == 4


def test_an_order_that_comes_while_it_loads_waits_and_is_kept(process: WarmProcess, tmp_path: Path) -> None:
    (tmp_path / "slow_to_load.py").write_text("import time; time.sleep(1)")
    process.environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process.libraries = ("slow_to_load", "json")
    process.start()
    assert said(process, "print('here')") == (0, "here\n")


def test_who_has_gone_meanwhile_gets_no_process(process: WarmProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is worked on once: whoever gave up waiting has started it in another way."""
    marker = process.path.with_name("marker")
    monkeypatch.setattr("cape_fed.site.warmth.ANSWER", 0.01)
    process.environment = {**os.environ, "PYTHONPATH": str(process.path.parent)}
    (process.path.parent / "slow_to_load.py").write_text("import time; time.sleep(1)")
    process.libraries = ("slow_to_load",)
    process.start()
    assert ask(process.path, {"command": ["touch", str(marker)]}) is None
    monkeypatch.undo()
    assert said(process, "print('next')") == (0, "next\n")
    assert not marker.exists()


def test_where_a_library_starts_threads_nothing_is_forked(process: WarmProcess, tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    process.environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process.libraries = ("busy",)
    process.start()
    first = process.process
    assert first is not None
    assert first.wait(30) == warm.NOT_ALONE
    process.start()  # in vain, so it is not tried again
    assert process.process is first
    assert ask(process.path, {"command": ["true"]}) is None


def test_a_cage_that_cannot_be_entered_is_left_to_other_ways(process: WarmProcess) -> None:
    process.start()
    order = {"command": ["true"], "cage": 0, "environment": {}, "memory": 1 << 30, "processes": 10}
    assert ask(process.path, order) is None


def test_it_ends_with_the_process_that_keeps_it(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom cape_fed.site.warmth import WarmProcess, ask\n"
        f"made = WarmProcess(Path({str(tmp_path / 'warm')!r})); made.libraries = (); made.start()\n"
        "print(made.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    kept = Path("/proc") / done.stdout.strip()
    while kept.exists() and ") Z " not in (kept / "stat").read_text():
        pass


def test_nothing_of_this_project_is_loaded_and_no_library_starts_threads() -> None:
    """An app brings its own."""
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='x')\n"
        f"import importlib, os; [importlib.import_module(name) for name in {LIBRARIES}]\n"
        "child = os.fork()\nif child == 0: os._exit(0)\n"
        "os.wait(); print(len(os.listdir('/proc/self/task'))); print(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", code, str(Path(warm.__file__))]
    environment = {**os.environ, **NO_THREADS}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd="/", env=environment)
    threads, loaded = done.stdout.splitlines()
    assert threads == "1"
    assert not [name for name in loaded.split() if name.startswith(("cape_fed", "client", "server"))]
    assert callable(importlib.import_module("flwr.supernode.cli").flwr_clientapp)


def test_a_fork_knows_when_its_keeper_is_gone(process: WarmProcess) -> None:
    process.start()
    forked = ask(process.path, {"command": ["sleep", "60"]})
    assert isinstance(forked, Forked)
    os.kill(forked.keeper, 9)
    assert forked.wait(30) == -9


def test_an_app_that_is_laid_out_is_not_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(warm.RUN)
    unpacked: list[bytes] = []
    monkeypatch.setattr(module, warm.INSTALL, lambda content, skip_prompt: unpacked.append(content))
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    place = tmp_path / "apps" / f"publisher.app.1.0.{hashlib.sha256(b'app').hexdigest()[:8]}"
    place.mkdir(parents=True)
    warm._leave_what_is_laid_out()
    assert module.install_from_fab(b"app", skip_prompt=True) == place
    module.install_from_fab(b"another", skip_prompt=True)
    assert unpacked == [b"another"]
    source = inspect.getsource(module.run_clientapp)
    assert f"\n        {warm.INSTALL}(fab.content, skip_prompt=True)\n" in source  # what it returns is not used
