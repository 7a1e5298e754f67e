"""DICOM ECG objects: calibration, groups, missing samples, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.waveforms import multiplex_array

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.registry import get_reader
from tests.archive.exported import EIGHT, ORIGINS, SYNTAX, dicom_beat, dicom_group, steps, write_dicom
from tests.archive.files import ecg

READER = get_reader("dicom")
ECG = ecg()
TWELVE = steps(ECG, 5)
EIGHT_LEADS = steps(ECG, 5, EIGHT)


def read(folder: Path, groups: list[Any], seconds: float | None = None, **options: Any) -> RawRecord:
    write_dicom(folder / "a", groups, **options)
    (entry,) = READER.entries(folder)
    return READER.read(folder, entry, seconds)


def refused(folder: Path, groups: list[Any], **options: Any) -> str:
    with pytest.raises(RecordError) as caught:
        read(folder, groups, **options)
    return caught.value.code


@pytest.mark.parametrize("syntax", SYNTAX)
@pytest.mark.parametrize("kind", ["SS", "SL"])
@pytest.mark.parametrize("scheme", ["MDC", "SCPECG", "99LOCAL"])
def test_a_recording(tmp_path: Path, syntax: str, kind: str, scheme: str) -> None:
    order = ">" if syntax == "big" else "<"
    groups = [dicom_beat(TWELVE, order=order), dicom_group(TWELVE, kind=kind, order=order, scheme=scheme)]
    raw = read(tmp_path, groups, syntax=syntax)
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)
    assert (raw.fs, raw.patient, raw.age, raw.sex, raw.notes) == (500, "4711", 61, "F", ())
    part = read(tmp_path, groups, seconds=3, syntax=syntax)
    assert np.array_equal(part.signal_mv, raw.signal_mv[:, :1500])


def test_a_file_of_a_device_is_read_as_pydicom_reads_it(tmp_path: Path) -> None:
    file = get_testdata_file("waveform_ecg.dcm", download=False)
    assert file is not None
    shutil.copy(str(file), tmp_path / "ecg")
    (entry,) = READER.entries(tmp_path)
    raw = READER.read(tmp_path, entry)
    from pydicom import dcmread

    microvolts = multiplex_array(dcmread(str(file)), 0, as_raw=False)
    np.testing.assert_allclose(raw.signal_mv, microvolts.T / 1000, atol=1e-6)
    assert (raw.fs, raw.age, raw.sex, raw.signal_mv.shape, raw.notes) == (1000, 42, "F", (12, 10000), ())


def test_stored_are_eight(tmp_path: Path) -> None:
    raw = read(tmp_path, [dicom_group(EIGHT_LEADS)])
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.006)
    assert raw.notes == ("DERIVED_LEADS",)


def test_baseline_is_in_physical_units_and_not_corrected(tmp_path: Path) -> None:
    raw = read(tmp_path, [dicom_group(TWELVE, channel_ChannelBaseline=100)])
    np.testing.assert_allclose(raw.signal_mv, ECG + 0.1, atol=0.0026)


@pytest.mark.parametrize(("unit", "sensitivity"), [("mV", 0.0025), ("V", 2.5e-6), ("nV", 2500)])
def test_units(tmp_path: Path, unit: str, sensitivity: float) -> None:
    raw = read(tmp_path, [dicom_group(TWELVE, unit=unit, sensitivity=sensitivity)])
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)


def test_eight_bits(tmp_path: Path) -> None:
    coarse = steps(ECG, 20)
    for kind in ("SB", "UB"):
        shifted = {lead: values + (100 if kind == "UB" else 0) for lead, values in coarse.items()}
        special = {"channel_ChannelBaseline": -2000} if kind == "UB" else {}
        raw = read(tmp_path, [dicom_group(shifted, kind=kind, sensitivity=20, factor=None, **special)])
        np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0101)


def test_padding_values_are_missing_samples(tmp_path: Path) -> None:
    holes = {lead: values.copy() for lead, values in TWELVE.items()}
    holes["V2"][4900:] = -32768
    raw = read(tmp_path, [dicom_group(holes, WaveformPaddingValue=b"\x00\x80")])
    assert np.isnan(raw.signal_mv[7, 4900:]).all()
    assert np.isnan(raw.signal_mv).sum() == 100


def test_skewed_channels_begin_later(tmp_path: Path) -> None:
    limb = steps(ECG, 5, ("I", "II", "III", "aVR", "aVL", "aVF"))
    chest = {lead: values[5:] for lead, values in steps(ECG, 5, ("V1", "V2")).items()}
    for special in ({"channel_ChannelSampleSkew": 5}, {"channel_ChannelTimeSkew": 0.01}):
        raw = read(tmp_path, [dicom_group(limb), dicom_group(chest, **special)], kind="general")
        np.testing.assert_allclose(raw.signal_mv[6:8, 5:], ECG[6:8, 5:], atol=0.0026)
        assert np.isnan(raw.signal_mv[6:8, :5]).all()


def test_leads_that_were_recorded_one_group_after_the_other(tmp_path: Path) -> None:
    """The usual print: four groups of three leads, 2.5 s each."""
    names = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
    groups = [
        dicom_group({lead: TWELVE[lead][k * 1250 : (k + 1) * 1250] for lead in leads}, offset=2500 * k)
        for k, leads in enumerate(names)
    ]
    raw = read(tmp_path, groups, kind="general")
    assert raw.signal_mv.shape == (12, 5000)
    for k in range(4):
        rows, columns = slice(3 * k, 3 * k + 3), slice(1250 * k, 1250 * (k + 1))
        np.testing.assert_allclose(raw.signal_mv[rows, columns], ECG[rows, columns], atol=0.0026)
    assert np.isnan(raw.signal_mv).sum() == 12 * 3750


def test_every_rhythm_strip_is_a_record(tmp_path: Path) -> None:
    other = ecg(1)
    groups = [dicom_group(TWELVE), dicom_beat(TWELVE), dicom_group(steps(other, 5), offset=60000)]
    for kind in ORIGINS:
        write_dicom(tmp_path / "a", groups, kind=kind)
        entries = [entry for entry in READER.entries(tmp_path) if isinstance(entry, Entry)]
        assert [entry.record[-2:] for entry in entries] == ["-1", "-2"]
        for entry, expected in zip(entries, (ECG, other), strict=True):
            np.testing.assert_allclose(READER.read(tmp_path, entry).signal_mv, expected, atol=0.0026)


def test_a_second_strip_in_place_of_the_median_beat_is_a_finding(tmp_path: Path) -> None:
    assert read(tmp_path, [dicom_group(TWELVE), dicom_group(TWELVE)]).notes == ("MORE_WAVEFORMS",)


@pytest.mark.parametrize("label", ["MEDIAN BEAT", "Representative", "x"])
def test_a_median_beat_alone_is_no_recording(tmp_path: Path, label: str) -> None:
    assert refused(tmp_path, [dicom_beat(TWELVE, MultiplexGroupLabel=label)]) == "NO_RHYTHM"


def test_derived_leads_beside_measured_ones_are_left_out(tmp_path: Path) -> None:
    """Such as a vectorcardiogram's; where nothing else is there, a strip is taken whatever it is called."""
    derived = dicom_group(steps(ecg(3), 5), WaveformOriginality="DERIVED")
    raw = read(tmp_path, [derived, dicom_group(TWELVE)])
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)
    np.testing.assert_allclose(read(tmp_path, [derived]).signal_mv, ecg(3), atol=0.0026)


