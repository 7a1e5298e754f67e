"""A site's own ``log.txt``: what goes wrong is told there in full, and nowhere else.

The node begins a new file where it is long. The process of a message does not: in its cage it may write to this file
and make none beside it.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cape_fed.logs import LOG_FILE
from cape_fed.rundir import logging_to
from cape_fed.site.config import SiteConfig


def logging_as(site: SiteConfig) -> AbstractContextManager[None]:
    """Under a SuperNode, have the process of a message log into the site's own log; in a simulation the run has one."""
    if not site.own_process:
        return nullcontext()
    _make(site.state)
    return logging_to(logging.FileHandler(site.state / LOG_FILE))


def logging_in(state: Path) -> AbstractContextManager[None]:
    """Have the node write what is logged into the log of the site whose state is in this directory."""
    _make(state)
    return logging_to(RotatingFileHandler(state / LOG_FILE, maxBytes=10_000_000, backupCount=3))


def _make(state: Path) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / LOG_FILE).touch(mode=0o600)
