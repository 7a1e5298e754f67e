"""A sample of embeddings is of the same records for every encoder, and pairs only with its like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.files.sample import SAMPLE_FILE, read_sample
from tests.evaluate.conftest import Evaluated


def test_two_evaluations_of_the_same_records_pair(evaluated: Evaluated) -> None:
    good, poor = (read_sample(evaluated.folder / name / SAMPLE_FILE) for name in ("good", "poor"))
    assert good.keys() == {"id", "ood"}
    for role, sample in good.items():
        assert sample.same_records(poor[role])
        assert not np.array_equal(sample.features, poor[role].features)
    assert not good["id"].same_records(good["ood"])


def test_the_comparison_has_the_similarity(evaluated: Evaluated) -> None:
    sides = evaluated.comparison.similarity["poor"]
    assert sides.keys() == {"id", "ood"}
    assert all(-0.1 < value < 1 for value in sides.values())
    assert "How alike embeddings are" in (evaluated.folder / "compared" / "report.html").read_text()


def test_an_evaluation_without_a_sample_compares_without_it(tmp_path: Path) -> None:
    assert read_sample(tmp_path / SAMPLE_FILE) == {}
    (tmp_path / SAMPLE_FILE).write_bytes(b"no archive")
    with pytest.raises(InputError, match="is not a sample of embeddings"):
        read_sample(tmp_path / SAMPLE_FILE)


def test_the_report_has_calibration_and_subgroups(evaluated: Evaluated) -> None:
    text = (evaluated.folder / "good" / "report.html").read_text()
    assert "Are predicted probabilities frequencies?" in text
    assert "For whom does it work?" in text
    assert evaluated.good.calibration
    assert evaluated.good.gaps
    shown = [c for t in evaluated.good.tasks.values() for s in (t.id, t.ood) if s for c in s.cohorts.values()]
    cells = [cell for both in shown for cell in (both.transfer, both.within) if cell.metric == "auroc" and cell.point]
    assert len(evaluated.good.delong) == len(cells)
    for entry in evaluated.good.delong:
        assert entry.low <= entry.point <= entry.high  # type: ignore[operator]