@pytest.mark.parametrize(
    ("special", "code"),
    [
        ({"unit": None}, "NO_UNIT"),
        ({"unit": "mm[Hg]"}, "NO_UNIT"),
        ({"sensitivity": None}, "NO_UNIT"),
        ({"sensitivity": 0}, "BAD_GAIN"),
        ({"factor": -1}, "BAD_GAIN"),
        ({"fs": 10}, "BAD_RATE"),
        ({"SamplingFrequency": None}, "BAD_RATE"),
        ({"NumberOfWaveformSamples": 5001}, "TRUNCATED"),
        ({"NumberOfWaveformSamples": 4999}, "BAD_HEADER"),
        ({"NumberOfWaveformChannels": 11}, "BAD_HEADER"),
        ({"WaveformBitsAllocated": 8}, "BAD_HEADER"),
        ({"WaveformSampleInterpretation": "MB"}, "UNREADABLE"),
        ({"WaveformSampleInterpretation": "FL"}, "UNREADABLE"),
        ({"kind": "SL", "WaveformPaddingValue": b"\x00\x80"}, "BAD_HEADER"),
        ({"channel_ChannelSampleSkew": 1e9}, "TOO_LONG"),
        ({"channel_ChannelSampleSkew": -10}, "TRUNCATED"),
    ],
)
def test_what_would_be_a_guess_is_refused(tmp_path: Path, special: dict[str, Any], code: str) -> None:
    assert refused(tmp_path, [dicom_group(TWELVE, **special)]) == code


