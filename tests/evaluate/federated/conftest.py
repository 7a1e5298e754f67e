"""Sites that train and sites that evaluate, of one and of several cohorts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cape_fed.store import Store
from tests.evaluate.fake import make_store
from tests.evaluate.federated.sites import Both, evaluate_both


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Sites of one and of two cohorts that train, of two and of one that evaluate, each with other annotations."""
    folder = tmp_path_factory.mktemp("federated")

    def store(name: str, seed: int, patients: int, **columns: Any) -> Store:
        return make_store(folder / name, name, seed=seed, patients=patients, **columns)

    records, rng = 450, np.random.default_rng(0)
    some = [None if rng.random() < 0.3 else bool(rng.random() < 0.5) for _ in range(records)]
    north, annex = store("north", 0, 300, RBBB=some), store("annex", 1, 240, LBBB=[None] * 360)
    south = store("south", 2, 400, AF=[None] * 600)
    east, ward = store("east", 7, 80, LBBB=[None] * 120), store("ward", 8, 60, WPW=[True, False, None] * 30)
    return evaluate_both(folder, [[south], [north, annex]], [[east, ward], [store("west", 9, 20)]])
