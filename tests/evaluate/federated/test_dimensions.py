"""The rule for dimensions, and the projection that all sites share."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.federated.dimensions import most_of_products, most_of_totals, projection


@pytest.mark.parametrize(
    ("patients", "totals", "products"),
    [(0, 0, 0), (14, 0, 0), (15, 1, 1), (44, 2, 2), (70, 4, 3), (100, 6, 4), (1680, 112, 20), (102400, 6826, 164)],
)
def test_most_dimensions(patients: int, totals: int, products: int) -> None:
    assert most_of_totals(patients) == totals
    assert most_of_products(patients) == products <= totals
    told = [(d / patients, d / patients + d**2 / (2 * patients)) for d in range(1, products + 2)] if patients else []
    assert all(x <= 1 / 15 and both <= 2 / 15 for x, both in told[:products])
    assert products == totals or told[-1][1] > 2 / 15


def test_a_site_can_ask_for_more_patients_a_dimension() -> None:
    assert (most_of_totals(100, 30), most_of_products(100, 30)) == (3, 2)


def test_a_projection_is_orthonormal_nested_and_the_seeds_own() -> None:
    whole = projection(20, 20, 1)
    np.testing.assert_allclose(whole.T @ whole, np.eye(20), atol=1e-12)
    np.testing.assert_array_equal(projection(20, 7, 1), whole[:, :7])
    assert np.abs(projection(20, 20, 2) - whole).max() > 0.1


def test_the_directions_are_uniform() -> None:
    first = np.array([projection(3, 1, seed)[:, 0] for seed in range(3000)])
    np.testing.assert_allclose(first.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(first.T @ first / len(first), np.eye(3) / 3, atol=0.03)


@pytest.mark.parametrize("dimensions", [0, 21])
def test_there_are_no_more_dimensions_than_an_embedding_has(dimensions: int) -> None:
    with pytest.raises(InputError, match="name 1 to 20"):
        projection(20, dimensions, 0)
