from __future__ import annotations

import pytest

from cape_fed.signal.units import millivolts_per


@pytest.mark.parametrize(
    ("unit", "millivolts"),
    [("mV", 1), ("mv", 1), ("MV", 1), (" mV ", 1), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("V", 1e3), ("nV", 1e-6)],
)
def test_spellings(unit: str, millivolts: float) -> None:
    assert millivolts_per(unit) == pytest.approx(millivolts)


@pytest.mark.parametrize("unit", ["", "mmHg", "NU", "mVs", "bpm"])
def test_what_is_no_voltage_has_no_scale(unit: str) -> None:
    assert millivolts_per(unit) is None
