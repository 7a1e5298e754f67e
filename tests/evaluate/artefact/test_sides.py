from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed.evaluate.artefact.sides import choose_sides
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.store.split import split_patients
from tests.evaluate.fake import make_store


def test_id_cohorts_are_chosen_where_there_are_two_of_enough_patients(tmp_path: Path) -> None:
    sizes = {"a": 100, "b": 60, "c": 10, "d": 60}
    stores = [make_store(tmp_path / n, n, seed=s, patients=p) for s, (n, p) in enumerate(sizes.items())]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    options = EvaluateOptions(min_patients=5)
    both = choose_sides(make_cohorts(stores[:3], stores[3:], splits, []), options)
    assert [side.name for side in both.all] == ["a", "b"]
    one = choose_sides(make_cohorts(stores[:1], stores[1:], splits, []), options)
    assert [side.name for side in one.all] == ["a", "b", "d"]
    none = choose_sides(make_cohorts(stores[2:3], stores[3:], splits, []), options)
    assert (none.all, none.matched) == ([], [])


def test_matched_sides_are_of_equal_size_and_part_of_all(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / n, n, seed=s, patients=p) for s, (n, p) in enumerate({"a": 300, "b": 150}.items())]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    sides = choose_sides(make_cohorts(stores, [], splits, []), EvaluateOptions(min_patients=5))
    for part in ("train", "valid", "test"):
        assert len({len(getattr(side, part)) for side in sides.matched}) == 1
        for side, whole in zip(sides.matched, sides.all, strict=True):
            assert np.isin(getattr(side, part), getattr(whole, part)).all()
    assert sides.all[0].patients == len(np.unique(stores[0].patients[splits["a"].test]))
