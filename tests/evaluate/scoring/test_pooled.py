from __future__ import annotations

import numpy as np
import pytest

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.scoring.aggregate import aggregate, probe_values
from cape_fed.evaluate.scoring.cells import Key, make_resamples
from cape_fed.evaluate.scoring.pooled import POOLS, score_with_pools
from cape_fed.evaluate.statistics.bootstrap import Sampled, weighted_mean

OPTIONS = EvaluateOptions(resamples=60, min_patients=10)
ROLES: dict[str, Role] = {"a": "id", "b": "id", "c": "ood"}


def block(cohort: str, n: int, task: str = "AF", positive: float = 0.3, shift: float = 0.0) -> Prediction:
    rng = np.random.default_rng([n, *cohort.encode()])
    target = (np.arange(n) < positive * n).astype(float) if task != "age" else 60 + 10 * rng.standard_normal(n)
    score = target + rng.standard_normal(n) + shift
    return Prediction("m", cohort, task, "transfer", np.arange(n), np.arange(n), target, score)


def pooled(*blocks: Prediction):
    return score_with_pools(blocks, make_resamples(blocks, OPTIONS), ROLES, OPTIONS)


def pairs(blocks: list[Prediction]) -> list[float]:
    return [
        float(p > n) + 0.5 * float(p == n)
        for b in blocks
        for p in b.score[b.target == 1]
        for n in b.score[b.target == 0]
    ]


def test_a_pool_counts_pairs_within_cohorts() -> None:
    blocks = [block("a", 20), block("b", 25)]
    scored = pooled(*blocks)
    assert all(scored[Key(b.cohort, "AF", "transfer")].cell.reason == "few" for b in blocks)
    cell = scored[Key("ID pooled", "AF", "transfer")].cell
    assert cell.point == pytest.approx(np.mean(pairs(blocks)))
    assert (cell.n, cell.n_pos, cell.patients) == (45, 14, 45)
    assert cell.low < cell.point < cell.high
    assert cell.second is None


@pytest.mark.parametrize(
    ("a", "b"), [((30, 0), (0, 500)), ((19, 1), (2, 500)), ((30, 0), (9, 500)), ((30, 0), (500, 9))]
)
def test_classes_of_different_cohorts_make_no_pool(a: tuple[int, int], b: tuple[int, int]) -> None:
    blocks = [block(name, sum(n), positive=n[0] / sum(n)) for name, n in (("a", a), ("b", b))]
    scored = pooled(*blocks)
    assert not any(key.cohort in POOLS for key in scored)
    assert [scored[Key(b.cohort, "AF", "transfer")].cell.reason for b in blocks] == ["few", "few"]


def test_a_cohort_of_one_class_is_not_counted() -> None:
    roles: dict[str, Role] = {**ROLES, "d": "id"}
    blocks = [block("a", 20), block("b", 25), block("d", 300, positive=0.0)]
    scored = score_with_pools(blocks, make_resamples(blocks, OPTIONS), roles, OPTIONS)
    cell = scored[Key("ID pooled", "AF", "transfer")].cell
    assert (cell.n, cell.n_pos, cell.patients) == (45, 14, 45)
    assert cell.point == pytest.approx(np.mean(pairs(blocks[:2])))


def test_giving_the_cohort_away_gains_nothing() -> None:
    rare, frequent = block("a", 50, positive=0.1), block("b", 14, positive=0.6)
    plain = pooled(rare, frequent)[Key("ID pooled", "AF", "transfer")]
    shifted = pooled(rare, block("b", 14, positive=0.6, shift=100.0))[Key("ID pooled", "AF", "transfer")]
    assert shifted.cell == plain.cell


def test_pooled_errors_are_those_of_all_records() -> None:
    blocks = [block("a", 6, "age"), block("b", 8, "age")]
    entry = pooled(*blocks)[Key("ID pooled", "age", "transfer")]
    errors = np.concatenate([b.score - b.target for b in blocks])
    spread = sum(np.square(b.target - b.target.mean()).sum() for b in blocks)
    assert entry.cell.point == pytest.approx(np.abs(errors).mean())
    assert entry.cell.second.point == pytest.approx(1 - np.square(errors).sum() / spread)


def test_no_pool_where_a_cohort_has_a_number_or_all_together_are_too_few() -> None:
    assert not any(key.cohort in POOLS for key in pooled(block("a", 60), block("b", 20)))
    assert not any(key.cohort in POOLS for key in pooled(block("a", 12), block("b", 12)))


def test_pools_enter_means_but_are_no_worst_cohort() -> None:
    scored = pooled(block("a", 20), block("b", 25), block("c", 80))
    means = aggregate(probe_values(scored, "auroc"), ROLES | POOLS, "auroc")
    assert means["id"].cohort == "ID pooled"
    assert means["ood"].cohort == means["worst"].cohort == "c"


def test_a_stratum_without_a_value_takes_no_part() -> None:
    values = [Sampled(0.5, np.array([0.5, np.nan, np.nan])), Sampled(0.9, np.array([0.8, 0.7, np.nan]))]
    weights = [Sampled(1.0, np.array([1.0, 0.0, 0.0])), Sampled(3.0, np.array([1.0, 2.0, 0.0]))]
    found = weighted_mean(values, weights)
    assert found.point == pytest.approx(0.8)
    np.testing.assert_allclose(found.draws, [0.65, 0.7, np.nan])
