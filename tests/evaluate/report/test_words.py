"""Numbers and sentences of the report."""

from __future__ import annotations

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.report import words
from cape_fed.evaluate.report.view import View
from cape_fed.evaluate.results import ArtefactProbe, Difference, Estimate, MethodResults, Summary, SummaryValue


def test_a_metric_has_its_own_digits() -> None:
    assert words.number(0.81239, "auroc") == "0.812"
    assert words.number(-1.26, "mae", sign=True) == "−1.3"
    assert words.interval(Estimate(metric="r2", point=0.1, low=-0.2, high=0.3)) == "−0.20 to 0.30"
    assert words.interval(Estimate(metric="auroc")) == ""


def headline(
    points: dict[str, float], gaps: dict[tuple[str, str], tuple[float, float, float]], scope: str = "ood"
) -> list[str]:
    """The headline of a comparison of methods with these means and differences."""
    results = {}
    for name, point in points.items():
        value = SummaryValue(metric="auroc", point=point, low=point - 0.01, high=point + 0.01, cohort="east", tasks=2)
        summary = {"auroc": Summary.model_validate({"tasks": ["sex", "AF"], scope: value})}
        results[name] = MethodResults(tasks={}, summary=summary, artefact_probe=ArtefactProbe(reason="none"))
    differences = [
        Difference(metric="auroc", point=p, low=low, high=high, method=m, reference=r, task="mean", scope=scope, p=0.5)
        for (m, r), (p, low, high) in gaps.items()
    ]
    view = View("t", "s", list(points), [], results, {}, differences, EvaluateOptions(), {}, [], [])
    return words.headline(view)


def test_a_comparison_says_first_which_method_is_best() -> None:
    gap = {("b", "a"): (0.04, 0.01, 0.07)}
    assert headline({"a": 0.80, "b": 0.84}, gap) == [
        "In cohorts that took no part in training, b has the highest mean AUROC over 2 tasks, 0.840 (0.830–0.850): "
        "0.040 (0.010–0.070) above a."
    ]
    inside = headline({"a": 0.80, "b": 0.84}, gap, scope="id")[0]
    assert inside.startswith("In test patients of the training cohorts, b has the highest")


def test_a_reference_that_is_best_is_set_against_the_next() -> None:
    gaps = {("b", "a"): (-0.04, -0.07, -0.01), ("c", "a"): (-0.02, -0.03, -0.01)}
    first, *others = headline({"a": 0.84, "b": 0.80, "c": 0.82}, gaps)
    assert first.endswith(
        "a has the highest mean AUROC over 2 tasks, 0.840 (0.830–0.850): 0.020 (0.010–0.030) above c."
    )
    assert others == [
        "OOD, on the same patients, b is 0.040 (0.010–0.070) below a.",
        "OOD, on the same patients, c is 0.020 (0.010–0.030) below a.",
    ]


def test_methods_that_do_not_differ_are_said_not_to() -> None:
    (only,) = headline({"a": 0.84, "b": 0.83}, {("b", "a"): (-0.01, -0.03, 0.02)})
    assert only == (
        "In cohorts that took no part in training, a and b do not differ significantly: mean AUROC over 2 tasks of "
        "0.840 (0.830–0.850) and 0.830 (0.820–0.840), on the same patients a difference of "
        "+0.010 (−0.020 to +0.030)."
    )
    gaps = {("b", "a"): (0.01, -0.03, 0.02), ("c", "a"): (0.02, -0.01, 0.03)}
    first = headline({"a": 0.80, "b": 0.81, "c": 0.82}, gaps)[0]
    assert "c, the highest of 3 methods, and a do not differ significantly" in first
