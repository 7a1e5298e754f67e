"""Random rows out of a memory map that may be larger than memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAN_PREFETCH = hasattr(mmap, "MADV_WILLNEED")


def gather_rows(signals: NDArray[np.int16], rows: NDArray[np.int64], out: NDArray[np.int16]) -> None:
    """Copy ``signals[rows]`` into ``out``; raises IndexError for a row that is not there or counted from the end.

    Where ``signals`` is a memory map, the system is asked for all rows in ascending order before the first is
    touched: the disk then reads them side by side instead of one page fault after the other.
    """
    if rows.size and (rows.min() < 0 or rows.max() >= len(signals)):
        raise IndexError(f"rows must lie in 0 .. {len(signals) - 1}")
    if isinstance(signals, np.memmap) and CAN_PREFETCH:
        _prefetch(signals, np.sort(rows))
    np.take(np.asarray(signals), rows, axis=0, out=out, mode="clip")


def _prefetch(signals: np.memmap[Any, np.dtype[np.int16]], rows: NDArray[np.int64]) -> None:
    mapped: mmap.mmap = signals._mmap  # type: ignore[attr-defined]
    size = signals.strides[0]
    starts = signals.offset % mmap.ALLOCATIONGRANULARITY + rows * size
    for start in (starts - starts % mmap.PAGESIZE).tolist():
        mapped.madvise(mmap.MADV_WILLNEED, start, min(size + mmap.PAGESIZE, len(mapped) - start))
