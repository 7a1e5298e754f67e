"""``python -m cape_fed.privacy.audit``: all checks on the real private step; exit code 1 if one fails."""

from __future__ import annotations

import sys

from cape_fed.privacy.audit.canaries import audit_canaries
from cape_fed.privacy.audit.laws import LAWS
from cape_fed.privacy.audit.subject import Subject


def main() -> int:
    """Print what each check found."""
    findings = [law(Subject()) for law in LAWS]
    findings += [audit_canaries(Subject(), claimed) for claimed in (1.0, 3.0)]
    for finding in findings:
        print(f"{'ok  ' if finding.good else 'FAIL'} {finding.name}: {finding.said}")
    return 0 if all(finding.good for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
