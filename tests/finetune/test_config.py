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
