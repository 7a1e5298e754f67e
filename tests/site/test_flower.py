"""The installed Flower has what this project rests on within it; where it has not, a site does not start."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest
from flwr.common.constant import ErrorCode

from cape_fed.errors import InputError
from cape_fed.federation.failures import WORDS, SiteFailure
from cape_fed.site import flower

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


def test_the_loop_starts_its_superexec_and_sleeps_as_it_is_mended_to(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(flower, "sleep", slept.append)
    flower.mend_the_loop()
    LOOP.time.sleep(3)
    LOOP.time.sleep(0.5)
    assert slept == [flower.POLL, 0.1]
    source = inspect.getsource(LOOP.start_client_internal)
    assert source.count("subprocess.") == source.count("subprocess.Popen(command)") == 1
    assert f'command = ["{flower.SUPEREXEC}"]' in source


def test_a_site_ends_with_its_superexec() -> None:
    code = (
        "from cape_fed.site.flower import Children; import sys, time\n"
        "Children.Popen([sys.executable, '-c', 'raise SystemExit(3)'])\ntime.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "SuperExec ended with 3: this site ends too" in done.stderr


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
