"""A loaded encoder: from any 12-lead recording to its embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from cape_fed.pretrain.encoder import Encoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import MICROVOLTS_PER_MV, Profile, apply_profile

MAX_MV = 200.0
"""No ECG reaches this: larger numbers are microvolts or raw ADC counts."""


class PretrainedEncoder:
    """Encoder with the preprocessing it was trained on."""

    def __init__(self, encoder: Encoder, profile: Profile, provenance: Provenance | None = None) -> None:
        self.encoder = encoder.eval()
        self.profile = profile
        self.provenance = provenance or Provenance()

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.encoder.config.dim

    def embed(self, ecg_mv: ArrayLike, fs: float) -> NDArray[np.float32]:
        """Embed recordings in mV sampled at ``fs`` Hz: ``[12, n]`` to ``[dim]``, ``[B, 12, n]`` to ``[B, dim]``.

        Leads in the order I II III aVR aVL aVF V1–V6; NaN marks what is missing. The profile's window is taken from
        the start, shorter recordings are padded. Raises ValueError saying what does not fit: shape, leads, rate, unit.
        """
        batch = _checked(ecg_mv, fs)
        rows = [apply_profile(record, fs, self.profile) for record in batch.reshape(-1, *batch.shape[-2:])]
        signals = np.stack([signal for signal, _ in rows])
        embedded = self.embed_rows(signals, np.array([valid for _, valid in rows]))
        return embedded if batch.ndim == 3 else embedded[0]

    @torch.no_grad()
    def embed_rows(self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Embed store rows ``[B, 12, T]`` (1 µV a step) with their valid samples ``[B]``.

        Padding is cut off, not masked: GroupNorm would count its zeros. So records of one length go together.
        """
        device = next(self.encoder.parameters()).device
        embedded = np.empty((len(signals), self.dim), np.float32)
        for length in np.unique(valid):
            rows = valid == length
            ecg = torch.from_numpy(signals[rows, :, : max(1, length)]).to(device).float() / MICROVOLTS_PER_MV
            embedded[rows] = self.encoder(ecg).float().cpu().numpy()
        return embedded


def _checked(ecg_mv: ArrayLike, fs: float) -> NDArray[np.float32]:
    """The input as float32, or a ValueError that says what is wrong with it."""
    ecg = np.asarray(ecg_mv, np.float32)
    if ecg.ndim not in (2, 3):
        raise ValueError(f"expected [12, n] or [B, 12, n], got an array of shape {ecg.shape}")
    if ecg.shape[-2] != len(LEADS):
        hint = "; transpose it" if ecg.shape[-1] == len(LEADS) else ""
        raise ValueError(f"expected {len(LEADS)} leads on the second last axis, got shape {ecg.shape}{hint}")
    if not np.isfinite(fs) or fs <= 0:
        raise ValueError(f"expected a sampling rate in Hz above 0, got {fs}")
    if ecg.shape[-1] < fs:
        raise ValueError(f"expected at least one second of signal, got {ecg.shape[-1]} samples at {fs:g} Hz")
    if not np.isfinite(ecg).any():
        raise ValueError("the recording has no finite sample")
    largest = float(np.nanmax(np.abs(np.where(np.isfinite(ecg), ecg, np.nan) - np.nanmedian(ecg))))
    if largest > MAX_MV:
        raise ValueError(f"expected millivolts, got values up to {largest:.0f}: microvolts or ADC counts?")
    return ecg
