"""Whether a run's app may run here: asked in the SuperNode's process, before anything of the app is unpacked."""

from __future__ import annotations

import hashlib
import logging
import sys

from cape_fed.errors import InputError
from cape_fed.federation.fab import App, read_app
from cape_fed.site import audit
from cape_fed.site.approvals import Approvals
from cape_fed.site.cage.apps import LaidOut
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import AuditError
from cape_fed.site.flower import NotApprovedError, Require, installed_name
from cape_fed.site.logbook import logging_in
from cape_fed.site.presence import forget_runs
from cape_fed.site.refused import RefusedApps

log = logging.getLogger(__name__)


def admission(site: SiteConfig, laid_out: LaidOut | None = None) -> Require:
    """What asks a site's approvals, and notes and keeps what it refuses; what it admits is ``laid_out`` for cages."""
    approvals, refused = Approvals(site), RefusedApps(site.state)

    def require(digest: str, content: bytes | None, run: int) -> None:
        try:
            approval = approvals.find(digest)
            if approval is None:
                reason = "which is not approved"
            elif content is None:
                if laid_out:
                    laid_out.choose(digest)
                return
            elif hashlib.sha256(content).hexdigest() != digest:
                reason = "but got other bytes"
            else:
                facts = {"app": digest, "run": run, "approved_by": approval.by, "approved": approval.at.isoformat()}
                audit.record(site, "app admitted", **facts)
                forget_runs(site, site.keep_runs)  # here, since an app may be kept from seeing other runs
                _say(site, f"run {run} runs the app {digest[:12]}, approved by {approval.by}")
                if laid_out:
                    _lay_out(laid_out, read_app(content))
                return
        except (InputError, AuditError) as error:
            reason = f"which is refused: {error}"
        try:
            _note(site, refused, content, digest, run, reason)
        finally:
            raise NotApprovedError

    return require


def _lay_out(laid_out: LaidOut, app: App) -> None:
    if name := installed_name(app):
        laid_out.put(app, name)
    laid_out.choose(app.hash)


def _note(site: SiteConfig, refused: RefusedApps, content: bytes | None, digest: str, run: int, reason: str) -> None:
    """Tell the site's logs what was asked, once for a run and an app, and keep the app."""
    if any((entry.run, entry.hash) == (run, digest) for entry in refused.entries()[-1:]):
        return
    if content is not None:
        refused.keep(content, run)
    _say(site, f"run {run} asked for the app {digest[:12]}, {reason}: 'cape-fed site approve SITE.TOML {run}' shows it")
    try:
        audit.record(site, "app refused", app=digest, run=run)
    except AuditError as error:
        print(f"cape-fed: {error}", file=sys.stderr, flush=True)


def _say(site: SiteConfig, text: str) -> None:
    """Say something in the site's log and on the terminal of its service."""
    print(f"cape-fed: site {site.name}: {text}", file=sys.stderr, flush=True)
    with logging_in(site.state):
        log.warning("site %s: %s", site.name, text)
