from __future__ import annotations

import numpy as np
import pytest

from cape_fed.archive.identifiers import RoundedIdError, identifier

ELEVEN = ["11", " 11 ", "11.0", "11.000", "11.", "11,0", "b'11'", 'b"11"', "b'11.0'", "1.1e+01", 11, 11.0, b"11"]
ELEVEN += [b"11\0\0", np.int64(11), np.uint8(11), np.float32(11), np.float64(11), np.bytes_(b"11"), np.str_("11")]


@pytest.mark.parametrize("value", ELEVEN)
def test_one_spelling(value: object) -> None:
    assert identifier(value) == "11"


@pytest.mark.parametrize(
    "value", ["011", "11a", "P-11", "11.5", "1.1e1", "1E1", "12345678901234567890", "Müller", "b11", "0"]
)
def test_other_identifiers_stay_what_they_are(value: str) -> None:
    assert identifier(value) == value


@pytest.mark.parametrize(
    "value", [None, "", "  ", "nan", "NaN", float("nan"), np.nan, float("inf"), b"", "-1", "-1.0", -1.0, "None", "b''"]
)
def test_absent(value: object) -> None:
    assert identifier(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "1.23457E+07",
        "9007199254740993.0",
        9007199254740993.0,
        "1e+05",
        np.float32(16777219),
        np.float16(4099),
        "9" * 30 + ".0",
    ],
)
def test_digits_lost_on_the_way(value: object) -> None:
    with pytest.raises(RoundedIdError):
        identifier(value)


def test_large_whole_numbers_keep_their_digits() -> None:
    assert identifier(2**63 - 1) == identifier(np.int64(2**63 - 1)) == str(2**63 - 1)
    assert identifier(2.0**53 - 1) == str(2**53 - 1)
