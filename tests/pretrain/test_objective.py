"""NT-Xent against a loop that spells the definition out."""

from __future__ import annotations

import math

import pytest
import torch

from cape_fed.pretrain.objective import nt_xent


def pair_loss(z1: torch.Tensor, z2: torch.Tensor, groups: torch.Tensor, tau: float) -> torch.Tensor:
    """The loss of a whole batch in one process."""
    both, doubled = torch.cat([z1, z2]), torch.cat([groups, groups])
    return nt_xent(both, both, doubled, doubled, 0, tau)


def slow_nt_xent(z: torch.Tensor, groups: list[int], tau: float) -> float:
    """Definition of Chen et al. 2020, with same-group candidates left out of the denominator."""
    total, pairs = len(z), len(z) // 2

    def similarity(i: int, j: int) -> float:
        return float(torch.cosine_similarity(z[i], z[j], dim=0)) / tau

    loss = 0.0
    for i in range(total):
        positive = (i + pairs) % total
        kept = [j for j in range(total) if j == positive or groups[j] != groups[i]]
        denominator = sum(math.exp(similarity(i, j)) for j in kept)
        loss -= similarity(i, positive) - math.log(denominator)
    return loss / total


def test_without_foreign_negatives_a_mixed_batch_is_the_mean_of_its_cohorts() -> None:
    z = torch.randn(14, 8, generator=torch.Generator().manual_seed(4))
    cohorts, groups = torch.tensor([0, 1, 0, 1, 1, 0, 1]), torch.arange(7)
    both, doubled = torch.cat([cohorts, cohorts]), torch.cat([groups, groups])
    mixed = nt_xent(z, z, doubled, doubled, 0, 0.1, both[:, None] != both[None, :])
    alone = [pair_loss(z[:7][cohorts == k], z[7:][cohorts == k], groups[cohorts == k], 0.1) for k in (0, 1)]
    assert float(mixed) == pytest.approx((3 * float(alone[0]) + 4 * float(alone[1])) / 7, rel=1e-5)


def test_foreign_negatives_have_their_own_temperature() -> None:
    """Against the definition, a candidate at a time."""
    z = torch.randn(8, 4, generator=torch.Generator().manual_seed(5))
    cohorts, groups = torch.tensor([0, 0, 1, 1] * 2), torch.arange(4).repeat(2)
    found = nt_xent(z, z, groups, groups, 0, 0.1, cohorts[:, None] != cohorts[None, :], 0.3)
    loss = 0.0
    for i in range(8):
        positive = (i + 4) % 8
        terms = {
            j: float(torch.cosine_similarity(z[i], z[j], dim=0)) / (0.1 if cohorts[i] == cohorts[j] else 0.3)
            for j in range(8)
            if j != i
        }
        loss -= terms[positive] - math.log(sum(math.exp(term) for term in terms.values()))
    assert float(found) == pytest.approx(loss / 8, rel=1e-5)


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4], [0, 1, 1, 3, 0]])
def test_equals_its_definition(groups: list[int]) -> None:
    z = torch.randn(10, 8, generator=torch.Generator().manual_seed(0))
    fast = pair_loss(z[:5], z[5:], torch.tensor(groups), tau=0.1)
    assert float(fast) == pytest.approx(slow_nt_xent(z, groups * 2, 0.1), rel=1e-5)


def test_another_pair_of_the_same_patient_is_no_negative() -> None:
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    pair_loss(z[:3], z[3:], torch.tensor([7, 7, 7]), tau=0.1).backward()
    # With one patient in the batch nothing is left to push away: the loss is 0 and has no gradient.
    assert z.grad is not None
    assert float(z.grad.abs().max()) < 1e-6


def test_anchors_of_a_part_average_to_the_whole() -> None:
    generator = torch.Generator().manual_seed(2)
    first, second, groups = (
        torch.randn(6, 4, generator=generator),
        torch.randn(6, 4, generator=generator),
        torch.arange(6),
    )
    both, doubled = torch.cat([first, second]), torch.cat([groups, groups])
    parts = []
    for begin in (0, 3):
        own = slice(begin, begin + 3)
        anchors, anchor_groups = torch.cat([first[own], second[own]]), torch.cat([groups[own], groups[own]])
        parts.append(nt_xent(anchors, both, anchor_groups, doubled, begin, 0.1))
    assert torch.stack(parts).mean() == pytest.approx(float(pair_loss(first, second, groups, 0.1)), rel=1e-5)


def test_is_computed_in_float32_under_autocast_inputs() -> None:
    z = torch.randn(8, 16, generator=torch.Generator().manual_seed(3)).bfloat16()
    assert pair_loss(z[:4], z[4:], torch.arange(4), 0.1).dtype == torch.float32
