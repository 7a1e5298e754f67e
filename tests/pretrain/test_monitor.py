"""Monitors against loops and known cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from cape_fed.pretrain.monitor import alignment, rankme, retrieval, uniformity, uniformity_between


def sphere(count: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)), dim=1)


def potential(one: torch.Tensor, two: torch.Tensor) -> float:
    return math.exp(-2 * float(((one - two) ** 2).sum()))


def test_uniformity_is_the_log_mean_potential_of_distinct_pairs() -> None:
    z = sphere(7)
    slow = [potential(z[i], z[j]) for i in range(7) for j in range(i)]
    assert uniformity(z) == pytest.approx(math.log(sum(slow) / len(slow)), rel=1e-5)


def test_uniformity_between_takes_pairs_of_different_cohorts_only() -> None:
    cohorts = [sphere(4, 1), sphere(5, 2), sphere(3, 3)]
    slow = [potential(a, b) for i in range(3) for j in range(i) for a in cohorts[i] for b in cohorts[j]]
    assert uniformity_between(cohorts) == pytest.approx(math.log(sum(slow) / len(slow)), rel=1e-4)


def test_cohorts_apart_show_between_and_not_within() -> None:
    tight = [normalize(torch.tensor([[1.0, 0, 0]]) + 0.01 * torch.randn(20, 3), dim=1) for _ in range(2)]
    tight[1] = tight[1].roll(1, dims=1)
    assert uniformity_between(tight) < -3
    assert uniformity(tight[0]) > -0.1


def test_alignment_of_equal_views_is_zero_and_of_opposite_ones_four() -> None:
    z = sphere(6)
    assert alignment(z, z) == 0
    assert alignment(z, -z) == pytest.approx(4, rel=1e-5)


def test_rankme_counts_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(200, 6, generator=generator))[0]
    assert rankme(basis) == pytest.approx(6, rel=1e-4)
    assert rankme(torch.ones(50, 8)) == pytest.approx(1, abs=1e-4)


def test_retrieval_finds_own_second_view() -> None:
    z = sphere(10)
    assert retrieval(z, z) == 1
    assert retrieval(z, z.roll(1, dims=0)) == 0
