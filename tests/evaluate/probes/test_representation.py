from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Representation
from tests.evaluate.fake import make_store


def test_demographics_never_see_what_they_have_to_predict(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=10, age=[None, *[70.0] * 14])
    features = DEMOGRAPHICS.features(store)
    assert features.shape == (15, 5)
    assert features[0, :3].tolist() == [0, 0, 1]
    assert features[1, :3].tolist() == pytest.approx([0.5, 0.25, 0])
    assert DEMOGRAPHICS.columns("age", 5).tolist() == [3, 4]
    assert DEMOGRAPHICS.columns("sex", 5).tolist() == [0, 1, 2]
    assert DEMOGRAPHICS.columns("AF", 5).tolist() == [0, 1, 2, 3, 4]


def test_features_that_are_none_are_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=10)
    for bad, reason in ((np.zeros((3, 2)), "one row a record"), (np.full((15, 2), np.inf), "NaN or infinity")):
        with pytest.raises(InputError, match=reason):
            Representation("m", lambda store, bad=bad: bad.astype(np.float32)).features(store)
