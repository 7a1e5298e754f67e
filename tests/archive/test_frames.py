"""Frames and skews against a decoder that goes sample by sample, as the format's description says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.archive.base import RecordError
from cape_fed.archive.wfdb_record import read_recording
from cape_fed.signal.leads import LEAD_INDEX, LEADS
from tests.archive.files import counts, ecg

GAIN = 1000


class Lead(NamedTuple):
    name: str
    frame: int
    skew: int
    samples: np.ndarray
    """ADC values of the signal itself, ``frame`` of them a frame."""


def packed(values: list[int], fmt: str) -> bytes:
    """Samples in the order of the file as bytes, written out by hand."""
    if fmt == "212":
        out = bytearray()
        for first, second in zip(values[::2], [*values[1::2], 0][: (len(values) + 1) // 2], strict=True):
            out += bytes((first & 0xFF, ((first >> 8) & 0xF) | (((second >> 8) & 0xF) << 4), second & 0xFF))
        return bytes(out)
    width, offset = {"16": (2, 0), "24": (3, 0), "32": (4, 0), "80": (1, 128), "160": (2, 32768)}[fmt]
    low = 1 << (8 * width)
    return b"".join(((value + offset) % low).to_bytes(width, "little") for value in values)


def write(stem: Path, leads: Sequence[Lead], frames: int, *, fs: float, fmt: str = "16", offset: int = 0) -> Path:
    """Frames one by one: what the signal holds at frame ``i`` lies in the file at frame ``i + skew``."""
    deepest = frames + max(lead.skew for lead in leads)
    stream = []
    for number in range(deepest):
        for lead in leads:
            for place in range(lead.frame):
                index = (number - lead.skew) * lead.frame + place
                stream.append(int(lead.samples[index]) if 0 <= index < len(lead.samples) else 0)
    stem.parent.joinpath("a.dat").write_bytes(bytes(offset) + packed(stream, fmt))
    lines = [f"a {len(leads)} {fs:g} {frames}"]
    for lead in leads:
        layout = f"{fmt}x{lead.frame}:{lead.skew}+{offset}"
        lines.append(f"a.dat {layout} {GAIN}(0)/mV 12 0 {int(lead.samples[0])} 0 0 {lead.name}")
    stem.with_name("a.hea").write_text("\n".join(lines) + "\n")
    return stem


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212", "160"])
@pytest.mark.parametrize("frame", [1, 2, 4, 5])
@pytest.mark.parametrize("skews", [(0,), (3,), (3, 5), (0, 7, 2)])
@pytest.mark.parametrize("offset", [0, 26])
def test_frames_skews_and_offsets(tmp_path: Path, fmt: str, frame: int, skews: tuple[int, ...], offset: int) -> None:
    signal, frames = counts(ecg(3, 500, 2)), 1000 // frame
    leads = [Lead(name, frame, skews[row % len(skews)], signal[row]) for row, name in enumerate(LEADS)]
    stem = write(tmp_path / "a", leads, frames, fs=500 / frame, fmt=fmt, offset=offset)
    found = read_recording(stem, verify=False)
    assert (found.fs, found.signal_mv.shape, found.declared_samples) == (500, (12, 1000), None)
    np.testing.assert_allclose(found.signal_mv, signal / GAIN, atol=5e-7)
    part = read_recording(stem, 1.0)
    np.testing.assert_array_equal(part.signal_mv, found.signal_mv[:, :500])
    assert part.declared_samples == 1000
    assert "LENGTH_MISMATCH" not in found.notes + part.notes


def test_a_frame_a_second(tmp_path: Path) -> None:
    signal = counts(ecg(3, 500, 4))
    leads = [Lead(name, 500, 0, signal[row]) for row, name in enumerate(LEADS)]
    found = read_recording(write(tmp_path / "a", leads, 4, fs=1))
    assert found.fs == 500
    np.testing.assert_allclose(found.signal_mv, signal / GAIN, atol=5e-7)


def test_the_rate_is_that_of_the_leads(tmp_path: Path) -> None:
    signal = counts(ecg(3, 250, 4))
    leads = [Lead(name, 2, row % 3, signal[row]) for row, name in enumerate(LEADS)]
    leads.insert(4, Lead("PLETH", 8, 1, np.zeros(4000, np.int64)))
    leads.insert(0, Lead("RESP", 1, 0, np.zeros(500, np.int64)))
    found = read_recording(write(tmp_path / "a", leads, 500, fs=125))
    assert found.fs == 250
    np.testing.assert_allclose(found.signal_mv, signal / GAIN, atol=5e-7)
    assert found.notes == ("EXTRA_SIGNAL",)


def test_leads_of_several_rates_are_brought_to_the_fastest(tmp_path: Path) -> None:
    fast = ecg(3, 1000, 4)
    time = np.arange(4000) / 1000
    fast[:6] = np.sin(2 * np.pi * 5 * time) * np.linspace(0.2, 1, 6)[:, None]
    frames = {row: 2 if row < 6 else 4 for row in range(12)}
    leads = [Lead(name, frames[row], row % 2, counts(fast[row, :: 4 // frames[row]])) for row, name in enumerate(LEADS)]
    found = read_recording(write(tmp_path / "a", leads, 1000, fs=250))
    assert found.fs == 1000
    assert found.notes == ("LEAD_RATES",)
    np.testing.assert_allclose(found.signal_mv[6:], counts(fast[6:]) / GAIN, atol=5e-7)
    np.testing.assert_allclose(found.signal_mv[:6, ::2], counts(fast[:6, ::2]) / GAIN, atol=1e-6)
    assert np.abs(found.signal_mv[:6, 1:-2] - fast[:6, 1:-2]).max() < 2e-3


def test_missing_samples_stay_missing_at_another_rate(tmp_path: Path) -> None:
    slow, fast = counts(ecg(3, 500, 2))[0], counts(ecg(3, 1000, 2))[1]
    slow[100:200] = -32768
    found = read_recording(write(tmp_path / "a", [Lead("I", 1, 0, slow), Lead("II", 2, 0, fast)], 1000, fs=500))
    missing = np.isnan(found.signal_mv[0])
    assert missing[200:398].all()
    assert missing.sum() < 205
    np.testing.assert_allclose(found.signal_mv[0, ::2][~missing[::2]], slow[slow > -32768] / GAIN, atol=1e-6)


def test_what_the_skew_leaves_out_at_the_end_is_missing(tmp_path: Path) -> None:
    signal = counts(ecg(3, 500, 2))
    stem = write(
        tmp_path / "a", [Lead(name, 1, 4 * (row == 3), signal[row]) for row, name in enumerate(LEADS)], 1000, fs=500
    )
    data = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "a.dat").write_bytes(data[: 1000 * 24])
    found = read_recording(stem).signal_mv
    assert np.isnan(found[3, -4:]).all()
    assert np.isnan(found).sum() == 4
    np.testing.assert_allclose(found[3, :-4], signal[3, :-4] / GAIN, atol=5e-7)


def test_compressed_frames(tmp_path: Path) -> None:
    signal = counts(ecg(3, 500, 2))
    wfdb.wrsamp(
        "a", fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=signal.T.astype(np.int64), fmt=["516"] * 12,
        adc_gain=[GAIN] * 12, baseline=[0] * 12, write_dir=str(tmp_path),
    )  # fmt: skip
    header = (tmp_path / "a.hea").read_text().replace(" 516 ", " 516x4:2 ").replace("a 12 500 1000", "a 12 125 248")
    (tmp_path / "a.hea").write_text(header)
    found = read_recording(tmp_path / "a")
    assert found.fs == 500
    np.testing.assert_allclose(found.signal_mv, signal[:, 8:] / GAIN, atol=5e-7)


def test_leads_in_files_of_several_formats(tmp_path: Path) -> None:
    signal = counts(ecg(3, 500, 2))
    lines = ["b 12 500 1000"]
    for part, fmt in enumerate(("16", "212", "24")):
        rows = range(4 * part, 4 * part + 4)
        stream = [int(value) for value in signal[list(rows)].T.reshape(-1)]
        (tmp_path / f"b{part}.dat").write_bytes(packed(stream, fmt))
        lines += [f"b{part}.dat {fmt} {GAIN}(0)/mV 12 0 0 0 0 {LEADS[row]}" for row in rows]
    (tmp_path / "b.hea").write_text("\n".join(lines) + "\n")
    np.testing.assert_allclose(read_recording(tmp_path / "b").signal_mv, signal / GAIN, atol=5e-7)


def test_segments_with_frames_gaps_and_other_leads(tmp_path: Path) -> None:
    signal = counts(ecg(3, 500, 4))
    for name, part, rows in (("a", slice(0, 800), range(12)), ("c", slice(1200, 2000), range(6))):
        leads = [Lead(LEADS[row], 2, row % 2, signal[row, part]) for row in rows]
        write(tmp_path / "a", leads, 400, fs=250)
        (tmp_path / "a.dat").rename(tmp_path / f"{name}_1.dat")
        (tmp_path / f"{name}_1.hea").write_text((tmp_path / "a.hea").read_text().replace("a.dat", f"{name}_1.dat"))
    (tmp_path / "s.hea").write_text("s/4 12 250 1000\ns_layout 0\na_1 400\n~ 200\nc_1 400\n")
    found = read_recording(tmp_path / "s")
    expected = signal / np.float32(GAIN)
    expected[:, 800:1200] = np.nan
    expected[6:, 1200:] = np.nan
    assert found.fs == 500
    np.testing.assert_allclose(found.signal_mv, expected, atol=5e-7)
    np.testing.assert_allclose(read_recording(tmp_path / "s", 3).signal_mv, expected[:, :1500], atol=5e-7)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("a 1 500 2147483648\na.dat 16 1000/mV 16 0 0 0 0 I", "TOO_LONG"),
        ("a 1 500 99999999999999999999\na.dat 16 1000/mV 16 0 0 0 0 I", "TOO_LONG"),
        ("a 1 500 2147483648\na.dat 212 1000/mV 16 0 0 0 0 I", "TOO_LONG"),
        ("a/1 1 500 2147483648\nb 2147483648", "TOO_LONG"),
        ("a 1 500 1000\na.dat 16x0 1000/mV 16 0 0 0 0 I", "BAD_HEADER"),
        ("a 1 500 1000\na.dat 16x999999999 1000/mV 16 0 0 0 0 I", "BAD_HEADER"),
        ("a 1 500 1000\na.dat 16:999999999 1000/mV 16 0 0 0 0 I", "BAD_HEADER"),
        ("a 1 500 1000\na.dat 16x80000 1000/mV 16 0 0 0 0 I", "BAD_RATE"),
        ("a 1 0.001 1000\na.dat 16x2 1000/mV 16 0 0 0 0 I", "BAD_RATE"),
        ("a 1 -500 1000\na.dat 16 1000/mV 16 0 0 0 0 I", "BAD_RATE"),
        ("a 1 500 -1000\na.dat 16 1000/mV 16 0 0 0 0 I", "BAD_HEADER"),
        ("a 1 500 1000\na.dat 16 1e300/mV 16 0 0 0 0 I", "BAD_GAIN"),
        ("a 1 500 1000\na.dat 16+99999999999 1000/mV 16 0 0 0 0 I", "TRUNCATED"),
        ("a/2 1 500 1000\nb 500", "BAD_HEADER"),
        ("a/1 1 500 1000\nb -500", "BAD_HEADER"),
        ("a/1 1 500 1000\n../b 1000", "BAD_HEADER"),
        ("a/1 1 500 1000\na 1000", "BAD_HEADER"),
    ],
)
def test_impossible_headers_are_refused_before_memory_is_asked_for(tmp_path: Path, header: str, code: str) -> None:
    (tmp_path / "a.hea").write_text(header + "\n")
    (tmp_path / "a.dat").write_bytes(bytes(20_000))
    for seconds in (None, 2.0):
        with pytest.raises(RecordError) as caught:
            read_recording(tmp_path / "a", seconds)
        assert caught.value.code == code


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=6),
    st.sampled_from(["16", "212", "24"]),
    st.integers(0, 30),
    st.integers(150, 260),
)
def test_any_layout(
    tmp_path_factory: pytest.TempPathFactory, layout: list[tuple[int, int]], fmt: str, offset: int, frames: int
) -> None:
    folder = tmp_path_factory.mktemp("layout")
    rng = np.random.default_rng(0)
    leads = [
        Lead(LEADS[row], frame, skew, rng.integers(-2000, 2000, frames * frame))
        for row, (frame, skew) in enumerate(layout)
    ]
    found = read_recording(write(folder / "a", leads, frames, fs=100, fmt=fmt, offset=offset))
    top = max(lead.frame for lead in leads)
    assert found.fs == 100 * top
    for lead in leads:
        if top % lead.frame == 0:
            row = found.signal_mv[LEAD_INDEX[lead.name], :: top // lead.frame]
            np.testing.assert_allclose(row, lead.samples / GAIN, atol=1e-6)
