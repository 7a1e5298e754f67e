"""Lengths of time and sizes as people read them."""

from __future__ import annotations

DAY = 86400.0


def seconds_text(seconds: float | None) -> str:
    """A length of time with one or two units; a dash where there is none."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 2 * DAY:
        minutes = round(seconds / 60)
        return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"
    return f"{seconds / DAY:.0f} days"


def bytes_text(number: float | None) -> str:
    """A number of bytes in the unit that fits; a dash where there is none."""
    if number is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
