"""The base of every part of a configuration, and what is said of a mistake in one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails

_OWN = "Value error, "
"""What pydantic puts before the words of this project's own checks."""


class Section(BaseModel):
    """Part of a configuration: it cannot be changed once it is checked, and it refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def mistake(found: ErrorDetails) -> tuple[str, str]:
    """What pydantic found: the key, with dots after its tables, and what is wrong in words that go on a sentence."""
    words = str(found["msg"])
    return ".".join(map(str, found["loc"])), words.removeprefix(_OWN) if words.startswith(_OWN) else words.lower()
