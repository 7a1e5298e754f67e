from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.evaluate.federated.disclosure import Targets, choose_records, choose_widths, discloses_few

NAN = np.nan


@st.composite
def sites(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
    """Targets, patients and minimum of a site; later labels are often an earlier one with few changes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    records = draw(st.integers(1, 60))
    patients = rng.integers(0, draw(st.integers(1, 40)), records)
    targets = {"age": rng.uniform(20, 90, records)}
    for number in range(draw(st.integers(0, 5))):
        source = draw(st.sampled_from(list(targets)))
        target = (
            (rng.random(records) < 0.4).astype(float)
            if source == "age" or draw(st.booleans())
            else targets[source].copy()
        )
        change = rng.random(records) < draw(st.sampled_from([0.0, 0.02, 0.1]))
        targets[f"label{number}"] = np.where(change, 1 - target, target)
    for target in targets.values():
        target[rng.random(records) < draw(st.sampled_from([0.0, 0.02, 0.1, 0.6]))] = NAN
    return targets, patients, draw(st.integers(1, 8))


def slowly(targets: Targets, chosen: dict[str, np.ndarray], patients: np.ndarray, minimum: int) -> bool:
    """The rule, spelled out in sets of records."""
    sets = []
    for task, mask in chosen.items():
        parts = [mask] if task == "age" else [mask, mask & (targets[task] == 1), mask & (targets[task] == 0)]
        sets += [frozenset(np.flatnonzero(part)) for part in parts]
    if any(len({patients[row] for row in rows}) < minimum for rows in sets):
        return True
    return any(0 < len({patients[row] for row in one ^ other}) < minimum for one, other in combinations(sets, 2))


@settings(max_examples=300, deadline=None)
@given(site=sites())
def test_what_is_chosen_never_discloses_few(site) -> None:
    targets, patients, minimum = site
    chosen = choose_records(targets, patients, minimum)
    assert not slowly(targets, chosen, patients, minimum)
    for task, mask in chosen.items():
        assert not np.isnan(targets[task][mask]).any()


@settings(max_examples=300, deadline=None)
@given(site=sites(), seed=st.integers(0, 2**32))
def test_the_check_is_the_rule_spelled_out(site, seed: int) -> None:
    targets, patients, minimum = site
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.05, 0.5])
    chosen = {task: np.isfinite(target) & (rng.random(len(target)) >= share) for task, target in targets.items()}
    assert discloses_few(targets, chosen, patients, minimum) == slowly(targets, chosen, patients, minimum)


def nearest(targets: Targets, patients: np.ndarray) -> float:
    """By which share of its patients a task's annotations differ at least from those of another task, if at all."""
    shares = [1.0]
    for one, other in permutations([np.isfinite(target) for target in targets.values()], 2):
        if apart := len(set(patients[one ^ other])):
            shares.append(apart / max(1, len(set(patients[one]))))
    return min(shares)


@settings(max_examples=50, deadline=None)
@given(site=sites())
def test_nothing_is_left_out_without_need(site) -> None:
    targets, patients, minimum = site
    annotated = {task: np.isfinite(target) for task, target in targets.items()}
    if not slowly(targets, annotated, patients, minimum) and nearest(targets, patients) > 0.25:
        chosen = choose_records(targets, patients, minimum)
        assert chosen.keys() == annotated.keys()
        for task, mask in annotated.items():
            np.testing.assert_array_equal(chosen[task], mask)


def dimensions_needed_slowly(sums: int, products: bool, per_dimension: int) -> int:
    """The most dimensions for so many patients, counted up."""
    d = 0
    while sums >= per_dimension * (d + 1) and (not products or 4 * sums >= per_dimension * (d + 1) * (d + 3)):
        d += 1
    return d


@settings(max_examples=100, deadline=None)
@given(site=sites(), per_dimension=st.integers(1, 4), most=st.integers(1, 30))
def test_no_set_and_no_difference_is_summed_over_more_dimensions_than_its_patients_allow(
    site, per_dimension: int, most: int
) -> None:
    targets, patients, minimum = site
    chosen = choose_records(targets, patients, minimum)
    widths = choose_widths(targets, chosen, patients, dict.fromkeys(targets, most), per_dimension)
    known = []
    for task, width in widths.items():
        assert 0 < width <= most
        mask = chosen[task]
        parts = [mask] if task == "age" else [mask, mask & (targets[task] == 1), mask & (targets[task] == 0)]
        known += [(frozenset(np.flatnonzero(part)), place == 0, width) for place, part in enumerate(parts)]
    for rows, products, width in known:
        assert width <= dimensions_needed_slowly(len({patients[row] for row in rows}), products, per_dimension)
    for (one, first, wide), (other, second, narrow) in combinations(known, 2):
        if one ^ other:
            apart = len({patients[row] for row in one ^ other})
            assert min(wide, narrow) <= dimensions_needed_slowly(apart, first and second, per_dimension)


def test_dimensions_follow_from_the_rarest_set_of_a_task() -> None:
    patients = np.arange(3000)
    rare = (patients < 90).astype(float)
    targets = {"age": np.full(3000, 50.0), "AF": rare, "LVH": np.where(patients < 2000, patients % 2, NAN)}
    chosen = choose_records(targets, patients, 20)
    widths = choose_widths(targets, chosen, patients, dict.fromkeys(targets, 160))
    # 27 · 29 is at most 3000 · 4 / 15; 90 / 15 is 6; the 1,000 patients without LVH allow 15.
    assert widths == {"age": 27, "AF": 6, "LVH": 15}
    assert choose_widths(targets, chosen, patients, dict.fromkeys(targets, 3)) == dict.fromkeys(targets, 3)


def half(records: int, *unknown: int) -> np.ndarray:
    target = (np.arange(records) % 2).astype(float)
    target[list(unknown)] = NAN
    return target


def test_tasks_annotated_nearly_alike_share_their_records() -> None:
    patients = np.arange(40)
    third = (np.arange(40) % 3 == 0).astype(float)
    targets = {"age": np.where(patients < 2, NAN, 50.0), "sex": half(40, 7), "AF": third}
    chosen = choose_records(targets, patients, 5)
    assert list(chosen) == ["age", "sex", "AF"]
    for mask in chosen.values():
        np.testing.assert_array_equal(np.flatnonzero(~mask), [0, 1, 7])


def test_annotations_far_apart_are_left_as_they_are() -> None:
    patients = np.arange(40)
    targets = {"age": np.where(patients < 20, NAN, 50.0), "AF": half(40)}
    chosen = choose_records(targets, patients, 5)
    assert {task: mask.sum() for task, mask in chosen.items()} == {"age": 20, "AF": 40}


def test_the_later_task_is_left_out_where_too_few_are_in_common() -> None:
    patients = np.arange(8)
    targets = {"age": np.where(patients < 2, NAN, 50.0), "AF": half(8, 7)}
    assert list(choose_records(targets, patients, 6)) == ["age"]


@pytest.mark.parametrize("flipped", [1, 4])
def test_a_label_that_nearly_repeats_an_earlier_one_or_its_opposite_is_left_out(flipped: int) -> None:
    patients, first = np.arange(40), half(40)
    same = np.where(patients < flipped, 1 - first, first)
    targets = {"AF": first, "same": same, "opposite": 1 - same, "equal": first.copy()}
    assert list(choose_records(targets, patients, 5)) == ["AF", "equal"]


def test_patients_count_and_not_their_records() -> None:
    patients = np.repeat([0, 1, 2, 3], 10)
    targets = {"age": np.full(40, 50.0), "AF": (patients == 0).astype(float)}
    assert list(choose_records(targets, patients, 4)) == ["age"]
    assert list(choose_records(targets, patients, 1)) == ["age", "AF"]


def test_nothing_comes_of_nothing() -> None:
    empty = np.empty(0)
    assert choose_records({"age": empty, "AF": empty}, np.empty(0, np.int64), 1) == {}
    assert choose_records({}, np.arange(3), 1) == {}
