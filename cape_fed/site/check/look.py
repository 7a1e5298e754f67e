"""All steps of a site's check, in the order in which an administrator would go through them."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.errors import InputError, RunError
from cape_fed.site.check.app import check_app
from cape_fed.site.check.cage import check_cage
from cape_fed.site.check.finding import Finding, Step, Subject, failed, skipped
from cape_fed.site.check.key import check_key
from cape_fed.site.check.machine import check_device, check_step, check_versions
from cape_fed.site.check.privacy import check_privacy
from cape_fed.site.check.registration import check_free, check_registered
from cape_fed.site.check.route import check_clock, check_proxy, check_route, check_tls
from cape_fed.site.check.rules import check_audit, check_policy, check_presence
from cape_fed.site.check.stores import check_disk, check_name, check_stores

STEPS = (
    Step("name", check_name),
    Step("stores", check_stores),
    Step("disk", check_disk, ("stores",)),
    Step("privacy", check_privacy, ("stores", "disk")),
    Step("device", check_device),
    Step("training step", check_step, ("stores", "device"), thorough=True),
    Step("versions", check_versions),
    Step("app", check_app),
    Step("cage", check_cage, ("stores",), thorough=True),
    Step("policy", check_policy),
    Step("presence", check_presence, thorough=True),
    Step("audit log", check_audit, thorough=True),
    Step("proxy", check_proxy, ("superlink",)),
    Step("route", check_route, ("superlink",)),
    Step("tls", check_tls, ("superlink", "route")),
    Step("clock", check_clock, ("superlink", "route", "tls")),
    Step("key", check_key, ("superlink",)),
    Step("registered", check_registered, ("superlink", "tls", "clock", "key")),
    Step("key in use", check_free, ("superlink", "registered"), thorough=True),
)
"""A new step is a function from `Subject` to `Finding` and a line here."""
NO_SUPERLINK = failed(
    "site.toml names no SuperLink", "add a table [superlink] with address, certificate and key, as in the kit"
)


def look(subject: Subject, *, thorough: bool = True) -> Iterator[tuple[str, Finding]]:
    """Each step's name and finding as it is taken; a step whose needs are not met is skipped."""
    good: set[str] = set()
    if subject.site.superlink is not None:
        good.add("superlink")
    for step in STEPS:
        if step.thorough and not thorough:
            continue
        missing = [need for need in step.needs if need not in good]
        finding = skipped(f"not looked at without: {', '.join(missing)}") if missing else _take(step, subject)
        if finding.state in ("ok", "warning"):
            good.add(step.name)
        yield step.name, finding
    if subject.site.superlink is None:
        yield "superlink", NO_SUPERLINK


def require(name: str, findings: dict[str, Finding]) -> None:
    """InputError naming the first step that failed, RunError where the site only has to wait; else nothing."""
    for state, error in (("failed", InputError), ("waiting", RunError)):
        for step, finding in findings.items():
            if finding.state == state:
                raise error(f"{name} cannot take part: {step}: {finding}")


def _take(step: Step, subject: Subject) -> Finding:
    try:
        return step.look(subject)
    except InputError as error:
        return Finding("failed", str(error))
