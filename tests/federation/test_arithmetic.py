"""Flower's strategies on changes, against what their papers say written out in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from cape_fed.federation.arithmetic import (
    Arithmetic,
    adam,
    averaging,
    averaging_with_momentum,
    median,
    multi_krum,
    trimmed_mean,
)
from cape_fed.federation.update import Update

ENCODER = {"b": torch.full((2, 3), 5.0), "a": torch.full((4,), -7.0)}
WEIGHTS = (10, 30, 20, 40)


def updates(seed: int = 0, outlier: float = 0.0) -> list[Update]:
    """Four sites; the last one's changes are ``outlier`` larger."""
    rng = np.random.default_rng(seed)
    return [
        Update(f"s{index}", {name: rng.normal(0, 1, tuple(v.shape)) + shift for name, v in ENCODER.items()}, weight)
        for index, (weight, shift) in enumerate(zip(WEIGHTS, (0, 0, 0, outlier), strict=True))
    ]


def stacked(sites: Sequence[Update], name: str) -> np.ndarray:
    return np.stack([update.changes[name] for update in sites])


def mean(sites: Sequence[Update], name: str) -> np.ndarray:
    return np.average(stacked(sites, name), axis=0, weights=[update.weight for update in sites])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (averaging, mean),
        (median, lambda sites, name: np.median(stacked(sites, name), axis=0)),
        (lambda: trimmed_mean(0.25), lambda sites, name: np.sort(stacked(sites, name), axis=0)[1:3].mean(axis=0)),
    ],
)
def test_means_and_medians(
    make: Callable[[], Arithmetic], expected: Callable[[Sequence[Update], str], np.ndarray]
) -> None:
    sites = updates()
    combined = make().combine(1, ENCODER, sites)
    assert list(combined) == ["a", "b"]
    for name, change in combined.items():
        assert change.dtype == np.float64
        assert np.allclose(change, expected(sites, name), rtol=1e-12)


def test_the_encoder_itself_has_no_part_in_the_change() -> None:
    sites, elsewhere = updates(), {name: 1e6 * value for name, value in ENCODER.items()}
    for make in (averaging, median, lambda: averaging_with_momentum(0.5, 0.9), lambda: adam(0.1, 0.9, 0.99, 1e-3)):
        here, there = make().combine(1, ENCODER, sites), make().combine(1, elsewhere, sites)
        assert all(np.array_equal(here[name], there[name]) for name in here)


def test_multi_krum_leaves_the_outlier_out() -> None:
    sites = updates(outlier=50.0)
    combined = multi_krum(1, 2).combine(1, ENCODER, sites)
    assert max(np.abs(change).max() for change in combined.values()) < 5


def test_momentum_over_rounds() -> None:
    """Hsu et al. 2019: v = β v + Δ, and the change is η v."""
    arithmetic, velocity = averaging_with_momentum(0.5, 0.9), 0.0
    for number in (1, 2, 3):
        sites = updates(number)
        velocity = 0.9 * velocity + mean(sites, "a")
        assert np.allclose(arithmetic.combine(number, ENCODER, sites)["a"], 0.5 * velocity, rtol=1e-9)


def test_adam_over_rounds() -> None:
    """Reddi et al. 2021, algorithm 2, with the bias correction that Flower applies to the step size."""
    eta, beta_1, beta_2, tau = 0.1, 0.9, 0.99, 1e-3
    arithmetic, m, v = adam(eta, beta_1, beta_2, tau), 0.0, 0.0
    for number in (1, 2, 3):
        sites = updates(number)
        change = mean(sites, "a")
        m, v = beta_1 * m + (1 - beta_1) * change, beta_2 * v + (1 - beta_2) * change**2
        size = eta * np.sqrt(1 - beta_2 ** (number + 1)) / (1 - beta_1 ** (number + 1))
        expected = size * m / (np.sqrt(v) + tau)
        assert np.allclose(arithmetic.combine(number, ENCODER, sites)["a"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "make", [averaging, lambda: averaging_with_momentum(0.5, 0.9), lambda: adam(0.1, 0.9, 0.99, 1e-3)]
)
def test_a_state_that_was_saved_goes_on_as_if_nothing_had_happened(make: Callable[[], Arithmetic]) -> None:
    whole, first, second = make(), make(), make()
    for number in (1, 2):
        whole.combine(number, ENCODER, updates(number))
        first.combine(number, ENCODER, updates(number))
    saved = first.state()
    assert all(isinstance(value, np.ndarray) for value in saved.values())
    second.load_state({name: value.copy() for name, value in saved.items()})
    after, resumed = (one.combine(3, ENCODER, updates(3)) for one in (whole, second))
    assert all(np.array_equal(after[name], resumed[name]) for name in after)
