"""WFDB files of a record: the header line by line, and the signal as the wfdb package reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from cape_fed.signal.leads import LEADS
from cape_fed.synthetic.device import Device
from cape_fed.synthetic.wfdb_format import header, lead_names, write_record

DEVICE = Device("test", fs=257, adc_step=2.5)


def test_the_header_has_a_line_for_each_lead() -> None:
    counts = np.zeros((3, 12), np.int16)
    counts[:, 0] = (7, -2, 4)
    lines = header("R1", counts, DEVICE, {"Age": "50", "Sex": "Male"}).splitlines()
    assert lines[0] == "R1 12 257 3"
    assert lines[1] == "R1.dat 16 400(0)/mV 16 0 7 9 0 I"
    assert [line.split()[-1] for line in lines[1:13]] == list(LEADS)
    assert lines[13:] == ["# Age: 50", "# Sex: Male"]


def test_checksums_are_the_low_16_bits_of_the_sum() -> None:
    counts = np.full((4, 12), 16_383, np.int16)
    checksum = int(header("R1", counts, DEVICE, {}).splitlines()[1].split()[6])
    assert checksum == 4 * 16_383 - 65_536


def test_wfdb_reads_what_was_written(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(-3000, 3000, (500, 12)).astype(np.int16)
    write_record(tmp_path, "R1", counts, DEVICE, {"Dx": "164889003"})
    record = wfdb.rdrecord(str(tmp_path / "R1"))
    np.testing.assert_allclose(record.p_signal, counts * 0.0025)
    assert record.comments == ["Dx: 164889003"]


@pytest.mark.parametrize(("spelling", "expected"), [("aVR", "aVL"), ("AVR", "AVL"), ("avr", "avl")])
def test_augmented_leads_are_spelled_as_the_device_does(spelling: str, expected: str) -> None:
    names = lead_names(Device("test", fs=500, augmented=spelling))  # type: ignore[arg-type]
    assert names[4] == expected
    assert names[:3] == ["I", "II", "III"]
    assert names[6:] == list(LEADS[6:])
