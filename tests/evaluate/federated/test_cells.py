"""Cells of sites are those of a central evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from cape_fed.evaluate.results import Cell
from tests.evaluate.federated.sites import Both


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
