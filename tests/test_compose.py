"""configs/ and the checked configuration say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cape_fed.compose import CONFIGS, compose_config
from cape_fed.config import RunConfig


def keys(node: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in node.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


def test_the_yaml_lists_every_key_with_its_default() -> None:
    listed = yaml.safe_load((CONFIGS / "config.yaml").read_text())
    listed = {name: value for name, value in listed.items() if name not in ("defaults", "hydra")}
    defaults = RunConfig(out=Path("x")).model_dump(mode="json")
    assert keys(listed) == keys(defaults)
    for section in ("split", "objective", "augment", "federation", "evaluation"):
        assert listed[section] == defaults[section]


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml")))
def test_every_experiment_composes(experiment: str) -> None:
    config = compose_config([f"experiment={experiment}", "out=x"])
    assert config.train.steps > 0


def test_sites_are_lists_of_stores() -> None:
    config = compose_config(["out=x", "data.train=[a,[b,c]]", "data.evaluate=[d]"])
    assert config.data.train == ((Path("a"),), (Path("b"), Path("c")))
    assert config.data.evaluate == ((Path("d"),),)


def test_a_run_is_read_back_from_its_own_configuration() -> None:
    config = compose_config(["out=x", "batching=idb+cross:0.2", "data.train=[a,[b,c]]"])
    assert RunConfig.model_validate(config.saved()) == config
