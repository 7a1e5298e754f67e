"""The same stores evaluated in one place and at their sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, Role, site_cohorts
from cape_fed.evaluate.federated.cells import Cells, transfer_cells, within_cells
from cape_fed.evaluate.federated.central import Sites
from cape_fed.evaluate.federated.dimensions import projection
from cape_fed.evaluate.federated.sums import site_sums
from cape_fed.evaluate.federated.transfer import Joined, fit_transfer, join_sums, lift
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.results import Results
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.store import Store
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store

DIMENSIONS, SEED = 4, 3
OPTIONS = EvaluateOptions(resamples=60, min_patients=8, dimensions=DIMENSIONS, map_records=0, examples=0)


WIDTH = 16
METHOD = Representation("fake", embedding(knows=1.0, artefact=0.5, width=WIDTH))


@dataclass(frozen=True)
class Site:
    """What one site sees of itself."""

    cohorts: list[EvaluatedCohort]
    features: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        return "+".join(cohort.name for cohort in self.cohorts)

    def projected(self, dimensions: int = DIMENSIONS) -> dict[str, np.ndarray]:
        return {name: values @ projection(WIDTH, dimensions, SEED) for name, values in self.features.items()}

    def sums(self, minimum: int = OPTIONS.min_patients, dimensions: int = DIMENSIONS) -> dict[str, ProbeSums]:
        return site_sums(self.cohorts, self.projected(dimensions), METHOD, minimum)


def site_of(role: Role, *stores: Store) -> Site:
    splits = {store.cohort: split_patients(store, OPTIONS.seed) for store in stores}
    cohorts = site_cohorts(stores, role, splits, task_names(stores))
    return Site(cohorts, {store.cohort: METHOD.features(store) for store in stores})


@dataclass(frozen=True)
class Both:
    """The same stores evaluated in one place and at their sites."""

    central: Results
    train: list[Site]
    evaluate: list[Site]

    def joined(self) -> dict[str, Joined]:
        """The sums of all sites."""
        return join_sums({site.name: site.sums() for site in self.train})

    def cells(self) -> tuple[Cells, Cells]:
        """Transfer and within cells of all sites."""
        probes = lift(fit_transfer(self.joined(), OPTIONS), WIDTH, OPTIONS, SEED)
        transfer, within = {}, {}
        for site in [*self.train, *self.evaluate]:
            transfer |= transfer_cells(site.cohorts, site.features, METHOD, probes, OPTIONS)
            within |= within_cells(site.cohorts, site.features, METHOD, OPTIONS)
        return transfer, within


def evaluate_both(folder: Path, train: list[list[Store]], evaluate: list[list[Store]]) -> Both:
    inputs = EvaluationInputs(
        bundle=folder / "bundle",
        method=METHOD.name,
        embed=METHOD.embed,
        train=[store for stores in train for store in stores],
        evaluate=[store for stores in evaluate for store in stores],
        baselines={"random-init": embedding(knows=0.1, seed=3)},
        sites=Sites([[store.cohort for store in stores] for stores in train], SEED),
        options=OPTIONS,
    )
    central = evaluate_bundle(inputs, folder / "out")
    return Both(central, [site_of("id", *stores) for stores in train], [site_of("ood", *stores) for stores in evaluate])


def one_record_each(folder: Path, **columns: Any) -> Store:
    """A store of 90 patients with a record each, of which 63 are for training."""
    return make_store(folder / "a", "a", seed=0, patients=60, patient=[f"p{row}" for row in range(90)], **columns)
