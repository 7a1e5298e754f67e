from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import wfdb

from cape_fed.archive.base import RecordError
from cape_fed.archive.frames import MAX_SAMPLES
from cape_fed.archive.wfdb_record import read_recording
from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead
from tests.archive.files import counts, ecg, signal_line, write_wfdb

MVS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}


def through_wfdb(stem: Path, seconds: float | None = None) -> np.ndarray:
    """The slow obvious way: ``wfdb.rdrecord``, then leads by name and mV by unit."""
    fs = wfdb.rdheader(str(stem)).fs
    record = wfdb.rdrecord(str(stem), sampto=None)
    out = np.full((12, record.sig_len), np.nan)
    for column, name in reversed(list(enumerate(record.sig_name))):
        lead = canonical_lead(name)
        if lead is not None:
            out[LEAD_INDEX[lead]] = record.p_signal[:, column] * MVS.get(record.units[column], 1.0)
    return out if seconds is None else out[:, : int(np.ceil(seconds * fs))]


def assert_equal(stem: Path, seconds: float | None = None) -> None:
    found = read_recording(stem, seconds).signal_mv
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, through_wfdb(stem, seconds), rtol=2e-6, atol=1e-6)


@pytest.fixture
def no_wfdb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes sure that a test is about the fast path."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("not the fast path")

    monkeypatch.setattr("cape_fed.archive.wfdb_signals.read_packed", refuse)


