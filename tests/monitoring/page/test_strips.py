from __future__ import annotations

from pathlib import Path

from cape_fed.monitoring.page.strips import MOST_CELLS, strips
from cape_fed.monitoring.run import Run
from cape_fed.monitoring.runs import RunReader
from tests.monitoring.rundirs import round_line, write_run

REFUSED = [{"site": "b", "what": "refused", "reason": "norm"}]


def read(path: Path, lines: list[dict[str, object]]) -> Run:
    return RunReader(write_run(path / "fed", lines)).read()


def test_a_cell_a_round_with_what_the_site_did(tmp_path: Path) -> None:
    lines = [
        round_line(0, "ab"),
        round_line(1, "a"),
        {"round": 1, "step": 1, "monitors": {"d": {}}},
        round_line(2, "a", trouble=REFUSED),
        round_line(3, "ab", trouble=REFUSED),
        {**round_line(4, "a"), "missing": []},
    ]
    found = {strip.site: strip for strip in strips(read(tmp_path, lines))}
    assert [cell.kind for cell in found["a"].cells] == ["part"] * 5
    assert [cell.kind for cell in found["b"].cells] == ["part", "missing", "refused", "part", "idle"]
    assert [cell.kind for cell in found["d"].cells] == ["idle", "looked", "idle", "idle", "idle"]
    assert (found["a"].counted, found["b"].counted, list(found)) == (5, 2, ["a", "b", "d"])
    assert found["b"].cells[1].title == "round 2: was asked and missing"


def test_of_many_rounds_each_is_in_one_cell_and_the_worst_counts(tmp_path: Path) -> None:
    lines = [round_line(number, "a" if number == 700 else "ab") for number in range(1000)]
    (_, b, _) = strips(read(tmp_path, lines))
    assert len(b.cells) <= MOST_CELLS
    assert [number for cell in b.cells for number in range(cell.first, cell.last + 1)] == list(range(1, 1001))
    assert [(cell.first <= 701 <= cell.last) for cell in b.cells] == [cell.kind == "missing" for cell in b.cells]
