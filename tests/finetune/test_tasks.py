from __future__ import annotations

import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.finetune.tasks import usable_tasks
from cape_fed.store.split import split_patients
from tests.finetune.conftest import MakeLabelled


def test_tasks_have_enough_patients_of_either_kind_among_train_and_test(make_labelled: MakeLabelled) -> None:
    store = make_labelled("a", 1, NORM=[True] * 120, LBBB=[row < 4 for row in range(120)])
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, task_names([store]))
    assert usable_tasks([cohort], "labels", 2) == ["sex", "AF", "LVH"]
    assert usable_tasks([cohort], "age", 2) == ["age"]
    with pytest.raises(InputError, match=r"no task has 13 train and 13 test patients of known age in a"):
        usable_tasks([cohort], "age", 13)
    with pytest.raises(InputError, match="with a yes and as many with a no"):
        usable_tasks([cohort], "labels", 13)
