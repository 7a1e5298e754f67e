"""Probes and validation scores from the sums of several sites."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from cape_fed.evaluate.federated.transfer import Joined, fit_transfer, join_sums, most_dimensions, validation_score
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import fit_ridge
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.targets.support import Support
from tests.evaluate.federated.sites import OPTIONS, Both


def test_probes_need_patients_from_all_sites_together(both: Both) -> None:
    joined = both.joined()
    strength = {task: entry.sums.support.strength(task) for task, entry in joined.items()}
    options = OPTIONS.model_copy(update={"min_patients": strength["LBBB"]})
    assert set(fit_transfer(joined, options)) == {task for task, value in strength.items() if value >= strength["LBBB"]}


def test_validation_score_is_r2_on_the_validation_records(both: Both) -> None:
    """Of the probe on the dimensions of the validation sums, which are fewer than those of the transfer probe."""
    joined = both.joined()
    probes = fit_transfer(joined, OPTIONS)
    scores = validation_score(joined, probes)
    assert set(scores) == {"age", "sex", "AF", "LBBB"}  # too few validation patients are annotated for RBBB
    for task, value in scores.items():
        train, valid = joined[task].sums.train, joined[task].sums.valid
        (probe,) = fit_ridge(train.first(valid.width), [probes[task].penalty])
        known = []
        giving = [site for site in both.train if task in site.sums() and site.sums()[task].valid.n]
        for site in (site for site in giving if site.sums()[task].valid.width >= valid.width):
            for cohort in site.cohorts:
                if task in cohort.targets:
                    rows = cohort.valid[np.isfinite(cohort.targets[task][cohort.valid])]
                    score = probe.scores(site.projected()[cohort.name][rows][:, : valid.width])[:, 0]
                    known.append((cohort.targets[task][rows], score))
        assert value == pytest.approx(r2_score(*(np.concatenate(part) for part in zip(*known, strict=True))))
        assert valid.width < train.width or task != "age"
    assert validation_score(joined, {"sex": probes["sex"]}).keys() == {"sex"}


def test_there_is_no_validation_score_without_validation_patients(both: Both) -> None:
    sums = both.train[1].sums(minimum=60)
    assert {task for task, material in sums.items() if not material.valid.n} == set(sums)
    joined = join_sums({"one": sums})
    probes = fit_transfer(joined, OPTIONS)
    assert set(probes) == set(sums) != set()
    assert validation_score(joined, probes) == {}


def material(patients: int, width: int, valid: int = 0) -> ProbeSums:
    rng = np.random.default_rng(patients)
    x, y = rng.standard_normal((patients, 9)), rng.standard_normal(patients)
    support = Support(n=patients, patients=patients)
    validated = Moments.of(x[:, :valid], y) if valid else Moments.zero(width)
    return ProbeSums(Moments.of(x[:, :width], y), validated, support, support if valid else Support())


def test_sites_add_up_in_the_dimensions_that_most_patients_allow() -> None:
    sites = {"a": material(900, 8), "b": material(850, 6, 2), "c": material(100, 1, 1)}
    joined = join_sums({name: {"age": sums} for name, sums in sites.items()})["age"]
    assert joined.left_out == ["c"]
    assert joined.sums.train.width == 6
    assert joined.sums.train.n == joined.sums.support.n == 1750
    np.testing.assert_allclose(joined.sums.train.xx, sites["a"].train.xx[:6, :6] + sites["b"].train.xx)
    assert (joined.sums.valid.width, joined.sums.valid.n) == (2, 850)


def test_a_site_that_gives_few_validation_dimensions_only_is_left_out_of_these() -> None:
    sites = {"a": material(900, 8, 5), "b": material(90, 8, 1)}
    joined = join_sums({name: {"age": sums} for name, sums in sites.items()})["age"]
    assert joined.left_out == []
    assert joined.sums.train.n == 990
    assert (joined.sums.valid.width, joined.sums.valid.n) == (5, 900)


@pytest.mark.parametrize(
    ("sites", "expected"),
    [([], 0), ([(9, 10)], 9), ([(9, 10), (2, 10)], 2), ([(9, 95), (2, 5)], 9), ([(9, 89), (2, 11)], 2), ([(0, 9)], 0)],
)
def test_most_dimensions_are_those_that_nine_tenths_of_the_patients_have(
    sites: list[tuple[int, int]], expected: int
) -> None:
    assert most_dimensions({str(place): site for place, site in enumerate(sites)}) == expected


def test_joining_nothing_gives_nothing() -> None:
    nothing: dict[str, Joined] = join_sums({})
    assert nothing == join_sums({"a": {}}) == fit_transfer({}, OPTIONS) == {}
