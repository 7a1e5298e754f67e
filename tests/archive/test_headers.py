from __future__ import annotations

from pathlib import Path

import pytest
import wfdb

from cape_fed.archive.base import RecordError
from cape_fed.archive.headers import parse_header, read_header

LINE = "a.dat 16 1000(0)/mV 16 0 -5 77 0 I"


def test_every_field() -> None:
    header = parse_header(
        "a/0 1 500/1(2) 5000 12:00:00 01/02/2003\nb.mat 16x1:0+24 200.5(-3)/uV 12 1024 5 -9 0 aVR\n# x: y"
    )
    spec = header.signals[0]
    assert (header.segments, header.fs, header.samples, header.comments) == (0, 500, 5000, ("x: y",))
    assert (spec.file, spec.format, spec.frame, spec.skew, spec.offset) == ("b.mat", "16", 1, 0, 24)
    assert (spec.gain, spec.baseline, spec.unit, spec.resolution, spec.zero) == (200.5, -3, "uV", 12, 1024)
    assert (spec.checksum, spec.name) == (-9, "aVR")


def test_defaults() -> None:
    header = parse_header("a 1\na.dat 212")
    spec = header.signals[0]
    assert (header.fs, header.samples) == (250, None)
    assert (spec.gain, spec.baseline, spec.unit, spec.checksum, spec.name) == (0, 0, "mV", None, "")


def test_file_names_with_blanks() -> None:
    spec = parse_header("a 1\nmy record 2.dat 16+24 200 12 0 -7 0 0 V1 V2").signals[0]
    assert (spec.file, spec.format, spec.offset, spec.initial, spec.name) == ("my record 2.dat", "16", 24, -7, "V1 V2")
    assert parse_header("a 1\na.dat 16 200 12 0 0 0 0 lead 16 200").signals[0].file == "a.dat"


def test_a_missing_baseline_is_the_adc_zero() -> None:
    assert parse_header("a 1 500 10\na.dat 16 200 12 1024 0 0 0 II").signals[0].baseline == 1024


@pytest.mark.parametrize(
    "first", ["A0001.mat 1 500 10", "my old record 1 500 10", "a  1  500  10", "a 1 500 10 12-May-2020 12:33:59"]
)
def test_record_lines_that_archives_have(first: str) -> None:
    assert parse_header(f"{first}\r\n{LINE}\r\n").samples == 10


@pytest.mark.parametrize("mark", ["\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\u2028", "\u2029"])
def test_a_comment_ends_at_the_end_of_its_line_only(tmp_path: Path, mark: str) -> None:
    header = parse_header(f"a 1 500 10\r\n{LINE}\r# wait{mark}go on\n# Age: 5")
    assert header.comments == (f"wait{mark}go on", "Age: 5")
    path = tmp_path / "a.hea"
    path.write_bytes(f"a 1 500 10\n{LINE}\n# wait".encode() + b"\x85 go on\n")
    assert read_header(path).notes == ("NON_UTF8",)


def test_lines_that_are_no_signal_after_the_last_signal_are_noted() -> None:
    header = parse_header(f"a 1 500 10\n{LINE}\ngo on\n# Age: 5")
    assert (len(header.signals), header.comments, header.notes) == (1, ("Age: 5",), ("STRAY_LINES",))
    with pytest.raises(RecordError, match="lists 2"):
        parse_header(f"a 1 500 10\ngo on\n{LINE}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only comments",
        "a",
        "a x 500 10",
        "a -1 500 10",
        "a 0 500 10",
        "a 2 500 10\n" + LINE,
        "a 1 500 10\n" + LINE + "\n" + LINE,
        "a 1 500 -10\n" + LINE,
        "a 1 0 10\n" + LINE,
        "a 1 nan 10\n" + LINE,
        "a 1 inf 10\n" + LINE,
        "a 1 500 10\na.dat",
        "a 1 500 10\na" + " " * 1_000_000 + "x",
        "a 1 500 10\n" + "a " * 500_000 + "x",
        "a 1000000000 500 10\n" + LINE,
        "a 1 500 " + "9" * 5000 + "\n" + LINE,
        "a 1 500 10\na.dat 16 1000(" + "9" * 5000 + ")/mV 16 0 0 0 0 I",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(RecordError):
        parse_header(text)


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.hea"
    text = f"a 1 500 10\n{LINE}\n# Name: Müller"
    path.write_bytes(text.encode("latin-1"))
    assert read_header(path).notes == ("NON_UTF8",)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_header(path).notes == ()
    assert read_header(path).comments == ("Name: Müller",)


def test_a_missing_or_huge_header(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no header"):
        read_header(tmp_path / "a.hea")
    (tmp_path / "a.hea").write_bytes(b"#" * (1 << 21))
    with pytest.raises(RecordError, match="1 MiB"):
        read_header(tmp_path / "a.hea")


@pytest.mark.parametrize("cohort", ["ptbxl/records100/00000", "code15", "cpsc2018", "ningbo"])
def test_agrees_with_wfdb_on_real_headers(real_data: Path, cohort: str) -> None:
    for path in sorted((real_data / cohort).glob("*.hea"))[::7]:
        ours, theirs = read_header(path), wfdb.rdheader(str(path.with_suffix("")))
        assert (ours.fs, ours.samples, ours.signal_count) == (theirs.fs, theirs.sig_len, theirs.n_sig)
        for attribute, field in (("name", "sig_name"), ("gain", "adc_gain"), ("baseline", "baseline")):
            assert [getattr(spec, attribute) for spec in ours.signals] == getattr(theirs, field)
        for attribute, field in (("unit", "units"), ("file", "file_name"), ("checksum", "checksum")):
            assert [getattr(spec, attribute) for spec in ours.signals] == getattr(theirs, field)
        assert list(ours.comments) == theirs.comments
