"""Log lines for people and for machines."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from cape_fed import logs
from cape_fed.cli.main import run as run_command
from cape_fed.logs import choose_format, chosen_format, log_fields, make_formatter, read_warning


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that gives the JSON lines logged so far."""
    monkeypatch.setenv(logs.VARIABLE, "json")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter())
    logger = logging.getLogger("cape_fed.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


def test_fields_of_the_context_and_of_the_message(lines: Any) -> None:
    log = logging.getLogger("cape_fed.test")
    with log_fields(run="0123456789ab"):
        with log_fields(round=3):
            log.warning("round %s: site %s %s (100%%, %.0f s)", "7", "a", "is gone", 1.5)
        log.info("site %s trains", "b")
    log.info("round %s: site %s did not say who it is", "join", "c")
    log.info("asked by federation '%s' (Flower's run %d)", "f", 12345)
    log.info("nothing known\nof two lines")
    found = [{key: entry.get(key) for key in ("run", "round", "site")} for entry in lines()]
    assert found == [
        {"run": "0123456789ab", "round": 3, "site": "a"},
        {"run": "0123456789ab", "round": None, "site": "b"},
        {"run": None, "round": None, "site": "c"},
        {"run": None, "round": None, "site": None},
        {"run": None, "round": None, "site": None},
    ]
    first = lines()[0]
    assert (first["level"], first["logger"]) == ("WARNING", "cape_fed.test")
    assert first["message"] == "round 7: site a is gone (100%, 2 s)"
    assert first["time"].endswith("+00:00")


def test_a_traceback_is_in_the_line(lines: Any) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("cape_fed.test").exception("it failed")
    assert lines()[0]["error"].endswith("ValueError: no")


def test_threads_with_a_copy_of_the_context_have_its_fields(lines: Any) -> None:
    with log_fields(site="a"):
        work = copy_context().run
        thread = threading.Thread(target=lambda: work(logging.getLogger("cape_fed.test").info, "working"))
        thread.start()
        thread.join()
    assert lines()[0]["site"] == "a"


def test_text_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    assert chosen_format() == "text"
    monkeypatch.setenv(logs.VARIABLE, "xml")
    assert chosen_format() == "text"
    choose_format("json")
    assert chosen_format() == "json"


def test_warnings_are_found_in_both_formats() -> None:
    assert read_warning("2026-01-31 08:05:09 WARNING cape_fed.x site a is gone") is not None
    assert read_warning("2026-01-31 08:05:09 INFO cape_fed.x round 1") is None
    line = '{"time": "t", "level": "WARNING", "message": "site a is gone"}'
    assert read_warning(line) == "t WARNING site a is gone"
    assert read_warning(line.replace("WARNING", "INFO")) is None
    assert read_warning('{"level": 3') is None


def test_every_command_takes_the_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(logs.VARIABLE, "text")
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        assert run_command(["top", "/nowhere", "--log-format", "json"]) == 2
        assert os.environ[logs.VARIABLE] == "json"
        assert run_command(["site", "metrics", "--log-format", "xml", "none.toml"]) == 2
        assert "'xml' is not one of" in capsys.readouterr().err
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_what_came_from_elsewhere_begins_no_line_and_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "text")
    record = logging.makeLogRecord(
        {"name": "cape_fed.x", "levelname": "INFO", "msg": "by '%s', ε = 8", "args": ("a\n2026 ERROR\x1b[2J\u2028",)}
    )
    text = make_formatter().format(record)
    assert text.endswith("INFO cape_fed.x by 'a\\n2026 ERROR\\x1b[2J\\u2028', ε = 8")
    record.name = "flwr"
    record.args = ("a\nb",)
    assert "a\nb" in make_formatter().format(record)
