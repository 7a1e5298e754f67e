from __future__ import annotations

from cape_fed.evaluate.results import Estimate
from tests.evaluate.conftest import Evaluated


def test_every_auroc_that_is_shown_has_an_interval_by_delong(evaluated: Evaluated) -> None:
    for results in evaluated.good.methods().values():
        shown: dict[tuple[str, str, str], Estimate] = {}
        for task, sides in results.tasks.items():
            for side in filter(None, (sides.id, sides.ood)):
                for cohort, both in side.cohorts.items():
                    for probe, cell in (("transfer", both.transfer), ("within", both.within)):
                        if cell.metric == "auroc" and cell.point is not None:
                            shown[cohort, task, probe] = cell
        assert {(entry.cohort, entry.task, entry.probe) for entry in results.delong} == shown.keys() != set()
        for entry in results.delong:
            assert entry.point == shown[entry.cohort, entry.task, entry.probe].point
            assert entry.low <= entry.point <= entry.high  # type: ignore[operator]
