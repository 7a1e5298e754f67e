from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cape_fed.evaluate.artefact.probe import probe_artefacts
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(resamples=50, min_patients=5)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> list[EvaluatedCohort]:
    folder = tmp_path_factory.mktemp("stores")
    sizes = {"a": 250, "b": 60, "c": 60, "d": 60}
    stores = [make_store(folder / n, n, seed=s, patients=p) for s, (n, p) in enumerate(sizes.items())]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    return make_cohorts(stores[:3], stores[3:], splits, ["age"])


def probe(cohorts: list[EvaluatedCohort], artefact: float, options: EvaluateOptions = OPTIONS):
    embed = embedding(knows=0.5, artefact=artefact)
    return probe_artefacts(cohorts, {cohort.name: embed(cohort.store) for cohort in cohorts}, options)


def test_a_planted_artefact_is_found(cohorts) -> None:
    found = probe(cohorts, artefact=5.0)
    assert found.cohorts == ["a", "b", "c"]
    assert found.chance == pytest.approx(1 / 3)
    assert found.point == pytest.approx(1.0, abs=0.02)
    assert found.point == pytest.approx(np.mean(list(found.recall.values())))


def test_without_one_accuracy_is_at_chance_whatever_the_sizes(cohorts) -> None:
    found = probe(cohorts, artefact=0.0)
    assert found.point == pytest.approx(1 / 3, abs=0.15)
    assert found.low < found.point < found.high


def test_one_id_cohort_is_told_from_the_ood_ones(cohorts) -> None:
    assert probe([cohorts[0], cohorts[3]], artefact=5.0).cohorts == ["a", "d"]


def test_where_there_is_nothing_to_tell_apart(cohorts) -> None:
    alone = probe(cohorts[:1], artefact=1.0)
    assert alone.point is None
    assert "fewer than two cohorts" in alone.reason
    assert probe(cohorts, artefact=1.0, options=EvaluateOptions(min_patients=60)).point is None


def test_a_cohort_with_too_few_test_patients_takes_no_part(cohorts) -> None:
    few = replace(cohorts[1], tested={"within": cohorts[1].tested["within"][:3]})
    assert probe([cohorts[0], few, cohorts[2]], artefact=5.0).cohorts == ["a", "c"]


def test_a_cohort_between_the_others_is_not_masked(cohorts) -> None:
    rng = np.random.default_rng(0)
    places = {"a": -8.0, "b": 0.0, "c": 8.0}
    features = {
        cohort.name: (places[cohort.name] + rng.standard_normal((len(cohort.store), 1))).astype(np.float32)
        for cohort in cohorts[:3]
    }
    found = probe_artefacts(cohorts[:3], features, OPTIONS)
    assert min(found.recall.values()) > 0.97


def test_without_validation_or_train_patients(cohorts) -> None:
    nothing = cohorts[0].train[:0]
    assert probe([replace(cohort, valid=nothing) for cohort in cohorts], artefact=5.0).point > 0.9
    untrained = replace(cohorts[1], train=nothing)
    assert probe([cohorts[0], untrained, cohorts[2]], artefact=5.0).cohorts == ["a", "c"]
