"""L-DAWA's weights by hand."""

from __future__ import annotations

import numpy as np
import torch

from cape_fed.federation.update import Update
from cape_fed.methods.ldawa import weigh_by_divergence


def test_a_tensor_that_stays_in_line_weighs_by_patients() -> None:
    before = {"w": torch.tensor([1.0, 0.0])}
    updates = [Update("a", {"w": np.array([1.0, 0.0])}, 1), Update("b", {"w": np.array([3.0, 0.0])}, 3)]
    weighed = weigh_by_divergence(before, updates)
    assert [one.changes["w"].tolist() for one in weighed] == [one.changes["w"].tolist() for one in updates]


def test_a_tensor_that_turns_away_does_not_count() -> None:
    before = {"w": torch.tensor([1.0, 0.0])}
    updates = [Update("a", {"w": np.array([1.0, 0.0])}, 1), Update("b", {"w": np.array([-3.0, 0.0])}, 1)]
    one, two = weigh_by_divergence(before, updates)
    assert one.changes["w"].tolist() == [2.0, 0.0]  # it carries the weight of both
    assert two.changes["w"].tolist() == [0.0, 0.0]


def test_zeros_stay_zeros() -> None:
    before = {"w": torch.zeros(2)}
    (one,) = weigh_by_divergence(before, [Update("a", {"w": np.zeros(2)}, 5)])
    assert one.changes["w"].tolist() == [0.0, 0.0]
