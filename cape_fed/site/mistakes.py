"""What is wrong with a ``site.toml``, in one sentence that says what to write instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from cape_fed.errors import InputError
from cape_fed.section import Section, mistake


def check_lists(values: Mapping[str, Any]) -> None:
    """InputError where a value is a list, which Flower does not hand over."""
    for key, value in values.items():
        if isinstance(value, list):
            write = (
                'a table with a line for each store: [stores] and below it cardiology = "/srv/stores/cardiology"'
                if key == "stores"
                else "one text with commas: " + json.dumps(f"{key} = ")[1:-1] + json.dumps(", ".join(map(str, value)))
            )
            raise InputError(f"site.toml: {key} is a list; write {write}")


def explain(error: ValidationError, section: type[Section]) -> str:
    """The first thing that is wrong: a key that is not known, with the nearest one, before one that is missing."""
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key, words = mistake(first)
    where = key or "site.toml"
    if first["type"] != "extra_forbidden":
        return f"{where}: {words}"
    keys = _keys(section)
    near = difflib.get_close_matches(where, keys, 1) or [
        key for key in keys if key.rpartition(".")[2] == where.rpartition(".")[2]
    ]
    return f"{where}: there is no such key{f', did you mean {near[0]}?' if near else ''}"


def _keys(section: type[Section], prefix: str = "") -> list[str]:
    """All keys of a section, those of its tables with the table's name and a dot before them."""
    found: list[str] = []
    for name, info in section.model_fields.items():
        inner = next((kind for kind in (info.annotation, *get_args(info.annotation)) if _is_section(kind)), None)
        found += _keys(inner, f"{prefix}{name}.") if inner else [prefix + name]
    return found


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
