"""Run directories as runs leave them, for what reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

RUN_ID = "0123456789ab"
SITES = {"a": "train", "b": "train", "d": "evaluate"}
CONFIG: dict[str, Any] = {
    "train": {"pairs": 8},
    "federation": {"rounds": 10, "local_steps": 4, "strategy": "fedavg", "quorum": 0.5},
    "roster": {name: {"role": role, "max_patients": None} for name, role in SITES.items()},
}


def round_line(number: int, sites: Iterable[str] = "ab", *, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """A line of ``metrics.jsonl`` on a round in which ``sites`` took part and the other training sites are missing."""
    present = list(sites)
    own = {
        name: {"loss": 2.0 - 0.1 * number, "patients": 20, "seconds": 8.0, "answered": 9.0, "update": 0.4}
        for name in present
    }
    return {
        "round": number,
        "step": 4 * number + 3,
        "seconds": seconds,
        "loss": 2.0 - 0.1 * number,
        "bytes_down": 1000,
        "bytes_up": 900,
        "drift": 0.5,
        "cosine": 0.1,
        "missing": [name for name, role in SITES.items() if role == "train" and name not in present],
        "sites": own,
        "time": f"2026-01-31T08:{number:02d}:00Z",
        **more,
    }


def write_run(
    path: Path,
    lines: Iterable[Mapping[str, Any]] = (),
    *,
    config: Mapping[str, Any] = CONFIG,
    **status: Any,
) -> Path:
    """Write a run directory; ``status`` are fields of ``status.json``."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    written = [dict(line) for line in lines]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    done = len([line for line in written if "bytes_up" in line])
    fields = {"state": "finished", "run": RUN_ID, "rounds": 10, "rounds_done": done, **status}
    (path / "status.json").write_text(json.dumps(fields))
    return path
