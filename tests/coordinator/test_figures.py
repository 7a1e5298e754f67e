"""A card's figures of an evaluation at the sites, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cape_fed.coordinator.figures import figures_of_round
from cape_fed.release.figures import AtSites, Figure


def cell(cohort: str, point: float | None, half: float = 0.0, n: int = 100, metric: str = "auroc") -> dict[str, Any]:
    """A transfer cell whose interval is so far from its point on either side."""
    if point is None:
        return {"transfer": {"metric": metric, "cohort": cohort, "probe": "transfer", "reason": "few"}}
    found = {"metric": metric, "cohort": cohort, "probe": "transfer", "n": n, "n_pos": n // 4, "patients": n // 2}
    return {"transfer": found | {"point": point, "low": point - half, "high": point + half}}


def written(path: Path, tasks: dict[str, Any], **fields: Any) -> Path:
    line = {"round": 5, "dimensions": 7, "missing": ["c"], "tasks": tasks} | fields
    path.write_text(json.dumps({**line, "round": 4, "tasks": {}}) + "\n" + json.dumps(line) + "\n")
    return path


TASKS = {
    "AF": {
        "id": {"a/x": cell("x", 0.9, 0.03, n=200), "b/y": cell("y", 0.8, 0.04)},
        "ood": {"d/z": cell("z", 0.7, 0.1, n=60)},
    },
    "sex": {"id": {"a/x": cell("x", 0.6, 0.01)}, "ood": {"d/z": cell("z", 0.5, 0.2)}},
    "LVH": {"id": {"a/x": cell("x", 0.95, 0.01)}, "ood": {"d/z": cell("z", None)}},
    "age": {"id": {"a/x": cell("x", 8.0, 1.0, metric="mae")}, "ood": {"d/z": cell("z", 9.0, 2.0, metric="mae")}},
}


def test_means_over_cohorts_that_err_apart_and_tasks_that_err_alike(tmp_path: Path) -> None:
    found = figures_of_round(written(tmp_path / "evaluations.jsonl", TASKS), 5)
    assert found is not None
    assert found.at_sites == AtSites(rounds=5, dimensions=7, missing=1)
    assert (found.id_cohorts, found.ood_cohorts, found.records, found.patients) == (2, 1, 400, 200)
    af, mean = found.tasks["AF"], found.summary["auroc"]
    assert af.id == approximately(0.85, 0.025)  # half of √(0.03² + 0.04²)
    assert (af.ood, af.worst) == (approximately(0.7, 0.1), approximately(0.7, 0.1))
    assert mean.tasks == 2  # LVH has no number out of distribution
    assert mean.id == approximately((0.85 + 0.6) / 2, (0.025 + 0.01) / 2)
    assert mean.ood == approximately(0.6, 0.15)
    assert mean.worst == approximately(0.6, 0.15)
    assert found.summary["mae"].worst == approximately(9.0, 2.0)
    assert list(found.tasks) == ["AF", "LVH", "sex"]
    assert all(f'"{name}"' not in found.model_dump_json() for name in ("x", "a/x", "d/z"))  # no cohort is named


def test_there_are_none_where_nothing_was_measured(tmp_path: Path) -> None:
    path = written(tmp_path / "evaluations.jsonl", TASKS)
    assert figures_of_round(path, 4) is None
    assert figures_of_round(path, 3) is None
    assert figures_of_round(tmp_path / "none", 5) is None


def approximately(point: float, half: float) -> Figure:
    close = pytest.approx
    return Figure.model_construct(point=close(point), low=close(point - half), high=close(point + half))
