from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.evaluate.scoring.aggregate import shared_tasks
from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.targets import registry
from cape_fed.evaluate.targets.registry import (
    find_target,
    is_regression,
    metrics_of,
    register_target,
    regression_targets,
    targets_of,
    task_names,
    unit_of,
)
from cape_fed.evaluate.targets.target import BINARY, REGRESSION, Target
from cape_fed.store import Store
from cape_fed.vocabulary import VOCABULARY
from tests.evaluate.fake import embedding, make_store


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_TARGETS", dict(registry._TARGETS))


def decades(store: Store) -> np.ndarray:
    return store.label("age") / 10


def test_tasks_are_those_that_any_store_annotates(tmp_path: Path) -> None:
    one = make_store(tmp_path / "one", "one", seed=0, patients=10, LBBB=[None] * 15)
    two = make_store(tmp_path / "two", "two", seed=0, patients=10, AF=[None] * 15, NORM=[True] * 15, MINE=[True] * 15)
    assert task_names([one, two]) == ["age", "sex", "AF", "LBBB", "NORM", "MINE"]
    targets = targets_of(one, ["age", "sex", "LBBB", "NORM"])
    assert np.isfinite(targets["age"]).all()
    assert set(targets["sex"]) == {0.0, 1.0}
    assert np.isnan(targets["LBBB"]).all()
    assert np.isnan(targets["NORM"]).all()
    assert (targets_of(two, ["MINE"])["MINE"] == 1).all()


def test_age_sex_and_the_labels_are_the_first_targets() -> None:
    assert regression_targets() == ["age"]
    assert metrics_of("age") == ("mae", "r2")
    assert unit_of("age") == "years"
    for name in ("sex", *VOCABULARY, "a label of no vocabulary"):
        assert not is_regression(name)
        assert metrics_of(name) == ("auroc", "auprc")
        assert unit_of(name) == ""


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="there is a target 'AF' already"):
        register_target(Target("AF", BINARY, decades))


def test_values_that_are_no_target_are_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=10)
    with pytest.raises(ValueError, match="has shape"):
        Target("short", REGRESSION, lambda s: np.zeros(3), unit="mV").values(store)
    with pytest.raises(ValueError, match="other values than 0 and 1"):
        Target("many", BINARY, decades).values(store)
    with pytest.raises(ValueError, match="needs a unit"):
        Target("bare", REGRESSION, decades)
    nowhere = Target("nowhere", REGRESSION, decades, unit="mV", known_in=lambda s: False)
    assert np.isnan(nowhere.values(store)).all()


def test_errors_in_different_units_have_no_mean() -> None:
    register_target(Target("decades", REGRESSION, decades, unit="decades"))
    value = Sampled(1.0, np.ones(3))
    assert shared_tasks({"age": {"a": value}, "decades": {"a": value}}, {"a": "id"}) == ["age"]
    assert shared_tasks({"decades": {"a": value}}, {"a": "id"}) == ["decades"]


def test_a_registered_regression_target_is_evaluated(tmp_path: Path) -> None:
    register_target(Target("decades", REGRESSION, decades, unit="decades"))
    assert find_target("decades").unit == "decades"
    train, other = (make_store(tmp_path / name, name, seed=seed) for seed, name in enumerate("ab"))
    inputs = EvaluationInputs(
        bundle=tmp_path / "bundle",
        method="fake",
        embed=embedding(knows=1.0),
        train=[train],
        evaluate=[other],
        options=EvaluateOptions(resamples=20, min_patients=8, map_records=0, examples=1),
    )
    results = evaluate_bundle(inputs, tmp_path / "out")
    for side in ("id", "ood"):
        in_years, in_decades = (getattr(results.tasks[task], side) for task in ("age", "decades"))
        assert in_decades.metric == "mae"
        assert in_decades.point == pytest.approx(in_years.point / 10, rel=1e-3)
        assert in_decades.second.point == pytest.approx(in_years.second.point, rel=1e-3)
        assert in_decades.n_pos is None
    assert results.summary["mae"].tasks == ["age"]
    assert "MAE, decades" in (tmp_path / "out" / "report.html").read_text()


def test_a_registered_binary_target_is_evaluated(tmp_path: Path) -> None:
    register_target(Target("old", BINARY, lambda store: (store.label("age") > 60).astype(float)))
    stores = [make_store(tmp_path / name, name, seed=seed) for seed, name in enumerate("ab")]
    inputs = EvaluationInputs(
        bundle=tmp_path / "bundle",
        method="fake",
        embed=embedding(knows=1.0),
        train=stores[:1],
        evaluate=stores[1:],
        options=EvaluateOptions(resamples=20, min_patients=8, map_records=0, examples=0),
    )
    results = evaluate_bundle(inputs, tmp_path / "out")
    assert results.tasks["old"].ood.metric == "auroc"
    assert "old" in results.summary["auroc"].tasks
