"""What would keep the trials from running is found before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.study.config import StudyConfig, read_study
from cape_fed.study.run import run_study


def test_what_cannot_be_run_is_said_before_anything_is_trained_or_written(
    data: list[str], study: StudyConfig, tmp_path: Path
) -> None:
    train = data[0]
    for overrides, reason in (
        ([*data, "train.stepz=3"], "unknown config key 'train.stepz'"),
        ([*data, "pretraining=magic"], "pretraining"),
        ([*data, "planted_patients=few"], "planted_patients"),
        ([*data, "patients=4000"], r"question sex \(half, central\): subsets by women can be matched for"),
        ([*data, "patients=10"], r"question sex \(half, central\): cohort a has 6 training patients, train.pairs=8"),
        ([*data, "patients=10", "batching=random"], r"question sex \(half, federated\): 6 training patients in all"),
        ([*data, "train.pairs=200"], r"question sex \(half, central\): cohort a has \d+ training patients"),
        (["seed=0"], r"a study needs data.train"),
        ([train, f"data.evaluate=[{tmp_path}/nowhere]"], "no store at .*nowhere"),
        ([train, f"data.evaluate=[{tmp_path}/a]"], "cohort a is given twice"),
    ):
        with pytest.raises(InputError, match=reason):
            run_study(study.only(["sex"]), overrides, tmp_path / "out", resume=False)
        assert not (tmp_path / "out").exists(), reason


def test_levels_that_the_cohorts_cannot_make_are_named(data: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"question cohorts \(one cohort, central\): a level 4.0 of cohorts does not fit 2"
    ):
        run_study(read_study("composition").only(["cohorts"]), [*data, "patients=20"], tmp_path / "out")
