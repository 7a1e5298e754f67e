"""A process in reserve does what the next message needs, and another takes its place."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cape_fed.site import spare, spares
from cape_fed.site.spares import Spares

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
