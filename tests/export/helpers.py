"""A small bundle, and how far an exported model is from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import write_bundle
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile

PARITY = 1e-4


def write_tiny(path: Path, profile: str = "compact100", model: str = "tiny") -> Path:
    """A bundle of random weights."""
    write_bundle(path, build_encoder(MODELS[model], 3), get_profile(profile), Provenance(method="test"))
    return path


def recording(samples: int, seed: int = 0) -> np.ndarray:
    """Noise with an offset in each lead, ``[12, samples]`` in mV."""
    rng = np.random.default_rng([samples, seed])
    return (rng.normal(0, 0.3, (12, samples)) + rng.normal(0, 1, (12, 1))).astype(np.float32)


def prepared(encoder: PretrainedEncoder, ecg: np.ndarray, fs: float) -> np.ndarray:
    """What the encoder sees of a recording: ``[12, valid]`` in mV."""
    signals, valid = encoder.prepare(ecg, fs)
    return signals[0, :, : valid[0]].astype(np.float32) / np.float32(1000)


def differences(
    encoder: PretrainedEncoder, model: Callable[[np.ndarray], np.ndarray], fs: float, lengths: Iterable[int], raw: bool
) -> list[float]:
    """Largest difference from `embed` for each length, relative to the embedding's largest number."""
    found = []
    for samples in lengths:
        ecg = recording(samples)
        expected = encoder.embed(ecg, fs)
        got = model((ecg if raw else prepared(encoder, ecg, fs))[None])[0]
        found.append(float(np.abs(got - expected).max() / np.abs(expected).max()))
    return found
