"""ONNX Runtime gives what `embed` gives, at any length and batch, with the preprocessing in the graph or before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder
from tests.export.helpers import PARITY, differences, recording, write_tiny

LENGTHS = (1.0, 1.01, 1.28, 1.29, 2.57, 3.33, 5.12, 9.99, 10.0, 10.01, 11.0, 30.0)
"""Seconds."""


def session(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    return lambda ecg: np.asarray(loaded.run(["embedding"], {"ecg_mv": ecg})[0])


@pytest.fixture(scope="module")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    export_bundle(bundle, "onnx", folder / "plain")
    export_bundle(bundle, "onnx", folder / "raw", rate=500)
    return folder


def test_prepared_recordings_of_every_length(bundle: Path, exported: Path) -> None:
    lengths = [int(100 * seconds) for seconds in LENGTHS]
    assert max(differences(load_encoder(bundle), session(exported / "plain"), 100, lengths, raw=False)) < PARITY


def test_raw_recordings_of_every_length(bundle: Path, exported: Path) -> None:
    lengths = [int(500 * seconds) for seconds in LENGTHS]
    assert max(differences(load_encoder(bundle), session(exported / "raw"), 500, lengths, raw=True)) < PARITY


@pytest.mark.parametrize("count", [1, 2, 17])
def test_a_batch_is_its_recordings(exported: Path, count: int) -> None:
    for name, samples in (("plain", 777), ("raw", 2777)):
        model = session(exported / name)
        batch = np.stack([recording(samples, seed) for seed in range(count)])
        np.testing.assert_allclose(model(batch), np.concatenate([model(ecg[None]) for ecg in batch]), atol=1e-5)


def test_missing_leads_and_samples(bundle: Path, exported: Path) -> None:
    ecg = recording(4000)
    ecg[3] = np.nan
    ecg[:, 700:900] = np.nan
    expected = load_encoder(bundle).embed(ecg, 500)
    np.testing.assert_allclose(session(exported / "raw")(ecg[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize("samples", [500, 999, 1700, 4000, 5250, 6000])
def test_a_flat_lead_is_no_signal_in_the_recording_that_has_it(bundle: Path, exported: Path, samples: int) -> None:
    batch = np.stack([recording(samples, seed) for seed in range(3)])
    batch[1, 4] = np.random.default_rng(0).normal(0, 0.001, samples)
    encoder, model = load_encoder(bundle), session(exported / "raw")
    blank = batch.copy()
    blank[1, 4] = np.nan
    expected = np.stack([encoder.embed(ecg, 500) for ecg in blank])
    np.testing.assert_allclose(model(batch), expected, atol=1e-5)
    np.testing.assert_allclose([encoder.embed(ecg, 500) for ecg in batch], expected, atol=1e-5)
    assert model(batch[:, :, :20]).shape == (3, encoder.dim)


def test_the_graph_says_what_it_takes(exported: Path) -> None:
    said = {entry.key: entry.value for entry in onnx.load(exported / "raw" / "model.onnx").metadata_props}
    assert (said["rate_hz"], said["unit"], said["preprocessing"]) == ("500", "mV", "included")
    assert said["leads"].split()[:4] == ["I", "II", "III", "aVR"]
    plain = onnx.load(exported / "plain" / "model.onnx")
    assert {entry.key: entry.value for entry in plain.metadata_props}["rate_hz"] == "100"
    assert [dim.dim_param or dim.dim_value for dim in plain.graph.input[0].type.tensor_type.shape.dim] == [
        "batch", 12, "samples",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("model", "profile", "rate"), [("tiny", "compact100", 500), ("base", "cape400", 257)])
def test_a_thousand_recordings_of_every_length(model: str, profile: str, rate: int, tmp_path: Path) -> None:
    encoder = load_encoder(write_tiny(tmp_path / "bundle", profile, model))
    export_bundle(tmp_path / "bundle", "onnx", tmp_path / "plain")
    export_bundle(tmp_path / "bundle", "onnx", tmp_path / "raw", rate=rate)
    count = 1000 if model == "tiny" else 60
    for name, fs in (("plain", encoder.profile.fs), ("raw", rate)):
        lengths = np.linspace(fs, 12 * fs, count).astype(int).tolist()
        assert max(differences(encoder, session(tmp_path / name), fs, lengths, raw=name == "raw")) < PARITY
