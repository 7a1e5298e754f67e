"""The hand-made baseline as a row of an evaluation, and what is said where it cannot be one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate import inputs as preparing
from cape_fed.evaluate.files.predictions import read_predictions
from cape_fed.evaluate.handmade.features import HANDMADE
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.store import Store
from tests.evaluate.fake import embedding, make_store
from tests.evaluate.test_run import evaluate


@pytest.fixture
def stores(tmp_path: Path) -> list[Store]:
    return [make_store(tmp_path / name, name, seed=seed, patients=120) for seed, name in enumerate("abc")]


def measured(store: Store) -> np.ndarray:
    """In place of what a library measures: a third is missing, and AF shows."""
    rng = np.random.default_rng(len(store))
    seen = np.column_stack([np.nan_to_num(store.label("AF")) + rng.normal(0, 0.5, len(store)), rng.random(len(store))])
    return np.where(rng.random(seen.shape) < 0.3, np.nan, seen).astype(np.float32)


def test_it_is_a_row_like_the_others_on_the_same_patients(
    stores: list[Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "is_available", lambda: True)
    monkeypatch.setattr(preparing, "handmade", lambda: Representation(HANDMADE, measured, learner="trees"))
    results = evaluate(stores[:2], stores[2:], tmp_path / "out", handmade=True)
    assert list(results.baselines) == [HANDMADE, "demographics"]
    row = results.baselines[HANDMADE]
    assert row.tasks.keys() == results.tasks.keys()
    assert row.tasks["AF"].ood.point > 0.7  # type: ignore[union-attr,operator]
    assert row.tasks["AF"].ood.n == results.tasks["AF"].ood.n  # type: ignore[union-attr]
    assert row.artefact_probe.point is not None
    assert row.calibration
    assert {gap.reference for gap in results.differences} == {HANDMADE, "demographics"}
    rows = {}
    for block in read_predictions(tmp_path / "out" / "predictions.parquet"):
        rows.setdefault(block.method, {})[block.cohort, block.task, block.probe] = block.rows.tolist()
    assert rows[HANDMADE] == rows["fake"]
    assert "gradient-boosted trees" in (tmp_path / "out" / "report.html").read_text()


def test_where_the_extra_is_missing_the_row_is_and_it_is_said_which(
    stores: list[Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preparing, "is_available", lambda: False)
    results = evaluate(stores[:2], stores[2:], tmp_path / "out", handmade=True)
    line = "the row needs neurokit2, which is not installed: pip install 'cape-fed[baseline]'"
    assert list(results.baselines) == ["demographics"]
    assert results.absent == {HANDMADE: line}
    assert f"the tables have no row {HANDMADE}: {line}" in caplog.text
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"There is no row {HANDMADE}: the row needs neurokit2" in html
    assert "gradient-boosted trees" not in html


def test_it_is_left_out_where_it_is_not_asked_for(
    stores: list[Store], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        results = evaluate(stores[:2], stores[2:], tmp_path / "out")
    assert list(results.baselines) == ["demographics"]
    assert results.absent == {}
    assert HANDMADE not in caplog.text + (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["absent"] == {}


def test_no_encoder_has_its_name(stores: list[Store], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be called 'hand-made'"):
        evaluate(stores[:1], [], tmp_path / "out", method=HANDMADE, embed=embedding(knows=1.0))
