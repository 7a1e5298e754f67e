"""Evaluation at the sites against evaluation in one place, and what the sums of a site give away."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from cape_fed.evaluate.cohorts import EvaluatedCohort, Role, site_cohorts
from cape_fed.evaluate.federated.cells import Cells, transfer_cells, within_cells
from cape_fed.evaluate.federated.sums import site_sums
from cape_fed.evaluate.federated.transfer import fit_transfer, validation_score
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.probes.sums import ProbeSums, add_sums, cohort_sums
from cape_fed.evaluate.results import Cell, Results
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.store import Store
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

OPTIONS = EvaluateOptions(resamples=60, min_patients=8, map_records=0, examples=0)
METHOD = Representation("fake", embedding(knows=1.0, artefact=0.5))


@dataclass(frozen=True)
class Site:
    """What one site sees of itself."""

    cohorts: list[EvaluatedCohort]
    features: dict[str, np.ndarray]

    def sums(self, minimum: int = OPTIONS.min_patients) -> dict[str, ProbeSums]:
        return site_sums(self.cohorts, self.features, METHOD, minimum)


def site_of(role: Role, *stores: Store) -> Site:
    splits = {store.cohort: split_patients(store, OPTIONS.seed) for store in stores}
    cohorts = site_cohorts(stores, role, splits, task_names(stores))
    return Site(cohorts, {store.cohort: METHOD.features(store) for store in stores})


@dataclass(frozen=True)
class Both:
    """The same stores evaluated in one place and at their sites."""

    central: Results
    train: list[Site]
    evaluate: list[Site]

    def cells(self) -> tuple[Cells, Cells]:
        """Transfer and within cells of all sites."""
        probes = fit_transfer([site.sums() for site in self.train], OPTIONS)
        transfer, within = {}, {}
        for site in [*self.train, *self.evaluate]:
            transfer |= transfer_cells(site.cohorts, site.features, METHOD, probes, OPTIONS)
            within |= within_cells(site.cohorts, site.features, METHOD, OPTIONS)
        return transfer, within


def evaluate_both(folder: Path, train: list[list[Store]], evaluate: list[list[Store]]) -> Both:
    inputs = EvaluationInputs(
        bundle=folder / "bundle",
        method=METHOD.name,
        embed=METHOD.embed,
        train=[store for stores in train for store in stores],
        evaluate=[store for stores in evaluate for store in stores],
        baselines={"random-init": embedding(knows=0.1, seed=3)},
        options=OPTIONS,
    )
    central = evaluate_bundle(inputs, folder / "out")
    return Both(central, [site_of("id", *stores) for stores in train], [site_of("ood", *stores) for stores in evaluate])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Sites of one and of two cohorts that train, of two and of one that evaluate, each with other annotations."""
    folder = tmp_path_factory.mktemp("federated")

    def store(name: str, seed: int, patients: int, **columns: Any) -> Store:
        return make_store(folder / name, name, seed=seed, patients=patients, **columns)

    records, rng = 450, np.random.default_rng(0)
    some = [None if rng.random() < 0.3 else bool(rng.random() < 0.5) for _ in range(records)]
    north, annex = store("north", 0, 300, RBBB=some), store("annex", 1, 240, LBBB=[None] * 360)
    south = store("south", 2, 400, AF=[None] * 600)
    east, ward = store("east", 7, 80, LBBB=[None] * 120), store("ward", 8, 60, WPW=[True, False, None] * 30)
    return evaluate_both(folder, [[south], [north, annex]], [[east, ward], [store("west", 9, 20)]])


def assert_same(cell: Cell, expected: Cell) -> None:
    """Equal but for rounding."""
    given, wanted = (flat(part) for part in (cell, expected))
    assert given.keys() == wanted.keys()
    for name, value in wanted.items():
        assert given[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), name


def flat(cell: Cell) -> dict[str, Any]:
    values = cell.model_dump()
    return values | {f"second {name}": value for name, value in (values.pop("second") or {}).items()}


def test_cells_are_those_of_a_central_evaluation(both: Both) -> None:
    transfer, within = both.cells()
    shown = 0
    for task, results in both.central.tasks.items():
        expected = {**(results.id.cohorts if results.id else {}), **(results.ood.cohorts if results.ood else {})}
        for cohort, cells in expected.items():
            if task in transfer[cohort]:
                assert_same(transfer[cohort][task], cells.transfer)
                assert_same(within[cohort][task], cells.within)
                shown += (cells.transfer.point is not None) + (cells.within.point is not None)
            else:
                assert cells.transfer.reason == cells.within.reason == "unannotated"
    assert set(both.central.tasks) == {"age", "sex", "AF", "LBBB", "RBBB"}
    assert shown > 25


