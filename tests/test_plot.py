"""Where an ECG is drawn on its paper, in millimetres."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import cape_fed
from cape_fed.errors import InputError
from cape_fed.plot import GAIN, MARGIN_MM, PULSE_MM, SHEETS, Layout, caption, draw_record, ecg, save_record, svg
from cape_fed.signal.leads import LEADS
from tests.conftest import TinyStore

NOISE = np.random.default_rng(0).normal(0, 0.3, (12, 1000))
LEFT = MARGIN_MM + 2 * PULSE_MM


def strips(figure: Figure) -> list[np.ndarray]:
    """The traces as ``[n, 2]`` in mm: every line with more points than a pulse or a divider."""
    lines = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    return [line for line in lines if len(line) > 6]


def test_scale_is_25_mm_a_second_and_10_mm_a_millivolt() -> None:
    ecg_mv = np.zeros((12, 1000), np.float32)
    ecg_mv[1, 100] = 1.5
    figure = ecg(ecg_mv, 100)
    width, height = figure.get_size_inches() * 25.4
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((0, width))
    assert axes.get_ylim() == pytest.approx((0, height))
    rhythm = strips(figure)[-1]
    assert np.ptp(rhythm[:, 0]) == pytest.approx(9.99 * 25)
    peak = rhythm[rhythm[:, 1].argmax()]
    assert peak[0] == pytest.approx(LEFT + 25)
    assert np.ptp(rhythm[:, 1]) == pytest.approx(1.5 * GAIN)


def test_every_lead_stands_in_its_place() -> None:
    ecg_mv = np.arange(12, dtype=np.float32)[:, None] * np.sin(np.arange(1000) / 5, dtype=np.float32)
    figure = ecg(ecg_mv, 100)
    drawn = strips(figure)
    assert len(drawn) == 13
    order = ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    heights = [round(np.ptp(strip[:, 1]) / 2 / GAIN) for strip in drawn]
    assert heights == [LEADS.index(lead) for lead in order]
    assert [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"] == order
    starts = [strip[0, 0] for strip in drawn[:4]]
    assert np.diff(starts) == pytest.approx([62.5] * 3)
    rows = [np.median(strip[:, 1]) for strip in drawn[::4]]
    assert np.diff(rows) == pytest.approx([-25] * 3, abs=0.5)


def test_calibration_pulse_is_one_millivolt_for_200_ms() -> None:
    figure = ecg(np.zeros((12, 1000), np.float32), 100)
    pulses = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10)
        assert np.ptp(pulse[pulse[:, 1] > pulse[:, 1].min(), 0]) == pytest.approx(5)


def test_padding_is_left_out(tiny_store: TinyStore) -> None:
    store = tiny_store("x", patients=1, repeats=[1])
    valid = int(store.valid[0])
    assert len(strips(draw_record(store, 0))[-1]) == min(valid, 1000)
    short = np.random.default_rng(0).normal(size=(12, 600)).astype(np.float32)
    drawn = strips(ecg(short, 100))
    assert len(drawn[-1]) == 600
    assert len(drawn) == 3 * 3 + 1
    assert strips(ecg(short[:, :0], 100)) == []


def test_leads_by_name_in_any_order_and_none_where_there_is_none() -> None:
    ecg_mv = np.arange(1, 4, dtype=np.float32)[:, None] * np.sin(np.arange(1000) / 5, dtype=np.float32)
    figure = ecg(ecg_mv, 100, leads=["v6", "Lead II", "MDC_ECG_LEAD_I"], layout="12x1")
    heights = [round(np.ptp(strip[:, 1]) / 2 / GAIN) for strip in strips(figure)]
    assert heights == [3, 2, 1]  # I, II, V6
    assert [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"] == list(LEADS)


def test_missing_samples_are_a_gap() -> None:
    ecg_mv = np.zeros((12, 1000), np.float32)
    ecg_mv[1, 300:400] = np.nan
    ecg_mv[2] = np.nan
    drawn = strips(ecg(ecg_mv, 100, layout="12x1"))
    assert len(drawn) == 11
    assert np.flatnonzero(np.isnan(drawn[1][:, 1])).tolist() == list(range(300, 400))


def test_a_later_part() -> None:
    ecg_mv = np.zeros((12, 3000), np.float32)
    ecg_mv[1, 1500] = 2
    rhythm = strips(ecg(ecg_mv, 100, begin=12))[-1]
    assert len(rhythm) == 1000
    assert rhythm[rhythm[:, 1].argmax(), 0] == pytest.approx(LEFT + 3 * 25)
    assert strips(ecg(ecg_mv, 100, begin=40)) == []


@pytest.mark.parametrize("layout", SHEETS)
def test_every_layout_fits_on_a_sheet_of_a4(layout: Layout) -> None:
    figure = ecg(np.zeros((12, 1000), np.float32), 100, layout=layout)
    width, height = figure.get_size_inches() * 25.4
    assert width <= 297
    assert height <= 210
    for strip in strips(figure):
        assert strip[:, 0].max() <= width
        assert 0 < strip[0, 1] < height
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files(tiny_store: TinyStore, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / "new" / f"ecg.{suffix}"
    save_record(tiny_store(), 3, out)
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("array", "options", "says"),
    [
        (np.zeros((8, 1000)), {}, r"\[12, n\]"),
        (np.zeros((2, 12, 1000)), {}, r"\[12, n\]"),
        (np.zeros((8, 1000)), {"leads": [*LEADS[:7], "V9"]}, "leads V9 are none of I, II"),
        (np.zeros((2, 1000)), {"leads": ["II", "Lead II"]}, "leads II are named more than once"),
        (np.zeros((2, 1000)), {"leads": {"I", "II"}}, "got a set, which has none: give a list"),
        (np.zeros((12, 10)), {"layout": "5x5"}, "3x4, 6x2, 12x1"),
        (np.zeros((12, 10)), {"fs": 0}, "sampling rate in Hz above 0"),
        (np.zeros((12, 10)), {"fs": "500"}, "sampling rate fs as one number in Hz, got str"),
        (np.zeros((12, 10)), {"fs": float("nan")}, "sampling rate in Hz above 0, got nan"),
        (np.zeros((12, 10)), {"begin": -1}, "from second -1 on"),
        (np.zeros((12, 10)), {"begin": float("inf")}, "from second inf on"),
        (np.zeros((12, 10)), {"begin": "3"}, "one number, got str"),
        (np.zeros((12, 10), object), {}, "an array of object"),
        ([[1.0, 2.0], [1.0]], {"leads": ["I", "II"]}, r"numbers \[2, n\], got list that makes none"),
        (1000 * NOISE, {}, "expected millivolts, the recording has values up to .* microvolts or ADC counts"),
        (60 * NOISE, {}, "expected millivolts, the recording has a range of .* microvolts or ADC counts"),
        (1e300 * NOISE, {}, "expected millivolts"),
    ],
)
def test_what_cannot_be_drawn(array: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ecg(array, **{"fs": 100, **options})


def test_what_is_masked_or_infinite_is_a_gap() -> None:
    expected = NOISE.copy()
    expected[1, 300:400] = np.nan
    masked = np.ma.masked_array(np.where(np.isnan(expected), 9999, NOISE), np.isnan(expected))
    infinite = np.where(np.isnan(expected), np.inf, NOISE)
    drawn = strips(ecg(expected, 100, layout="12x1"))
    for given in (masked, list(masked), infinite):
        for got, strip in zip(strips(ecg(given, 100, layout="12x1")), drawn, strict=True):
            np.testing.assert_allclose(got, strip)


def test_what_is_drawn_is_judged_and_nothing_else() -> None:
    late = np.concatenate((NOISE, 1000 * NOISE), axis=1)
    assert len(strips(ecg(late, 100))) == 13
    with pytest.raises(ValueError, match="expected millivolts"):
        ecg(late, 100, begin=10)


def test_a_record_of_a_store_is_drawn_however_large_it_is(tiny_store: TinyStore) -> None:
    signals = np.clip(np.random.default_rng(0).normal(0, 12_000, (1, 12, 1000)), -32_767, 32_767).astype(np.int16)
    assert len(strips(draw_record(tiny_store("loud", signals=signals), 0))) == 13


def test_a_file_is_whole_or_as_it_was(tiny_store: TinyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_the_disk(self: Figure, file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("no space left")

    (tmp_path / "ecg.png").write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", fill_the_disk)
    with pytest.raises(OSError, match="no space left"):
        save_record(tiny_store(), 0, tmp_path / "ecg.png")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*ecg*")} == {"ecg.png": b"old"}


def test_the_library_has_it_at_hand() -> None:
    assert cape_fed.plot.ecg is ecg


def test_unknown_suffix(tiny_store: TinyStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png, \.svg or \.pdf"):
        save_record(tiny_store(), 0, tmp_path / "ecg.docx")


def test_svg_is_an_element_for_a_page(tiny_store: TinyStore) -> None:
    text = svg(draw_record(tiny_store(), 0))
    assert text.startswith("<svg")
    assert text.rstrip().endswith("</svg>")


def test_caption_has_no_patient(tiny_store: TinyStore) -> None:
    store = tiny_store("x", patients=1, repeats=[1], age=[None], sex=["F"], AF=[True], LVH=[False])
    assert caption(store, 0) == "x   record 0   age unknown   female   AF"
    assert store.records[0] not in caption(store, 0)


def test_a_title_with_dollars_is_no_formula() -> None:
    figure = ecg(np.zeros((12, 5000)), 500, title="cost$\\of$ x")
    figure.savefig(BytesIO(), format="svg")
