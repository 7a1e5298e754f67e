"""Twelve-lead ECGs drawn on ECG paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike, NDArray

from cape_fed.errors import InputError
from cape_fed.files import atomic_file
from cape_fed.signal.given import as_numbers, check_ranges, check_reach, checked_rate
from cape_fed.signal.lead_names import lead_places
from cape_fed.signal.leads import LEADS
from cape_fed.signal.quality import amplitudes

if TYPE_CHECKING:
    from cape_fed.store.store import Store

PAPER_SPEED = 25.0
"""mm per second."""
GAIN = 10.0
"""mm per millivolt."""
SECONDS = 10.0
"""What a sheet shows."""
MARGIN_MM = 5.0
PULSE_MM = 5.0
"""Width of the calibration pulse, which is 0.2 s long and 1 mV high."""
TOP_MM = 17.0
BOTTOM_MM = 8.0
MINOR, MAJOR, TRACE = "#f6cfd0", "#e79b9e", "#15181c"
MM_PER_INCH = 25.4
SCREEN_DPI = 100

Layout = Literal["3x4", "6x2", "12x1"]


class Sheet(NamedTuple):
    """Which leads stand in which row, side by side, and how high a row is."""

    rows: tuple[tuple[str, ...], ...]
    row_mm: float


SHEETS: dict[Layout, Sheet] = {
    "3x4": Sheet((("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",)), 25.0),
    "6x2": Sheet(tuple(zip(LEADS[:6], LEADS[6:], strict=True)), 25.0),
    "12x1": Sheet(tuple((lead,) for lead in LEADS), 15.0),
}
"""The usual layout, with lead II below for the rhythm; limb beside chest leads; every lead for 10 s. All fit on A4."""


class Paper(Figure):
    """A figure of original size: a notebook shows it as it is, ``savefig("ecg.pdf")`` writes it to be printed."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=SCREEN_DPI)
        return buffer.getvalue()


def ecg(
    ecg_mv: ArrayLike,
    fs: float,
    *,
    leads: Sequence[str] = LEADS,
    layout: Layout = "3x4",
    begin: float = 0.0,
    title: str = "",
) -> Paper:
    """Draw 10 s of an ECG on paper, at 25 mm/s and 10 mm/mV: a small square is 1 mm, 0.04 s and 0.1 mV.

    ``ecg_mv`` is ``[leads, n]`` in mV at ``fs`` Hz, with a row for each of ``leads``, by name and in any order; what is
    NaN, infinite or masked is left blank, and so is a lead that is not there. ``begin`` is where to begin, in seconds.
    Raises ValueError for another shape, a lead or layout that is not known, a lead that is there twice, a rate that is
    none, and for what is to be drawn and cannot be millivolts.
    """
    places, rate = lead_places(leads), checked_rate(fs)
    given = as_numbers(ecg_mv, f"[{len(places)}, n]")
    if given.ndim != 2 or len(given) != len(places):
        raise ValueError(f"an ECG of {len(places)} leads has the shape [{len(places)}, n], this one has {given.shape}")
    if isinstance(begin, bool) or not isinstance(begin, int | float | np.integer | np.floating):
        raise ValueError(f"expected the second to begin at as one number, got {type(begin).__name__}")
    if not 0 <= begin < np.inf:
        raise ValueError(f"an ECG cannot be drawn from second {begin:g} on")
    shown = _known(given[:, round(begin * rate) :][:, : round(SECONDS * rate)])
    there = shown[np.isfinite(shown).any(axis=1)]
    if len(there):
        check_reach(there, "the recording")
        check_ranges(amplitudes(there.astype(np.float32), rate), "the recording")
    return draw(dict(zip((LEADS[place] for place in places), shown, strict=True)), rate, layout, title)


