"""MUSE, aECG, Sierra, SCP-ECG and Mortara: values, people, labels, what is derived and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import RawRecord, RecordError
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.registry import get_reader
from cape_fed.signal.leads import LEADS
from tests.archive.exported import (
    EIGHT,
    aecg,
    as_muse_exports,
    as_sierra_1_03,
    mortara,
    muse,
    scp,
    sierra,
    steps,
)
from tests.archive.files import ecg

ECG = ecg()
TWELVE = steps(ECG, 5)


def read(folder: Path, name: str, data: bytes, *, verify: bool = True, seconds: float | None = None) -> RawRecord:
    (folder / "a").write_bytes(data)
    reader = get_reader(name, verify=verify)
    (entry,) = reader.entries(folder)
    return reader.read(folder, entry, seconds)


def refused(folder: Path, name: str, data: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        read(folder, name, data)
    return caught.value.code


FORMATS: dict[str, Callable[[], bytes]] = {
    "muse": lambda: muse(TWELVE, microvolts="5"),
    "aecg": lambda: aecg([TWELVE]),
    "sierra": lambda: sierra(TWELVE),
    "scp": lambda: scp(TWELVE),
    "mortara": lambda: mortara(TWELVE),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording(tmp_path: Path, name: str) -> None:
    raw = read(tmp_path, name, FORMATS[name]())
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)
    assert (raw.fs, raw.patient, raw.age, raw.sex) == (500, "4711", 61, "F")
    assert (raw.labels.get("SINUS"), raw.labels.get("AF")) == ((None, None) if name == "aecg" else (True, False))
    assert (raw.notes, raw.misread, raw.unmapped) == ((), (), ())
    part = read(tmp_path, name, FORMATS[name](), seconds=2.5)
    assert np.array_equal(part.signal_mv, raw.signal_mv[:, :1250])
    assert part.declared_samples == 5000


EIGHT_STORED: dict[str, Callable[[], bytes]] = {
    "muse": lambda: muse(steps(ECG, 4.88, EIGHT)),
    "aecg": lambda: aecg([steps(ECG, 5, EIGHT)]),
    "sierra": lambda: sierra(steps(ECG, 5, EIGHT)),
    "scp": lambda: scp(steps(ECG, 5, EIGHT)),
    "mortara": lambda: mortara(steps(ECG, 5, EIGHT)),
}


@pytest.mark.parametrize("name", EIGHT_STORED)
def test_the_other_four_limb_leads_are_derived_and_marked(tmp_path: Path, name: str) -> None:
    raw = read(tmp_path, name, EIGHT_STORED[name]())
    one, two = raw.signal_mv[0], raw.signal_mv[1]
    derived = np.stack((two - one, -(one + two) / 2, one - two / 2, two - one / 2))
    np.testing.assert_allclose(raw.signal_mv[2:6], derived, atol=1e-6)
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.006)
    assert raw.notes == ("DERIVED_LEADS",)


def test_nothing_is_derived_without_lead_two(tmp_path: Path) -> None:
    raw = read(tmp_path, "muse", muse(steps(ECG, 4.88, ("I", "V1", "V2", "V3", "V4", "V5", "V6"))))
    assert np.isnan(raw.signal_mv[1:6]).all()
    assert raw.notes == ()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("muse", lambda: muse(TWELVE, unit="")),
        ("muse", lambda: muse(TWELVE, unit="FURLONGS")),
        ("muse", lambda: muse(TWELVE, microvolts="")),
        ("aecg", lambda: aecg([TWELVE], scale="")),
        ("aecg", lambda: aecg([TWELVE], scale='<scale unit="uV"/>')),
        ("aecg", lambda: aecg([TWELVE], scale='<scale value="5" unit="mmHg"/>')),
        ("sierra", lambda: sierra(TWELVE, resolution="")),
        ("scp", lambda: scp(TWELVE, nanovolts=0)),
        ("mortara", lambda: mortara(TWELVE, per_mv="")),
    ],
)
def test_values_without_a_voltage_are_refused(tmp_path: Path, name: str, data: Callable[[], bytes]) -> None:
    assert refused(tmp_path, name, data()) == "NO_UNIT"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("muse", lambda: muse(TWELVE, microvolts="-5")),
        ("muse", lambda: muse(TWELVE, microvolts="1e30")),
        ("muse", lambda: muse(TWELVE, microvolts="nan")),
        ("aecg", lambda: aecg([TWELVE], scale='<scale value="-5" unit="uV"/>')),
    ],
)
def test_impossible_gains_are_refused(tmp_path: Path, name: str, data: Callable[[], bytes]) -> None:
    assert refused(tmp_path, name, data()) == "BAD_GAIN"


def test_units_and_origin(tmp_path: Path) -> None:
    coarse = steps(ECG, 5)
    raw = read(
        tmp_path, "aecg",
        aecg([coarse], scale='<scale value="0.005" unit="mV"/>', origin='<origin value="250" unit="uV"/>'),
    )  # fmt: skip
    np.testing.assert_allclose(raw.signal_mv, ECG + 0.25, atol=0.0026)
    raw = read(tmp_path, "muse", muse(coarse, microvolts="0.005", unit="MILLIVOLTS"))
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)


def test_exact_rates(tmp_path: Path) -> None:
    assert read(tmp_path, "aecg", aecg([TWELVE], fs=257.25)).fs == pytest.approx(257.25)
    assert read(tmp_path, "scp", scp(TWELVE, interval=3900)).fs == pytest.approx(1e6 / 3900)
    assert refused(tmp_path, "scp", scp(TWELVE, interval=50000)) == "BAD_RATE"


def test_samples_that_are_marked_as_missing(tmp_path: Path) -> None:
    holes = {lead: values.copy() for lead, values in TWELVE.items()}
    holes["V3"][100:120] = -32768
    raw = read(tmp_path, "muse", muse(holes, microvolts="5"))
    assert np.flatnonzero(np.isnan(raw.signal_mv).any(axis=0)).tolist() == list(range(100, 120))


def test_a_wrong_checksum_is_a_finding(tmp_path: Path) -> None:
    assert read(tmp_path, "muse", muse(TWELVE, microvolts="5", crc_error=1)).notes == ("CHECKSUM",)
    data = bytearray(scp(TWELVE, huffman=False))
    data[len(data) // 2] ^= 1
    assert "CHECKSUM" in read(tmp_path, "scp", bytes(data)).notes


def test_an_offset_that_nobody_explains_is_a_finding(tmp_path: Path) -> None:
    extra = "<FirstSampleBaseline>7</FirstSampleBaseline>"
    assert read(tmp_path, "muse", muse(TWELVE, microvolts="5", extra=extra)).notes == ("OFFSET_IGNORED",)


def test_the_median_beat_is_never_the_rhythm(tmp_path: Path) -> None:
    first = read(tmp_path, "muse", muse(TWELVE, microvolts="5", kinds=("Rhythm", "Median")))
    assert np.array_equal(read(tmp_path, "muse", muse(TWELVE, microvolts="5")).signal_mv, first.signal_mv)
    assert refused(tmp_path, "muse", muse(TWELVE, kinds=("Median",))) == "UNREADABLE"
    assert refused(tmp_path, "aecg", aecg([TWELVE], codes=["REPRESENTATIVE_BEAT"])) == "NO_RHYTHM"
    twice = read(tmp_path, "muse", muse(TWELVE, microvolts="5", kinds=("Rhythm", "Rhythm")))
    assert twice.notes == ("MORE_WAVEFORMS",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_every_rhythm_series_of_an_aecg_is_a_record(tmp_path: Path, encoding: str) -> None:
    other = ecg(1)
    data = aecg([TWELVE, steps(ecg(2), 5), steps(other, 5)], codes=["RHYTHM", "REPRESENTATIVE_BEAT", "RHYTHM"])
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "a.xml").write_bytes((mark + data.decode()).encode(encoding))
    reader = get_reader("aecg")
    entries = list(reader.entries(tmp_path))
    assert [entry.record[-2:] for entry in entries] == ["-1", "-2"]
    for entry, expected in zip(entries, (ECG, other), strict=True):
        np.testing.assert_allclose(reader.read(tmp_path, entry).signal_mv, expected, atol=0.0026)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_compressed_sierra(tmp_path: Path, encoding: str) -> None:
    raw = read(tmp_path, "sierra", sierra(TWELVE, compressed=True, encoding=encoding))
    for row, lead in enumerate(LEADS):
        np.testing.assert_array_equal(np.rint(raw.signal_mv[row] * 200), TWELVE[lead])


def test_compressed_sierra_as_another_package_reads_it(tmp_path: Path) -> None:
    other = pytest.importorskip("sierraecg")
    file = tmp_path / "a"
    raw = read(tmp_path, "sierra", sierra(TWELVE, compressed=True))
    for row, lead in enumerate(other.read_file(str(file)).leads):
        assert lead.label == LEADS[row]
        np.testing.assert_array_equal(np.rint(raw.signal_mv[row] * 200), lead.samples[:5000])


def test_compressed_limb_leads_in_another_order_are_refused(tmp_path: Path) -> None:
    order = ["II", "I", *LEADS[2:]]
    assert refused(tmp_path, "sierra", sierra({lead: TWELVE[lead] for lead in order}, compressed=True)) == "UNREADABLE"


def test_what_a_muse_exports(tmp_path: Path) -> None:
    """Lines of statements are made of several parts, and comparisons name what does not hold now."""
    plain = muse(TWELVE, microvolts="5")
    parts = [
        ("SINUS TACHYCARDIA", False), ("WITH", False), ("ONE", False), ("VENTRICULAR PREMATURE BEAT", True),
        ("OCCASIONAL", False), ("PREMATURE ECTOPIC COMPLEXES", True),
        ("CANNOT RULE OUT", False), ("ANTERIOR INFARCT", False), ("(CITED ON OR BEFORE", False), ("21-JAN-1999)", True),
        ("WHEN COMPARED WITH ECG OF", False), ("1/21/99 16:22,", True),
        ("LEFT BUNDLE BRANCH BLOCK", False), ("IS NO LONGER PRESENT", True),
    ]  # fmt: skip
    raw = read(tmp_path, "muse", as_muse_exports(plain, parts))
    assert np.array_equal(raw.signal_mv, read(tmp_path, "muse", plain).signal_mv)
    assert raw.notes == ()
    assert {label for label, stated in raw.labels.items() if stated} == {"SINUS", "STACH", "PVC"}
    assert not {"MI", "LBBB", "PAC"} & raw.labels.keys()
    assert raw.labels["AFL"] is False, "what the machine said before a physician did is not read"


def test_what_a_sierra_of_version_1_03_is(tmp_path: Path) -> None:
    compressed = sierra(TWELVE, compressed=True)
    statements = [
        ("Sinus bradycardia", "rate< 50"),
        ("Nonspecific intraventricular conduction delay", "QRSd >115mS, not LBBB/RBBB"),
        ("Inferior infarct, acute (LCx)", "ST>0.10mV, II III aVF, STd V1-V3"),
        (">>> Acute MI <<<", ""),
    ]
    raw = read(tmp_path, "sierra", as_sierra_1_03(compressed, statements))
    assert np.array_equal(raw.signal_mv, read(tmp_path, "sierra", compressed).signal_mv)
    assert raw.notes == ()
    assert {label for label, stated in raw.labels.items() if stated} == {"SINUS", "SBRAD", "MI"}


@pytest.mark.parametrize(
    ("severity", "normal"),
    [
        ('<severity code="NM" editedflag="False">- NORMAL ECG -</severity>', True),
        ('<severity id="">- NORMAL ECG -</severity>', True),
        ('<severity code="ON">- OTHERWISE NORMAL ECG -</severity>', None),
        ("<severity>- BORDERLINE ECG -</severity>", None),
        ('<severity code="AB">- ABNORMAL ECG -</severity>', False),
        ("<severity>- DEFECTIVE ECG -</severity>", None),
        ("", None),
    ],
)
def test_a_sierra_is_as_normal_as_its_severity_says(tmp_path: Path, severity: str, normal: bool | None) -> None:
    data = sierra(TWELVE).replace(b"</interpretation>", f"{severity}</interpretation>".encode())
    assert read(tmp_path, "sierra", data).labels.get("NORM") is normal


def test_the_severity_of_other_formats_counts_as_well(tmp_path: Path) -> None:
    data = mortara(TWELVE).replace(b"<ECG ", b'<ECG SEVERITY="Normal ECG" ')
    assert read(tmp_path, "mortara", data).labels["NORM"] is True
    notes = "".join(
        f'<component><annotation><code code="{code}"/><value>{text}</value></annotation></component>'
        for code, text in (
            ("MDC_ECG_INTERPRETATION_STATEMENT", "Sinus rhythm"),
            ("MDC_ECG_INTERPRETATION_SEVERITY", "- NORMAL ECG -"),
        )
    )
    annotated = f"<subjectOf><annotationSet>{notes}</annotationSet></subjectOf></series>".encode()
    assert read(tmp_path, "aecg", aecg([TWELVE]).replace(b"</series>", annotated)).labels["NORM"] is True


@pytest.mark.parametrize("huffman", [True, False])
@pytest.mark.parametrize("differences", [0, 1, 2])
def test_codings_of_scp(tmp_path: Path, huffman: bool, differences: int) -> None:
    raw = read(tmp_path, "scp", scp(TWELVE, huffman=huffman, differences=differences))
    np.testing.assert_allclose(raw.signal_mv, ECG, atol=0.0026)
    assert raw.labels["IRBBB"] is True


@pytest.mark.parametrize(
    ("codes", "expected"),
    [(("AFIB", "IRBBB"), {"AF", "IRBBB"}), (("AFIB", "XYZ"), {"SINUS", "RBBB"})],
)
def test_codes_of_an_scp_count_before_its_texts(tmp_path: Path, codes: tuple[str, ...], expected: set[str]) -> None:
    raw = read(tmp_path, "scp", scp(TWELVE, statements=codes, texts=("Sinus rhythm", "Right bundle branch block")))
    assert {label for label, stated in raw.labels.items() if stated} == expected


def test_people_who_are_not_known(tmp_path: Path) -> None:
    for person, expected, notes in (
        ("<PatientID>000000000</PatientID><Gender>UNKNOWN</Gender>", (None, None, None), ()),
        ("<PatientID>99999</PatientID><Gender>HERR XAVERIUS</Gender>", (None, None, None), ()),
        ("<PatientID>1.23457E+09</PatientID>", (None, None, None), ("ID_ROUNDED",)),
        (
            "<PatientID>5</PatientID><PatientAge>150</PatientAge><AgeUnits>YEARS</AgeUnits>",
            ("5", None, None),
            ("AGE_IMPLAUSIBLE",),
        ),
        ("<DateofBirth>04-01-1962</DateofBirth>", (None, 61, None), ()),
    ):
        raw = read(tmp_path, "muse", muse(TWELVE, microvolts="5", person=person))
        assert (raw.patient, raw.age, raw.sex) == expected
        assert raw.notes == notes
        assert raw.misread == ()


@pytest.mark.parametrize(
    ("word", "sex", "notes"),
    [("Male", "M", ()), ("F", "F", ()), ("Mujer", None, ("BAD_SEX",)), ("Unknown", None, ()), ("", None, ())],
)
def test_the_sex_of_a_mortara_is_a_word(tmp_path: Path, word: str, sex: str | None, notes: tuple[str, ...]) -> None:
    data = mortara(TWELVE).replace(b'GENDER="Female"', f'GENDER="{word}"'.encode())
    raw = read(tmp_path, "mortara", data)
    assert (raw.sex, raw.notes) == (sex, notes)


@pytest.mark.parametrize(
    "patient",
    ["ANONYMOUS", "Anon", "unk", "Unknown", "NOID", "NO ID", "TEST", "--", "XXXX", "*", "000-00-0000", "0", "1111",
     "aaaa", "999-99-9999", "...", "De-identified", "Test_Patient"],
)  # fmt: skip
def test_a_placeholder_is_no_id(tmp_path: Path, patient: str) -> None:
    raw = read(tmp_path, "muse", muse(TWELVE, microvolts="5", person=f"<PatientID>{patient}</PatientID>"))
    assert (raw.patient, raw.notes) == (None, ())


def test_ids_that_two_have_given_are_a_finding_and_stay_one_patient(tmp_path: Path) -> None:
    for file, root in (("a", "1.2.3"), ("b", ""), ("c", "1.2.4")):
        stated = f'<id root="{root}" extension="4711"/>' if root else '<id extension="4711"/>'
        signal = steps(ecg(ord(file)), 5)
        (tmp_path / file).write_bytes(aecg([signal]).replace(b'<id extension="4711"/>', stated.encode()))
    report = diagnose(tmp_path, get_reader("aecg"))
    assert report.patients == 1
    assert [found.count for found in report.findings if found.code == "SEVERAL_PEOPLE"] == [1]


@pytest.mark.parametrize("patient", ["ANON001", "TEST12", "5", "11", "111", "11-11", "0011", "A-1", "XX7", "P-000-1"])
def test_an_id_that_looks_like_a_placeholder(tmp_path: Path, patient: str) -> None:
    person = f"<PatientID>{patient}</PatientID>"
    assert read(tmp_path, "muse", muse(TWELVE, microvolts="5", person=person)).patient == patient


@pytest.mark.parametrize(
    ("statements", "labels"),
    [
        (["Atrial fibrillation", "Left bundle branch block"], {"AF": True, "LBBB": True, "RBBB": False}),
        (["Vorhofflimmern", "Linksschenkelblock"], {}),
        (["Sinus tachycardie", "Linker bundeltakblok"], {}),
        (["Rythme sinusal", "LVH"], {}),
        ([], {}),
    ],
)
def test_statements_in_another_language_are_no_labels(
    tmp_path: Path, statements: list[str], labels: dict[str, bool]
) -> None:
    raw = read(tmp_path, "muse", muse(TWELVE, microvolts="5", statements=statements))
    assert {label: raw.labels.get(label) for label in labels} == labels
    assert bool(raw.labels) == bool(labels)


def test_a_lead_twice_and_leads_that_are_none(tmp_path: Path) -> None:
    data = muse(TWELVE, microvolts="5").replace(b"<LeadID>V6<", b"<LeadID>V5<").replace(b"<LeadID>V4<", b"<LeadID>X<")
    assert read(tmp_path, "muse", data).notes == ("EXTRA_SIGNAL",)
    assert refused(tmp_path, "mortara", mortara({"X": TWELVE["I"], "Y": TWELVE["II"]})) == "NO_LEADS"


def test_leads_of_several_lengths(tmp_path: Path) -> None:
    short = TWELVE | {"V6": TWELVE["V6"][:4000]}
    raw = read(tmp_path, "muse", muse(short, microvolts="5"))
    assert raw.notes == ("LENGTH_MISMATCH",)
    assert np.isnan(raw.signal_mv[11, 4000:]).all()
    assert not np.isnan(raw.signal_mv[:11]).any()
