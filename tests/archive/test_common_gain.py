"""Gains made for display: one for each lead, so that all look equally tall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.common_gain import likely_gain
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.registry import get_reader
from cape_fed.errors import InputError
from cape_fed.signal.leads import LEADS
from cape_fed.signal.quality import Quality
from cape_fed.store.store import open_store
from tests.archive.fake import recipe
from tests.archive.files import counts, ecg, signal_line, write_wfdb

PERSON = "# Age: 61\n# Sex: F\n# Dx: 426783006\n# Patient ID: 1\n"


def write_display(root: Path, name: str, seed: int, gain: float, tall: float | None = None) -> np.ndarray:
    """ADC values of one gain under a header that states another for each lead; returns the true millivolts."""
    signal = ecg(seed)
    signal[4] *= 1.0
    units = counts(signal, gain)
    write_wfdb(root / name, units)
    lines = [f"{name} 12 500 5000"]
    for row, lead in zip(units, LEADS, strict=True):
        stated = gain if tall is None else np.ptp(row) / tall
        lines.append(signal_line(f"{name}.dat", lead, calibration=f"{stated:.6g}(0)/mV"))
    (root / f"{name}.hea").write_text("\n".join(lines) + "\n" + PERSON)
    return signal


@pytest.mark.parametrize("gain", [1000.0, 200.0])
def test_the_gain_is_named_and_taken_on_request(tmp_path: Path, gain: float) -> None:
    root = tmp_path / "archive"
    signals = [write_display(root, f"r{seed}", seed, gain, tall=2.0) for seed in range(6)]
    report = diagnose(root, get_reader("wfdb"))
    found = {finding.code: finding for finding in report.findings}
    assert found["GAIN_PER_LEAD"].count == 6
    assert found["GAIN_PER_LEAD"].examples[0] == f"{gain:g} ADC units per mV for all leads"
    assert found["LIMB_IDENTITY"].remedy == "see GAIN_PER_LEAD, which is the cause"
    reader = get_reader("wfdb", common_gain=gain)
    ingest_archive(recipe(root, reader, common_gain=gain), tmp_path / "store")  # type: ignore[arg-type]
    store = open_store(tmp_path / "store")
    assert store.meta.common_gain == gain
    assert not (store.quality & np.uint32(Quality.LIMB_IDENTITY)).any()
    stored = store.millivolts([0])[0]
    swing = np.ptp(signals[0][:, ::5], axis=1)
    np.testing.assert_allclose(np.ptp(stored, axis=1), swing, rtol=0.1)
    ingest_archive(recipe(root, get_reader("wfdb")), tmp_path / "as-stated")  # type: ignore[arg-type]
    assert open_store(tmp_path / "as-stated").meta.common_gain is None
    with pytest.raises(InputError, match="other options"):
        ingest_archive(recipe(root, get_reader("wfdb")), tmp_path / "store")  # type: ignore[arg-type]


def test_it_is_not_said_where_few_records_are_mended(tmp_path: Path) -> None:
    for seed in range(6):
        write_display(tmp_path, f"r{seed}", seed, 1000.0, tall=2.0 if seed < 2 else None)
    codes = {finding.code for finding in diagnose(tmp_path, get_reader("wfdb")).findings}
    assert "LIMB_IDENTITY" in codes
    assert "GAIN_PER_LEAD" not in codes


def test_it_is_not_said_where_one_gain_does_not_mend_it(tmp_path: Path) -> None:
    for seed in range(3):
        units = counts(ecg(seed))[np.random.default_rng(seed).permutation(12)]
        write_wfdb(tmp_path / f"r{seed}", units)
        text = (tmp_path / f"r{seed}.hea").read_text().splitlines()
        text[1] = text[1].replace("1000(0)", "700(0)")
        (tmp_path / f"r{seed}.hea").write_text("\n".join(text) + "\n" + PERSON)
    assert "GAIN_PER_LEAD" not in {finding.code for finding in diagnose(tmp_path, get_reader("wfdb")).findings}


@pytest.mark.parametrize(("units", "gain"), [(1100, 1000), (190, 200), (45, 100), (12, 10), (2e6, 1e6), (1e9, 1e9)])
def test_likely_gains(units: float, gain: float) -> None:
    assert likely_gain(units) == gain


def test_impossible_gains_and_archives_without_gains_are_refused(tmp_path: Path) -> None:
    for gain in (0.0, -5.0, 1e12, float("nan")):
        with pytest.raises(InputError, match="impossible"):
            get_reader("wfdb", common_gain=gain)
    (tmp_path / "exams.csv").write_text("exam_id\n1\n")
    (tmp_path / "exams_part0.hdf5").touch()
    with pytest.raises(InputError, match="have no gain"):
        list(get_reader("code15", common_gain=1000.0).entries(tmp_path))
