from __future__ import annotations

import pytest
from pydantic import ValidationError

from cape_fed.finetune.config import FinetuneConfig


def test_labels_or_a_regression_target_is_learnt() -> None:
    assert FinetuneConfig().target == "labels"
    assert FinetuneConfig(target="age").target == "age"
    for target in ("AF", "sex", "weight"):
        with pytest.raises(ValidationError, match="choose one of labels, age"):
            FinetuneConfig(target=target)


@pytest.mark.parametrize("key", ["modes", "fractions", "learning_rates"])
def test_each_value_is_given_once(key: str) -> None:
    first = getattr(FinetuneConfig(), key)[0]
    with pytest.raises(ValidationError, match="each value can be given once"):
        FinetuneConfig.model_validate({key: (first, first)})


def test_steps_grow_with_the_labelled_records_between_two_bounds() -> None:
    """Measured: 400 are more than enough for 130 patients, and of 1,200 for 1,296 patients 600 to 800 were chosen."""
    found = {records: FinetuneConfig().steps_for(records) for records in (1, 130, 465, 466, 1400, 4654, 4655, 10**6)}
    assert found == {1: 400, 130: 400, 465: 400, 466: 401, 1400: 1204, 4654: 4000, 4655: 4000, 10**6: 4000}
    assert FinetuneConfig(batch=32).steps_for(466) == 801
    assert FinetuneConfig(steps=7).steps_for(10**6) == 7
