"""Twelve-lead ECGs drawn on ECG paper."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.signal.leads import LEAD_INDEX
from cape_fed.store.store import Store

PAPER_SPEED = 25.0
"""mm per second."""
GAIN = 10.0
"""mm per millivolt."""
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM_LEAD = "II"
COLUMN_SECONDS = 2.5
ROW_MM = 25.0
MARGIN_MM = 5.0
PULSE_MM = 5.0
"""Width of the calibration pulse, which is 0.2 s long and 1 mV high."""
TOP_MM = 17.0
BOTTOM_MM = 8.0
MINOR, MAJOR, TRACE = "#f6cfd0", "#e79b9e", "#15181c"
MM_PER_INCH = 25.4


def draw_ecg(ecg_mv: NDArray[np.float32], fs: float, *, valid: int | None = None, title: str = "") -> Figure:
    """Draw an ECG of ``[12, n]`` mV in the usual layout: 3 rows of 4 leads of 2.5 s each, then 10 s of lead II.

    The scale is 25 mm/s and 10 mm/mV: in a figure of original size, a small square is 1 mm, 0.04 s and 0.1 mV.
    ``valid`` is the number of samples before the padding, which is not drawn. Raises ValueError for another shape.
    """
    if ecg_mv.ndim != 2 or len(ecg_mv) != len(LEAD_INDEX):
        raise ValueError(f"an ECG has the shape [12, n], this one has {ecg_mv.shape}")
    shown = ecg_mv[:, :valid][:, : round(4 * COLUMN_SECONDS * fs)]
    height = BOTTOM_MM + 4 * ROW_MM + TOP_MM
    axes = _paper(width=2 * MARGIN_MM + 2 * PULSE_MM + 4 * COLUMN_SECONDS * PAPER_SPEED, height=height)
    for number, leads in enumerate((*ROWS, (RHYTHM_LEAD,))):
        baseline = BOTTOM_MM + (3.5 - number) * ROW_MM
        _pulse(axes, baseline)
        for column, lead in enumerate(leads):
            _trace(axes, shown[LEAD_INDEX[lead]], fs, column, len(leads), baseline, lead)
    width = axes.get_xlim()[1]
    axes.text(MARGIN_MM, height - TOP_MM / 2, title, va="center", fontsize=9, color=TRACE)
    axes.text(width - MARGIN_MM, 2, "25 mm/s   10 mm/mV", ha="right", va="bottom", fontsize=7, color=TRACE)
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure


def draw_record(store: Store, row: int) -> Figure:
    """Draw a record of a store; the title says its cohort, row, age, sex and positive labels."""
    return draw_ecg(
        store.millivolts([row])[0], store.profile.fs, valid=int(store.valid[row]), title=caption(store, row)
    )


def save_record(store: Store, row: int, out: Path) -> None:
    """Draw a record into a PNG, SVG or PDF file; raises InputError for another suffix of ``out``."""
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise InputError(f"cannot draw {out.name}: name it .png, .svg or .pdf")
    out.parent.mkdir(parents=True, exist_ok=True)
    draw_record(store, row).savefig(out, format=kind, dpi=150)


def svg(figure: Figure) -> str:
    """The SVG element of a figure, without the XML prologue, so that it can be put into HTML."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def caption(store: Store, row: int) -> str:
    """One line about a record without any identifier: cohort, row, age, sex, positive labels."""
    age, sex = store.label("age")[row], store.label("sex")[row]
    positive = [name for name in store.label_names if store.label(name)[row] == 1]
    parts = [
        store.cohort,
        f"record {row}",
        f"{age:.0f} years" if np.isfinite(age) else "age unknown",
        {1.0: "female", 0.0: "male"}.get(float(sex), "sex unknown"),
        " ".join(positive),
    ]
    return "   ".join(part for part in parts if part)


def _paper(width: float, height: float) -> Axes:
    """Axes in mm that cover the whole figure, with lines every 1 mm and 5 mm."""
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), facecolor="#fffafa")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(MultipleLocator(1))
        axis.set_major_locator(MultipleLocator(5))
    axes.grid(which="minor", color=MINOR, linewidth=0.35)
    axes.grid(which="major", color=MAJOR, linewidth=0.6)
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _pulse(axes: Axes, baseline: float) -> None:
    left, right = MARGIN_MM + 1, MARGIN_MM + 1 + PULSE_MM
    x = (left - 1.5, left, left, right, right, right + 1.5)
    axes.plot(x, [baseline + GAIN * level for level in (0, 0, 1, 1, 0, 0)], color=TRACE, linewidth=0.8)


def _trace(
    axes: Axes, lead_mv: NDArray[np.float32], fs: float, column: int, columns: int, baseline: float, name: str
) -> None:
    """Draw one lead in its column: the 2.5 s of that column if there are four, the whole 10 s if there is one.

    As on paper, each strip starts on its baseline, here the median of the strip.
    """
    seconds = 4 * COLUMN_SECONDS / columns
    left = MARGIN_MM + 2 * PULSE_MM
    start, stop = round(column * seconds * fs), round((column + 1) * seconds * fs)
    part = lead_mv[start:stop]
    if len(part):
        x = left + (start + np.arange(len(part))) / fs * PAPER_SPEED
        y = baseline + GAIN * (part - np.median(part))
        axes.plot(x, y, color=TRACE, linewidth=0.8, solid_joinstyle="round")
    edge = left + column * seconds * PAPER_SPEED
    if column:
        axes.plot((edge, edge), (baseline - 3, baseline + 3), color=TRACE, linewidth=0.8)
    axes.text(edge + 1, baseline + 0.42 * ROW_MM, name, fontsize=8, va="top", weight="bold", color=TRACE)
