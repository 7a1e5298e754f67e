"""What a site brings to a run: its stores and where it computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cape_fed.config import RunConfig
from cape_fed.federation.roster import Role
from cape_fed.pretrain.config import Section
from cape_fed.store.store import open_store


class SiteConfig(Section):
    """A site's own settings; the coordinator has no say in them."""

    name: str
    role: Role
    stores: tuple[Path, ...]
    state: Path
    """Directory for the site's own files: splits, head, optimiser."""
    device: str = "auto"
    threads: int | None = None


def simulated_sites(config: RunConfig) -> list[SiteConfig]:
    """The sites that a configuration describes, trainers first; a site is named after its cohorts.

    A site computes with one thread unless the configuration says otherwise: the number of threads decides the order
    of sums, and the engines have to agree bit for bit.
    """
    described: list[tuple[Role, tuple[Path, ...]]] = [
        *(("train", stores) for stores in config.data.train),
        *(("evaluate", stores) for stores in config.data.evaluate),
    ]  # fmt: skip
    return [
        SiteConfig(
            name=(name := site_name(stores)),
            role=role,
            stores=stores,
            state=(config.out / "sites" / name).resolve(),
            device=config.device,
            threads=config.threads or 1,
        )
        for role, stores in described
    ]


def site_name(stores: Sequence[Path]) -> str:
    """Cohort names joined by a plus sign."""
    return "+".join(open_store(path).cohort for path in stores)
