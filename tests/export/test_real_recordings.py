"""Graphs with the preprocessing inside embed real recordings as `embed` does; skipped where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cape_fed.archive.base import Entry, RecordError
from cape_fed.archive.registry import get_reader
from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder
from cape_fed.release.recordings import checked_window
from cape_fed.signal.profile import MARGIN_SECONDS
from tests.export.helpers import PARITY, write_tiny


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cohort", "form", "rate", "profile", "least"),
    [
        ("ptbxl", "ptbxl", 100, "compact100", 1900),  # whole microvolts and no resampling: medians lie between steps
        ("code15", "wfdb", 400, "compact100", 400),
        ("code15", "wfdb", 400, "cape400", 400),
    ],
)
def test_every_recording(
    real_data: Path, tmp_path: Path, cohort: str, form: str, rate: int, profile: str, least: int, one_thread: None
) -> None:
    encoder = load_encoder(write_tiny(tmp_path / "bundle", profile))
    export_bundle(tmp_path / "bundle", "onnx", tmp_path / "out", rate=rate)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", options, providers=["CPUExecutionProvider"])
    reader = get_reader(form)
    seconds = encoder.profile.seconds + MARGIN_SECONDS
    furthest, tried = 0.0, 0
    for entry in reader.entries(real_data / cohort):
        if not isinstance(entry, Entry):
            continue
        try:
            raw = reader.read(real_data / cohort, entry)
            ecg = checked_window(raw.signal_mv, raw.fs, seconds, entry.record).signal_mv
        except (RecordError, ValueError):
            continue  # no ECG that `embed` would take
        if raw.fs != rate:
            continue
        expected = encoder.embed(ecg, raw.fs)
        got = model.run(["embedding"], {"ecg_mv": ecg[None]})[0][0]
        furthest = max(furthest, float(np.abs(got - expected).max() / np.abs(expected).max()))
        tried += 1
    print(f"{cohort} {profile}: {tried} recordings, furthest {furthest:.1e}")
    assert tried >= least
    assert furthest < PARITY
