from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes import predict as module
from cape_fed.evaluate.probes.predict import predict
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Representation
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(min_patients=5)
METHOD = Representation("fake", embedding(knows=1.0))


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> list[EvaluatedCohort]:
    folder = tmp_path_factory.mktemp("stores")
    stores = [make_store(folder / name, name, seed=seed, patients=60) for seed, name in enumerate("abc")]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    return make_cohorts(stores[:2], stores[2:], splits, ["age", "sex", "AF", "LBBB"])


def run(cohorts: list[EvaluatedCohort], method: Representation = METHOD, options: EvaluateOptions = OPTIONS):
    features = {cohort.name: method.features(cohort.store) for cohort in cohorts}
    return {(b.cohort, b.task, b.probe): b for b in predict(method, cohorts, features, options)}


def relabelled(cohort: EvaluatedCohort, task: str, rows: np.ndarray) -> EvaluatedCohort:
    """The cohort with other targets in some rows."""
    target = cohort.targets[task].copy()
    target[rows] = 1 - target[rows]
    return replace(cohort, targets={**cohort.targets, task: target})


def test_every_annotated_test_record_is_scored_once(cohorts) -> None:
    blocks = run(cohorts)
    assert len(blocks) == 3 * 4 * 2
    for (name, task, probe), block in blocks.items():
        cohort = next(cohort for cohort in cohorts if cohort.name == name)
        np.testing.assert_array_equal(block.rows, cohort.tested[probe])
        np.testing.assert_array_equal(block.target, cohort.targets[task][block.rows])
        np.testing.assert_array_equal(block.patients, cohort.store.patients[block.rows])
        assert np.isfinite(block.score).all()


def test_scoring_all_tasks_at_once_is_scoring_each_alone(cohorts, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in (METHOD, DEMOGRAPHICS):
        together = run(cohorts, method)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_CHUNK", 7)
            for task in cohorts[0].targets:
                alone = run([replace(c, targets={task: c.targets[task]}) for c in cohorts], method)
                for key, block in alone.items():
                    np.testing.assert_allclose(block.score, together[key].score, rtol=1e-9, atol=1e-9)


def test_the_transfer_probe_never_sees_ood_labels_or_any_test_label(cohorts) -> None:
    before = run(cohorts)
    a, b, c = cohorts
    after = run([relabelled(a, "AF", a.tested["transfer"]), b, relabelled(c, "AF", np.arange(len(c.store)))])
    for name in "abc":
        np.testing.assert_array_equal(before[name, "AF", "transfer"].score, after[name, "AF", "transfer"].score)
    np.testing.assert_array_equal(before["a", "AF", "within"].score, after["a", "AF", "within"].score)
    assert (before["c", "AF", "within"].score != after["c", "AF", "within"].score).any()


def test_within_is_fitted_on_the_own_train_patients_only(cohorts) -> None:
    a, b, c = cohorts
    before, after = run(cohorts), run([relabelled(a, "AF", a.train), b, c])
    np.testing.assert_array_equal(before["b", "AF", "within"].score, after["b", "AF", "within"].score)
    assert (before["a", "AF", "within"].score != after["a", "AF", "within"].score).any()
    assert (before["c", "AF", "transfer"].score != after["c", "AF", "transfer"].score).any()


def test_no_probe_from_too_few_or_no_annotated_patients(cohorts) -> None:
    unknown = {"AF": np.full(len(cohorts[0].store), np.nan)}
    a = replace(cohorts[0], targets={**cohorts[0].targets, **unknown})
    blocks = run([a, *cohorts[1:]])
    assert ("a", "AF", "transfer") not in blocks
    assert ("a", "AF", "within") not in blocks
    assert ("c", "AF", "transfer") in blocks
    many = run(cohorts, options=EvaluateOptions(min_patients=60))
    assert {(task, probe) for _, task, probe in many} == {("age", "transfer")}


def demographic(cohorts: list[EvaluatedCohort], **changed: np.ndarray) -> dict[tuple[str, str, str], Prediction]:
    """Predictions from demographics with a label of the first cohort's store replaced."""

    class Changed:
        def __init__(self, store) -> None:
            self.store = store

        def __len__(self) -> int:
            return len(self.store)

        def label(self, name: str) -> np.ndarray:
            return changed.get(name, self.store.label(name)).astype(np.float32)

    features = {cohort.name: DEMOGRAPHICS.features(cohort.store) for cohort in cohorts}
    features["a"] = DEMOGRAPHICS.features(Changed(cohorts[0].store))  # type: ignore[arg-type]
    return {(b.cohort, b.task, b.probe): b for b in predict(DEMOGRAPHICS, cohorts, features, OPTIONS)}


def test_demographics_cannot_see_their_target(cohorts) -> None:
    rng = np.random.default_rng(0)
    n = len(cohorts[0].store)
    plain = demographic(cohorts)
    other_age = demographic(cohorts, age=rng.uniform(20, 90, n))
    other_sex = demographic(cohorts, sex=rng.integers(0, 2, n).astype(float))
    for probe in ("transfer", "within"):
        np.testing.assert_array_equal(plain["a", "age", probe].score, other_age["a", "age", probe].score)
        np.testing.assert_array_equal(plain["a", "sex", probe].score, other_sex["a", "sex", probe].score)
        assert (plain["a", "sex", probe].score != other_age["a", "sex", probe].score).any()
        assert (plain["a", "age", probe].score != other_sex["a", "age", probe].score).any()


def test_missing_demographics_are_features_and_not_errors(tmp_path) -> None:
    store = make_store(tmp_path / "s", "s", seed=0, patients=10, age=[None] * 15, sex=[None] * 15)
    features = DEMOGRAPHICS.features(store)
    assert features.shape == (15, 5)
    np.testing.assert_array_equal(features, np.tile([0, 0, 1, 0, 1], (15, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused(cohorts, bad: float) -> None:
    def embed(store) -> np.ndarray:
        features = np.zeros((len(store), 4), np.float32)
        features[3:5, 2] = bad
        return features

    with pytest.raises(InputError, match=r"broken embeds 2 of 90 records of a as NaN or infinity"):
        Representation("broken", embed).features(cohorts[0].store)


@pytest.mark.parametrize("shape", [(89, 4), (90,), (90, 2, 2)])
def test_embeddings_of_another_shape_are_refused(cohorts, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="one row a record"):
        Representation("broken", lambda store: np.zeros(shape, np.float32)).features(cohorts[0].store)
