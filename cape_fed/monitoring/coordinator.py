"""The metrics of the coordinator: every run of a folder, from its files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cape_fed.monitoring.build import add_build
from cape_fed.monitoring.families import Families, Series
from cape_fed.monitoring.machine import disk, file_expiry
from cape_fed.monitoring.run import STANDINGS, STATES, Run
from cape_fed.monitoring.runs import Runs
from cape_fed.monitoring.specs import RUN_SPECS

log = logging.getLogger(__name__)


class CoordinatorCollector(Collector):
    """Reads the runs anew for every scrape."""

    def __init__(self, runs: Runs, certificate: Path | None = None) -> None:
        self.runs = runs
        self.certificate = certificate
        self._highest: dict[Series, float] = {}

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        families = Families(RUN_SPECS, self._highest)
        add_build(families)
        unreadable = 0
        for run in self.runs.read():
            try:
                _add_run(families, run)
            except (KeyError, TypeError, ValueError, AttributeError):  # a damaged file must not hide the other runs
                log.warning("the files of run %s cannot be made sense of", run.name, exc_info=True)
                unreadable += 1
        families.add("cape_fed_coordinator_runs_unreadable", unreadable)
        if space := disk(self.runs.path):
            families.add("cape_fed_coordinator_disk_free_bytes", space.free)
            families.add("cape_fed_coordinator_disk_size_bytes", space.size)
        if self.certificate is not None:
            families.add("cape_fed_coordinator_certificate_expiry_timestamp_seconds", file_expiry(self.certificate))
        return families.metrics()

    def readiness(self) -> dict[str, str]:
        """What is wrong with what there is to read, by what it is; empty where nothing is."""
        if not self.runs.path.is_dir():
            return {"runs": "the folder of runs is not there"}
        if self.certificate is not None and file_expiry(self.certificate) is None:
            return {"certificate": "cannot be read"}
        return {}


def _add_run(families: Families, run: Run) -> None:
    if not run.id:  # it has not begun
        return
    key, last = {"run": run.id}, run.last
    families.add("cape_fed_run_info", 1.0, **key, name=run.name, strategy=run.strategy)
    families.one_of("cape_fed_run_state", "state", STATES, run.state, **key)
    families.add("cape_fed_run_rounds_done", run.done, **key)
    families.add("cape_fed_run_rounds_planned", run.planned, **key)
    families.add("cape_fed_run_below_quorum", float(bool(run.status.get("lacking"))), **key)
    families.add("cape_fed_run_usual_round_seconds", run.usual_seconds, **key)
    if last:
        families.add("cape_fed_run_last_round_timestamp_seconds", run.last_time, **key)
        families.add("cape_fed_run_round_seconds", last["seconds"], **key)
        families.add("cape_fed_run_loss", last.get("loss"), **key)
        families.add("cape_fed_run_drift_ratio", last.get("drift"), **key)
    for direction in ("down", "up"):
        moved = sum(line[f"bytes_{direction}"] for line in run.rounds)
        families.add("cape_fed_run_bytes_total", moved, **key, direction=direction)
    for part, seconds in run.parts().items():
        families.add("cape_fed_run_part_seconds_total", seconds, **key, part=part)
    _add_sites(families, run)


def _add_sites(families: Families, run: Run) -> None:
    standings = {site: run.standing(site) for site in run.roles}
    for standing in STANDINGS:
        number = list(standings.values()).count(standing)
        families.add("cape_fed_run_sites", number, run=run.id, standing=standing)
    for site, role in run.roles.items():
        families.one_of("cape_fed_run_site_standing", "standing", STANDINGS, standings[site], run=run.id, site=site)
        if role == "train":
            _add_site(families, run, site)
    for (site, what, reason), number in run.trouble().items():
        families.add(f"cape_fed_run_site_{what}_total", number, run=run.id, site=site, reason=reason)


def _add_site(families: Families, run: Run, site: str) -> None:
    key = {"run": run.id, "site": site}
    own = [line["sites"][site] for line in run.rounds if site in line["sites"]]
    families.add("cape_fed_run_site_rounds_total", len(own), **key)
    if not own:
        return
    numbers = own[-1]
    families.add("cape_fed_run_site_patients", numbers.get("patients"), **key)
    families.add("cape_fed_run_site_loss", numbers.get("loss"), **key)
    families.add("cape_fed_run_site_epsilon", numbers.get("epsilon"), **key)
    families.add("cape_fed_run_site_work_seconds", numbers.get("seconds"), **key)
    families.add("cape_fed_run_site_answer_seconds", numbers.get("answered"), **key)
    if numbers.get("seconds"):
        rate = run.samples_a_round / numbers["seconds"]
        families.add("cape_fed_run_site_samples_per_second", rate, **key)
