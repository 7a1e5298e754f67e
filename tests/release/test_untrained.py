"""An encoder that was never trained embeds a store once, and what is kept is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cape_fed.pretrain.encoders import build_encoder, encoder_config
from cape_fed.release import untrained as module
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.untrained import untrained
from cape_fed.store import Store
from tests.evaluate.fake import make_store

CONFIG = encoder_config("tiny")
CPU = torch.device("cpu")


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cohorts that were really embedded, in turn."""
    monkeypatch.setattr(module, "_kept", type(module._kept)())
    names: list[str] = []

    def counted(encoder: PretrainedEncoder, store: Store, *rest: Any) -> Any:
        names.append(store.cohort)
        return embed_store(encoder, store, *rest)

    monkeypatch.setattr(module, "embed_store", counted)
    return names


def test_a_store_is_embedded_once_by_each_seed_and_as_without_keeping(tmp_path: Path, embedded: list[str]) -> None:
    store, other = (make_store(tmp_path / name, name, seed=0, patients=6) for name in "ab")
    first = untrained(CONFIG, 0, store.profile, CPU)(store)
    again = untrained(CONFIG, 0, store.profile, CPU)(store)
    assert embedded == ["a"]
    plain = embed_store(PretrainedEncoder(build_encoder(CONFIG, 0), store.profile), store)
    assert np.array_equal(first, plain)
    assert np.array_equal(again, plain)
    different = untrained(CONFIG, 1, store.profile, CPU)(store)
    untrained(CONFIG, 0, store.profile, CPU)(other)
    assert embedded == ["a", "a", "b"]
    assert not np.array_equal(first, different)


def test_what_is_kept_cannot_be_changed_by_one_for_the_others(tmp_path: Path, embedded: list[str]) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=6)
    with pytest.raises(ValueError, match="read-only"):
        untrained(CONFIG, 0, store.profile, CPU)(store)[0] = 0


def test_the_least_recently_used_go_first_and_too_large_ones_are_not_kept(
    tmp_path: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [make_store(tmp_path / name, name, seed=0, patients=6) for name in "abc"]
    embed = untrained(CONFIG, 0, stores[0].profile, CPU)
    size = embed(stores[0]).nbytes
    monkeypatch.setattr(module, "MOST_BYTES", 2 * size)
    for number in (1, 0, 2, 0, 1):
        embed(stores[number])
    assert embedded == ["a", "b", "c", "b"]
    module._kept.clear()
    monkeypatch.setattr(module, "MOST_BYTES", size - 1)
    for _ in range(2):
        embed(stores[0])
    assert embedded[-2:] == ["a", "a"]
    assert not module._kept
