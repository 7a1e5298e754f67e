"""Text of somebody else's on a terminal."""

from __future__ import annotations


def without_control(text: str, *, kept: str = "") -> str:
    """The text with everything that a terminal would obey as an escape, such as ``\\x1b``; ``kept`` stays as it is."""
    return "".join(letter if letter.isprintable() or letter in kept else ascii(letter)[1:-1] for letter in text)
