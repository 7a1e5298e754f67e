"""Kinds of worlds: labels or machines differ widely between the cohorts that train, and nothing else does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from cape_fed.seeds import derive_rng
from cape_fed.study.config import read_study
from cape_fed.study.kinds import EVEN, KINDS, MACHINES, PREVALENCES, Kind, factor_for
from cape_fed.study.plan import make_plan
from cape_fed.study.worlds import World
from cape_fed.synthetic.population import RISKS, Population, chances, draw_patients


def world(kind: Kind, number: int = 3) -> World:
    return World(number, 100, Path("nowhere"), kind)


def share_of(illness: str, population: Population) -> float:
    """How many of many people have it, by drawing them."""
    patients = draw_patients(population, 20000, derive_rng(1, "test"))
    chance = chances(illness, population, patients.age, patients.female)
    return float((np.random.default_rng(2).random(20000) < chance).mean())


@pytest.mark.parametrize("illness", RISKS)
def test_each_illness_has_its_prevalences_in_an_order_of_its_own_and_is_even_outside(illness: str) -> None:
    found = [share_of(illness, cohort.population) for cohort in world("labels").cohorts]
    assert sorted(found[:4]) == pytest.approx(PREVALENCES, abs=0.012)
    assert found[4:] == pytest.approx([EVEN, EVEN], abs=0.012)


def test_illnesses_are_not_all_frequent_in_the_same_cohort() -> None:
    populations = [cohort.population for cohort in world("labels").cohorts[:4]]
    orders = {tuple(np.argsort([share_of(illness, one) for one in populations])) for illness in RISKS}
    assert len(orders) > 1


def test_machines_that_train_have_every_value_once_and_those_outside_lie_between() -> None:
    cohorts = world("machines").cohorts
    for name, values in MACHINES.items():
        found = [getattr(cohort.devices[0], name) for cohort in cohorts]
        assert sorted(found[:4]) == list(values)
        assert all(min(values) < value < max(values) for value in found[4:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_changes_nothing_but_what_it_is_of(kind: Kind) -> None:
    for drawn, changed in zip(world("drawn").cohorts, world(kind).cohorts, strict=True):
        before, after = asdict(drawn), asdict(changed)
        if kind == "labels":
            before["population"].pop("illness")
            after["population"].pop("illness")
        if kind == "machines":
            for name in MACHINES:
                before["devices"][0].pop(name)
                after["devices"][0].pop(name)
        assert before == after
    assert world(kind).cohorts == world(kind).cohorts
    assert (world(kind).cohorts == world(kind, 4).cohorts) is False


def test_a_factor_gives_the_prevalence_asked_for() -> None:
    population = Population(70, 8, 0.3)
    for prevalence in (0.05, 0.4):
        factor = factor_for("MI", prevalence, population)
        assert share_of("MI", Population(70, 8, 0.3, {"MI": factor})) == pytest.approx(prevalence, abs=0.012)


def test_worlds_of_different_kinds_are_different_trials_in_different_folders(tmp_path: Path) -> None:
    study = read_study("worlds")
    plan = make_plan(study, ["world=range(2)"], tmp_path, {})
    where = [planned for planned in plan if planned.question == "where"]
    assert len({planned.trial.name for planned in where}) == len(where) == 3 * 2 * 2
    assert {planned.panel for planned in where} == set(KINDS)
    primary = {planned.trial.name for planned in plan if planned.question == "primary"}
    assert primary == {planned.trial.name for planned in where if planned.panel == "drawn"}
    folders = {planned.trial.config.data.train[0][0].parent for planned in where}
    kinds = ("", "-labels", "-machines")
    assert folders == {tmp_path / "worlds" / f"{n:04d}-2000-patients{end}" for n in range(2) for end in kinds}
