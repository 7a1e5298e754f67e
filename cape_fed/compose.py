"""From overrides on the command line to a checked configuration."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from cape_fed.config import RunConfig
from cape_fed.errors import InputError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def compose_config(overrides: Sequence[str]) -> RunConfig:
    """Compose configs/config.yaml with Hydra overrides; InputError in one line for anything that does not fit."""
    known = _known_keys()
    for override in overrides:
        _check_key(override, known)
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            composed = compose("config", overrides=list(overrides))
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_one_line(error, overrides)) from error
    return validate_config(plain)


def validate_config(plain: Any) -> RunConfig:
    """A composed or saved configuration, checked; InputError in one line where it does not fit."""
    try:
        return RunConfig.model_validate(plain)
    except ValidationError as error:
        raise InputError(describe(error)) from error


def describe(error: ValidationError) -> str:
    """The first thing pydantic found, as one line that names the key."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg'].lower()} (got {str(first['input'])[:80]})"


def _check_key(override: str, known: Sequence[str]) -> None:
    key, equals, _ = override.partition("=")
    if not equals:
        raise InputError(f"'{override}' is not an override: write key=value")
    if key.lstrip("+~") not in known:
        near = difflib.get_close_matches(key, known, 1) or difflib.get_close_matches(
            key.rpartition(".")[2], known, 1, cutoff=0.5
        )
        hint = f"the nearest known key is '{near[0]}'" if near else f"known keys: {', '.join(known)}"
        raise InputError(f"unknown config key '{key}': {hint}")


def _known_keys() -> list[str]:
    """Every key of the configuration in dotted form, sections included."""
    keys: list[str] = ["experiment"]

    def walk(node: dict[str, Any], prefix: str) -> None:
        for name, value in node.items():
            keys.append(prefix + name)
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")

    plain = OmegaConf.to_container(OmegaConf.load(CONFIGS / "config.yaml"))
    assert isinstance(plain, dict)
    walk({str(name): value for name, value in plain.items() if name not in ("defaults", "hydra")}, "")
    return keys


def _one_line(error: Exception, overrides: Sequence[str]) -> str:
    text = " ".join(str(error).split())
    if "Missing mandatory value" in text:
        return "out is missing: say where to write with out=DIR"
    if "Could not find 'experiment/" in text:
        names = ", ".join(sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml")))
        return f"unknown experiment in {' '.join(overrides)}: choose one of {names}"
    return f"cannot read the configuration: {text[:200]}"
