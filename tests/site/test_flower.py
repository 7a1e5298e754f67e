"""The installed Flower has what this project rests on within it; where it has not, a site does not start."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from cape_fed.appfiles import ROOT
from cape_fed.errors import InputError
from cape_fed.federation.fab import pack, pack_app, read_app
from cape_fed.federation.failures import WORDS, SiteFailure
from cape_fed.site import flower
from cape_fed.site.pace import Pace
from tests.federation.test_fab import FILES

LOOP = importlib.import_module(flower.LOOP)


@pytest.fixture(autouse=True)
def _unmended() -> Iterator[None]:
    before = dict(vars(LOOP))
    yield
    vars(LOOP).update(before)


def test_the_installed_flower_is_known() -> None:
    flower.check_flower()


@pytest.mark.parametrize("gone", ["start_client_internal", "_push_messages"])
def test_a_flower_that_is_not_known_is_refused(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOOP, gone, lambda: None)
    with pytest.raises(InputError, match=f"is not known here .{gone} does not use"):
        flower.check_flower()


def test_the_loop_pauses_by_our_clock_and_starts_its_superexec_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(flower, "sleep", slept.append)
    flower.mend_the_loop()
    LOOP.time.sleep(3)
    LOOP.time.sleep(0.5)
    assert slept == [flower.SHORTEST, flower.REPLY]
    source = inspect.getsource(LOOP.start_client_internal)
    assert source.count("time.sleep(") == source.count("time.sleep(3)") == 1
    assert source.count("subprocess.") == source.count("subprocess.Popen(command)") == 1
    assert f'command = ["{flower.SUPEREXEC}"]' in source
    source = inspect.getsource(LOOP._push_messages)
    assert source.count("time.sleep(") == source.count("time.sleep(0.5)") == 2


def test_pauses_grow_while_there_is_no_message_and_are_short_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], list[float]()
    monkeypatch.setattr(flower, "sleep", slept.append)
    clock = flower.Clock()
    clock.pace = Pace(flower.SHORTEST, flower.LONGEST, lambda: now[0])
    for now[0] in (1.0, 40.0, 3600.0):
        clock.sleep(3)
    clock.sleep(0.5)
    clock.sleep(3)
    assert slept == [flower.SHORTEST, 2.0, flower.LONGEST, flower.REPLY, flower.SHORTEST]


def test_a_message_is_told_of_as_soon_as_it_is_there() -> None:
    told: list[str] = []
    found = [None, ("message", "tree")]

    def pull(*, receive: Callable[[], Any], state: str) -> int | None:
        got = receive()
        told.append(f"pulled {got}")
        return None if got is None else 7

    noticed = flower.noticing(pull, lambda: told.append("told"))
    assert noticed(receive=lambda: found.pop(0), state="s") is None
    assert noticed(receive=lambda: found.pop(0), state="s") == 7
    assert told == ["pulled None", "told", "pulled ('message', 'tree')"]
    parameters = inspect.signature(LOOP._pull_and_store_message).parameters
    assert "receive" in parameters
    call = inspect.getsource(LOOP.start_client_internal).partition("_pull_and_store_message(")[2]
    assert "receive=receive" in call


def test_a_site_ends_with_its_superexec() -> None:
    code = (
        "from cape_fed.site import flower; import time\n"
        "flower.superexec.__name__ = 'cape_fed.site.nothing'\n"  # Python ends with 1 where there is no such module
        "flower.Children().Popen(['flower-superexec'])\ntime.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "SuperExec ended with 1: this site ends too" in done.stderr


def test_the_command_line_is_the_one_that_a_site_is_started_by() -> None:
    parser = importlib.import_module("flwr.supernode.cli.flower_supernode")._parse_args_run_supernode()
    options = {option for action in parser._actions for option in action.option_strings}
    assert options >= {
        "--superlink", "--root-certificates", "--auth-supernode-private-key", "--node-config", "--host", "--port",
    }  # fmt: skip


def test_error_codes_mean_what_is_said_of_them() -> None:
    known = {
        ErrorCode.UNKNOWN: "does not know",
        ErrorCode.LOAD_CLIENT_APP_EXCEPTION: "could not load",
        ErrorCode.CLIENT_APP_RAISED_EXCEPTION: "failed",
        ErrorCode.MESSAGE_UNAVAILABLE: "deadline",
        ErrorCode.REPLY_MESSAGE_UNAVAILABLE: "lost",
        ErrorCode.NODE_UNAVAILABLE: "gone",
        ErrorCode.INVALID_FAB: "refused the app",
    }
    for code, words in known.items():
        assert words in WORDS[code]
    flowers = [value for name, value in vars(ErrorCode).items() if name.isupper()]
    assert max(flowers) < min(code for code in SiteFailure if code != SiteFailure.RAISED)


def test_a_refused_app_gets_no_further_than_its_hash() -> None:
    flower.check_guard()


def test_a_flower_that_goes_on_with_a_refused_app_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pull = LOOP._pull_and_store_message

    def stores_it_first(**arguments: Any) -> int | None:
        arguments["state"].store_fab(flower.probe_message()[2])
        return cast("int | None", pull(**arguments))

    monkeypatch.setattr(LOOP, "_pull_and_store_message", stores_it_first)
    with pytest.raises(InputError, match="does not stop at an app that is refused"):
        flower.check_guard()
    monkeypatch.setattr(LOOP, "_pull_and_store_message", lambda **arguments: None)
    with pytest.raises(InputError, match="does not stop at an app that is refused"):
        flower.check_guard()
    monkeypatch.setattr(LOOP, "_pull_and_store_message", lambda state, fetch_app: None)
    with pytest.raises(InputError, match="cannot be tried: TypeError"):
        flower.check_guard()


def test_the_loop_asks_for_every_message_of_a_run() -> None:
    """Also after its app was admitted; a refusal is an answer, and the loop goes on."""
    asked: list[tuple[str, bytes | None, int]] = []
    flower.guard_the_loop(lambda digest, content, run: asked.append((digest, content, run)), lambda run: None)
    state, stores = flower.new_state()
    message, run, fab = flower.probe_message()
    others: dict[str, Any] = {
        "state": state, "object_store": stores.store(), "node_config": {}, "get_run": lambda number: run,
        "receive": lambda: (message, LOOP.get_object_tree(message)), "get_fab": lambda digest, number: fab,
        "pull_object": lambda number, name: b"", "confirm_message_received": lambda number, name: None,
        "trusted_entities": None,
    }  # fmt: skip
    fab.content = pack(FILES)
    fab.hash_str = run.fab_hash = hashlib.sha256(fab.content).hexdigest()
    for _ in range(2):
        LOOP._pull_and_store_message(**others)
    assert asked == [(fab.hash_str, fab.content, 1), (fab.hash_str, None, 1)]


def test_flowers_command_sends_what_it_is_made_to_pack() -> None:
    assert "build_fab_from_disk" in importlib.import_module("flwr.cli.run.run")._run_with_control_api.__code__.co_names


def test_the_node_is_told_of_which_run_a_message_is() -> None:
    """Before the app that works on it could ask; whatever else is in a message does not count."""
    told: list[str | None] = []
    flower.guard_the_loop(lambda digest, content, run: None, told.append)
    for run, expected in (("0123456789ab", ["0123456789ab"]), ("../../etc", [""]), (None, [""])):
        told.clear()
        message, of_run, fab = flower.probe_message()
        fab.content = pack(FILES)
        fab.hash_str = of_run.fab_hash = hashlib.sha256(fab.content).hexdigest()
        said = {"json": json.dumps({"run": run})} if run else {"other": "x"}
        message.content = RecordDict({"request": ConfigRecord(said), "numbers": MetricRecord({"run": 1})})
        message.metadata.__dict__["_message_id"] = message.object_id
        objects = {name: item.deflate() for name, item in get_all_nested_objects(message).items()}
        state, stores = flower.new_state()
        LOOP._pull_and_store_message(
            state=state, object_store=stores.store(), node_config={}, get_run=lambda number, of_run=of_run: of_run,
            receive=lambda message=message: (message, LOOP.get_object_tree(message)),
            get_fab=lambda digest, number, fab=fab: fab,
            pull_object=lambda number, name, objects=objects: objects[name],
            confirm_message_received=lambda number, name: None, trusted_entities=None,
        )  # fmt: skip
        assert told == [None, *expected]


def test_an_app_that_is_laid_out_is_where_flower_would_install_it_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = importlib.import_module("flwr.cli.install").install_from_fab
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    content = pack_app()
    name = flower.installed_name(read_app(content))
    assert name is not None
    place = tmp_path / "apps" / name
    place.mkdir(parents=True)
    (place / "mark").touch()
    assert install(content, skip_prompt=True) == place
    assert [path.name for path in place.iterdir()] == ["mark"]
    (place / "mark").unlink()
    place.rmdir()
    install(content, skip_prompt=True)
    assert [path.name for path in (tmp_path / "apps").iterdir()] == [name]
    assert flower.installed_name(read_app(pack({"pyproject.toml": b"[project]\nname = 'a'\nversion = '1'\n"}))) is None


def test_every_name_of_flowers_that_is_used_is_there() -> None:
    """Also where it is imported in a function, by a command that no other test of this suite calls."""
    used = {
        (node.module, alias.name)
        for file in [*Path(flower.__file__).parents[1].rglob("*.py"), *(ROOT / "client").glob("*.py")]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flwr")
        for alias in node.names
    }
    assert len(used) > 30
    missing = [
        f"{module}.{name}" for module, name in used if module and not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []
