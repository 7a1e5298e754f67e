"""MATLAB files beside WFDB headers, written by SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from cape_fed.archive.base import RecordError
from cape_fed.archive.wfdb_record import read_recording
from tests.archive.files import counts, ecg, write_wfdb

DIGITAL = counts(ecg())


def write(folder: Path, values: np.ndarray, spec: str = "16+24", name: str = "val", **options: Any) -> Path:
    stem = write_wfdb(folder / "a", DIGITAL, spec=spec)
    (folder / "a.dat").unlink()
    header = folder / "a.hea"
    header.write_text(header.read_text().replace("a.dat", "a.mat"))
    savemat(folder / "a.mat", {name: values}, **options)
    return stem


@pytest.mark.parametrize(("dtype", "spec"), [(np.int16, "16+24"), (np.int32, "32+24")])
def test_what_the_header_says(tmp_path: Path, dtype: type, spec: str) -> None:
    stem = write(tmp_path, DIGITAL.astype(dtype), spec, format="4")
    np.testing.assert_allclose(read_recording(stem).signal_mv, DIGITAL / np.float32(1000), rtol=1e-6)


def test_a_name_of_another_length(tmp_path: Path) -> None:
    stem = write(tmp_path, DIGITAL, "16+25", name="data", format="4")
    np.testing.assert_allclose(read_recording(stem).signal_mv, DIGITAL / np.float32(1000), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (DIGITAL, {"format": "5"}),
        (DIGITAL, {"format": "5", "do_compression": True}),
        (DIGITAL.astype(np.float64), {"format": "5"}),
        (DIGITAL.astype(np.float64), {"format": "4"}),
        (DIGITAL.astype(np.int32), {"format": "4"}),
        (DIGITAL.T, {"format": "4"}),
        (DIGITAL, {"format": "4", "name": "data"}),
        (DIGITAL + 1j, {"format": "4"}),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, values: np.ndarray, options: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="MATLAB") as raised:
        read_recording(write(tmp_path, values, **options))
    assert raised.value.code == "UNREADABLE"


def test_big_endian_numbers_are_refused(tmp_path: Path) -> None:
    stem = write(tmp_path, DIGITAL, format="4")
    head = np.array([1030, *DIGITAL.shape, 0, 4], ">i4").tobytes()
    (tmp_path / "a.mat").write_bytes(head + b"val\0" + DIGITAL.T.astype(">i2").tobytes())
    with pytest.raises(RecordError, match="MATLAB"):
        read_recording(stem)


def test_samples_without_a_head_are_read_as_they_are(tmp_path: Path) -> None:
    stem = write(tmp_path, DIGITAL, "16", format="4")
    (tmp_path / "a.mat").write_bytes(DIGITAL.T.astype("<i2").tobytes())
    np.testing.assert_allclose(read_recording(stem).signal_mv, DIGITAL / np.float32(1000), rtol=1e-6)
