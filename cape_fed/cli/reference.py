"""The reference of the configuration: every key with its default and its meaning, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from cape_fed.appfiles import CONFIGS
from cape_fed.compose import GROUPS, default_values
from cape_fed.config import RunConfig
from cape_fed.methods.registry import METHODS

_HEAD = """# Configuration

Every key of `pretrain`, `simulate`, `run`, `evaluate`, `finetune` and `study`, with its default before an experiment is
applied. Write `key=value` on the command line. `cape-fed COMMAND --help` says which keys a command needs.
"""


def configuration_reference() -> str:
    """The page ``docs/configuration.md``."""
    parts = [_HEAD, *(f"{_group(name)}\n" for name in GROUPS), "| key | default | meaning |\n|---|---|---|"]
    rows = [f"| `{key}` | `{_show(default)}` | {meaning} |" for key, default, meaning in _keys(RunConfig, "")]
    return "\n".join([*parts, *rows]) + "\n"


def _group(name: str) -> str:
    names = ", ".join(f"`{path.stem}`" for path in sorted((CONFIGS / name).glob("*.yaml")))
    return f"`{name}=` sets several keys at once: {names} (`configs/{name}/`)."


def _keys(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in section.model_fields.items():
        kind, key = field.annotation, prefix + name
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{key}.")
        elif key == "federation.options":
            yield from _options(key)
        else:
            yield key, _default(key), field.description or ""


def _options(prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Settings of the methods; a setting that several methods have is listed once."""
    seen: dict[str, list[str]] = {}
    for method in METHODS.values():
        for name in method.Options.model_fields:
            seen.setdefault(name, []).append(method.name)
    for name, methods in seen.items():
        field = METHODS[methods[0]].Options.model_fields[name]
        yield f"{prefix}.{name}", field.default, f"{', '.join(methods)}: {field.description}"


def _default(key: str) -> Any:
    value: Any = default_values()
    for part in key.split("."):
        value = value[part]
    return value


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
