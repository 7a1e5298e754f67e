"""How log lines look: text for people or JSON for machines, with run, round and site where these are known."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = ("text", "json")
LOG_FILE = "log.txt"
"""Of a run in its directory, and of a site in its state."""
VARIABLE = "CAPE_FED_LOG_FORMAT"
"""Environment variable with the format: what a process starts inherits it."""
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"

_PLACE = re.compile(r"%%|(?:(?<!Flower's )\b(run|round|site) )?%[-+ #0]*\d*(?:\.\d+)?[a-z]")
"""A placeholder of a message, perhaps with the word before it that says which field its value is."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_fields: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default={})  # noqa: B039 - never changed in place


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Give the lines that are logged meanwhile these fields; threads started with a copy of the context have them."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


class TextFormatter(logging.Formatter):
    """One line for a message, whatever it holds: what came from elsewhere could otherwise pretend to be other lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line before any traceback; Flower's own lines are left as they are."""
        if not record.name.startswith("flwr"):
            record.message = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, run, round and site where known, message, traceback.

    Run, round and site are those of `log_fields`, else those that the message names, as in ``"site %s is silent"``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **_named(record),
            **_fields.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def _named(record: logging.LogRecord) -> dict[str, Any]:
    """Run, round and site out of the arguments of a message."""
    if not isinstance(record.args, tuple):
        return {}
    places = [match[1] for match in _PLACE.finditer(str(record.msg)) if match[0] != "%%"]
    named: dict[str, Any] = {field: value for field, value in zip(places, record.args, strict=False) if field}
    if "round" in named:
        number = str(named.pop("round"))
        return {**named, "round": int(number)} if number.isdigit() else named  # some talk of 'round join'
    return named


def chosen_format() -> Format:
    """The format that the environment asks for; text where it asks for none that there is."""
    return "json" if os.environ.get(VARIABLE) == "json" else "text"


def choose_format(name: Format) -> None:
    """Set the format for this process and all that it starts from now on."""
    os.environ[VARIABLE] = name


def make_formatter() -> logging.Formatter:
    """A formatter of the chosen format."""
    return JsonFormatter() if chosen_format() == "json" else TextFormatter(TEXT)


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Send lines of at least ``level`` to standard error in the chosen format; Flower's own lines as well."""
    handler = logging.StreamHandler()
    handler.setLevel(level)  # a run sets its own packages to INFO, for its log
    handler.setFormatter(make_formatter())
    logging.basicConfig(handlers=[handler], force=True)
    for other in logging.getLogger("flwr").handlers:
        other.setFormatter(make_formatter())


def read_warning(line: str) -> str | None:
    """A line of a log as text, if it is a warning; None for any other line."""
    if not line.startswith("{"):
        return line if " WARNING " in line else None
    try:
        entry = json.loads(line)
        if entry["level"] == "WARNING":
            return f"{entry['time']} WARNING {entry['message']}"
    except (ValueError, KeyError, TypeError):
        pass
    return None
