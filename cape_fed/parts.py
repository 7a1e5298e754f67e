"""Many rows in parts that are computed one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise


def parts_of(count: int, most: int) -> Iterator[slice]:
    """Slices of ``count`` rows of at most ``most`` each, nearly equal: kernels add up a last few in another order."""
    parts = -(-count // most)
    bounds = [count * part // parts for part in range(parts + 1)] if parts else []
    yield from (slice(begin, end) for begin, end in pairwise(bounds))
