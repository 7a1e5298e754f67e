"""Numbers as reports write them."""

from __future__ import annotations


def decimal(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A value with so many digits after the point, ``sign`` showing a plus as well; a dash where there is none."""
    if value is None:
        return "–"
    rounded = round(value, digits) or 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", "−")


def span(low: float | None, high: float | None, digits: int, *, sign: bool = False) -> str:
    """``low–high``, or ``low to high`` where a sign would meet the dash; empty where an end is missing."""
    if low is None or high is None:
        return ""
    between = " to " if sign or low < 0 else "–"
    return f"{decimal(low, digits, sign=sign)}{between}{decimal(high, digits, sign=sign)}"


def p_text(p: float | None) -> str:
    """A p value with the digits that matter; empty where there is none."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}" if p < 0.1 else f"p {p:.2f}"
