"""Where an ECG is drawn on its paper, in millimetres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cape_fed.errors import InputError
from cape_fed.plotting import GAIN, MARGIN_MM, PULSE_MM, caption, draw_ecg, draw_record, save_record, svg
from cape_fed.signal.leads import LEADS
from tests.conftest import TinyStore

LEFT = MARGIN_MM + 2 * PULSE_MM


def strips(figure: Figure) -> list[np.ndarray]:
    """The traces as ``[n, 2]`` in mm: every line with more points than a pulse or a divider."""
    lines = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    return [line for line in lines if len(line) > 6]


def test_scale_is_25_mm_a_second_and_10_mm_a_millivolt() -> None:
    ecg_mv = np.zeros((12, 1000), np.float32)
    ecg_mv[1, 100] = 1.5
    figure = draw_ecg(ecg_mv, 100)
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
    figure = draw_ecg(ecg_mv, 100)
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
    figure = draw_ecg(np.zeros((12, 1000), np.float32), 100)
    pulses = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10)
        assert np.ptp(pulse[pulse[:, 1] > pulse[:, 1].min(), 0]) == pytest.approx(5)


def test_padding_is_left_out() -> None:
    ecg_mv = np.random.default_rng(0).normal(size=(12, 1000)).astype(np.float32)
    drawn = strips(draw_ecg(ecg_mv, 100, valid=600))
    assert len(drawn[-1]) == 600
    assert len(drawn) == 3 * 3 + 1
    assert strips(draw_ecg(ecg_mv, 100, valid=0)) == []


def test_only_twelve_leads_are_drawn() -> None:
    with pytest.raises(ValueError, match=r"\[12, n\]"):
        draw_ecg(np.zeros((8, 1000), np.float32), 100)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files(tiny_store: TinyStore, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / "new" / f"ecg.{suffix}"
    save_record(tiny_store(), 3, out)
    assert out.read_bytes().startswith(start)


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
