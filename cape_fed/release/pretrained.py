"""A loaded encoder: from any 12-lead recording to its embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from cape_fed.pretrain.encoder import Encoder
from cape_fed.release.provenance import Provenance
from cape_fed.release.recordings import checked_rate, checked_recordings, checked_window
from cape_fed.signal.profile import MARGIN_SECONDS, MICROVOLTS_PER_MV, Profile, apply_profile


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

        Leads in the order I II III aVR aVL aVF V1–V6; NaN, or a mask, marks what is missing. The profile's window is
        the first with enough signal, as in a store; shorter recordings are padded. Raises ValueError that says what
        does not fit (shape, leads, numbers, rate, unit) and in which record.
        """
        fs = checked_rate(fs)
        batch = checked_recordings(ecg_mv, fs)
        names = [f"record {index}" for index in range(len(batch))] if batch.ndim == 3 else ["the recording"]
        seconds = self.profile.seconds + MARGIN_SECONDS
        rows = [
            apply_profile(checked_window(record, fs, seconds, name), fs, self.profile)
            for name, record in zip(names, batch.reshape(-1, *batch.shape[-2:]), strict=True)
        ]
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
