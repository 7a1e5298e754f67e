"""A recipe's score rests on train and validation patients alone."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.errors import RunError
from cape_fed.pretrain.cohorts import split_stores
from cape_fed.search.recipe import scored_tasks, try_recipe, without_test
from cape_fed.store.store import open_store
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals


def config(folder: Path, names: str = "ab") -> RunConfig:
    stores = ",".join(f"{folder}/{name}" for name in names)
    return compose_config(
        [
            *("experiment=study", f"data.train=[{stores}]", f"out={folder}/recipe", "train.steps=3", "train.pairs=8"),
            *("evaluation.resamples=20", "evaluation.min_patients=4", "split.valid=0.3", "split.test=0.3"),
        ]
    )


def unlabelled(rows: int) -> dict[str, list[None]]:
    return {label: [None] * rows for label in ("AF", "LVH")}


def write(tiny_store: TinyStore, name: str, *, spoilt: np.ndarray | None = None) -> None:
    """A cohort of 120 patients whose waveform tells their sex; rows of ``spoilt`` are noise with any sex."""
    signals, owner = patient_signals(patients=120, seed=ord(name[0]))
    woman = np.arange(120) % 2 == 0
    signals[woman[owner]] += (300 * np.sin(0.9 * np.arange(signals.shape[-1]))).astype(np.int16)
    sex = np.where(woman, "F", "M").astype(object)[owner]
    if spoilt is not None:
        rng = np.random.default_rng(1)
        signals[spoilt] = rng.normal(0, 300, (len(spoilt), *signals.shape[1:])).astype(np.int16)
        sex[spoilt] = np.array(["F", "M"], object)[rng.integers(0, 2, len(spoilt))]
    tiny_store(name, signals=signals, patient=[f"{name}{p}" for p in owner], sex=sex, **unlabelled(len(owner)))


def test_test_patients_have_no_part_in_a_score(tiny_store: TinyStore, tmp_path: Path) -> None:
    for name in "ab":
        write(tiny_store, name)
    plain = config(tmp_path)
    score = try_recipe(plain)
    assert score > 0.6
    assert not plain.out.exists()
    stores = [open_store(tmp_path / name) for name in "ab"]
    splits = split_stores(stores, plain.split)
    for part, matters in (("test", False), ("valid", True)):
        for store in stores:
            shutil.rmtree(store.path)
            write(tiny_store, store.cohort, spoilt=getattr(splits[store.cohort], part))
        assert (try_recipe(plain) != score) == matters


def test_the_parts_of_a_score_have_no_patient_in_common(tiny_store: TinyStore, tmp_path: Path) -> None:
    write(tiny_store, "a")
    store = open_store(tmp_path / "a")
    split = split_stores([store], config(tmp_path, "a").split)["a"]
    shown = without_test(store, split)
    assert sorted([*shown.train, *shown.valid]) == split.train.tolist()
    assert shown.test.tolist() == split.valid.tolist()
    assert not set(store.patients[shown.train]) & set(store.patients[shown.valid])
    assert len(np.unique(store.patients[shown.valid])) == len(np.unique(store.patients[split.train])) // 8


def test_without_labels_there_is_no_score(tiny_store: TinyStore, tmp_path: Path) -> None:
    signals, owner = patient_signals(patients=60, seed=0)
    sex = np.full(len(owner), "F", object)
    tiny_store("a", signals=signals, patient=[f"a{p}" for p in owner], sex=sex, **unlabelled(len(owner)))
    assert scored_tasks(config(tmp_path, "a")) == []
    with pytest.raises(RunError, match="take more patients"):
        try_recipe(config(tmp_path, "a"))


@pytest.mark.parametrize("fewest", [4, 20, 30, 38, 40])
def test_that_there_is_no_score_is_known_before_training(tiny_store: TinyStore, tmp_path: Path, fewest: int) -> None:
    """Each cohort has some 18 + 18 patients who validate, with whom there is a score together if not alone."""
    for name in "ab":
        write(tiny_store, name)
    plain = config(tmp_path)
    asked = plain.model_copy(update={"evaluation": plain.evaluation.model_copy(update={"min_patients": fewest})})
    assert scored_tasks(asked) == (["sex"] if fewest < 38 else [])
    if fewest in (30, 38):
        with nullcontext() if fewest == 30 else pytest.raises(RunError):
            try_recipe(asked)
