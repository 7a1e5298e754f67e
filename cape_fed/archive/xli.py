"""What XLI-compressed leads of Philips Sierra become, found without decompressing them.

A lead is a chunk of LZW with codes of 10 bits behind a header of 8 bytes. A code stands for up to 767 bytes, so that a
small file could fill the memory: whoever decodes it looks here first.
"""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.archive.base import RecordError

MAX_SAMPLES = 2_000_000
"""Samples of a lead, an hour at 500 Hz: these are resting ECGs, of seconds."""
MAX_LEADS = 32
_HEADER = 8
_BITS = 10
_END = (1 << _BITS) - 1
_SLACK = 64 << 10


def require_bounded(data: bytes, samples: int) -> None:
    """Raise RecordError where a chunk becomes far more than the two bytes of each sample that are declared."""
    if samples > MAX_SAMPLES:
        raise RecordError("TOO_LONG", f"{samples} samples are declared")
    limit = 4 * samples + _SLACK
    place = chunks = 0
    while place + _HEADER < len(data):
        size = int.from_bytes(data[place : place + 4], "little", signed=True)
        if size <= 0:
            return  # which the decoder refuses
        chunk = data[place + _HEADER : place + _HEADER + size]
        place += _HEADER + size
        chunks += 1
        if chunks > MAX_LEADS or decompressed(chunk, limit) > limit:
            raise RecordError("TOO_LONG", f"compressed leads hold far more than {samples} samples each")


def decompressed(chunk: bytes, limit: int) -> int:
    """Bytes that a chunk becomes, by the lengths of what its codes stand for; beyond ``limit`` no more are counted."""
    lengths = dict.fromkeys(range(256), 1)
    following, before, total = 256, 0, 0
    for code in _codes(chunk):
        if code == _END or total > limit:
            break
        length = lengths.setdefault(code, before + 1)
        if before and following < _END:
            lengths[following] = before + 1
            following += 1
        before = length
        total += length
    return total


def _codes(chunk: bytes) -> Iterator[int]:
    held = bits = 0
    for byte in chunk:
        held = (held << 8 | byte) & 0xFFFFF
        bits += 8
        if bits >= _BITS:
            bits -= _BITS
            yield held >> bits & _END
