"""What a trial is trained on, and for how long."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed.pretrain.cohorts import open_stores
from cape_fed.store.split import split_patients
from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import make_plan
from cape_fed.study.train import run_config, training_splits


def test_no_patient_who_trains_is_among_the_evaluated(data: list[str], study: StudyConfig) -> None:
    for planned in make_plan(study, data, Path("out"), {}):
        config = planned.trial.config
        stores = open_stores([site[0] for site in config.data.train])
        for store, (name, split) in zip(stores, training_splits(planned.trial, stores).items(), strict=True):
            assert name == store.cohort
            test = split_patients(store, config.split.seed, config.split.fractions).test
            assert not set(store.patients[split.train]) & set(store.patients[test])
            assert np.array_equal(split.test, test)


def test_budgets(data: list[str], study: StudyConfig) -> None:
    def rounds(*overrides: str, sites: int = 4) -> tuple[int, int]:
        plan = make_plan(study.only(["batches"]), [*data, "train.steps=240", *overrides], Path("out"), {})
        trial = next(planned.trial for planned in plan if planned.level == "fed")
        config = run_config(trial, open_stores([site[0] for site in trial.config.data.train]), sites, Path("out"))
        return config.federation.rounds, config.federation.local_steps

    assert rounds("federation.local_steps=10") == (6, 10)
    assert rounds("federation.local_steps=10", "budget=steps") == (24, 10)
    assert rounds("federation.local_steps=10", "federation.strategy=cyclic") == (24, 10)
    assert rounds("federation.local_steps=10", "federation.participation=0.5") == (12, 10)
