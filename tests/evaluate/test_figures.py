"""What a card shows of an evaluation are its numbers, without the cohorts' names."""

from __future__ import annotations

from cape_fed.evaluate.figures import figures_of
from cape_fed.release.figures import figures_section
from tests.evaluate.conftest import Evaluated


def test_the_numbers_are_those_of_the_results(evaluated: Evaluated) -> None:
    results = evaluated.good
    figures = figures_of(results)
    assert (figures.id_cohorts, figures.ood_cohorts) == (2, 1)
    assert figures.patients == sum(info.patients for info in results.cohorts.values())
    shown, found = figures.summary["auroc"], results.summary["auroc"]
    assert shown.ood is not None
    assert found.ood is not None
    assert (shown.ood.point, shown.ood.low, shown.ood.high) == (found.ood.point, found.ood.low, found.ood.high)
    assert figures.probe is not None
    assert figures.probe.point == results.artefact_probe.point
    assert "sex" in figures.tasks
    assert "age" not in figures.tasks
    gaps = [gap.point for gap in results.gaps if gap.by == "sex" and gap.metric == "auroc" and gap.point is not None]
    assert ("sex" in figures.gaps) == bool(gaps)
    if gaps:
        assert figures.gaps["sex"].gap.point == max(gaps)
    text = figures_section(figures)
    assert f"{found.ood.point:.3f}" in text
    assert not [name for name in results.cohorts if name in text]
