"""Parts of many rows are nearly equal and leave nothing out."""

from __future__ import annotations

import pytest

from cape_fed.parts import parts_of


@pytest.mark.parametrize("most", [1, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 257])
def test_parts_are_nearly_equal_and_cover_all(count: int, most: int) -> None:
    parts = list(parts_of(count, most))
    assert [index for part in parts for index in range(count)[part]] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert not lengths or (max(lengths) <= most and max(lengths) - min(lengths) <= 1 and min(lengths) > 0)
