"""A site's check on the terminal, a line a step."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TextIO

from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.site.check.finding import Finding, Subject
from cape_fed.site.check.look import look
from cape_fed.site.config import SiteConfig

MARKS = {"ok": "ok", "warning": "look", "waiting": "WAIT", "failed": "FAIL", "skipped": "-"}


def take_steps(site: SiteConfig, out: TextIO | None = None, *, thorough: bool = True) -> dict[str, Finding]:
    """Take the steps and write each to ``out`` as it is done; what they found, by step.

    They go by what the coordinator plans, as site.toml has it from the kit; InputError where that cannot be read.
    """
    findings: dict[str, Finding] = {}
    run = planned_run(site) if site.plan else None
    subject = Subject(site, run.pretraining, run.federation) if run else Subject(site)
    for name, finding in look(subject, thorough=thorough):
        findings[name] = finding
        if out is not None:
            show(name, finding, out)
    return findings


def show(name: str, finding: Finding, out: TextIO) -> None:
    """A line with what a step found, and one with its remedy where it has one."""
    print(f"{MARKS[finding.state]:<5} {name:<14} {finding.said}", file=out)
    if finding.remedy:
        print(f"{'':20} -> {finding.remedy}", file=out)
    out.flush()


def planned_run(site: SiteConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """The run that site.toml plans, changed by overrides; where it writes is still to be said."""
    given = {override.partition("=")[0] for override in overrides}
    try:
        words = [word for word in shlex.split(site.plan) if word.partition("=")[0] not in given]
        compose_config([*words, "out=-"])
    except (ValueError, InputError) as error:
        raise InputError(f"site.toml: plan: {error}") from error
    return compose_config([*words, *overrides, "out=-"])
