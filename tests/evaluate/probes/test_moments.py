from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from cape_fed.evaluate.probes import moments as module
from cape_fed.evaluate.probes.moments import Moments, moments_by_task


def assert_equal(a: Moments, b: Moments) -> None:
    for part in fields(Moments):
        np.testing.assert_allclose(getattr(a, part.name), getattr(b, part.name), rtol=1e-10, atol=1e-10)


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((60, 5)) + 100).astype(np.float32), rng.standard_normal((60, 3))


def test_sums_of_parts_are_the_moments_of_the_whole(data, monkeypatch) -> None:
    x, y = data
    whole = Moments.of(x, y)
    parts = Moments.of(x[:13], y[:13]) + Moments.of(x[13:13], y[13:13]) + Moments.of(x[13:], y[13:])
    assert_equal(whole, parts)
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert_equal(whole, Moments.of(x, y))


def test_a_multiple_is_repetition(data) -> None:
    x, y = data
    assert_equal(Moments.of(x, y) * 3, Moments.of(np.tile(x, (3, 1)), np.tile(y, (3, 1))))


def test_columns_and_targets_are_picked(data) -> None:
    x, y = data
    keep = np.array([0, 3])
    assert_equal(Moments.of(x, y).columns(keep).target(1), Moments.of(x[:, keep], y[:, 1]))


def test_each_task_uses_its_own_annotated_records(data) -> None:
    x, y = data
    targets = {"all": y[:, 0].copy(), "some": y[:, 1].copy(), "same": y[:, 2].copy(), "none": np.full(60, np.nan)}
    targets["some"][::3] = np.nan
    targets["same"][::3] = np.nan
    found = moments_by_task(x, targets)
    assert list(found) == list(targets)
    for task, values in targets.items():
        known = np.isfinite(values)
        assert_equal(found[task], Moments.of(x[known], values[known]))
    assert found["none"].n == 0
