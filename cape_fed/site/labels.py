"""The labels that a site lets an evaluation be about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flwr.app import RecordDict

from cape_fed.evaluate.targets.registry import registered_tasks, task_names
from cape_fed.federation.evaluation import CELLS, SUMS_INDEX
from cape_fed.federation.failures import SiteFailure
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.store.store import Store


def allowed_tasks(stores: Sequence[Store], site: SiteConfig) -> list[str]:
    """The tasks of an evaluation on these stores, but for labels that are not among ``limits.labels``."""
    allowed = allowed_labels(site)
    return [task for task in task_names(stores) if task in allowed]


def allowed_labels(site: SiteConfig) -> Sequence[str]:
    """``limits.labels``: all registered targets unless it says otherwise, never a column of a store's own making."""
    return registered_tasks() if site.limits.labels is None else site.limits.labels


def check_labels(name: str, content: RecordDict, site: SiteConfig) -> None:
    """Raise PolicyError where the record ``name`` of a reply tells of a label that is not among ``limits.labels``."""
    allowed = allowed_labels(site)
    if name not in (SUMS_INDEX, CELLS):
        return
    told: Any = json.loads(str(content.config_records[name]["json"]))
    tasks = (
        [entry["task"] for entry in told]
        if name == SUMS_INDEX
        else [task for cohorts in told.values() for tasks in cohorts.values() for task in tasks]
    )
    for task in tasks:
        if task not in allowed:
            raise PolicyError(f"'{task}' is not among limits.labels", SiteFailure.LABEL)
