"""One small evaluation of each of two methods, and their comparison, shared by the tests that only look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cape_fed.evaluate.compare import compare_runs
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import Comparison, Results
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.store import Store
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(resamples=100, min_patients=8, map_records=120)


@dataclass(frozen=True)
class Evaluated:
    """What the shared evaluations left behind."""

    folder: Path
    train: list[Store]
    others: list[Store]
    good: Results
    comparison: Comparison


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluated")
    train = [make_store(folder / name, name, seed=seed) for seed, name in enumerate(("north", "south"))]
    others = [make_store(folder / "east", "east", seed=7, patients=60, LBBB=[None] * 90)]
    curves = [{"step": step, "loss": 3.0 - step / 10, "rankme": 5.0 + step, "retrieval": None} for step in range(10)]
    results = {}
    for name, knows in (("good", 1.0), ("poor", 0.3)):
        results[name] = evaluate_bundle(
            EvaluationInputs(
                bundle=folder / name / "bundle",
                method=name,
                embed=embedding(knows=knows, artefact=1.0),
                train=train,
                evaluate=others,
                baselines={"random-init": embedding(knows=0.05, artefact=1.0, seed=3)},
                curves=curves,
                options=OPTIONS.model_copy(update={"examples": int(name == "good")}),
            ),
            folder / name,
        )
    comparison = compare_runs([folder / "good", folder / "poor"], folder / "compared")
    return Evaluated(folder, train, others, results["good"], comparison)
