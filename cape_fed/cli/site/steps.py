"""A site's check on the terminal, a line a step."""

from __future__ import annotations

import shlex
from typing import TextIO

from cape_fed.compose import compose_config
from cape_fed.errors import InputError
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.site.check.finding import Finding, Subject
from cape_fed.site.check.look import look
from cape_fed.site.config import SiteConfig

MARKS = {"ok": "ok", "warning": "look", "waiting": "WAIT", "failed": "FAIL", "skipped": "-"}


def take_steps(site: SiteConfig, out: TextIO | None = None, *, thorough: bool = True) -> dict[str, Finding]:
    """Take the steps and write each to ``out`` as it is done; what they found, by step."""
    findings: dict[str, Finding] = {}
    for name, finding in look(Subject(site, planned(site)), thorough=thorough):
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


def planned(site: SiteConfig) -> PretrainConfig | None:
    """What the coordinator means to train, as site.toml has it from the kit; InputError where that cannot be read."""
    if not site.plan:
        return None
    try:
        return compose_config([*shlex.split(site.plan), "out=-"]).pretraining
    except ValueError as error:
        raise InputError(f"site.toml: plan: {error}") from error
    except InputError as error:
        raise InputError(f"site.toml: plan: {error}") from error
