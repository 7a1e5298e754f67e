from __future__ import annotations

from cape_fed.report.numbers import decimal, p_text, span


def test_numbers_are_written_for_reading() -> None:
    assert decimal(None, 3) == "–"
    assert decimal(0.81239, 3) == "0.812"
    assert decimal(-0.0002, 3, sign=True) == "0.000"
    assert decimal(-1.26, 1, sign=True) == "−1.3"
    assert decimal(0.5, 2, sign=True) == "+0.50"


def test_spans_keep_dash_and_minus_apart() -> None:
    assert span(0.7, 0.9, 3) == "0.700–0.900"
    assert span(-0.2, 0.3, 2) == "−0.20 to 0.30"
    assert span(0.1, 0.2, 1, sign=True) == "+0.1 to +0.2"
    assert span(None, 0.3, 2) == ""


def test_p_values() -> None:
    assert [p_text(p) for p in (None, 0.0002, 0.0123, 0.614)] == ["", "p < 0.001", "p 0.012", "p 0.61"]
