from __future__ import annotations

import pytest

from cape_fed.archive.base import Notice
from cape_fed.archive.joins import Coverage, Unique, key_of
from cape_fed.archive.rows import Row
from cape_fed.errors import InputError


def test_a_repeated_row_counts_once_and_a_contradiction_is_refused() -> None:
    unique = Unique("t.csv", "exam_id", ["age"])
    assert unique.is_new("1", Row(2, {"age": "5", "note": "a"}))
    assert not unique.is_new("1", Row(3, {"age": "5", "note": "b"}))
    assert unique.is_new("2", Row(4, {"age": "6"}))
    with pytest.raises(InputError, match="exam_id 1 twice with different values, again in line 5"):
        unique.is_new("1", Row(5, {"age": "6"}))


def test_rows_without_a_usable_identifier_are_named() -> None:
    notices: list[Notice] = []
    rows = [Row(2, {"id": "7.0"}), Row(3, {"id": ""}), Row(4, {"id": "1.5E+07"})]
    assert [key_of("t.csv", row, "id", notices) for row in rows] == ["7", None, None]
    assert [(notice.code, notice.examples[0]) for notice in notices] == [
        ("ID_MISSING", "t.csv, line 3: id ''"),
        ("ID_ROUNDED", "t.csv, line 4: id '1.5E+07'"),
    ]


def covered(named: int, missed: int) -> list[Notice]:
    coverage = Coverage("t.csv", "id", ["x1", "x2"])
    found = [notice for number in range(missed) for notice in coverage.count(f"m{number}", False)]
    found += [notice for number in range(named) for notice in coverage.count(f"n{number}", True)]
    return [*found, *coverage.notices()]


def test_examples_from_both_sides_where_few_are_named() -> None:
    (notice,) = covered(1, 2)
    assert (notice.code, notice.count) == ("TABLE_MISMATCH", 2)
    assert notice.examples == (
        "id of records that t.csv does not name: m0, m1",
        "id in t.csv that no record has: x1, x2",
    )
    assert covered(3, 2) == []
    assert covered(0, 0) == []


def test_it_is_said_early_in_a_large_archive() -> None:
    notices = covered(0, 250)
    assert [notice.count for notice in notices] == [100, 150]
