from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.store.split import Split, split_patients
from tests.evaluate.fake import embedding, make_store


def test_methods_and_cohorts_are_named_in_order(tmp_path: Path) -> None:
    a, b = (make_store(tmp_path / name, name, seed=seed, patients=20) for seed, name in enumerate("ab"))
    given = Split(np.arange(10), np.arange(10, 12), np.arange(12, 20))
    inputs = EvaluationInputs(
        bundle=tmp_path,
        method="mine",
        embed=embedding(knows=1.0),
        train=[a],
        evaluate=[b],
        baselines={"random-init": embedding(knows=0.0)},
        splits={"a": given},
    )
    assert inputs.encoder.name == "mine"
    assert [method.name for method in inputs.compared] == ["random-init", "demographics"]
    one, other = inputs.cohorts
    assert (one.name, one.role, other.name, other.role) == ("a", "id", "b", "ood")
    assert one.train is given.train
    assert np.array_equal(other.train, split_patients(b, inputs.options.seed).train)
    assert inputs.cohorts is inputs.cohorts


@pytest.mark.parametrize("name", ["demographics", "random-init"])
def test_no_baseline_has_the_name_of_the_method(tmp_path: Path, name: str) -> None:
    embed = embedding(knows=1.0)
    inputs = EvaluationInputs(bundle=tmp_path, method=name, embed=embed, train=[], baselines={"random-init": embed})
    with pytest.raises(InputError, match=f"cannot be called '{name}'"):
        _ = inputs.encoder
