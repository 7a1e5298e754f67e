"""What the site's admin has decided: limits, and whether the site takes part; and whether its log is whole."""

from __future__ import annotations

from cape_fed.errors import RunError
from cape_fed.site.audit import log_file
from cape_fed.site.check.finding import Finding, Subject, failed, passed, skipped
from cape_fed.site.errors import AuditError
from cape_fed.site.policy_text import policy_digest
from cape_fed.site.presence import read_mark
from cape_fed.site.verify import verify_audit


def check_policy(subject: Subject) -> Finding:
    """The site's limits allow what the coordinator plans, as far as the plan tells; a rehearsal tries all rules."""
    limits, planned = subject.site.limits, subject.federation
    said = (
        f"hash {policy_digest(subject.site)}, {limits.local_steps} steps a round, {limits.minutes:g} minutes a message"
    )
    if planned is None:
        return passed(said)
    if planned.local_steps > limits.local_steps and subject.site.role == "train":
        return failed(
            f"{planned.local_steps} steps a round are planned, limits.local_steps allows {limits.local_steps}",
            "raise limits.local_steps if you may, or ask the coordinator for fewer",
        )
    if limits.federations is not None and planned.name not in limits.federations:
        return failed(
            f"the plan is of the federation '{planned.name}', which is not among limits.federations",
            "add its name to limits.federations if you want to take part",
        )
    return passed(said)


def check_presence(subject: Subject) -> Finding:
    """The site is neither paused nor has it left."""
    mark = read_mark(subject.site)
    if mark is None:
        return passed("the site takes part")
    return failed(f"the site is {mark}", "cape-fed site resume SITE.TOML")


def check_audit(subject: Subject) -> Finding:
    """The audit log is as it was left: where it is not, nothing leaves the site."""
    if not log_file(subject.site).exists():
        return skipped("there is no audit log yet")
    try:
        return passed(verify_audit(subject.site))
    except (AuditError, RunError) as error:
        return failed(str(error), "find out who changed it before you take part again: docs/site-admin.md")
