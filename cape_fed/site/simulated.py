"""The sites of a federation that is simulated on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

from cape_fed.federation.roster import Role
from cape_fed.rundir import RunDirectory
from cape_fed.site.config import LEDGER, Limits, PrivacyLimits, SiteConfig
from cape_fed.store.store import open_store


def simulated_sites(
    train: Sequence[tuple[Path, ...]],
    evaluate: Sequence[tuple[Path, ...]],
    run: RunDirectory,
    *,
    device: str,
    threads: int | None,
    min_patients: int,
) -> list[SiteConfig]:
    """Sites with these stores, those that train first; a site is named after its cohorts.

    A site computes with one thread unless ``threads`` says otherwise: the number of threads decides the order of sums,
    and the engines have to agree bit for bit.
    """
    described: list[tuple[Role, tuple[Path, ...]]] = [
        *(("train", stores) for stores in train),
        *(("evaluate", stores) for stores in evaluate),
    ]  # fmt: skip
    return [
        SiteConfig(
            name=(name := site_name(stores)),
            role=role,
            stores=stores,
            state=run.site(name).resolve(),
            device=device,
            threads=threads or 1,
            limits=Limits(min_patients=min_patients),
            privacy=PrivacyLimits(epsilon=inf, ledger_head=run.site(name).resolve() / LEDGER / "head"),
            own_process=False,
        )
        for role, stores in described
    ]


def site_name(stores: Sequence[Path]) -> str:
    """Cohort names joined by a plus sign."""
    return "+".join(open_store(path).cohort for path in stores)
