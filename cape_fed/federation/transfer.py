"""How soon Flower looks again for a part of a message that is not there yet."""

from __future__ import annotations

import importlib

MODULE = "flwr.supercore.inflatable.inflatable_utils"
FUNCTIONS = ("pull_objects", "pull_and_inflate_object_from_tree")
SETTING = "initial_backoff"
"""Argument of these functions: seconds until the second look. Each pause after that is twice as long."""
SOON = 0.05
"""Flower's own is 1 s."""


def look_again_soon() -> None:
    """Have this process look for the parts of a message in quicker succession, at first.

    A message can be seen as soon as its upload begins, so whoever looks often comes too early, and would then lose a
    second at each of its stations. Flower has no setting for it. No look is later than twice the time that the upload
    took.
    """
    module = importlib.import_module(MODULE)
    for name in FUNCTIONS:
        defaults = getattr(getattr(module, name, None), "__kwdefaults__", None) or {}
        if SETTING in defaults:
            defaults[SETTING] = SOON
