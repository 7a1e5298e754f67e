"""A profile as a module, for graphs that take recordings as they come from a device."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cape_fed.export.flat import FlatLeads
from cape_fed.export.median import median
from cape_fed.export.resampler import Resampler
from cape_fed.signal.profile import INT16_LIMIT, MARGIN_SECONDS, MICROVOLTS_PER_MV, Profile
from cape_fed.signal.resample import ratio


class Preprocessing(nn.Module):
    """What `store_row` does to recordings of one rate, without its padding: ``[B, 12, n]`` to ``[B, 12, m]`` mV.

    The window begins at the first sample: a graph does not look for enough signal. NaN marks what is missing. It
    computes in float64 as `store_row` does, so that both round to the same side.
    """

    def __init__(self, profile: Profile, fs: float) -> None:
        super().__init__()
        self.resample = None if ratio(fs, profile.fs) == (1, 1) else Resampler(fs, profile.fs)
        self.read = math.ceil((profile.seconds + MARGIN_SECONDS) * fs)
        self.samples = profile.samples
        self.flat = FlatLeads(fs, profile.fs)
        self.fs, self.target = fs, profile.fs

    def forward(self, ecg_mv: Tensor) -> Tensor:
        """Leads are filtered, freed of their median and rounded to 1 µV one by one."""
        window = ecg_mv[:, :, : self.read].flatten(0, 1)
        finite = torch.isfinite(window)
        exact = window.double()
        filled = torch.where(finite, exact, median(exact, finite))
        if self.resample is not None:
            filled = self.resample(filled - filled.mean(dim=-1, keepdim=True))
        resampled = filled[:, : self.samples]
        microvolts = (resampled - median(resampled, torch.ones_like(resampled, dtype=torch.bool))) * MICROVOLTS_PER_MV
        stored = microvolts.round().clamp(-INT16_LIMIT, INT16_LIMIT).float()
        kept = stored * finite[:, self._nearest(stored.shape[-1], finite)]
        rows: Tensor = self.flat(ecg_mv[:, :, : self.read], kept) / MICROVOLTS_PER_MV
        return rows.reshape(-1, ecg_mv.shape[1], kept.shape[-1])

    def _nearest(self, samples: int, finite: Tensor) -> Tensor:
        """Which sample of the recording decides for each of the window whether it is there."""
        place = torch.arange(samples, device=finite.device).double() * self.fs / self.target
        return place.round().long().clamp(max=finite.shape[-1] - 1)
