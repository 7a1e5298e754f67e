"""What protects the site's patients, said before anything is trained."""

from __future__ import annotations

from cape_fed.site.budget import budget_lines, policy_words, site_budget
from cape_fed.site.check.finding import Finding, Subject, passed


def check_privacy(subject: Subject) -> Finding:
    """The privacy ledger can be trusted; says what the site asks of runs and what its patients have spent."""
    site = subject.site
    lines = list(budget_lines(site_budget(site))) if site.state.exists() else []
    if site.role != "train":
        return passed("no patient of this site is trained on")
    return passed("; ".join(line.strip() for line in lines) or policy_words(required=site.privacy.required))
