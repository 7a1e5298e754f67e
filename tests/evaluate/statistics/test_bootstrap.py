from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from cape_fed.evaluate.statistics import bootstrap as module
from cape_fed.evaluate.statistics.bootstrap import Draws, Sampled, Statistics, bootstrap, mean
from cape_fed.evaluate.statistics.metrics import ranking_metrics


def clustered(rng: np.random.Generator, patients: int, gap: float = 1.0) -> tuple[np.ndarray, ...]:
    """Records of patients with several each, whose scores share a part within the patient."""
    owner = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    target = (rng.random(patients) < 0.3)[owner].astype(float)
    shared, own = rng.standard_normal(patients)[owner], rng.standard_normal(len(owner))
    return target, gap * target + 0.7 * shared + 0.7 * own, owner


def counts_of(draws: Draws) -> np.ndarray:
    return np.concatenate(list(draws.blocks()), axis=1)


def resampled(statistics: Statistics, draws: Draws) -> dict[str, Sampled]:
    return bootstrap({"": statistics}, draws)[""]


def test_every_resample_has_as_many_patients() -> None:
    counts = counts_of(Draws(37, 200, seed=1, cohort="a"))
    assert counts.shape == (37, 200)
    assert (counts.sum(axis=0) == 37).all()
    assert counts.var() == pytest.approx(1.0, abs=0.1)


def test_resamples_depend_on_seed_and_cohort_only() -> None:
    first = counts_of(Draws(30, 20, seed=1, cohort="a"))
    np.testing.assert_array_equal(first, counts_of(Draws(30, 20, seed=1, cohort="a")))
    assert (first != counts_of(Draws(30, 20, seed=2, cohort="a"))).any()
    assert (first != counts_of(Draws(30, 20, seed=1, cohort="b"))).any()
    np.testing.assert_array_equal(first, counts_of(Draws(30, 50, seed=1, cohort="a"))[:, :20])


def test_statistics_are_resampled_together_as_alone() -> None:
    draws = Draws(40, 30, 0, "a")
    one, two = (partial(ranking_metrics, *clustered(np.random.default_rng(seed), 40)) for seed in (1, 2))
    both = bootstrap({"one": one, "two": two}, draws)
    for name, statistics in (("one", one), ("two", two)):
        np.testing.assert_array_equal(both[name]["auroc"].draws, resampled(statistics, draws)["auroc"].draws)


def test_few_weights_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counts_of(Draws(50, 33, 0, "a"))
    monkeypatch.setattr(module, "_BLOCK", 200)
    blocks = list(Draws(50, 33, 0, "a").blocks())
    assert max(block.size for block in blocks) == 200
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = partial(ranking_metrics, *clustered(np.random.default_rng(0), 50))
    draws = Draws(50, 33, 0, "a")
    whole = resampled(metrics, draws)["auroc"]
    monkeypatch.setattr(module, "_BLOCK", 200)
    np.testing.assert_allclose(resampled(metrics, draws)["auroc"].draws, whole.draws)


def test_a_slow_loop_gives_the_same_draws() -> None:
    target, score, owner = clustered(np.random.default_rng(0), 25)
    counts = counts_of(Draws(25, 10, 0, "a")).astype(int)
    draws = resampled(partial(ranking_metrics, target, score, owner), Draws(25, 10, 0, "a"))["auroc"].draws
    for column in range(10):
        rows = np.concatenate([np.flatnonzero(owner == p) for p in range(25) for _ in range(counts[p, column])])
        repeated = ranking_metrics(target[rows], score[rows], np.arange(len(rows)), np.ones((len(rows), 1)))
        assert draws[column] == pytest.approx(repeated["auroc"][0])


def test_resamples_without_a_value_are_ignored() -> None:
    sampled = Sampled(0.5, np.array([np.nan, 0.4, 0.5, 0.6]))
    low, high = sampled.interval(0.95)
    assert 0.4 <= low < high <= 0.6
    assert np.isnan(Sampled(0.5, np.full(3, np.nan)).interval(0.95)).all()


def test_p_value_by_hand() -> None:
    assert Sampled(1.0, np.arange(1.0, 100.0)).p_value() == pytest.approx(2 / 100)
    assert Sampled(0.0, np.array([-1.0, 1.0])).p_value() == 1.0
    assert Sampled(0.0, np.zeros(99)).p_value() == 1.0


def test_means_and_differences_go_draw_by_draw() -> None:
    a, b = Sampled(1.0, np.array([1.0, 2.0])), Sampled(3.0, np.array([5.0, 0.0]))
    both = mean([a, b])
    assert both.point == 2.0
    np.testing.assert_array_equal(both.draws, [3.0, 1.0])
    np.testing.assert_array_equal((b - a).draws, [4.0, -2.0])


def coverage(draws: int, patients: int, resamples: int) -> float:
    """Share of simulated cohorts whose 95 % interval holds the AUROC of the population."""
    truth = ranking_metrics(*clustered(np.random.default_rng(99), 200_000), np.ones((200_000, 1)))["auroc"][0]
    hits = 0
    for draw in range(draws):
        data = clustered(np.random.default_rng([5, draw]), patients)
        draws_of = Draws(patients, resamples, draw, "a")
        low, high = resampled(partial(ranking_metrics, *data), draws_of)["auroc"].interval(0.95)
        hits += low <= truth <= high
    return hits / draws


def false_positives(draws: int, patients: int, resamples: int) -> float:
    """Share of simulated cohorts in which two equally good methods differ with p < 0.05."""
    hits = 0
    for draw in range(draws):
        rng = np.random.default_rng([6, draw])
        target, score, owner = clustered(rng, patients)
        other = 1.0 * target + 0.5 * (score - target) + np.sqrt(0.75) * (clustered_noise(rng, owner))
        draws_of = Draws(patients, resamples, draw, "a")
        one, two = (resampled(partial(ranking_metrics, target, s, owner), draws_of)["auroc"] for s in (score, other))
        hits += (one - two).p_value() < 0.05
    return hits / draws


def clustered_noise(rng: np.random.Generator, owner: np.ndarray) -> np.ndarray:
    return 0.7 * rng.standard_normal(owner.max() + 1)[owner] + 0.7 * rng.standard_normal(len(owner))


def test_intervals_cover() -> None:
    assert 0.90 <= coverage(150, patients=150, resamples=300) <= 0.99


def test_paired_test_keeps_its_level() -> None:
    assert false_positives(150, patients=150, resamples=300) <= 0.1


@pytest.mark.slow
def test_intervals_cover_95_percent_within_one_and_a_half() -> None:
    assert coverage(2000, patients=400, resamples=500) == pytest.approx(0.95, abs=0.015)


@pytest.mark.slow
def test_paired_test_keeps_its_level_within_one_and_a_half() -> None:
    assert false_positives(2000, patients=400, resamples=500) == pytest.approx(0.05, abs=0.015)
