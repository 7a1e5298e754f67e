from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.handmade import features as handmaking
from cape_fed.evaluate.handmade.beats import DelineationError
from cape_fed.evaluate.handmade.features import CACHE_FILE, handmade, store_features
from cape_fed.evaluate.handmade.measure import NAMES, measure
from cape_fed.store.store import Store, open_store
from tests.conftest import TinyStore
from tests.evaluate.handmade.test_measure import beats

pytest.importorskip("neurokit2", reason="needs the extra baseline")


@pytest.fixture
def store(tiny_store: TinyStore) -> Store:
    """Six records of beats at different rates; the second is half as long as the window, the third is flat."""
    signals = np.stack([1000 * beats(fs=100, rate=50 + 10 * row) for row in range(6)]).astype(np.int16)
    signals[1, :, 500:] = 0
    signals[2] = 0
    return tiny_store("a", signals=signals, valid=np.array([1000, 500, 1000, 1000, 1000, 1000]))


def test_every_record_is_measured_without_its_padding(store: Store) -> None:
    found = store_features(store)
    assert found.shape == (6, len(NAMES))
    rate = found[:, NAMES.index("rate")]
    assert np.allclose(rate[[0, 1, 3, 4, 5]], [50, 60, 80, 90, 100], atol=2)
    assert np.isnan(found[2]).all()
    assert np.array_equal(found[1], measure(store.millivolts([1])[0, :, :500], 100), equal_nan=True)


def test_it_is_measured_once_for_each_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cape_fed"):
        first = store_features(store)
    assert "a: hand-made features of 6 records in" in caplog.text
    assert "1 of them without any" in caplog.text
    assert (store.path / CACHE_FILE).stat().st_mode & 0o077 == 0
    monkeypatch.setattr(handmaking, "measure", lambda *given: pytest.fail("measured again"))
    assert np.array_equal(store_features(open_store(store.path)), first, equal_nan=True)


@pytest.mark.parametrize("damage", ["version", "bytes", "empty"])
def test_what_was_kept_of_something_else_is_measured_again(
    damage: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, kept = store_features(store), store.path / CACHE_FILE
    if damage == "version":
        monkeypatch.setattr(handmaking, "VERSION", 999)
    else:
        kept.write_bytes(kept.read_bytes()[:200] if damage == "bytes" else b"")
    asked = []
    monkeypatch.setattr(handmaking, "measure", lambda *given: asked.append(given) or measure(*given))
    assert np.array_equal(store_features(store), first, equal_nan=True)
    assert len(asked) == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_store_that_cannot_be_written_to_is_measured_all_the_same(store: Store) -> None:
    store.path.chmod(0o500)
    try:
        assert store_features(store).shape == (6, len(NAMES))
    finally:
        store.path.chmod(0o700)


def test_a_full_disk_costs_the_cache_and_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with caplog.at_level(logging.INFO, "cape_fed"):
        assert store_features(store).shape == (6, len(NAMES))
    assert "cannot be kept beside it and will be measured again next time: No space left on device" in caplog.text
    assert not list(store.path.glob(f"*{CACHE_FILE}*"))


def test_what_the_library_cannot_take_is_missing_and_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(ecg: np.ndarray, fs: float) -> np.ndarray:
        if ecg.shape[1] == 500:
            raise DelineationError
        return measure(ecg, fs)

    monkeypatch.setattr(handmaking, "measure", refuse)
    found = store_features(store)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[0]).any()
    assert "in 1 of 6 records nothing could be delineated" in caplog.text


@pytest.mark.slow
def test_several_processes_measure_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = store_features(store)
    (store.path / CACHE_FILE).unlink()
    monkeypatch.setattr(handmaking, "ALONE", 1)
    monkeypatch.setattr(handmaking, "_CHUNK", 2)
    assert np.array_equal(handmade(workers=2).features(store), alone, equal_nan=True)


def test_nothing_of_the_store_is_changed(store: Store) -> None:
    before = {path.name: path.read_bytes() for path in Path(store.path).iterdir()}
    store_features(store)
    after = {path.name: path.read_bytes() for path in Path(store.path).iterdir()}
    assert after.keys() - before.keys() == {CACHE_FILE}
    assert {name: after[name] for name in before} == before
    assert open_store(store.path).meta == store.meta
