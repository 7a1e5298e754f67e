"""Linear CKA from products of features equals the one from kernels of records."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.evaluate.statistics.similarity import linear_cka

RNG = np.random.default_rng(0)


def slow(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased HSIC of Song et al. (2012), by its formula on the two Gram matrices."""

    def hsic(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
        n = len(k)
        k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
        ones = np.ones(n)
        return float(
            (
                np.trace(k @ l)
                + (ones @ k @ ones) * (ones @ l @ ones) / ((n - 1) * (n - 2))
                - 2 * ones @ k @ l @ ones / (n - 2)
            )
            / (n * (n - 3))
        )

    k, l = one @ one.T, other @ other.T  # noqa: E741
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def test_equals_the_slow_one() -> None:
    one = RNG.normal(size=(60, 8)) + 3
    other = one @ RNG.normal(size=(8, 5)) + RNG.normal(size=(60, 5))
    assert linear_cka(one, other) == pytest.approx(slow(one, other))


def test_itself_rotated_and_scaled_is_itself() -> None:
    one = RNG.normal(size=(50, 6))
    rotation, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    assert linear_cka(one, 7 * one @ rotation + 2) == pytest.approx(1)
    assert linear_cka(one, one * np.array([10, 1, 1, 1, 1, 1])) < 0.95


def test_unrelated_representations_of_few_records_are_not_alike() -> None:
    values = [linear_cka(RNG.normal(size=(40, 30)), RNG.normal(size=(40, 30))) for _ in range(50)]
    assert np.mean(values) == pytest.approx(0, abs=0.05)


def test_what_cannot_be_compared() -> None:
    assert np.isnan(linear_cka(np.ones((10, 3)), RNG.normal(size=(10, 3))))
    with pytest.raises(ValueError, match="10 and 9 rows do not pair"):
        linear_cka(np.ones((10, 3)), np.ones((9, 3)))