def test_every_reason_for_no_number_is_given(both: Both) -> None:
    transfer, within = both.cells()
    assert transfer["annex"]["RBBB"].reason == within["annex"]["RBBB"].reason == "unannotated"
    assert "AF" not in transfer["south"]
    assert transfer["ward"]["WPW"].reason == "untrained"
    assert within["west"]["AF"].reason == "untrained"
    few = within["east"]["sex"]
    assert few.reason == "few"
    assert flat(few).keys() == {"metric", "point", "low", "high", "cohort", "probe", "n", "n_pos", "patients", "reason"}
    assert all(value is None for name, value in flat(few).items() if name in ("point", "low", "n", "patients"))


def test_sums_are_those_of_all_cohorts_where_nothing_is_left_out(both: Both) -> None:
    site = both.train[1]
    expected = add_sums(cohort_sums(cohort, site.features[cohort.name], METHOD) for cohort in site.cohorts)
    assert list(site.sums()) == list(expected)
    for task, material in site.sums().items():
        assert material.support == expected[task].support
        for side in ("train", "valid"):
            for field in fields(Moments):
                found, wanted = (getattr(getattr(part, side), field.name) for part in (material, expected[task]))
                np.testing.assert_array_equal(found, wanted)


def test_a_site_that_only_evaluates_gives_no_sums(both: Both) -> None:
    assert both.evaluate[0].sums() == {}
    assert fit_transfer([], OPTIONS) == fit_transfer([{}], OPTIONS) == {}


def test_probes_need_patients_from_all_sites_together(both: Both) -> None:
    sums = [site.sums() for site in both.train]
    strength = {task: material.support.strength(task) for task, material in add_sums(sums).items()}
    options = OPTIONS.model_copy(update={"min_patients": strength["LBBB"]})
    assert set(fit_transfer(sums, options)) == {task for task, value in strength.items() if value >= strength["LBBB"]}


def test_validation_score_is_r2_on_the_validation_records(both: Both) -> None:
    sums = [site.sums() for site in both.train]
    probes = fit_transfer(sums, OPTIONS)
    scores = validation_score(sums, probes)
    assert set(scores) == {"age", "sex", "AF", "LBBB", "RBBB"}
    for task, value in scores.items():
        known = []
        for site in both.train:
            for cohort in site.cohorts:
                if task in cohort.targets:
                    rows = cohort.valid[np.isfinite(cohort.targets[task][cohort.valid])]
                    score = probes[task].scores(site.features[cohort.name][rows])[:, 0]
                    known.append((cohort.targets[task][rows], score))
        assert value == pytest.approx(r2_score(*(np.concatenate(part) for part in zip(*known, strict=True))))
    assert validation_score(sums, {"sex": probes["sex"]}).keys() == {"sex"}


def test_there_is_no_validation_score_without_validation_patients(both: Both) -> None:
    sums = both.train[1].sums(minimum=60)
    assert {task for task, material in sums.items() if not material.valid.n} == set(sums)
    probes = fit_transfer([sums], OPTIONS)
    assert set(probes) == set(sums) != set()
    assert validation_score([sums], probes) == {}


def one_record_each(folder: Path, **columns: Any) -> Store:
    """A store of 90 patients with a record each, of which 63 are for training."""
    return make_store(folder / "a", "a", seed=0, patients=60, patient=[f"p{row}" for row in range(90)], **columns)


def test_sums_of_too_few_are_left_out(tmp_path: Path) -> None:
    site = site_of("id", one_record_each(tmp_path, AF=[True] * 4 + [False] * 86))
    sums = site.sums(minimum=10)
    assert set(sums) == {"age", "sex", "LBBB"}
    assert sums["age"].train.n == sums["age"].support.n == 63
    assert sums["age"].valid.n == 0
    assert site.sums(minimum=64) == {}


def test_nearly_equal_annotations_are_summed_over_the_records_in_common(tmp_path: Path) -> None:
    site = site_of("id", one_record_each(tmp_path, age=[None] * 3 + [50.0] * 87))
    missing = np.isin([0, 1, 2], site.cohorts[0].train).sum()
    sums = site.sums(minimum=5)
    assert missing > 0
    assert {task: material.support.n for task, material in sums.items()} == dict.fromkeys(sums, 63 - missing)
    assert {material.train.n for material in sums.values()} == {63 - missing}
    np.testing.assert_array_equal(sums["age"].train.xx, sums["AF"].train.xx)


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
    """Every record is a feature of its own, so that sums show whose records are in them."""
    cohorts, minimum = site
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
