"""Matched records are alike in every stratum, and the probes on them no longer see who the patients are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.artefact.matching import match
from cape_fed.evaluate.artefact.probe import cohort_accuracies, projection_accuracies
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.store import Store
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(resamples=40, min_patients=10)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> list[EvaluatedCohort]:
    """Two hospitals, of which one has older patients."""
    folder = tmp_path_factory.mktemp("stores")
    young = make_store(folder / "young", "young", seed=0, patients=900)
    aged = make_store(folder / "aged", "aged", seed=1, patients=900)
    old = make_store(folder / "old", "old", seed=1, patients=900, age=np.clip(aged.label("age") + 12, 18, 95))
    splits = {store.cohort: split_patients(store, 0) for store in (young, old)}
    return make_cohorts([young, old], [], splits, ["age"])


def strata(store: Store, rows: np.ndarray) -> Counter[tuple[float, ...]]:
    ill = (store.label("AF")[rows] == 1) | (store.label("LBBB")[rows] == 1)
    return Counter(zip(store.label("age")[rows] // 10, store.label("sex")[rows], ill, strict=True))


def test_equal_counts_in_every_stratum_and_as_many_as_there_can_be(cohorts: list[EvaluatedCohort]) -> None:
    stores, rows = [c.store for c in cohorts], [c.train for c in cohorts]
    matched = match(stores, rows, 0, "x")
    one, two = (strata(store, own) for store, own in zip(stores, matched, strict=True))
    assert one == two
    before = [strata(store, own) for store, own in zip(stores, rows, strict=True)]
    assert one == before[0] & before[1]
    assert all(set(m) <= set(r) for m, r in zip(matched, rows, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(matched, match(stores, rows, 0, "x"), strict=True))


def test_older_patients_are_distinguished_until_they_are_matched(cohorts: list[EvaluatedCohort]) -> None:
    method = Representation("m", embedding(knows=3.0, artefact=0.0))
    found = cohort_accuracies(cohorts, {c.name: method.features(c.store) for c in cohorts}, OPTIONS)
    assert found["linear"].point > 0.62
    assert found["matched"].point < found["linear"].point - 0.05
    assert abs(found["matched"].point - 0.5) < 0.12


@pytest.mark.parametrize("name", ["linear", "neighbours", "matched", "matched_neighbours"])
def test_a_machine_is_distinguished_by_every_probe(cohorts: list[EvaluatedCohort], name: str) -> None:
    method = Representation("m", embedding(knows=0.5, artefact=6.0))
    assert cohort_accuracies(cohorts, {c.name: method.features(c.store) for c in cohorts}, OPTIONS)[name].point > 0.95


def test_nearest_neighbours_are_at_chance_for_noise_whatever_the_sizes(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / n, n, seed=s, patients=p) for s, (n, p) in enumerate({"a": 700, "b": 120}.items())]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    found = make_cohorts(stores, [], splits, [])
    method = Representation("m", embedding(knows=0.0))
    probes = cohort_accuracies(found, {c.name: method.features(c.store) for c in found}, OPTIONS)
    assert probes["neighbours"].point == pytest.approx(0.5, abs=0.12)


def test_projections_are_the_mean_over_heads(cohorts: list[EvaluatedCohort]) -> None:
    heads = {}
    for head, artefact in (("one", 6.0), ("two", 0.0)):
        method = Representation("m", embedding(knows=0.0, artefact=artefact))
        heads[head] = {c.name: method.features(c.store) for c in cohorts}
    both = projection_accuracies(cohorts, heads, OPTIONS)["linear"].point
    each = [cohort_accuracies(cohorts, features, OPTIONS)["linear"].point for features in heads.values()]
    assert both == pytest.approx(np.mean(each))
    assert projection_accuracies(cohorts, {}, OPTIONS) == {}