@pytest.mark.usefixtures("no_wfdb")
class TestFormat16:
    @pytest.mark.parametrize("calibration", ["1000(0)/mV", "200/mV", "0.5(-12)/uV", "-400(100)/mV", "0/mV", "2000"])
    @pytest.mark.parametrize("seconds", [None, 3.21, 1e9])
    def test_equals_wfdb(self, tmp_path: Path, calibration: str, seconds: float | None) -> None:
        assert_equal(write_wfdb(tmp_path / "a", counts(ecg()), calibration=calibration), seconds)

    @pytest.mark.parametrize(("spec", "offset"), [("16+24", 24), ("16x1+24", 24), ("16x1:0+7", 7)])
    def test_byte_offset(self, tmp_path: Path, spec: str, offset: int) -> None:
        assert_equal(write_wfdb(tmp_path / "a", counts(ecg()), spec=spec, offset=offset))

    def test_leads_in_any_order_and_spelling(self, tmp_path: Path) -> None:
        order = np.random.default_rng(0).permutation(12)
        names = [LEADS[index].lower() for index in order]
        stem = write_wfdb(tmp_path / "a", counts(ecg())[order], names=names)
        assert_equal(stem)
        np.testing.assert_allclose(read_recording(stem).signal_mv, ecg(), atol=6e-4)
        assert read_recording(stem).notes == ("LEAD_SPELLING",)

    def test_more_than_twelve_signals_in_two_files(self, tmp_path: Path) -> None:
        signal = counts(ecg())
        lines = ["a 15 500 5000"]
        lines += [signal_line("a.dat", name.lower(), calibration="1000") for name in LEADS]
        lines += [signal_line("a.xyz", name, calibration="1000") for name in ("vx", "vy", "vz")]
        (tmp_path / "a.hea").write_text("\n".join(lines))
        (tmp_path / "a.dat").write_bytes(signal.T.astype("<i2").tobytes())
        (tmp_path / "a.xyz").write_bytes(bytes(30))  # never read
        assert read_recording(tmp_path / "a").notes == ("EXTRA_SIGNAL", "LEAD_SPELLING")
        np.testing.assert_allclose(read_recording(tmp_path / "a").signal_mv, signal / 1000, rtol=1e-6)

    def test_leads_spread_over_files(self, tmp_path: Path) -> None:
        signal = counts(ecg())
        lines = ["a 12 500 5000", *(signal_line(f"a.{index % 2}", name) for index, name in enumerate(LEADS))]
        (tmp_path / "a.hea").write_text("\n".join(lines))
        for part in range(2):
            (tmp_path / f"a.{part}").write_bytes(signal[part::2].T.astype("<i2").tobytes())
        np.testing.assert_allclose(read_recording(tmp_path / "a").signal_mv, signal / 1000, rtol=1e-6)

    def test_missing_samples_and_leads_are_nan(self, tmp_path: Path) -> None:
        signal = counts(ecg())[:10]
        signal[2, 30:40] = -32768
        stem = write_wfdb(tmp_path / "a", signal, names=LEADS[:10])
        found = read_recording(stem).signal_mv
        assert np.isnan(found[2, 30:40]).all()
        assert np.isnan(found).sum() == 10 + 2 * 5000
        assert_equal(stem)

    def test_a_null_file_is_a_missing_lead(self, tmp_path: Path) -> None:
        stem = write_wfdb(tmp_path / "a", counts(ecg())[:11], names=LEADS[:11])
        header = stem.with_name("a.hea")
        header.write_text(header.read_text().replace("a 11 ", "a 12 ") + signal_line("~", "V6") + "\n")
        assert np.isnan(read_recording(stem).signal_mv[11]).all()

    def test_the_first_of_repeated_leads_counts(self, tmp_path: Path) -> None:
        stem = write_wfdb(tmp_path / "a", counts(ecg())[[0, 1, 5]], names=["I", "II", "II"])
        found = read_recording(stem)
        assert found.notes == ("REPEATED_LEAD",)
        np.testing.assert_allclose(found.signal_mv[1], ecg()[1], atol=6e-4)

    @pytest.mark.parametrize(
        ("calibration", "note"),
        [
            ("1000/mv", "UNIT_SPELLING"),
            ("1/uV", "UNIT_SPELLING"),
            ("1000/NU", "UNIT_UNKNOWN"),
            ("0/mV", "GAIN_MISSING"),
            ("-1000/mV", "GAIN_NEGATIVE"),
        ],
    )
    def test_odd_calibrations_are_noted(self, tmp_path: Path, calibration: str, note: str) -> None:
        assert read_recording(write_wfdb(tmp_path / "a", counts(ecg()), calibration=calibration)).notes == (note,)

    @pytest.mark.parametrize("calibration", ["1e-9/mV", "1e300/mV", "1000(99999999999)/mV"])
    def test_impossible_calibrations(self, tmp_path: Path, calibration: str) -> None:
        with pytest.raises(RecordError) as caught:
            read_recording(write_wfdb(tmp_path / "a", counts(ecg()), calibration=calibration))
        assert caught.value.code == "BAD_GAIN"

    def test_truncated(self, tmp_path: Path) -> None:
        stem = write_wfdb(tmp_path / "a", counts(ecg()), samples=9000)
        with pytest.raises(RecordError) as caught:
            read_recording(stem)
        assert caught.value.code == "TRUNCATED"
        found = read_recording(stem, 10)
        assert (found.signal_mv.shape, found.declared_samples) == ((12, 5000), 9000)
        assert found.notes == ("LENGTH_MISMATCH",)

    def test_a_file_longer_than_declared(self, tmp_path: Path) -> None:
        found = read_recording(write_wfdb(tmp_path / "a", counts(ecg()), samples=4000))
        assert (found.signal_mv.shape, found.notes) == ((12, 4000), ("LENGTH_MISMATCH",))

    def test_no_length_in_the_header(self, tmp_path: Path) -> None:
        stem = write_wfdb(tmp_path / "a", counts(ecg()), samples=0)
        assert read_recording(stem).signal_mv.shape == (12, 5000)
        stem.with_name("a.dat").write_bytes(b"")
        with pytest.raises(RecordError) as caught:
            read_recording(stem)
        assert caught.value.code == "NO_SIGNAL"

    def test_half_an_hour_is_read_as_far_as_asked(self, tmp_path: Path) -> None:
        long = np.tile(counts(ecg(fs=257)), 180)
        found = read_recording(write_wfdb(tmp_path / "a", long, fs=257), 10.5)
        assert (found.signal_mv.shape, found.declared_samples) == ((12, 2699), long.shape[1])

    @pytest.mark.parametrize("lead", [0, 11])
    def test_saturation_at_the_end_of_the_range(self, tmp_path: Path, lead: int) -> None:
        signal = counts(ecg())
        signal[lead, 100:105] = 32767
        signal[3, 100:104] = -32767
        signal[5, 100:120] = -32768
        assert read_recording(write_wfdb(tmp_path / "a", signal)).saturated_leads == 1 << lead

    def test_checksums_are_compared_on_demand(self, tmp_path: Path) -> None:
        stem = write_wfdb(tmp_path / "a", counts(ecg()))
        assert read_recording(stem, verify=True).notes == ()
        with stem.with_name("a.dat").open("r+b") as file:
            file.write(b"\1")
        assert read_recording(stem, verify=True).notes == ("CHECKSUM",)
        assert read_recording(stem).notes == ()


@pytest.mark.parametrize("fmt", ["8", "61", "80", "160", "212", "24", "310", "311", "32"])
def test_any_bytes_in_any_format_equal_wfdb(tmp_path: Path, fmt: str) -> None:
    stem = write_wfdb(tmp_path / "a", counts(ecg())[:3, :1000], names=LEADS[:3], spec=fmt, samples=900)
    stem.with_name("a.dat").write_bytes(np.random.default_rng(0).bytes(12000))
    assert_equal(stem)
    assert_equal(stem, 1.0)
    header = stem.with_name("a.hea")
    header.write_text(header.read_text().replace("a 3 500 900", "a 3 500"))
    assert read_recording(stem).signal_mv.shape[1] >= 900


