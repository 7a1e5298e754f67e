"""The process of a message is forked from one that has loaded what it needs, and is started otherwise where none is."""

from __future__ import annotations

import errno
import importlib
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cape_fed.logs import LOG_FILE
from cape_fed.site import forks
from cape_fed.site.cage.bounds import Bounds, note_run
from cape_fed.site.forks import CagedForks, Forks
from cape_fed.site.warmth import Forked, WarmProcess

COMMAND = [forks.CLIENTAPP, forks.ADDRESS, "127.0.0.1:9", forks.PARENT, "1", "--token", "t"]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Forks]:
    warm = WarmProcess(tmp_path / "warm")
    warm.libraries = ("json",)
    made = Forks(warm)
    yield made
    made.rest()


def test_clientapps_are_forks_and_a_process_that_was_killed_costs_no_message(starter: Forks) -> None:
    starter.start()
    first = starter.warm.process
    for _ in range(2):
        forked = starter.Popen([forks.CLIENTAPP, "--help"])
        assert isinstance(forked, Forked)
        assert forked.wait(60) == 0
    assert starter.warm.process is first is not None
    first.kill()
    first.wait(30)
    again = starter.Popen([forks.CLIENTAPP, "--help"])
    assert isinstance(again, Forked)
    assert again.wait(60) == 0
    assert starter.warm.process is not first


def test_where_none_can_be_forked_flowers_own_command_is_started(
    starter: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter.warm, "start", lambda: None)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    started = starter.Popen([forks.CLIENTAPP, "--help"])
    assert isinstance(started, subprocess.Popen)
    assert started.wait(60) == 0


def test_other_commands_are_started_as_they_are(starter: Forks) -> None:
    done = starter.Popen([sys.executable, "-c", "raise SystemExit(3)"], stdout=starter.DEVNULL)
    assert isinstance(done, subprocess.Popen)
    assert done.wait(30) == 3
    assert starter.warm.process is None


def test_the_installed_flower_starts_clientapps_as_is_expected() -> None:
    module = importlib.import_module(forks.MODULE)
    source = inspect.getsource(module)
    assert source.count("subprocess.") == source.count("subprocess.Popen(") + source.count("subprocess.DEVNULL")
    assert source.count("= subprocess.Popen(") == 0  # nobody looks at what is started
    assert forks.CLIENTAPP in module.TASK_TYPE_TO_COMMAND.values()


@pytest.fixture
def caged(tmp_path: Path) -> CagedForks:
    bounds = Bounds((), str(tmp_path / "state"), (), (), (), str(tmp_path / "runtime"), 1 << 30, 100)
    (tmp_path / "runtime").mkdir()
    made = CagedForks(bounds)
    made.warm = WarmProcess(bounds.warm)
    made.warm.start = lambda: None  # type: ignore[method-assign]
    return made


def test_every_message_has_a_cage_of_its_own_which_shows_its_run(
    caged: CagedForks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Bounds, Sequence[str], dict[str, Any]]] = []
    monkeypatch.setattr(forks, "run_caged", lambda bounds, command, **others: asked.append((bounds, command, others)))
    for run in ("", "0123456789ab"):
        note_run(tmp_path / "runtime", run)
        thread = caged.Popen(COMMAND)
        assert isinstance(thread, threading.Thread)
        thread.join(30)
    for found, run in zip(asked, ("", "0123456789ab"), strict=True):
        shown = {"port": 9, "run": run, "warm": caged.bounds.warm}
        assert found == (caged.bounds, [*COMMAND[:3], "--token", "t"], shown)


def test_where_no_cage_can_be_made_the_sites_log_says_so(
    caged: CagedForks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **others: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret")

    monkeypatch.setattr(forks, "run_caged", full)
    Path(caged.bounds.state).mkdir()
    note_run(Path(caged.bounds.runtime), "0123456789ab")
    thread = caged.Popen(COMMAND)
    assert isinstance(thread, threading.Thread)
    thread.join(30)
    said = "an app could not be started: No space left on device"
    assert capsys.readouterr().err == f"cape-fed: {said}\n"
    assert (Path(caged.bounds.state) / LOG_FILE).read_text().endswith(f" {said}\n")


def test_with_a_cage_nothing_else_is_started(caged: CagedForks) -> None:
    with pytest.raises(PermissionError, match="flwr-agentapp is not started"):
        caged.Popen(["flwr-agentapp", "--token", "t"])


def test_what_is_loaded_knows_none_of_the_sites_secrets(caged: CagedForks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPE_FED_SALT_FILE", "/salt")
    environment = CagedForks(caged.bounds).warm.environment
    assert environment is not None
    assert "CAPE_FED_SALT_FILE" not in environment
    assert not [value for value in environment.values() if str(caged.bounds.state) in json.dumps(value)]
