"""Results on the terminal: the columns of the table, and how a missing number is shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cape_fed.cli.tables import print_results

Output = pytest.CaptureFixture[str]


def estimate(point: float | None, low: float | None = None, high: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(point=point, low=low, high=high)


def method(**summary: Any) -> Any:
    return SimpleNamespace(summary=summary, artefact_probe=SimpleNamespace(point=0.784, chance=0.25))


def test_every_method_is_a_row_and_absent_numbers_are_dashes(capsys: Output) -> None:
    auroc = SimpleNamespace(id=estimate(0.875, 0.86, 0.89), ood=estimate(0.865, 0.855, 0.875), worst=estimate(None))
    mae = SimpleNamespace(ood=estimate(10.55, 9.9, 11.2))
    print_results({"central random": method(auroc=auroc, mae=mae), "demographics": method()}, Path("runs/x"))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    cells = [[cell for cell in line.split("  ") if cell.strip()] for line in lines]
    assert [cell.strip() for cell in cells[0]] == [
        "method", "ID AUROC", "OOD AUROC", "worst cohort", "OOD age MAE", "cohort probe",
    ]  # fmt: skip
    assert [cell.strip() for cell in cells[1]] == [
        "central random", "0.875 (0.860–0.890)", "0.865 (0.855–0.875)", "–", "10.6 (9.9–11.2)", "0.784",
    ]  # fmt: skip
    assert [cell.strip() for cell in cells[2]] == ["demographics", "–", "–", "–", "–", "0.784"]
    assert "chance is 0.250" in lines[3]
    assert lines[-1] == f"report: {Path('runs/x/report.html')}"


def test_brackets_in_a_name_are_shown(capsys: Output) -> None:
    print_results({"idb [v2] [/x]": method()}, Path("runs/[/y]"))
    out = capsys.readouterr().out
    assert "idb [v2] [/x]" in out
    assert str(Path("runs/[/y]/report.html")) in out
