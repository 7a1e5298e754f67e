"""What compressed leads become is found as a decoder would find it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape_fed.archive.xli import decompressed
from tests.archive.exported import lzw, xli_bomb


@given(chunk=st.binary(max_size=300) | st.binary(min_size=1, max_size=40).map(lambda data: lzw(50 * data)))
def test_lengths_are_those_of_the_decoder(chunk: bytes) -> None:
    pytest.importorskip("ecgdatakit")
    from ecgdatakit.exceptions import CorruptedFileError
    from ecgdatakit.parsing.codecs.lzw import LzwDecoder

    try:
        expected = len(LzwDecoder(chunk, bits=10).read_all())
    except CorruptedFileError:
        return
    assert decompressed(chunk, 10**9) == expected


def test_counting_ends_beyond_the_limit() -> None:
    bomb = xli_bomb(20_000)[8:]
    assert decompressed(bomb, 10**9) > 400 * len(bomb)
    assert 1000 < decompressed(bomb, 1000) < 2000
