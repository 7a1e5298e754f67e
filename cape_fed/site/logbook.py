"""A site's own ``log.txt``: what goes wrong is told there in full, and nowhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from logging.handlers import RotatingFileHandler
from pathlib import Path

from cape_fed.logs import LOG_FILE
from cape_fed.rundir import logging_to
from cape_fed.site.config import SiteConfig


def logging_as(site: SiteConfig) -> AbstractContextManager[None]:
    """Under a SuperNode, write what is logged into the site's own log; in a simulation the run has one."""
    return logging_in(site.state) if site.own_process else nullcontext()


def logging_in(state: Path) -> AbstractContextManager[None]:
    """Write what is logged into the log of the site whose state is in this directory."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / LOG_FILE).touch(mode=0o600)
    return logging_to(RotatingFileHandler(state / LOG_FILE, maxBytes=10_000_000, backupCount=3))
