"""From overrides on the command line to a checked configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cape_fed.appfiles import CONFIGS
from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.section import mistake

Model = TypeVar("Model", bound=BaseModel)
_MISSING = "???"
"""OmegaConf's word for a value that has to be given."""
GROUPS = ("experiment", "strategy", "privacy")
"""Folders of configs/ that a user chooses from by ``GROUP=NAME``."""


def compose_config(overrides: Sequence[str]) -> RunConfig:
    """Compose configs/config.yaml with Hydra overrides; InputError in one line for anything that does not fit."""
    # imported here, so that --help shows every command where Hydra is not installed
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    defaults = default_values()
    known = [*GROUPS, *dotted_keys(defaults)]
    for override in overrides:
        _check_key(override, known)
    ConfigStore.instance().store("defaults", defaults)
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            composed = compose("config", overrides=list(overrides))
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # a group that is no name is a ValueError
        raise InputError(_one_line(error, overrides)) from error
    return validate_config(plain)


def validate_config(plain: Any) -> RunConfig:
    """A composed or saved configuration, checked; InputError in one line where it does not fit."""
    try:
        return RunConfig.model_validate(plain)
    except ValidationError as error:
        raise InputError(describe(error)) from error


def read_named(name: str, folder: str, what: str, model: type[Model]) -> Model:
    """A file of ``configs/FOLDER`` by name, or a YAML file of a user's own, checked; InputError where it does not fit.

    ``what`` is what such a file holds, such as ``study``.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else CONFIGS / folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in (CONFIGS / folder).glob("*.yaml")))
        raise InputError(f"no {what} '{name}': choose one of {known}, or name a YAML file of your own")
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError(f"{path.name}: {describe(error)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not YAML: {' '.join(str(error).split())[:160]}") from error


def describe(error: ValidationError) -> str:
    """The first thing pydantic found, as one line that names the key where it is one key's."""
    first = error.errors()[0]
    key, words = mistake(first)
    return f"{key}: {words} (got {str(first['input'])[:80]})" if key else words


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


def default_values() -> dict[str, Any]:
    """Every key with its default, as plain values; the defaults stand with the sections of `RunConfig` alone."""
    values = RunConfig(out=Path("-")).model_dump(mode="json")
    return {**values, "out": _MISSING}


def dotted_keys(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key of nested values in dotted form, sections included."""
    keys: list[str] = []
    for name, value in values.items():
        keys.append(prefix + name)
        if isinstance(value, Mapping):
            keys += dotted_keys(value, f"{prefix}{name}.")
    return keys


def _one_line(error: Exception, overrides: Sequence[str]) -> str:
    text = " ".join(str(error).split())
    if "Missing mandatory value" in text:
        return "out is missing: say where to write with out=DIR"
    for group in GROUPS:
        if f"Could not find '{group}/" in text:
            names = ", ".join(sorted(path.stem for path in (CONFIGS / group).glob("*.yaml")))
            return f"unknown {group} in {' '.join(overrides)}: choose one of {names}"
    return f"cannot read the configuration: {text[:200]}"
