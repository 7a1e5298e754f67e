"""The sums of a site: those of a central evaluation, and never of few patients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.federated import disclosure
from cape_fed.evaluate.federated import sums as federated_sums
from cape_fed.evaluate.federated.sums import site_sums, with_enough
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.sums import add_sums, cohort_sums
from cape_fed.store import Store
from tests.evaluate.federated.sites import METHOD, Both, one_record_each, site_of


def test_sums_are_those_of_all_cohorts_where_nothing_is_left_out(both: Both) -> None:
    site = both.train[1]
    everything = add_sums(cohort_sums(cohort, site.projected()[cohort.name], METHOD) for cohort in site.cohorts)
    assert set(site.sums()) == set(everything)
    for task, material in site.sums().items():
        expected = {task: everything[task].first(material.train.width, material.valid.width)}
        assert material.support == expected[task].support
        for side in ("train", "valid") if material.valid.n else ("train",):
            for field in fields(Moments):
                found, wanted = (getattr(getattr(part, side), field.name) for part in (material, expected[task]))
                np.testing.assert_array_equal(found, wanted)


def test_a_site_that_only_evaluates_gives_no_sums(both: Both) -> None:
    assert both.evaluate[0].sums() == {}


def test_sums_of_too_few_are_left_out(tmp_path: Path) -> None:
    site = site_of("id", one_record_each(tmp_path, AF=[True] * 4 + [False] * 86))
    sums = site.sums(minimum=10, dimensions=3)
    assert set(sums) == {"age", "sex", "LBBB"}
    assert {task: material.train.width for task, material in sums.items()} == {"age": 3, "sex": 2, "LBBB": 1}
    assert sums["age"].train.n == sums["age"].support.n == 63
    assert sums["age"].valid.n == 0
    assert site.sums(minimum=64, dimensions=3) == {}


def test_a_site_with_too_few_patients_for_the_dimensions_gives_nothing(tmp_path: Path) -> None:
    site = site_of("id", one_record_each(tmp_path))
    assert site.sums(dimensions=4) == {}
    assert set(site.sums(dimensions=3)) != set()


def test_nearly_equal_annotations_are_summed_over_the_records_in_common(tmp_path: Path) -> None:
    site = site_of("id", one_record_each(tmp_path, age=[None] * 3 + [50.0] * 87))
    missing = np.isin([0, 1, 2], site.cohorts[0].train).sum()
    sums = site.sums(minimum=5, dimensions=2)
    assert missing > 0
    assert {task: material.support.n for task, material in sums.items()} == dict.fromkeys(sums, 63 - missing)
    assert {material.train.n for material in sums.values()} == {63 - missing}
    width = sums["AF"].train.width
    np.testing.assert_array_equal(sums["age"].train.xx[:width, :width], sums["AF"].train.xx)


def test_a_larger_minimum_leaves_tasks_out_and_the_others_as_they_are(tmp_path: Path) -> None:
    """By another minimum the records themselves would be chosen otherwise: AF narrows age where it is given."""
    site = site_of("id", one_record_each(tmp_path, AF=[None] * 3 + [True] * 27 + [False] * 60))
    sums, others = site.sums(minimum=5, dimensions=2), site.sums(minimum=22, dimensions=2)
    assert sums["age"].support.patients < others["age"].support.patients
    assert "AF" in sums
    assert "AF" not in others
    fewer = with_enough(sums, 22)
    assert fewer.keys() == sums.keys() - {"AF"}
    for task, material in fewer.items():
        np.testing.assert_array_equal(material.train.xx, sums[task].train.xx)
        assert material.support == sums[task].support
    assert all(material.valid.n == 0 for material in fewer.values())


@dataclass(frozen=True)
class Bare:
    """As much of a store as summing takes."""

    cohort: str
    patients: np.ndarray
    patient_keys: list[str]

    def __len__(self) -> int:
        return len(self.patients)


@st.composite
def bare_sites(draw: st.DrawFn) -> tuple[list[EvaluatedCohort], int]:
    """A site of one or two cohorts with any annotations; patients may be in both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cohorts = []
    for name in draw(st.sampled_from(["a", "ab"])):
        records, people = draw(st.integers(1, 80)), draw(st.integers(1, 40))
        store = Bare(name, rng.integers(0, people, records), [f"p{number}" for number in range(people)])
        first = (rng.random(records) < 0.5).astype(float)
        targets = {"age": rng.uniform(20, 90, records), "AF": first}
        for label in ("LBBB", "RBBB"):
            flips = rng.random(records) < draw(st.sampled_from([0.0, 0.03, 0.5]))
            targets[label] = np.where(flips, 1 - first, first)
        for target in targets.values():
            target[rng.random(records) < draw(st.sampled_from([0.0, 0.03, 0.5]))] = np.nan
        part = np.where(rng.random(people) < 0.6, 0, 1)[store.patients]
        rows = (np.flatnonzero(part == number) for number in (0, 1))
        cohorts.append(EvaluatedCohort(cast(Store, store), "id", targets, *rows, {}, 0))
    return cohorts, draw(st.integers(1, 6))


@settings(max_examples=200, deadline=None)
@given(site=bare_sites())
def test_no_sum_and_no_difference_of_two_is_of_few_patients(site) -> None:
    """Every record is a feature of its own, so that sums show whose records are in them; dimensions cost nothing."""
    cohorts, minimum = site
    with pytest.MonkeyPatch.context() as patch:
        for module in (federated_sums, disclosure):
            patch.setattr(module, "most_of_products", lambda patients, per_dimension: 10**9)
        patch.setattr(disclosure, "most_of_totals", lambda patients, per_dimension: 10**9)
        check_few(cohorts, minimum)


def check_few(cohorts: list[EvaluatedCohort], minimum: int) -> None:
    ends = np.cumsum([0, *(len(cohort.store) for cohort in cohorts)])
    everything = np.eye(ends[-1], dtype=np.float32)
    features = {c.name: everything[start:end] for c, start, end in zip(cohorts, ends, ends[1:], strict=False)}
    owner = np.concatenate([[c.store.patient_keys[code] for code in c.store.patients] for c in cohorts])
    given_away: list[np.ndarray] = []
    sums = site_sums(cohorts, features, METHOD, minimum)
    for task, material in sums.items():
        assert material.support.n == material.train.n
        for part in (material.train, material.valid):
            if part.n:
                given_away += [part.x] if task == "age" else [part.x, part.xy[:, 0], part.x - part.xy[:, 0]]
                np.testing.assert_array_equal(np.diag(part.xx), part.x)
    for sum_ in given_away:
        assert len(set(owner[sum_ != 0])) >= minimum
    for one, other in combinations(given_away, 2):
        assert not 0 < len(set(owner[one != other])) < minimum
