"""What a bundle says about how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cape_fed.config import RunConfig

_LOCAL = {"data", "out", "device", "threads", "resume", "evaluation", "finetune", "roster"}
"""Configuration that is about machines, sites or what comes after and would carry their names out."""


def describe_run(config: RunConfig, method: str, cohorts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Method, training cohorts with counts and fingerprints, the configuration behind the weights; no paths."""
    return {
        "method": config.method or method,
        "cohorts": {name: dict(counts) for name, counts in cohorts.items()},
        "config": config.model_dump(mode="json", exclude=_LOCAL),
    }
