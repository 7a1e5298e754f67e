"""The hand-made baseline beside the levels of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.handmade.features import HANDMADE
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.store.store import Store
from cape_fed.study import check, trial
from cape_fed.study.config import StudyConfig, read_study
from cape_fed.study.run import run_study
from tests.study.conftest import SETTINGS

LEVELS = {"untrained": "pretraining=untrained", "other": ["pretraining=untrained", "model=base"]}


def study(beside: dict[str, str], levels: dict[str, object] | None = None) -> StudyConfig:
    question = {"title": "Shapes?", "reference": "untrained", "levels": levels or LEVELS, "beside": beside}
    return StudyConfig.model_validate({"title": "Small", "settings": SETTINGS, "questions": {"shapes": question}})


def measured(store: Store) -> np.ndarray:
    rng = np.random.default_rng(len(store))
    return np.where(rng.random((len(store), 3)) < 0.2, np.nan, rng.random((len(store), 3))).astype(np.float32)


@pytest.mark.slow
def test_it_is_measured_once_for_all_seeds_and_shown_beside_the_levels(
    data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "is_available", lambda: True)
    monkeypatch.setattr(trial, "handmade", lambda workers: Representation(HANDMADE, measured, learner="trees"))
    results = run_study(study({"hand-made": "pretraining=handmade"}), data, tmp_path / "out")
    (panel,) = results.answers["shapes"].panels
    assert len(panel.levels["hand-made"]["auroc/ood"].seeds) == 2
    assert results.cells == 2 * 2 + 1
    assert {contrast.level for contrast in panel.contrasts["auroc/ood"]} == {"other"}
    assert results.absent == {}
    assert "hand-made" in (tmp_path / "out" / "tables.md").read_text()


@pytest.mark.slow
def test_where_the_extra_is_missing_the_level_is_left_out_and_it_is_said_which(
    data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "is_available", lambda: False)
    results = run_study(study({"hand-made": "pretraining=handmade"}), data, tmp_path / "out")
    line = "the level needs neurokit2, which is not installed: pip install 'cape-fed[baseline]'"
    assert results.absent == {"hand-made": line}
    assert list(results.answers["shapes"].panels[0].levels) == ["untrained", "other"]
    assert "There is no level hand-made: the level needs neurokit2" in (tmp_path / "out" / "report.html").read_text()
    assert f"There is no level hand-made: {line}." in (tmp_path / "out" / "tables.md").read_text()
    assert f"the tables have no level hand-made: {line}" in (tmp_path / "out" / "log.txt").read_text()


def test_a_level_that_is_compared_needs_the_extra(
    data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "is_available", lambda: False)
    monkeypatch.setattr("cape_fed.extras.find_spec", lambda module: None)
    compared = study({}, {"untrained": "pretraining=untrained", "hand-made": "pretraining=handmade"})
    with pytest.raises(InputError, match="the level hand-made needs neurokit2, which is not installed"):
        run_study(compared, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["batching", "worlds", "federation"])
def test_the_studies_that_come_along_show_it(name: str) -> None:
    beside = [level for question in read_study(name).questions.values() for level in question.beside.items()]
    assert ("hand-made", ("pretraining=handmade",)) in beside
