"""What an evaluation is made of: an encoder, its baselines, and the stores with their splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.federated.central import Sites
from cape_fed.evaluate.foreign.embed import embed_foreign
from cape_fed.evaluate.foreign.load import LoadedForeign
from cape_fed.evaluate.handmade.features import EXTRA, HANDMADE, handmade, is_available
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Embed, Representation
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.extras import missing
from cape_fed.store import Store
from cape_fed.store.split import Split, split_patients

Project = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From embeddings ``[N, D]`` to projections ``[N, P]``."""


@dataclass(frozen=True)
class EvaluationInputs:
    """Everything that the results of an evaluation follow from."""

    bundle: Path | None
    """None where the method is a foreign encoder."""
    method: str
    """Name of the encoder in tables."""
    embed: Embed
    train: Sequence[Store]
    """Cohorts that the encoder was trained on (ID)."""
    evaluate: Sequence[Store] = ()
    """Cohorts that it was never trained on (OOD)."""
    baselines: Mapping[str, Embed] = field(default_factory=dict)
    """Further encoders by name; demographics are always among the baselines."""
    foreign: Mapping[str, LoadedForeign] = field(default_factory=dict)
    """Encoders of somebody else's by name: the method, or baselines that stand beside those above."""
    handmade: bool = False
    """Whether features that need no weights are a baseline too, where what measures them is installed."""
    splits: Mapping[str, Split] = field(default_factory=dict)
    """By cohort, those of the training run; a cohort without one is split by the seed."""
    heads: Mapping[str, Project] = field(default_factory=dict)
    """The run's projection heads by place: from embeddings to what the objective contrasts."""
    curves: Iterable[Mapping[str, Any]] = ()
    """Lines of the run's ``metrics.jsonl``."""
    sites: Sites | None = None
    """How the training cohorts are divided over sites, for ``options.dimensions``; absent: each is a site."""
    options: EvaluateOptions = field(default_factory=EvaluateOptions)

    @property
    def encoder(self) -> Representation:
        """The method under evaluation; InputError where a baseline has its name."""
        if self.method in {DEMOGRAPHICS.name, HANDMADE, *self.baselines}:
            raise InputError(f"the method cannot be called '{self.method}': a baseline has that name, give another")
        return Representation(self.method, self.embed)

    def check_names(self) -> None:
        """InputError where two rows of the tables would have the same name."""
        _ = self.encoder, self.compared

    @property
    def compared(self) -> list[Representation]:
        """The baselines; InputError where a foreign encoder has the name of another one."""
        own = [Representation(name, embed) for name, embed in self.baselines.items()]
        own += [*([handmade()] if self.handmade and is_available() else []), DEMOGRAPHICS]
        beside = [
            Representation(name, partial(embed_foreign, loaded))
            for name, loaded in self.foreign.items()
            if self.bundle is not None or name != self.method
        ]
        names = {self.method, *(method.name for method in own)}
        if taken := [method.name for method in beside if method.name in names]:
            raise InputError(f"no encoder= can be called '{taken[0]}': another row of the tables has that name")
        return [*beside, *own]

    @property
    def absent(self) -> dict[str, str]:
        """Baselines that were asked for and cannot be had, and why."""
        if not self.handmade or is_available():
            return {}
        return {HANDMADE: missing("the row", "neurokit2", EXTRA)}

    @property
    def summing(self) -> Sites:
        """The sites that sum towards transfer probes where ``options.dimensions`` are named."""
        return self.sites or Sites([[store.cohort] for store in self.train], self.options.seed)

    @cached_property
    def cohorts(self) -> list[EvaluatedCohort]:
        """ID cohorts, then OOD cohorts; InputError for patients on both sides and for no training cohort."""
        stores = [*self.train, *self.evaluate]
        splits = {
            store.cohort: self.splits.get(store.cohort) or split_patients(store, self.options.seed) for store in stores
        }
        return make_cohorts(self.train, self.evaluate, splits, task_names(stores))
