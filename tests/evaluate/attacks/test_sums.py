"""What leaves a site does not tell its members, and would without the rule for dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.attacks.rate import true_positive_rate
from cape_fed.evaluate.attacks.sums import agreement, closeness, leverage
from cape_fed.evaluate.cohorts import site_cohorts
from cape_fed.evaluate.federated import disclosure
from cape_fed.evaluate.federated import sums as federated_sums
from cape_fed.evaluate.federated.dimensions import most_of_products, projection
from cape_fed.evaluate.federated.sums import site_sums
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.store.split import Split
from tests.evaluate.fake import make_store

WIDTH, DRAWS, MOST_FOUND = 160, 20, 0.025
TASKS = ["age", "sex", "AF"]


class Hospital:
    """Patients with one record and a heavy-tailed embedding each, of which some are at a site that gives sums.

    The attacker has as many patients of another hospital, where embeddings lie elsewhere and have other spreads.
    """

    def __init__(self, folder: Path, patients: int) -> None:
        rng = np.random.default_rng(0)
        self.store = make_store(
            folder / "a", "a", seed=0, patients=patients * 2 // 3, patient=[f"p{row}" for row in range(patients)],
        )  # fmt: skip
        self.mixing = rng.standard_normal((WIDTH, WIDTH)) * np.geomspace(1, 0.03, WIDTH)[:, None]
        self.embeddings = self.draw(rng, patients)
        elsewhere = self.draw(rng, patients) * rng.uniform(0.9, 1.1, WIDTH) + 0.05
        self.elsewhere = elsewhere

    def draw(self, rng: np.random.Generator, patients: int) -> np.ndarray:
        latent = rng.standard_t(8, (patients, WIDTH))
        return np.asarray(np.maximum(latent @ self.mixing, -0.5))

    def release(self, seed: int, members: int, dimensions: int) -> tuple[dict[str, ProbeSums], np.ndarray]:
        """The sums of a site of ``members`` over so many dimensions, and who they are."""
        rng = np.random.default_rng(seed)
        inside = np.zeros(len(self.store), bool)
        inside[rng.choice(len(self.store), members, replace=False)] = True
        nobody = np.empty(0, np.int64)
        split = {"a": Split(np.flatnonzero(inside), nobody, nobody)}
        cohorts = site_cohorts([self.store], "id", split, TASKS)
        columns = projection(WIDTH, dimensions, seed)
        method = Representation("fixed", lambda store: self.embeddings.astype(np.float32))
        return site_sums(cohorts, {"a": self.embeddings @ columns}, method, 20), inside

    def attack(self, sums: ProbeSums, task: str, inside: np.ndarray, seed: int) -> dict[str, float]:
        """True positive rates at 1 % false positives of every attack on one task's sums."""
        columns = projection(WIDTH, sums.train.width, seed)
        x, y = self.embeddings @ columns, self.elsewhere @ columns
        population = Moments.of(y, np.zeros(len(y)))
        train, target = sums.train, self.store_target(task)
        scores = {
            "leverage": (leverage(train.xx, population, x), inside),
            "agreement": (agreement(train.xx, train.n, population, x), inside),
            "closeness": (closeness(train.x, train.n, population, x), inside),
        }
        if task != "age":
            positive = closeness(train.xy[:, 0], float(train.y[0]), population, x)
            scores["positive"] = (positive[target == 1], inside[target == 1])
        return {name: true_positive_rate(score[mask], score[~mask]) for name, (score, mask) in scores.items()}

    def store_target(self, task: str) -> np.ndarray:
        return np.asarray(self.store.label(task), float)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("attacked"), 3000)


@pytest.mark.parametrize("members", [100, 200, 1000])
def test_what_leaves_a_site_does_not_tell_who_is_in_it(hospital: Hospital, members: int) -> None:
    rates: dict[str, list[float]] = {}
    for seed in range(DRAWS):
        sums, inside = hospital.release(seed, members, most_of_products(members))
        assert set(sums) == set(TASKS)
        for task, material in sums.items():
            for name, rate in hospital.attack(material, task, inside, seed).items():
                rates.setdefault(f"{name} of {task}", []).append(rate)
    assert {name: np.mean(found) for name, found in rates.items() if np.mean(found) > MOST_FOUND} == {}


def test_without_the_rule_most_patients_of_a_small_site_are_found(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (federated_sums, disclosure):
        monkeypatch.setattr(module, "most_of_products", lambda patients, per_dimension: WIDTH)
    monkeypatch.setattr(disclosure, "most_of_totals", lambda patients, per_dimension: WIDTH)
    rates = []
    for seed in range(DRAWS // 2):
        sums, inside = hospital.release(seed, 100, WIDTH)
        rates.append(hospital.attack(sums["age"], "age", inside, seed)["leverage"])
    assert np.mean(rates) > 0.68
