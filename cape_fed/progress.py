"""How a long job tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Progress = Callable[[int, int, Mapping[str, Any]], None]
"""Called with how much is done, how much there is in all, and facts about the latest: a line of metrics, say."""


def no_progress(done: int, total: int, facts: Mapping[str, Any]) -> None:
    """For a caller that shows nothing."""
