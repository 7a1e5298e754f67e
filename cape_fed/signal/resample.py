"""Polyphase resampling fast enough for millions of records."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

HALF_WIDTH = 10
"""The filter reaches this many samples of the slower rate to each side, as in ``scipy.signal.resample_poly``."""
KAISER_BETA = 5.0
OPERATOR_LIMIT = 1 << 22
"""Ratios that need a larger matrix than this (in numbers, 16 MB) are left to scipy."""

Signal = NDArray[np.float32]


def resample(ecg: Signal, fs: float, target: float) -> Signal:
    """Resample along the last axis from ``fs`` to ``target`` Hz: ``[..., n]`` to ``[..., ceil(n * target / fs)]``.

    The result is that of ``scipy.signal.resample_poly`` with its own filter (Kaiser, beta 5) and the edges held. Rates
    are rounded to 1/100 Hz, which keeps oddities such as 257 Hz exact and the ratio finite.
    """
    numerator, denominator = round(target * 100), round(fs * 100)
    divisor = gcd(numerator, denominator)
    up, down = numerator // divisor, denominator // divisor
    if up == down:
        return ecg
    if _operator_size(up, down) > OPERATOR_LIMIT:
        return _resample_poly(ecg, up, down)
    operator, reach, hop = _operator(up, down)
    samples = -(-ecg.shape[-1] * up // down)
    blocks = -(-samples // operator.shape[1])
    padded = _edge_padded(ecg, reach, blocks * hop + 2 * reach)
    *rest, step = padded.strides
    shape = (*ecg.shape[:-1], blocks, len(operator))
    windows = np.lib.stride_tricks.as_strided(padded, shape, (*rest, hop * step, step), writeable=False)
    return (windows @ operator).reshape(*ecg.shape[:-1], -1)[..., :samples]


def _edge_padded(ecg: Signal, before: int, length: int) -> Signal:
    """Hold first and last sample to both sides; ``length`` in all. What np.pad does, at a fifth of its overhead."""
    stop = before + ecg.shape[-1]
    padded = np.empty((*ecg.shape[:-1], max(length, stop)), np.float32)
    padded[..., :before] = ecg[..., :1]
    padded[..., before:stop] = ecg
    padded[..., stop:] = ecg[..., -1:]
    return padded


def _block(up: int, down: int) -> tuple[int, int]:
    """How far the filter reaches in input samples, and input samples a block: whole periods, about twice the reach."""
    reach = HALF_WIDTH * max(up, down) // up + 1
    return reach, down * max(1, round(2 * reach / down))


def _operator_size(up: int, down: int) -> int:
    reach, hop = _block(up, down)
    return (hop + 2 * reach) * (hop // down * up)


@lru_cache(maxsize=16)
def _operator(up: int, down: int) -> tuple[Signal, int, int]:
    """The filter as a matrix from a window of input to a block of output, the window's reach, and the hop of blocks.

    Output ``m`` takes input ``j`` with the filter's tap at ``m * down - j * up``. One matrix product for all blocks
    is several times faster than filtering sample by sample.
    """
    reach, hop = _block(up, down)
    inputs = np.arange(-reach, hop + reach)[:, None]
    outputs = np.arange(hop // down * up)[None, :]
    half = HALF_WIDTH * max(up, down)
    tap = outputs * down - inputs * up + half
    taps = np.where((tap >= 0) & (tap <= 2 * half), _antialias(up, down)[np.clip(tap, 0, 2 * half)], 0.0)
    return taps.astype(np.float32), reach, hop


def _antialias(up: int, down: int) -> NDArray[np.float64]:
    """Low-pass at the slower rate's Nyquist frequency, windowed sinc with gain ``up`` to make up for zero stuffing."""
    rate = max(up, down)
    half = HALF_WIDTH * rate
    taps = np.sinc(np.arange(-half, half + 1) / rate) * np.kaiser(2 * half + 1, KAISER_BETA)
    return np.asarray(up * taps / taps.sum(), np.float64)


def _resample_poly(ecg: Signal, up: int, down: int) -> Signal:
    # scipy.signal takes longer to import than a small archive to ingest, and this path is rare
    from scipy.signal import resample_poly

    taps = _antialias(up, down) / up
    return np.asarray(resample_poly(ecg, up, down, axis=-1, window=taps, padtype="edge"), np.float32)