@pytest.mark.parametrize("fmt", ["80", "212", "24", "32", "508", "516", "524"])
def test_ecgs_in_other_formats(tmp_path: Path, fmt: str) -> None:
    gain = 20 if fmt in ("80", "508") else 200
    signal = counts(ecg(seconds=4), gain).astype(np.int64)
    wfdb.wrsamp(
        "a",
        fs=500,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        d_signal=signal.T,
        fmt=[fmt] * 12,
        adc_gain=[gain] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    assert_equal(tmp_path / "a", 3.0)
    np.testing.assert_allclose(read_recording(tmp_path / "a").signal_mv, signal / gain, rtol=1e-6)


@pytest.mark.parametrize("fmt", ["16", "212", "8"])
def test_headers_that_the_wfdb_library_refuses(tmp_path: Path, fmt: str) -> None:
    stem = write_wfdb(tmp_path / "a", counts(ecg())[:3, :1000], names=LEADS[:3], spec=fmt, samples=900)
    expected = through_wfdb(stem)
    header = stem.with_name("a.hea").read_text()
    stem.with_name("a.dat").rename(tmp_path / "my record.mat")
    header = header.replace("a 3 500 900", "my record.mat 3 500 900 12h15 5. May 2020").replace(
        "a.dat", "my record.mat"
    )
    (tmp_path / "my record.hea").write_text(header + "# caf\xe9 \x85\n", encoding="latin-1")
    found = read_recording(tmp_path / "my record")
    np.testing.assert_allclose(found.signal_mv, expected, rtol=2e-6, atol=1e-6)
    assert found.comments == ("caf\xe9",)


def test_segments_are_joined(tmp_path: Path) -> None:
    signal = counts(ecg())
    write_wfdb(tmp_path / "a_0001", signal[:, :2000])
    write_wfdb(tmp_path / "a_0002", signal[:, 2000:])
    (tmp_path / "a.hea").write_text("a/2 12 500 5000\na_0001 2000\na_0002 3000\n# Age: 50\n")
    found = read_recording(tmp_path / "a", 8)
    np.testing.assert_allclose(found.signal_mv, signal[:, :4000] / 1000, rtol=1e-6)
    assert (found.declared_samples, found.comments) == (5000, ("Age: 50",))


def test_a_header_cannot_ask_for_the_moon(tmp_path: Path) -> None:
    for spec in ("16", "212", "516"):
        stem = write_wfdb(tmp_path / "a", counts(ecg()), spec=spec, samples=10**12)
        with pytest.raises(RecordError) as caught:
            read_recording(stem)
        assert caught.value.code in ("TOO_LONG", "TRUNCATED")
    (tmp_path / "a.hea").write_text(f"a/2 12 500 {MAX_SAMPLES}\na_0001 {MAX_SAMPLES}\na_0002 1\n")
    with pytest.raises(RecordError) as caught:
        read_recording(tmp_path / "a")
    assert caught.value.code == "TOO_LONG"


@pytest.mark.parametrize("file", ["../a.dat", "/etc/hostname", "nothing.dat", "folder", "pipe"])
def test_signal_files_lie_beside_their_header(tmp_path: Path, file: str) -> None:
    (tmp_path / "sub" / "folder").mkdir(parents=True)
    os.mkfifo(tmp_path / "sub" / "pipe")
    write_wfdb(tmp_path / "a", counts(ecg()))
    text = (tmp_path / "a.hea").read_text().replace("a.dat", file)
    (tmp_path / "sub" / "a.hea").write_text(text)
    with pytest.raises(RecordError):
        read_recording(tmp_path / "sub" / "a")


def test_compressed_signal_files_lie_beside_their_header(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write_wfdb(tmp_path / "a", counts(ecg()), spec="516")
    (tmp_path / "sub" / "a.hea").write_text((tmp_path / "a.hea").read_text().replace("a.dat", "../a.dat"))
    with pytest.raises(RecordError, match="with a path"):
        read_recording(tmp_path / "sub" / "a")


def test_no_standard_lead(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_recording(write_wfdb(tmp_path / "a", counts(ecg())[:2], names=["resp", "abp"]))
    assert caught.value.code == "NO_LEADS"


def _stems(folder: Path, step: int) -> list[Path]:
    return [path.with_suffix("") for path in sorted(folder.rglob("*.hea"))[::step]]


def test_real_recordings_equal_wfdb(real_data: Path) -> None:
    for cohort in ("ptbxl", "code15", "cpsc2018", "ningbo"):
        for stem in _stems(real_data / cohort, 25):
            assert_equal(stem)


@pytest.mark.slow
def test_all_real_recordings_equal_wfdb(real_data: Path) -> None:
    for stem in _stems(real_data, 1):
        assert_equal(stem)
