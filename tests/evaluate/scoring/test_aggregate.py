from __future__ import annotations

import numpy as np
import pytest

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.results import Cell, Difference
from cape_fed.evaluate.scoring.aggregate import aggregate, label_of, shared_tasks
from cape_fed.evaluate.scoring.cells import Key, Scored
from cape_fed.evaluate.scoring.differences import compare
from cape_fed.evaluate.statistics.bootstrap import Sampled

ROLES: dict[str, Role] = {"a": "id", "b": "id", "c": "ood"}


def at(point: float) -> Sampled:
    return Sampled(point, np.array([point - 0.01, point + 0.01]))


def test_means_go_over_cohorts_and_then_over_tasks() -> None:
    values = {
        "sex": {"a": at(0.6), "b": at(0.8), "c": at(0.5)},
        "AF": {"a": at(0.9), "c": at(0.7)},
        "LBBB": {"a": at(0.1)},
    }
    assert shared_tasks(values, ROLES) == ["sex", "AF"]
    means = aggregate(values, ROLES, "auroc")
    assert means["id"].sampled.point == np.mean([0.7, 0.9])
    assert (means["id"].cohort, means["id"].tasks) == ("mean of 2", 2)
    assert means["ood"].sampled.point == np.mean([0.5, 0.7])
    assert (means["ood"].cohort, means["ood"].tasks) == ("c", 2)
    assert (means["worst"].cohort, means["worst"].tasks) == ("c", 2)
    np.testing.assert_allclose(means["ood"].sampled.draws, [0.59, 0.61])


def test_worst_means_largest_error_and_needs_half_of_the_tasks() -> None:
    ages = {"age": {"a": at(5.0), "b": at(9.0), "c": at(7.0)}}
    assert aggregate(ages, ROLES, "mae")["worst"].cohort == "b"
    assert aggregate(ages, ROLES, "r2")["worst"].cohort == "a"
    values = {task: {"a": at(0.8), "c": at(0.7)} for task in ("sex", "AF", "LVH")}
    values["sex"]["b"] = at(0.1)
    assert aggregate(values, ROLES, "auroc")["worst"].cohort == "c"


def test_one_side_alone_is_summarised() -> None:
    values = {"sex": {"a": at(0.6)}, "AF": {"b": at(0.8)}}
    means = aggregate(values, ROLES, "auroc")
    assert set(means) == {"id", "worst"}
    assert means["id"].tasks == 2
    assert aggregate({}, ROLES, "auroc") == {}
    assert label_of(["z"]) == "z"


def scored(points: dict[tuple[str, str], Sampled]) -> dict[Key, Scored]:
    cell = Cell(metric="auroc", cohort="a", probe="transfer")
    return {Key(cohort, task, "transfer"): Scored(cell, {"auroc": value}) for (cohort, task), value in points.items()}


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    noise = 0.2 * rng.standard_normal(400)
    good = scored({("a", "AF"): Sampled(0.81, 0.81 + noise), ("c", "AF"): Sampled(0.75, 0.75 - noise)})
    poor = scored({("a", "AF"): Sampled(0.80, 0.80 + noise), ("c", "AF"): Sampled(0.70, 0.70 - noise)})
    found = {(d.task, d.scope): d for d in compare({"g": good, "p": poor}, [("g", "p")], ROLES, 0.95)}
    assert set(found) == {("mean", "id"), ("mean", "ood"), ("mean", "worst"), ("AF", "id"), ("AF", "ood")}
    ood = found["mean", "ood"]
    np.testing.assert_allclose([ood.point, ood.low, ood.high], 0.05, atol=1e-9)
    assert ood.p == 2 / 401
    assert (ood.method, ood.reference, ood.metric) == ("g", "p", "auroc")


def test_means_differ_over_the_tasks_that_both_methods_have() -> None:
    fewer = {("a", "AF"): at(0.9), ("b", "AF"): at(0.7), ("c", "AF"): at(0.6)}
    more = {("a", "AF"): at(0.8), ("b", "AF"): at(0.5), ("c", "AF"): at(0.4)} | {
        (cohort, "LBBB"): at(0.2) for cohort in ROLES
    }
    for one, other, sign in ((fewer, more, 1), (more, fewer, -1)):
        found = compare({"g": scored(one), "p": scored(other)}, [("g", "p")], ROLES, 0.95)
        gaps = {d.scope: d.point for d in found if d.task == "mean"}
        assert gaps == pytest.approx({"id": sign * 0.15, "ood": sign * 0.2, "worst": sign * 0.2})


def worst_difference(one: dict[tuple[str, str], Sampled], two: dict[tuple[str, str], Sampled]) -> Difference:
    found = compare({"g": scored(one), "p": scored(two)}, [("g", "p")], ROLES, 0.95)
    (entry,) = [d for d in found if d.scope == "worst"]
    return entry


def test_the_worst_cohort_is_found_anew_in_each_resample() -> None:
    one = {("a", "AF"): Sampled(0.70, np.array([0.60, 0.80])), ("b", "AF"): Sampled(0.71, np.array([0.75, 0.55]))}
    two = {("a", "AF"): Sampled(0.66, np.array([0.50, 0.90])), ("b", "AF"): Sampled(0.65, np.array([0.70, 0.65]))}
    entry = worst_difference(one, two)
    assert entry.point == pytest.approx(0.70 - 0.65)
    draws = np.array([0.60 - 0.50, 0.55 - 0.65])
    np.testing.assert_allclose([entry.low, entry.high], np.quantile(draws, [0.025, 0.975]))


def test_worst_cohorts_of_equally_good_methods_rarely_differ() -> None:
    rng = np.random.default_rng(0)
    places = [(cohort, "AF") for cohort in ROLES]
    missed = 0
    for _ in range(300):
        methods = []
        for _ in range(2):
            points = 0.7 + 0.02 * rng.standard_normal(len(places))
            draws = points[:, None] + 0.02 * rng.standard_normal((len(places), 200))
            methods.append({place: Sampled(*entry) for place, *entry in zip(places, points, draws, strict=True)})
        entry = worst_difference(*methods)
        missed += not entry.low <= 0 <= entry.high
    assert missed / 300 < 0.09
