"""A loaded encoder: from any 12-lead recording to its embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.float32 import without_tf32
from cape_fed.release.lead_order import Missing, lead_order
from cape_fed.release.provenance import Provenance
from cape_fed.release.recordings import checked_recordings
from cape_fed.release.rows import Preparation, Rows, of_one_length
from cape_fed.signal.given import checked_rate
from cape_fed.signal.profile import MICROVOLTS_PER_MV, Profile

BATCH = 64
"""Rows that are computed at once: on a CPU 1.3 times as fast as 256, whose activations leave the cache."""
ONE = "the recording"


class Features(NamedTuple):
    """What an encoder averages over time into an embedding."""

    sequence: NDArray[np.float32]
    """``[B, T', D]``, zeros where it is not valid; ``[T', D]`` of a single recording."""
    valid: NDArray[np.bool_]
    """``[B, T']``, False behind the end of a recording that is shorter than the profile's window."""


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

    @overload
    def embed(
        self, ecg_mv: Iterator[ArrayLike], fs: float, leads: Sequence[str] | None = None, missing: Missing = "error"
    ) -> Iterator[NDArray[np.float32]]: ...

    @overload
    def embed(
        self, ecg_mv: ArrayLike, fs: float, leads: Sequence[str] | None = None, missing: Missing = "error"
    ) -> NDArray[np.float32]: ...

    def embed(
        self, ecg_mv: Any, fs: float, leads: Sequence[str] | None = None, missing: Missing = "error"
    ) -> NDArray[np.float32] | Iterator[NDArray[np.float32]]:
        """Embed recordings in mV sampled at ``fs`` Hz: ``[12, n]`` to ``[dim]``, ``[B, 12, n]`` to ``[B, dim]``.

        An iterator of recordings ``[12, n]`` of any lengths gives an iterator of embeddings ``[dim]`` in the same
        order; it is read `AHEAD` recordings at a time. Memory is bounded whatever the number of recordings.

        ``leads`` names the leads of the array in its own order; without it they are I II III aVR aVL aVF V1–V6. Limb
        leads that are not given are derived from two that are, exactly. Other leads that are missing are an error, or
        with ``missing="mask"`` stored as zeros, as in a store. NaN, or a mask, marks what is missing. The profile's
        window is the first with enough signal, as in a store; shorter recordings are padded. Raises ValueError that
        says what does not fit (shape, leads, numbers, rate, unit) and in which record.
        """
        how = self._preparation(fs, leads, missing)
        if isinstance(ecg_mv, Iterator):
            return (embedding for rows in how.stream(ecg_mv) for embedding in self.embed_rows(*rows))
        batch = _checked(ecg_mv, how)
        if batch.ndim == 2:
            one: NDArray[np.float32] = self.embed_rows(*how.rows([batch], [ONE]))[0]
            return one
        embedded = np.empty((len(batch), self.dim), np.float32)
        for part, rows in how.batch(batch):
            embedded[part] = self.embed_rows(*rows)
        return embedded

    def features(
        self, ecg_mv: ArrayLike, fs: float, leads: Sequence[str] | None = None, missing: Missing = "error"
    ) -> Features:
        """The sequence that an embedding is the mean of, over its valid positions; arguments and errors as `embed`.

        ``T'`` is the same for all recordings: the positions of the profile's window. Raises InputError for an
        architecture that has no such sequence.
        """
        how = self._preparation(fs, leads, missing)
        batch = _checked(ecg_mv, how)
        if batch.ndim == 2:
            sequence, valid = self.feature_rows(*how.rows([batch], [ONE]))
            return Features(sequence[0], valid[0])
        positions = self.encoder.positions(self.profile.samples)
        sequence = np.empty((len(batch), positions, self.dim), np.float32)
        valid = np.empty((len(batch), positions), np.bool_)
        for part, rows in how.batch(batch):
            sequence[part], valid[part] = self.feature_rows(*rows)
        return Features(sequence, valid)

    def prepare(
        self, ecg_mv: ArrayLike, fs: float, leads: Sequence[str] | None = None, missing: Missing = "error"
    ) -> Rows:
        """What `embed` makes of ``[12, n]`` or ``[B, 12, n]`` before the encoder: rows for `embed_rows`."""
        how = self._preparation(fs, leads, missing)
        batch = _checked(ecg_mv, how)
        if batch.ndim == 2:
            return how.rows([batch], [ONE])
        return how.rows(batch, [f"record {index}" for index in range(len(batch))])

    def embed_rows(self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Embed store rows ``[B, 12, T]`` (1 µV a step) with their valid samples ``[B]``, at most `BATCH` at once.

        Padding is cut off, not masked: GroupNorm would count its zeros. So records of one length go together.
        """
        embedded = np.empty((len(signals), self.dim), np.float32)
        for rows, output in self._computed(self.encoder, signals, valid):
            embedded[rows] = output
        return embedded

    def feature_rows(self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]) -> Features:
        """`Features` of store rows, computed like `embed_rows`."""
        positions = self.encoder.positions(signals.shape[-1])
        sequence = np.zeros((len(signals), positions, self.dim), np.float32)
        inside = np.zeros((len(signals), positions), np.bool_)
        for rows, output in self._computed(self.encoder.sequence, signals, valid):
            sequence[rows, : output.shape[-1]] = output.transpose(0, 2, 1)
            inside[rows, : output.shape[-1]] = True
        return Features(sequence, inside)

    @torch.no_grad()
    def _computed(
        self, compute: Callable[[Tensor], Tensor], signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Indices of rows of one length, and what ``compute`` makes of them."""
        device = self.encoder.device
        for rows, length in of_one_length(valid, BATCH):
            ecg = torch.from_numpy(signals[rows, :, :length]).to(device).float() / MICROVOLTS_PER_MV
            with without_tf32():  # not around what the caller does in between
                output = compute(ecg)
            yield rows, output.float().cpu().numpy()

    def _preparation(self, fs: float, leads: Sequence[str] | None, missing: Missing) -> Preparation:
        return Preparation(self.profile, checked_rate(fs), lead_order(leads, missing))


def _checked(ecg_mv: Any, how: Preparation) -> NDArray[Any]:
    return checked_recordings(ecg_mv, how.fs, len(how.order.places))
