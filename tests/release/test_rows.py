"""An encoder sees of a recording what a store of it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import Entry
from cape_fed.archive.ingest import ingest_archive
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.signal.profile import get_profile
from cape_fed.signal.quality import Quality
from cape_fed.store.store import open_store
from tests.archive.fake import FakeReader, recipe


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    return PretrainedEncoder(build_encoder(MODELS["tiny"], 0), get_profile("compact100"))


def test_a_recording_with_a_flat_lead_is_embedded_as_its_row_in_a_store(
    encoder: PretrainedEncoder, tmp_path: Path, one_thread: None
) -> None:
    """At each of three rates one that has a flat lead and one that has none."""
    reader = FakeReader(6, (("r0000", "flat-lead"), ("r0001", "flat-lead"), ("r0002", "flat-lead")))
    ingest_archive(recipe(tmp_path / "archive", reader), tmp_path / "store")
    store = open_store(tmp_path / "store", profile="compact100")
    flagged = [bool(store.quality[store.row_of(f"r000{number}")] & Quality.FLAT_LEAD) for number in range(6)]
    assert flagged == [True] * 3 + [False] * 3
    embedded = embed_store(encoder, store)
    for entry in reader.entries(tmp_path / "archive"):
        assert isinstance(entry, Entry)
        raw, row = reader.read(tmp_path / "archive", entry), store.row_of(entry.record)
        rows = encoder.prepare(raw.signal_mv, raw.fs)
        np.testing.assert_array_equal(rows.signals, store.gather(np.array([row])))
        assert rows.valid == store.valid[row]
        assert rows.signals[0, 4].any() == (not flagged[entry.locator["number"]])
        np.testing.assert_allclose(encoder.embed(raw.signal_mv, raw.fs), embedded[row], atol=1e-5)
