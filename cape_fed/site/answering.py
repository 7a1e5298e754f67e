"""From a message to the reply that leaves the site: in time, logged here, and with codes in place of texts."""

from __future__ import annotations

import logging
import signal
import threading
from functools import partial

import torch
from flwr.app import Error, Message
from pydantic import ValidationError

from cape_fed.errors import InputError
from cape_fed.federation.evaluation import has_probes
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import Content, Request, asks_for_rounding
from cape_fed.federation.plausibility import Size
from cape_fed.federation.validation import RefusedError
from cape_fed.logs import log_fields
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.privacy.ledger import BudgetError, LedgerError
from cape_fed.site import handlers
from cape_fed.site.books import note_asked, note_refused
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import AuditError, PolicyError
from cape_fed.site.incoming import open_message, open_request
from cape_fed.site.logbook import logging_as
from cape_fed.site.noting import Notes
from cape_fed.site.outgoing import Sent
from cape_fed.site.policy import Policy
from cape_fed.site.presence import forget_runs, read_mark
from cape_fed.site.private import note_exposure
from cape_fed.site.watchdog import DeadlineError, within

log = logging.getLogger(__name__)


def answer_as(site: SiteConfig, action: str, message: Message) -> Message:
    """The site's reply to a message: what its policy releases, or an error with a `SiteFailure` and no text."""
    policy, notes = Policy(site), Notes(site, action, message)
    work = partial(_work, policy, action, message)
    if site.own_process and threading.current_thread() is threading.main_thread():
        # Flower's own handler would end the task without a reply, and the SuperNode would wait for one for ever.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with logging_as(site), log_fields(site=site.name, **notes.about):
        note_asked(site, action, message)
        notes.begin()
        try:
            content = within(_seconds(policy, message), work) if site.own_process else work()
            reply = Message(content, reply_to=message)
            notes.answered(reply)
        except Exception as error:
            failure = _refuse(site, action, message, error)
            reply = Message(Error(failure), reply_to=message)
            notes.failed(failure)
        if read_mark(site) == "left":  # what this message may have written since
            forget_runs(site)
        return reply


def _refuse(site: SiteConfig, action: str, message: Message, error: Exception) -> SiteFailure:
    """The code that leaves in place of a reply, logged with its reason; one of its own where that cannot be logged."""
    code = _explain(site, error)
    if not site.own_process or code == SiteFailure.AUDIT:
        return code
    told = isinstance(error, RefusedError | PolicyError | InputError)
    try:
        note_refused(site, action, message, code, str(error) if told else type(error).__name__)
    except AuditError as failure:
        return _explain(site, failure)
    return code


def _work(policy: Policy, action: str, message: Message) -> Content:
    """Admit a message, do what it asks, and release what comes of it."""
    site = policy.site
    if action == "join":
        policy.admit(action, None, message.content)
        private = site.role == "train" and (site.privacy.required or asks_for_rounding(message.content))
        return policy.release(Sent(action, private=private), handlers.join(site, rounded=private))
    if site.threads is not None:  # the order of sums depends on it, so it is fixed where bit equality is promised
        torch.set_num_threads(site.threads)
    request = open_request(message)
    policy.admit(action, request, message.content)
    incoming = open_message(message, request)
    if (parts := _used(action, request, message)) and not (request.privacy.on and site.role == "train"):
        note_exposure(request, site, parts)
    records = getattr(handlers, action)(incoming, policy)
    sizes = {store.cohort: Size(len(store), store.meta.patients) for store in open_stores(site.stores)}
    return policy.release(Sent(action, request, incoming.encoder, sizes, has_probes(message.content)), records)


def _used(action: str, request: Request, message: Message) -> list[str]:
    """The parts of the split from whose patients something is computed that leaves."""
    sums, scores = request.sums is not None, has_probes(message.content)
    used = {
        "train": action == "train" or sums or scores,  # a site's own probes are fitted on them
        "valid": request.measure or sums or scores,
        "test": scores,
    }
    return [part for part, is_used in used.items() if is_used]


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
            return error.code
        case AuditError():
            log.error("site %s: nothing leaves: %s", site.name, error)
            return SiteFailure.AUDIT
        case LedgerError():
            log.error("%s", error)
            return SiteFailure.EPSILON if isinstance(error, BudgetError) else SiteFailure.LEDGER
        case InputError():
            log.error("site %s: %s", site.name, error)
            return SiteFailure.STORES
        case ValidationError() | KeyError():
            log.error("site %s: a message could not be read", site.name, exc_info=error)
            return SiteFailure.MALFORMED
    log.error("site %s could not answer", site.name, exc_info=error)
    return SiteFailure.RAISED


def _seconds(policy: Policy, message: Message) -> float:
    """How long the work on a message may take."""
    try:
        return policy.seconds(message.metadata.ttl, open_request(message))
    except (ValueError, KeyError, RefusedError):
        return policy.seconds(message.metadata.ttl, None)  # no request, as when a site is asked who it is