def _known(given: NDArray[Any]) -> NDArray[np.float64]:
    """NaN where a number is masked or not finite."""
    values = np.ma.filled(given.astype(np.float64), np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def draw(
    leads_mv: Mapping[str, NDArray[np.floating[Any]]], fs: float, layout: Layout = "3x4", title: str = ""
) -> Paper:
    """Draw the first 10 s of leads by their standard names, however large they are: `ecg` without its checks."""
    if layout not in SHEETS:
        raise ValueError(f"unknown layout '{layout}': choose one of {', '.join(SHEETS)}")
    shown = {lead: row[: round(SECONDS * fs)] for lead, row in leads_mv.items()}
    sheet = SHEETS[layout]
    height = BOTTOM_MM + len(sheet.rows) * sheet.row_mm + TOP_MM
    axes = _paper(width=2 * MARGIN_MM + 2 * PULSE_MM + SECONDS * PAPER_SPEED, height=height)
    for number, names in enumerate(sheet.rows):
        strip = _Strip(BOTTOM_MM + (len(sheet.rows) - 0.5 - number) * sheet.row_mm, sheet.row_mm, len(names))
        _pulse(axes, strip.baseline)
        for column, lead in enumerate(names):
            _trace(axes, shown.get(lead), fs, strip, column, lead)
    width = axes.get_xlim()[1]
    axes.text(MARGIN_MM, height - TOP_MM / 2, title, va="center", fontsize=9, color=TRACE, parse_math=False)
    axes.text(width - MARGIN_MM, 2, "25 mm/s   10 mm/mV", ha="right", va="bottom", fontsize=7, color=TRACE)
    figure = axes.figure
    assert isinstance(figure, Paper)
    return figure


def draw_record(store: Store, row: int) -> Figure:
    """Draw a record of a store without its padding; the title says its cohort, row, age, sex and positive labels."""
    return draw_row(store, row, caption(store, row))


def draw_row(store: Store, row: int, title: str) -> Paper:
    """Draw a record of a store without its padding, also one whose amplitude no ECG has, which is there to be seen."""
    ecg_mv = store.millivolts([row])[0][:, : int(store.valid[row])]
    return draw(dict(zip(LEADS, ecg_mv, strict=True)), store.profile.fs, title=title)


def save_record(store: Store, row: int, out: Path) -> None:
    """Draw a record into a PNG, SVG or PDF file; raises InputError for another suffix of ``out``."""
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise InputError(f"cannot draw {out.name}: name it .png, .svg or .pdf")
    figure = draw_record(store, row)
    with atomic_file(out) as partial:
        figure.savefig(partial, format=kind, dpi=150)


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
    figure = Paper(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), facecolor="white")
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


class _Strip(NamedTuple):
    """One row of a sheet, in mm."""

    baseline: float
    height: float
    columns: int


def _trace(
    axes: Axes, lead_mv: NDArray[np.floating[Any]] | None, fs: float, strip: _Strip, column: int, name: str
) -> None:  # fmt: skip
    """Draw one lead in its column: 2.5 s of it in one of four columns, the whole 10 s where it has the row.

    As on paper, each strip starts on its baseline, here the median of the strip.
    """
    seconds = SECONDS / strip.columns
    left = MARGIN_MM + 2 * PULSE_MM
    start, stop = round(column * seconds * fs), round((column + 1) * seconds * fs)
    part = np.empty(0) if lead_mv is None else lead_mv[start:stop]
    if np.isfinite(part).any():
        x = left + (start + np.arange(len(part))) / fs * PAPER_SPEED
        y = strip.baseline + GAIN * (part - np.median(part[np.isfinite(part)]))
        axes.plot(x, y, color=TRACE, linewidth=0.8, solid_joinstyle="round")
    edge = left + column * seconds * PAPER_SPEED
    if column:
        axes.plot((edge, edge), (strip.baseline - 3, strip.baseline + 3), color=TRACE, linewidth=0.8)
    axes.text(edge + 1, strip.baseline + 0.42 * strip.height, name, fontsize=8, va="top", weight="bold", color=TRACE)
