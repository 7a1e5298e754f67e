"""Bundles: a released encoder as files that load strictly or not at all."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cape_fed.errors import InputError
from cape_fed.files import atomic_directory
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.card import model_card
from cape_fed.release.description import CONFIG, PROFILE, BundleConfig, read_config, read_profile
from cape_fed.release.membership import Membership
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.release.sums import check_sums, write_sums
from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import Profile

MODEL, REFERENCE, CARD = "model.safetensors", "reference.npz", "README.md"
NEEDED = (MODEL, CONFIG, PROFILE, REFERENCE, CARD)
_NO_REFERENCE = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, BadZipFile, zlib.error)
"""What reading a damaged reference raises, and embedding one that is no recording."""
TOLERANCE = 1e-3
"""Largest relative difference of the reference embedding: float32 kernels differ between machines, models do not."""


def write_bundle(path: Path, encoder: Encoder, profile: Profile, provenance: Provenance) -> None:
    """Write an encoder as a bundle at ``path``, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    config = BundleConfig(encoder=encoder.config, provenance=provenance)
    copy = build_encoder(encoder.config)
    copy.load_state_dict(weights)
    signal = reference_signal(profile)
    embedding = PretrainedEncoder(copy, profile, config.provenance).embed(signal, profile.fs)
    with atomic_directory(path) as partial:
        save_file(weights, partial / MODEL)
        (partial / CONFIG).write_text(config.model_dump_json(indent=1, exclude_none=True) + "\n")
        (partial / PROFILE).write_text(profile.model_dump_json(indent=1) + "\n")
        np.savez(partial / REFERENCE, ecg_mv=signal, fs=np.float64(profile.fs), embedding=embedding)
        (partial / CARD).write_text(model_card(config.provenance, encoder.config, profile))
        write_sums(partial)


def load_encoder(path: str | Path, device: str = "cpu") -> PretrainedEncoder:
    """Load a bundle after checking its checksums, its weights' names and shapes, and its reference embedding.

    Raises InputError naming the file that is missing, altered or of another format version, or a device that is not
    there.
    """
    root = Path(path)
    check_sums(root, NEEDED)
    config, profile = read_config(root), read_profile(root)
    try:
        encoder = build_encoder(config.encoder)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{root / CONFIG} describes no encoder that can be built: {_short(error)}") from error
    try:
        encoder.load_state_dict(load_file(root / MODEL))
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{root / MODEL} does not fit {CONFIG}: {_short(error)}") from error
    _check_reference(root, PretrainedEncoder(encoder, profile, config.provenance))
    return PretrainedEncoder(encoder.to(choose_device(device)), profile, config.provenance)


def amend_bundle(path: Path, amend: Callable[[Provenance], Provenance]) -> None:
    """Change what a bundle says in its configuration and its card, whole or not at all; the weights stay.

    InputError where the bundle is altered, not one, or of another version.
    """
    check_sums(path, NEEDED)
    config, profile = read_config(path), read_profile(path)
    config = config.model_copy(update={"provenance": amend(config.provenance)})
    with atomic_directory(path) as partial:
        shutil.copytree(path, partial, dirs_exist_ok=True)
        (partial / CONFIG).write_text(config.model_dump_json(indent=1, exclude_none=True) + "\n")
        (partial / CARD).write_text(model_card(config.provenance, config.encoder, profile))
        write_sums(partial)


def record_membership(path: Path, found: Membership) -> None:
    """Write what an audit found into a bundle; InputError as `amend_bundle`."""
    amend_bundle(path, lambda provenance: provenance.model_copy(update={"membership": found}))


def reference_signal(profile: Profile) -> NDArray[np.float32]:
    """A made-up waveform, no patient's: pulses a second apart with a lead-dependent size, ``[12, samples]`` mV."""
    time = np.arange(profile.samples) / profile.fs
    phase = (time[None, :] - 0.05 * np.arange(len(LEADS))[:, None]) % 1.0
    size = np.linspace(-0.5, 1.5, len(LEADS))[:, None]
    return (size * np.exp(-(((phase - 0.4) / 0.03) ** 2)) + 0.2 * size * np.sin(2 * np.pi * time)).astype(np.float32)


def _check_reference(root: Path, loaded: PretrainedEncoder) -> None:
    try:
        with np.load(root / REFERENCE, allow_pickle=False) as stored:
            signal, fs, expected = stored["ecg_mv"], float(stored["fs"]), stored["embedding"]
        embedding = loaded.embed(signal, fs)
        if embedding.shape != expected.shape:
            raise ValueError(f"embedding is of shape {expected.shape}, not {embedding.shape}")
        difference = np.abs(embedding - expected).max() / np.abs(expected).max()
    except _NO_REFERENCE as error:
        raise InputError(f"{root / REFERENCE} is no reference of this encoder: {_short(error)}") from error
    if not difference < TOLERANCE:
        raise InputError(
            f"{root} gives another embedding than its reference (difference {difference:.1e}): do not use it"
        )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
