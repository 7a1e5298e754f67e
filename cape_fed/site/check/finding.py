"""What one step of a site's check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cape_fed.federation.config import FederationConfig
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.site.config import SiteConfig, SuperLinkAccess

State = Literal["ok", "warning", "waiting", "failed", "skipped"]
"""``waiting`` keeps the site out for now and may pass by itself, ``failed`` does not; ``warning`` keeps nobody out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a step ended, in words, and what to do about it."""

    state: State
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.said}: {self.remedy}" if self.remedy else self.said


@dataclass(frozen=True, slots=True)
class Subject:
    """The site that is checked, and what the coordinator means to train there, where that is known."""

    site: SiteConfig
    plan: PretrainConfig | None = None
    federation: FederationConfig | None = None

    @property
    def access(self) -> SuperLinkAccess:
        """How the site reaches its SuperLink; only steps that need one may ask."""
        assert self.site.superlink is not None
        return self.site.superlink

    @property
    def host(self) -> str:
        """The SuperLink's name or address, without the port."""
        return self.access.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The SuperLink's port."""
        return int(self.access.address.rpartition(":")[2])


StepFunction = Callable[[Subject], Finding]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is looked at."""

    name: str
    look: StepFunction
    needs: tuple[str, ...] = ()
    """Steps without which this one says nothing; ``superlink`` means that site.toml names one."""
    thorough: bool = False
    """Whether it takes seconds, or speaks to the SuperLink as the site would: the node's own start leaves it out."""


def passed(said: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", said)


def warning(said: str, remedy: str) -> Finding:
    """Worth a look; the site can take part."""
    return Finding("warning", said, remedy)


def waiting(said: str, remedy: str) -> Finding:
    """The site cannot take part now; this may pass."""
    return Finding("waiting", said, remedy)


def failed(said: str, remedy: str) -> Finding:
    """The site cannot take part until somebody does something."""
    return Finding("failed", said, remedy)


def skipped(said: str) -> Finding:
    """The step was not taken."""
    return Finding("skipped", said)
