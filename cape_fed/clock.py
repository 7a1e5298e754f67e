"""The time of day as it stands in files."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(seconds: float | None = None) -> str:
    """A time in UTC to the second, such as 2026-01-31T08:05:09Z; ``seconds`` since 1970, or now."""
    when = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
