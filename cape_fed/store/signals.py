"""``signals.npy`` while it grows."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.profile import Profile
from cape_fed.store.format import row_shape

HEADER_BYTES = 128
"""Length of the header of a three-dimensional array whatever its number of rows."""


class SignalWriter:
    """Appends rows to a NumPy file whose number of rows is known only at the end.

    Opening keeps the first ``rows`` rows that are there already. The header, and with it a file that can be read,
    is written by ``seal``.
    """

    def __init__(self, path: Path, profile: Profile, rows: int = 0) -> None:
        self._shape = row_shape(profile)
        self._row_bytes = 2 * self._shape[0] * self._shape[1]
        self.rows = rows
        path.touch()
        self._file = path.open("r+b")
        self._file.truncate(HEADER_BYTES + rows * self._row_bytes)
        self._file.seek(0, os.SEEK_END)

    def append(self, block: NDArray[np.int16]) -> None:
        """Add rows, int16 ``[n, 12, T]``; raises ValueError for anything else."""
        if block.shape[1:] != self._shape or block.dtype != np.int16:
            raise ValueError(
                f"signals must be int16 [N, {self._shape[0]}, {self._shape[1]}], got {block.dtype} {block.shape}"
            )
        self._file.write(np.ascontiguousarray(block, "<i2").data)
        self.rows += len(block)

    def flush(self) -> None:
        """Make what was appended survive a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def seal(self) -> None:
        """Write the header for the rows that are there."""
        header = io.BytesIO()
        described = {"descr": "<i2", "fortran_order": False, "shape": (self.rows, *self._shape)}
        np.lib.format.write_array_header_1_0(header, described)
        if header.tell() != HEADER_BYTES:
            raise RuntimeError(f"NumPy wrote a header of {header.tell()} bytes instead of {HEADER_BYTES}")
        self._file.seek(0)
        self._file.write(header.getvalue())
        self._file.seek(0, os.SEEK_END)
        self.flush()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()


def rows_held(path: Path, profile: Profile) -> int:
    """Complete rows in a file that a SignalWriter began, 0 where there is no file."""
    shape = row_shape(profile)
    size = path.stat().st_size if path.is_file() else 0
    return max(0, size - HEADER_BYTES) // (2 * shape[0] * shape[1])
