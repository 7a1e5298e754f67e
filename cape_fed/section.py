"""The base of every part of a configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Part of a configuration: it cannot be changed once it is checked, and it refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
