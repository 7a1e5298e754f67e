"""Archives that were damaged at random: no exception but the two that readers may raise, no hang, no wrong record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cape_fed.archive.base import Notice, RawRecord, Reader, RecordError
from cape_fed.archive.code15 import Code15
from cape_fed.archive.comments import describe
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.headers import parse_header
from cape_fed.archive.manifest import Manifest
from cape_fed.archive.mimic_iv_ecg import MimicIvEcg
from cape_fed.archive.ptbxl import PtbXl
from cape_fed.archive.registry import get_reader
from cape_fed.archive.wfdb_tree import WfdbTree
from cape_fed.errors import InputError
from cape_fed.signal.quality import assess
from tests.archive.files import counts, ecg, write_wfdb
from tests.archive.test_code15 import write_part

hostile = settings(deadline=5000, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

NUMBERS = ["0", "-1", "1e999", "nan", "16", "212", "516", "8", "9" * 12, "9" * 30, "\u0663"]
SYNTAX = ["", " ", "\n", "\0", "x3", ":5", "+24", "/2", "(7)", "/uV", "~", "..", "/", "#", ",", '"', "{", "'", ";"]
FRAGMENTS = st.sampled_from([*NUMBERS, *SYNTAX, "b.dat", "I", "é", "x" * 300])


@st.composite
def edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A few cuts, each replaced by a fragment that means something to a parser or by any bytes."""
    cuts = draw(
        st.lists(
            st.tuples(
                st.floats(0, 1),
                st.integers(0, 30),
                FRAGMENTS.map(lambda text: text.encode()) | st.binary(max_size=6),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def edit(data: bytes) -> bytes:
        for place, length, fragment in cuts:
            start = int(place * len(data))
            data = data[:start] + fragment + data[start + length :]
        return data

    return edit


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def assert_a_recording(raw: RawRecord) -> None:
    assert raw.signal_mv.dtype == np.float32
    assert raw.signal_mv.ndim == 2
    assert raw.signal_mv.shape[0] == 12
    assert not np.isinf(raw.signal_mv).any()
    assert 50 <= raw.fs <= 20000
    assert raw.age is None or 0 <= raw.age <= 120
    assert set(raw.notes) <= set(CATALOGUE)
    assess(raw.signal_mv, raw.fs, raw.saturated_leads)


def read_all(reader: Reader, root: Path, seconds: float | None = 10.5) -> dict[str, RawRecord]:
    """Every record that can be read; any exception but the two that are allowed fails the test."""
    raws: dict[str, RawRecord] = {}
    errors: list[RecordError] = []
    refusal = ""
    try:
        for entry in reader.entries(root):
            if isinstance(entry, Notice):
                assert entry.code in CATALOGUE
                continue
            try:
                raws[entry.record] = reader.read(root, entry, seconds)
            except RecordError as error:
                errors.append(error)
    except InputError as error:
        refusal = str(error)
    for raw in raws.values():
        assert_a_recording(raw)
    assert {error.code for error in errors} <= set(CATALOGUE)
    assert "\n" not in refusal + "".join(error.reason for error in errors)
    return raws


COMMENTS = ("Age: 61", "Sex: Female", "Dx: 164889003,59118001", "Patient ID: 5")
CLEAN = {name: counts(ecg(seed, 100, 3)) for seed, name in enumerate("abc")}


@settings(hostile, max_examples=250)
@given(header=edits(), signal=st.none() | edits(), seconds=st.sampled_from([None, 2.0]))
def test_damaged_wfdb_records(
    header: Callable[[bytes], bytes], signal: Callable[[bytes], bytes] | None, seconds: float | None
) -> None:
    with folder() as root:
        for name, digital in CLEAN.items():
            write_wfdb(root / name, digital, fs=100, comments=COMMENTS)
        (root / "b.hea").write_bytes(header((root / "b.hea").read_bytes()))
        if signal is not None:
            (root / "b.dat").write_bytes(signal((root / "b.dat").read_bytes()))
        raws = read_all(WfdbTree(verify=True), root, seconds)
        for name in "ac":
            expected = CLEAN[name] if seconds is None else CLEAN[name][:, :200]
            np.testing.assert_allclose(raws[name].signal_mv, expected / 1000, rtol=1e-6)
            assert (raws[name].patient, raws[name].age, raws[name].notes) == ("5", 61, ())
        assert diagnose(root, WfdbTree(verify=True)).records == 3


@settings(hostile, max_examples=300)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_any_text_as_header(text: str) -> None:
    try:
        header = parse_header(text)
    except RecordError:
        return
    describe(header.comments)


@settings(hostile, max_examples=200)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_comments(comments: list[str]) -> None:
    description = describe(comments)
    assert description.age is None or 0 <= description.age <= 120


def _ptbxl(root: Path) -> Path:
    table = root / "ptbxl_database.csv"
    rows = [f"{n},{n}.0,50.0,1,\"{{'NORM': 100.0, 'SR': 0.0}}\",r/{n}" for n in (1, 2, 3)]
    table.write_text("\n".join(["ecg_id,patient_id,age,sex,scp_codes,filename_lr", *rows]) + "\n")
    return table


def _code15(root: Path) -> Path:
    table = root / "exams.csv"
    table.write_text("exam_id,age,is_male,patient_id,AF\n1,50,True,7,False\n2,60,False,8,True\n3,70,True,,False\n")
    return table


def _mimic(root: Path) -> Path:
    table = root / "record_list.csv"
    rows = [f"{n},{n},{n},2180-07-23 08:44:00,r/{n}" for n in (1, 2, 3)]
    table.write_text("\n".join(["subject_id,study_id,file_name,ecg_time,path", *rows]) + "\n")
    return table


def _manifest(root: Path) -> Path:
    table = root / "manifest.csv"
    table.write_text("path,patient_id,age,sex,AF,fs\nr/1,1,50,F,1,\nr/2.hea,2,60,M,0,\narray.npy,3,70,F,,100\n")
    return table


@pytest.mark.parametrize(
    ("reader", "write"), [(PtbXl(), _ptbxl), (Code15(), _code15), (MimicIvEcg(), _mimic), (Manifest(), _manifest)]
)
def test_damaged_tables(reader: Reader, write: Callable[[Path], Path]) -> None:
    with folder() as root:
        for number, digital in enumerate(CLEAN.values(), start=1):
            write_wfdb(root / f"r/{number}", digital, fs=100)
        np.save(root / "array.npy", ecg(2, 100, 3))
        clean = write(root).read_bytes()
        assert len(read_all(reader, root)) == 3

        @settings(hostile, max_examples=120)
        @given(edits())
        def damage(edit: Callable[[bytes], bytes]) -> None:
            write(root).write_bytes(edit(clean))
            read_all(reader, root)

        damage()


@settings(hostile, max_examples=120)
@given(edits())
def test_damaged_arrays(edit: Callable[[bytes], bytes]) -> None:
    with folder() as root:
        (root / "manifest.csv").write_text("path,fs\na.npy,100\n")
        np.save(root / "a.npy", ecg(0, 100, 3))
        head, body = (root / "a.npy").read_bytes()[:128], (root / "a.npy").read_bytes()[128:]
        (root / "a.npy").write_bytes(edit(head) + body)
        read_all(Manifest(), root)


@settings(hostile, max_examples=20)
@given(st.floats(0, 1))
def test_truncated_hdf5_parts(share: float) -> None:
    with folder() as root:
        _code15(root)
        write_part(root / "exams_part0.hdf5", {1: ecg(1, 400, 7), 2: ecg(2, 400, 10)})
        data = (root / "exams_part0.hdf5").read_bytes()
        (root / "exams_part0.hdf5").write_bytes(data[: int(share * len(data))])
        read_all(get_reader("code15"), root)
