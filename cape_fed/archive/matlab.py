"""MATLAB files that WFDB headers name: whether their samples are what the header says.

Format: MATLAB's description of MAT-files of version 4, which are what the WFDB tools write and read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from cape_fed.archive.base import RecordError
from cape_fed.archive.headers import SignalSpec

_LATER = (b"MATLAB", b"\x89HDF")
_BYTES = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}
"""Bytes of a number by the digit for its type: double, single, int32, int16, uint16, uint8."""
_TYPE_OF = {"16": 3, "32": 2, "80": 5}
"""WFDB format → type of the numbers."""
_LONGEST_NAME = 64


def check_matlab(path: Path, size: int, specs: Sequence[SignalSpec]) -> None:
    """Raise RecordError where a file of ``size`` bytes says itself that its samples are not laid out as in ``specs``.

    The samples of one signal would otherwise be taken for those of another. A file of which nothing can be told is let
    pass.
    """
    with path.open("rb") as file:
        head = file.read(20)
    if head.startswith(_LATER):
        raise RecordError("UNREADABLE", "the MATLAB file is of version 5 or later, WFDB's are of version 4")
    expected = (_TYPE_OF.get(specs[0].format), sum(spec.frame for spec in specs), specs[0].offset)
    for order in "<>" if len(head) == 20 else "":
        kind, rows, columns, imaginary, name = struct.unpack(f"{order}5i", head)
        number, is_full = kind // 10 % 10, kind % 10 == 0 and kind // 100 == (0 if order == "<" else 10)
        if not is_full or number not in _BYTES or min(rows, columns) < 1 or not 1 <= name <= _LONGEST_NAME:
            continue
        if 20 + name + rows * columns * _BYTES[number] * (1 + (imaginary == 1)) > size:
            continue
        if order == ">" or (number, rows, 20 + name) != expected or imaginary:
            raise RecordError("UNREADABLE", f"the MATLAB file holds {rows} × {columns} numbers in another layout")
