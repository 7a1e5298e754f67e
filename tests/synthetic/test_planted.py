"""A planted artefact changes what it should in the stored signals, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.store.store import Store, open_store
from cape_fed.study.plant import plant
from cape_fed.synthetic.planted import CONDITIONS, planted_cohorts

LEAD_I, V6 = 0, 11


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    planted = plant(tmp_path_factory.mktemp("planted"), CONDITIONS, 24, 0, 1)
    return {path.name: open_store(path) for sites in planted.values() for path in (*sites.train, *sites.evaluate)}


def body(store: Store) -> np.ndarray:
    """The samples ``[N, 12, 750]`` that are not padding in any cohort."""
    return store.signals[:, :, :750].astype(float)


def at_the_mains(store: Store) -> float:
    return float(np.median(np.abs(np.fft.rfft(body(store), axis=-1))[..., -1]))


def sign_of_lead_one(store: Store) -> float:
    return float(np.median([np.corrcoef(x[LEAD_I], x[V6])[0, 1] for x in body(store)]))


def measured(store: Store) -> np.ndarray:
    """Amplitude, mains hum, valid samples, number of distinct values, polarity of lead I."""
    distinct = np.median([len(np.unique(x[LEAD_I])) for x in body(store)])
    return np.array([body(store).std(), at_the_mains(store), store.valid.mean(), distinct, sign_of_lead_one(store)])


def test_five_cohorts_a_condition_three_to_train_on() -> None:
    assert CONDITIONS == ("none", "gain", "mains", "padding", "rate", "adc-step", "lead-swap", "all")
    for condition in CONDITIONS:
        roles = [spec.role for spec in planted_cohorts(condition)]
        assert roles == ["train"] * 3 + ["evaluate"] * 2
    with pytest.raises(InputError, match="no planted artefact 'hum'"):
        planted_cohorts("hum")


def test_evaluation_cohorts_differ_from_training_cohorts() -> None:
    for condition in ("gain", "mains", "padding", "rate", "adc-step"):
        devices = [spec.devices[0] for spec in planted_cohorts(condition)]
        assert len(set(devices)) == 5, condition


@pytest.mark.slow
def test_gain(stores: dict[str, Store]) -> None:
    size = {letter: body(stores[f"gain-{letter}"]).std() for letter in "abcde"}
    assert size["d"] < size["a"] < size["b"] < size["c"] < size["e"]


@pytest.mark.slow
def test_mains(stores: dict[str, Store]) -> None:
    hum = {letter: at_the_mains(stores[f"mains-{letter}"]) for letter in "abc"}
    assert 3 * hum["a"] < hum["b"] < hum["c"] / 2


@pytest.mark.slow
def test_padding(stores: dict[str, Store]) -> None:
    assert [stores[f"padding-{letter}"].valid.mean() for letter in "abcde"] == [1000, 850, 800, 800, 750]
    assert all(store.valid.min() == 1000 for name, store in stores.items() if name[:3] not in ("pad", "all"))


@pytest.mark.slow
def test_rate(stores: dict[str, Store]) -> None:
    top = {letter: at_the_mains(stores[f"rate-{letter}"]) for letter in "ac"}
    assert top["c"] < 0.6 * top["a"]


@pytest.mark.slow
def test_adc_step(stores: dict[str, Store]) -> None:
    distinct = {letter: measured(stores[f"adc-step-{letter}"])[3] for letter in "abc"}
    assert distinct["c"] < 0.9 * min(distinct["a"], distinct["b"])


@pytest.mark.slow
def test_lead_swap(stores: dict[str, Store]) -> None:
    signs = [sign_of_lead_one(stores[f"lead-swap-{letter}"]) for letter in "abcde"]
    assert [sign > 0 for sign in signs] == [True, True, False, True, False]
    slopes = np.diff(body(stores["lead-swap-c"]), axis=-1)  # ingest removes the baseline of each lead
    assert np.abs(slopes[:, 0] + slopes[:, 2] - slopes[:, 1]).max() <= 5  # I + III = II holds after the swap


@pytest.mark.slow
def test_nothing_differs_without_an_artefact(stores: dict[str, Store]) -> None:
    none = np.array([measured(stores[f"none-{letter}"]) for letter in "abcde"])
    size, mains, samples, distinct, polarity = none.max(axis=0) / none.min(axis=0)
    assert samples == 1
    assert max(size, distinct, polarity) < 1.6
    assert mains < 2  # planted hum differs by a factor of 3 and more
    for store in stores.values():
        assert store.meta.patients == 24
        assert not store.meta.dropped


@pytest.mark.slow
def test_no_patient_is_in_two_stores(stores: dict[str, Store]) -> None:
    keys = [key for store in stores.values() for key in store.patient_keys]
    assert len(keys) == len(set(keys))


@pytest.mark.slow
def test_cohorts_that_exist_are_kept(tmp_path: Path) -> None:
    (first,) = plant(tmp_path, ["none"], 4, 0, 1).values()
    before = {path: (path / "store.json").stat().st_mtime_ns for path in first.train}
    (again,) = plant(tmp_path, ["none"], 4, 0, 1).values()
    assert again == first
    assert before == {path: (path / "store.json").stat().st_mtime_ns for path in again.train}
    assert not list(tmp_path.glob("*.archives"))
