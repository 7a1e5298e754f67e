"""The transfer probes of a federation of several sites, fitted where all their records are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.federated.dimensions import projection
from cape_fed.evaluate.federated.sums import site_sums
from cape_fed.evaluate.federated.transfer import fit_transfer, join_sums, lift
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.ridge import LinearProbe


@dataclass(frozen=True)
class Sites:
    """How the cohorts that were trained on are divided over sites, and the seed of the run that projects their sums."""

    cohorts: Sequence[Sequence[str]]
    """Names of the cohorts of each site."""
    seed: int


def transfer_of_sites(
    sites: Sites,
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    method: Representation,
    options: EvaluateOptions,
) -> dict[str, LinearProbe]:
    """The probes that these sites' sums over ``options.dimensions`` lead to, on whole embeddings.

    Sites keep to the rule for sums here as they do in a federation.
    """
    assert options.dimensions is not None
    by_name = {cohort.name: cohort for cohort in cohorts}
    width = next(iter(features.values())).shape[1]
    columns = projection(width, options.dimensions, sites.seed)
    sums = {
        "+".join(names): site_sums(
            [by_name[name] for name in names],
            {name: features[name] @ columns for name in names},
            method,
            options.min_patients,
        )
        for names in sites.cohorts
    }
    return lift(fit_transfer(join_sums(sums), options), width, options, sites.seed)
