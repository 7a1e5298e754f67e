"""Small cohorts whose patients can be told apart, and a study of them that takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.study.config import StudyConfig
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals

SETTINGS = [
    "experiment=study", "train.steps=3", "train.pairs=8", "evaluation.resamples=20", "evaluation.min_patients=4",
    "federation.local_steps=1", "seed=range(2)",
]  # fmt: skip


@pytest.fixture
def data(tiny_store: TinyStore, tmp_path: Path) -> list[str]:
    """Overrides that name two cohorts to train on and one to evaluate on."""
    for number, name in enumerate("abo"):
        signals, owner = patient_signals(patients=60, seed=number)
        rng = np.random.default_rng(number)
        age = rng.uniform(30, 80, 60).astype(np.float32)[owner]
        sex = np.array(["F", "M"], object)[rng.integers(0, 2, 60)][owner]
        tiny_store(name, signals=signals, patient=[f"{name}{p}" for p in owner], age=age, sex=sex)
    return [f"data.train=[{tmp_path}/a,{tmp_path}/b]", f"data.evaluate=[{tmp_path}/o]"]


@pytest.fixture
def study() -> StudyConfig:
    return StudyConfig.model_validate(
        {
            "title": "Small",
            "settings": SETTINGS,
            "questions": {
                "batches": {
                    "title": "Batches?",
                    "reference": "random",
                    "levels": {"random": "batching=random", "idb": "batching=idb", "fed": "pretraining=federated"},
                    "beside": {"alone": "pretraining=local", "untrained": "pretraining=untrained"},
                    "similar_to": "idb",
                },
                "sex": {
                    "title": "Sex?",
                    "reference": "half",
                    "across": ["patients=24", "pretraining=central,federated"],
                    "subset": {"factor": "women", "levels": {"half": 0.5, "women": 1}},
                },
            },
            "claims": [
                {"text": "It does.", "question": "batches", "level": "idb", "reference": "random",
                 "measure": "auroc/ood", "higher": True, "margin": 0.01},
            ],
        }
    )  # fmt: skip
