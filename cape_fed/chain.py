"""Entries chained by their hashes: whoever changes, removes or reorders one changes all hashes after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FIRST = "0" * 64
"""What stands for the hash before the first entry."""


def chain_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the hash before ``entry`` and of the entry as JSON with sorted keys."""
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def first_break(chained: Iterable[tuple[Mapping[str, Any], str]], previous: str = FIRST) -> int | None:
    """Index of the first of ``chained`` entries whose hash does not follow from those before it; None where all do.

    Entries that were cut off at the end leave a chain that holds: compare its last hash with one kept elsewhere.
    """
    for index, (entry, claimed) in enumerate(chained):
        if chain_hash(previous, entry) != claimed:
            return index
        previous = claimed
    return None
