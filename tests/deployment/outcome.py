"""What a run left in its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from cape_fed.rundir import read_metrics
from cape_fed.status import read_status


def encoder_of(out: Path) -> dict[str, Tensor]:
    return load_file(out / "bundle" / "model.safetensors")


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def rounds_done(out: Path) -> int:
    return int(read_status(out).get("rounds_done", 0))


def rounds(out: Path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(out / "metrics.jsonl") if "loss" in line]


def missing(out: Path) -> list[list[str]]:
    return [line["missing"] for line in rounds(out)]


def log_of(out: Path) -> str:
    return (out / "log.txt").read_text()


def named(out: Path, site: str) -> bool:
    """Whether the log says that a site is missing."""
    return any(f"site {site} {words}" in log_of(out) for words in ("is silent", "is gone"))


def last_evaluation(out: Path) -> dict[str, Any]:
    lines = (out / "evaluations.jsonl").read_text().splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found
