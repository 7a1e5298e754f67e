"""Whether a site runs the app of its own installation, or any."""

from __future__ import annotations

from cape_fed.federation.fab import app_hash
from cape_fed.site.approvals import Approvals
from cape_fed.site.check.finding import Finding, Subject, passed, skipped, waiting, warning


def check_app(subject: Subject) -> Finding:
    """The app that this installation would send is approved; a site that has approved none refuses every run."""
    if subject.site.apps is None:
        return skipped("not looked at without a site.toml")
    hashes = [entry.hash for entry in Approvals(subject.site).entries()]
    own = app_hash()
    if own in hashes:
        return passed(f"{own[:12]} of this installation is approved, one of {len(hashes)}")
    remedy = "cape-fed site approve SITE.TOML --same-as-installed, or the number of a run that was refused"
    if not hashes:
        return waiting("no app is approved: every run is refused", remedy)
    return warning(f"{own[:12]} of this installation is not approved, {len(hashes)} others are", remedy)
