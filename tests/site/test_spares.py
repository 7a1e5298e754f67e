"""A process in reserve does what the next message needs, and another takes its place."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cape_fed.site import spare, spares
from cape_fed.site.cage.bounds import Bounds, note_run
from cape_fed.site.spares import CagedSpares, Spares

ECHO = (sys.executable, "-c", "import sys; line = sys.stdin.readline(); open(sys.argv[1], 'a').write(line)")


def test_the_process_in_reserve_is_told_the_command_and_replaced(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    reserve = Spares([*ECHO, str(heard)])
    first = reserve.Popen([spares.CLIENTAPP, "--token", "one"])
    waiting = reserve._spare
    assert waiting is not None
    assert waiting.pid != first.pid
    assert first.wait(30) == 0
    assert reserve.Popen([spares.CLIENTAPP, "--token", "two"]).pid == waiting.pid
    assert waiting.wait(30) == 0
    reserve.rest()
    assert [json.loads(line)[-1] for line in heard.read_text().splitlines()] == ["one", "two"]
    assert reserve._spare is None


def test_a_process_in_reserve_that_was_killed_costs_no_message(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    reserve = Spares([*ECHO, str(heard)])
    reserve.Popen([spares.CLIENTAPP, "one"]).wait(30)
    assert reserve._spare is not None
    reserve._spare.kill()
    reserve._spare.wait(30)
    reserve.Popen([spares.CLIENTAPP, "two"]).wait(30)
    reserve.rest()
    assert [json.loads(line)[-1] for line in heard.read_text().splitlines()] == ["one", "two"]


def test_other_commands_are_started_as_they_are() -> None:
    reserve = Spares(["nothing"])
    done = reserve.Popen([sys.executable, "-c", "raise SystemExit(3)"], stdout=reserve.DEVNULL)
    assert done.wait(30) == 3
    assert reserve._spare is None


def test_a_spare_runs_flowers_command_with_nothing_of_this_project_loaded() -> None:
    command = [sys.executable, "-P", str(Path(spare.__file__)), "json"]
    line = json.dumps([spares.CLIENTAPP, "--help"]) + "\n"
    done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    assert "Run a Flower ClientApp" in done.stdout
    probe = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')\nprint(*sys.modules)"
    command = [sys.executable, "-c", probe, str(Path(spare.__file__)), "json"]
    loaded = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    assert not [name for name in loaded.stdout.split() if name.startswith(("cape_fed", "client", "server"))]


def test_a_spare_that_is_told_at_once_loads_nothing_first() -> None:
    """Flower gives an app 30 s to call back, and loading PyTorch can take longer on a busy machine."""
    read, write = os.pipe()
    os.write(write, json.dumps([spares.CLIENTAPP, "--help"]).encode() + b"\n")
    command = [sys.executable, "-P", str(Path(spare.__file__)), "no.such.module"]
    done = subprocess.run(command, stdin=read, capture_output=True, text=True, timeout=120, check=False)
    os.close(read)
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert "Run a Flower ClientApp" in done.stdout


@pytest.mark.parametrize("name", spares.LIBRARIES)
def test_what_it_loads_is_not_of_this_project_and_is_there(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
    assert not name.startswith(("cape_fed", "client", "server"))


def test_the_installed_flower_starts_clientapps_as_is_expected() -> None:
    module = importlib.import_module(spares.MODULE)
    source = inspect.getsource(module)
    assert source.count("subprocess.") == source.count("subprocess.Popen(") + source.count("subprocess.DEVNULL")
    assert spares.CLIENTAPP in module.TASK_TYPE_TO_COMMAND.values()


@pytest.fixture
def caged(tmp_path: Path) -> CagedSpares:
    bounds = Bounds((), str(tmp_path / "state"), (), (), str(tmp_path / "runtime"), 1 << 30, 100)
    (tmp_path / "runtime").mkdir()
    (tmp_path / "state").mkdir()
    return CagedSpares(bounds)


def test_a_process_in_a_cage_is_kept_for_messages_of_its_run_only(
    caged: CagedSpares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    runs: list[str] = []

    def launched(bounds: Bounds, port: int, run: str, command: Sequence[str]) -> list[str]:
        assert (port, command[0]) == (9, sys.executable)
        runs.append(run)
        return [*ECHO, str(heard)]

    monkeypatch.setattr(spares, "launched", launched)
    command = [spares.CLIENTAPP, "--runtime-api-address", "127.0.0.1:9", "--parent-pid", "1", "--token", "t"]
    waiting = []
    for run in ("", "0123456789ab", "0123456789ab"):
        note_run(tmp_path / "runtime", run)
        process = caged.Popen(command)
        assert process.wait(30) == 0
        waiting.append((process.pid, caged._spare.pid if caged._spare else 0))
    caged.rest()
    assert runs == ["", "0123456789ab", "0123456789ab"]
    assert waiting[1][0] != waiting[0][1]
    assert waiting[2][0] == waiting[1][1]
    assert json.loads(heard.read_text().splitlines()[0]) == [*command[:3], "--token", "t"]


def test_with_a_cage_nothing_else_is_started(caged: CagedSpares) -> None:
    with pytest.raises(PermissionError, match="flwr-agentapp is not started"):
        caged.Popen(["flwr-agentapp", "--token", "t"])
