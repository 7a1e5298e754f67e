from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign import embed as embedding
from cape_fed.evaluate.foreign.embed import embed_foreign, try_foreign
from cape_fed.evaluate.foreign.load import LoadedForeign
from cape_fed.evaluate.results import ForeignInfo
from cape_fed.signal.leads import LEADS
from tests.conftest import TinyStore


class Told:
    """Gives what a function gives, and keeps what it was asked."""

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self.function = function
        self.asked: list[tuple[np.ndarray, float, tuple[str, ...]]] = []

    def embed(self, ecg_mv: np.ndarray, fs: float, leads: Any) -> Any:
        self.asked.append((ecg_mv.copy(), fs, tuple(leads)))
        return self.function(ecg_mv)


def loaded(function: Callable[[np.ndarray], Any]) -> LoadedForeign:
    return LoadedForeign("X", Told(function), ForeignInfo(factory="m:f"))


def test_recordings_come_in_millivolts_without_padding_and_embeddings_in_the_order_of_the_store(
    tiny_store: TinyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 4)
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 300, (15, 12, 1000)).astype(np.int16)
    valid = np.where(np.arange(15) % 3 == 0, 400, 1000)
    for row, length in enumerate(valid):
        signals[row, :, length:] = 0
    store = tiny_store("a", signals=signals, valid=valid)
    encoder = loaded(lambda ecg: np.concatenate([ecg.mean(axis=2), ecg.std(axis=2)], axis=1))
    found = embed_foreign(encoder, store)
    expected = [
        np.r_[row[:, :length].mean(axis=1), row[:, :length].std(axis=1)] / 1000
        for row, length in zip(signals.astype(np.float64), valid, strict=True)
    ]
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    assert np.array_equal(embed_foreign(encoder, store, np.array([7, 3])), found[[7, 3]])
    asked = encoder.encoder.asked  # type: ignore[attr-defined]
    assert {array.shape[2] for array, _, _ in asked} == {400, 1000}
    assert max(len(array) for array, _, _ in asked) <= 4
    assert {(fs, leads) for _, fs, leads in asked} == {(100.0, LEADS)}


def test_tensors_and_lists_are_taken(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=3)
    weights = torch.ones(12, 5, requires_grad=True)
    as_tensor = embed_foreign(loaded(lambda ecg: torch.from_numpy(ecg).mean(-1) @ weights), store)
    as_list = embed_foreign(loaded(lambda ecg: (ecg.mean(-1) @ np.ones((12, 5))).tolist()), store)
    assert as_tensor.shape == (len(store), 5)
    assert np.allclose(as_tensor, as_list, atol=1e-5)


def raising(ecg: np.ndarray) -> Any:
    raise RuntimeError("weights are\nof another shape")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda ecg: ecg.mean(axis=(1, 2)), r"gave embeddings of shape \(2,\) for 2 records of a"),
        (lambda ecg: ecg.mean(axis=2)[:1], r"gave embeddings of shape \(1, 12\) for 2 records of a"),
        (lambda ecg: np.empty((len(ecg), 0)), r"gave embeddings of shape \(2, 0\)"),
        (lambda ecg: np.full((len(ecg), 3), np.nan), "embeds 2 of 2 records of a as NaN or infinity"),
        (lambda ecg: [["a"], ["b"]], "raised ValueError"),
        (lambda ecg: None, r"gave embeddings of shape \(\)"),
        (raising, "raised RuntimeError: weights are of another shape"),
    ],
)
def test_what_is_no_embedding_is_one_line(
    function: Callable[[np.ndarray], Any], says: str, tiny_store: TinyStore
) -> None:
    with pytest.raises(InputError, match=says) as error:
        try_foreign(loaded(function), tiny_store("a", patients=8))
    assert str(error.value).startswith("encoder X (m:f) ")
    assert "\n" not in str(error.value)


def test_embeddings_are_of_one_length_whatever_that_of_the_records(tiny_store: TinyStore) -> None:
    signals = np.ones((4, 12, 1000), np.int16)
    store = tiny_store("a", signals=signals, valid=np.array([1000, 500, 1000, 500]))
    with pytest.raises(InputError, match="embeddings of 500 and of 1000 numbers, the latter for records of a"):
        embed_foreign(loaded(lambda ecg: ecg[:, 0]), store)
