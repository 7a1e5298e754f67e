"""From a message to the reply that leaves the site: in time, logged here, and with codes in place of texts."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from logging.handlers import RotatingFileHandler

from flwr.app import Error, Message
from pydantic import ValidationError

from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import read_task
from cape_fed.federation.validation import RefusedError
from cape_fed.rundir import logging_to
from cape_fed.site import handlers
from cape_fed.site.config import SiteConfig
from cape_fed.site.handlers import PolicyError
from cape_fed.site.watchdog import DeadlineError, within

log = logging.getLogger(__name__)

LOG_FILE = "log.txt"


def answer_as(site: SiteConfig, action: str, message: Message) -> Message:
    """The site's reply to a message, an error with a `SiteFailure` where there is no other."""
    work = partial(getattr(handlers, action), message, site)
    if site.alone and threading.current_thread() is threading.main_thread():
        # Flower's own handler would end the task without a reply, and the SuperNode would wait for one for ever.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with _logging(site):
        try:
            reply: Message = within(_seconds(site, message), work) if site.alone else work()
            return reply
        except Exception as error:
            return Message(Error(_explain(site, error)), reply_to=message)


def _explain(site: SiteConfig, error: Exception) -> SiteFailure:
    """Log an error at the site; the code that stands for it elsewhere."""
    match error:
        case DeadlineError():
            log.error("site %s: the work was not done in time and is given up", site.name)
            return SiteFailure.DEADLINE
        case RefusedError():
            log.error("site %s: refused what the coordinator sent: %s", site.name, error)
            return SiteFailure.INCOMING
        case PolicyError():
            log.error("site %s: against its policy: %s", site.name, error)
            return SiteFailure.POLICY
        case InputError():
            log.error("site %s: %s", site.name, error)
            return SiteFailure.STORES
        case ValidationError() | KeyError():
            log.error("site %s: a message could not be read", site.name, exc_info=error)
            return SiteFailure.MALFORMED
    log.error("site %s could not answer", site.name, exc_info=error)
    return SiteFailure.RAISED


def _seconds(site: SiteConfig, message: Message) -> float:
    """How long the work may take: what the coordinator gives, within the site's own limit."""
    limit = min(60 * site.limits.minutes, message.metadata.ttl)
    try:
        return min(limit, read_task(message).seconds)
    except (ValueError, KeyError):
        return limit  # no task, as when a site is asked who it is


def _logging(site: SiteConfig) -> AbstractContextManager[None]:
    """Under a SuperNode, write what is logged into the site's own log; in a simulation the run has one."""
    if not site.alone:
        return nullcontext()
    site.state.mkdir(parents=True, exist_ok=True)
    return logging_to(RotatingFileHandler(site.state / LOG_FILE, maxBytes=10_000_000, backupCount=3))