def test_channels_that_are_no_lead_and_leads_twice(tmp_path: Path) -> None:
    both = dicom_group(TWELVE)
    both.ChannelDefinitionSequence[11].ChannelSourceSequence[0].CodeValue = "2:9"
    both.ChannelDefinitionSequence[11].ChannelSourceSequence[0].CodeMeaning = "Lead V7"
    both.ChannelDefinitionSequence[10].ChannelSourceSequence[0].CodeValue = "131334"
    assert read(tmp_path, [both]).notes == ("EXTRA_SIGNAL", "REPEATED_LEAD")
    nothing = dicom_group(TWELVE)
    for channel in nothing.ChannelDefinitionSequence:
        del channel.ChannelSourceSequence
    assert refused(tmp_path, [nothing]) == "NO_LEADS"


def test_age_by_the_day_of_birth(tmp_path: Path) -> None:
    dates = {"PatientAge": "", "PatientBirthDate": "19620401", "AcquisitionDateTime": "20240305100000.000+0100"}
    assert read(tmp_path, [dicom_group(TWELVE)], **dates).age == 61
    assert read(tmp_path, [dicom_group(TWELVE)], **dates | {"PatientAge": "000Y"}).age == 61
    assert read(tmp_path, [dicom_group(TWELVE)], PatientAge="", PatientBirthDate="19620401").age is None
    assert read(tmp_path, [dicom_group(TWELVE)], PatientAge="000Y").age is None
    assert read(tmp_path, [dicom_group(TWELVE)], PatientAge="000D").age == 0


def test_ids_that_two_have_given_are_a_finding_and_stay_one_patient(tmp_path: Path) -> None:
    for seed, issuer in enumerate(("A", "B", "")):
        write_dicom(tmp_path / f"{seed}.dcm", [dicom_group(steps(ecg(seed), 5))], IssuerOfPatientID=issuer)
    report = diagnose(tmp_path, READER)
    assert report.patients == 1
    assert [found.count for found in report.findings if found.code == "SEVERAL_PEOPLE"] == [1]


def test_other_objects_are_passed_over(tmp_path: Path) -> None:
    write_dicom(tmp_path / "ecg.dcm", [dicom_group(TWELVE)])
    write_dicom(tmp_path / "image.dcm", [], kind="1.2.840.10008.5.1.4.1.1.2")
    write_dicom(tmp_path / "sound.dcm", [], kind="1.2.840.10008.5.1.4.1.1.9.4.1")
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    (tmp_path / "cut.dcm").write_bytes(b"\0" * 200)
    (tmp_path / "empty.dcm").touch()
    listed = list(READER.entries(tmp_path))
    assert sum(one.count for one in listed if isinstance(one, Notice) and one.code == "OTHER_FILE") == 3
    problems = [one.problem[0] if one.problem else "" for one in listed if isinstance(one, Entry)]
    assert problems == ["BAD_HEADER", "", "TRUNCATED"]


def test_a_deflated_object_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a", [dicom_group(TWELVE)], syntax="1.2.840.10008.1.2.1.99")
    (entry,) = READER.entries(tmp_path)
    with pytest.raises(RecordError) as caught:
        READER.read(tmp_path, entry)
    assert caught.value.code == "UNREADABLE"


def test_an_object_that_was_cut_off_is_never_half_a_recording(tmp_path: Path) -> None:
    whole = write_dicom(tmp_path / "a", [dicom_group(TWELVE)]).read_bytes()
    for share in (0.02, 0.1, 0.5, 0.9, 0.99):
        (tmp_path / "a").write_bytes(whole[: int(share * len(whole))])
        (entry,) = READER.entries(tmp_path)
        with pytest.raises(RecordError):
            READER.read(tmp_path, entry)
