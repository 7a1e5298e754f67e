"""Names of sites and federations: they stand in paths, URLs, unit files and logs, so they are plain."""

from __future__ import annotations

import re

NAME_RULE = "a name begins with a letter or digit and holds up to 63 lower-case letters, digits, hyphens"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_name(text: str) -> bool:
    """Whether a text is a name that is safe wherever it is written."""
    return _NAME.fullmatch(text) is not None
