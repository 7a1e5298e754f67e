"""A federation at a glance, out of its metrics: what ``cape-fed top`` shows and prints as JSON."""

from __future__ import annotations

from time import time

from cape_fed.monitoring.run import UNDER_WAY
from cape_fed.monitoring.samples import Samples
from cape_fed.section import Section


class SiteInRun(Section):
    """How a site fares in a run."""

    site: str
    standing: str
    rounds: int | None
    patients: int | None
    loss: float | None
    work_seconds: float | None
    answer_seconds: float | None
    samples_per_second: float | None
    epsilon: float | None
    """Of its patients in this run, where it is a private one."""
    refused: dict[str, int]
    """How many replies did not count, by reason."""
    failed: dict[str, int]
    """How many messages had no reply, by reason."""


class RunOverview(Section):
    """A run."""

    run: str
    name: str
    strategy: str
    state: str
    rounds_done: int
    rounds_planned: int
    since_last_round: float | None
    """Seconds."""
    round_seconds: float | None
    usual_seconds: float | None
    loss: float | None
    drift: float | None
    below_quorum: bool
    bytes_down: int
    bytes_up: int
    parts: dict[str, float]
    """Seconds by part of a round, over all rounds."""
    sites: list[SiteInRun]

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self.state in UNDER_WAY

    @property
    def seconds_left(self) -> float | None:
        """How long the rounds that are left take at the usual pace; None where it does not go on or nobody knows."""
        if not self.under_way or self.usual_seconds is None:
            return None
        return max(0.0, (self.rounds_planned - self.rounds_done) * self.usual_seconds)


class SiteOverview(Section):
    """A site, by its own exporter."""

    site: str
    role: str
    run: str
    round: int | None
    working_for: float | None
    """Seconds that the message under way has been worked on; None while there is none."""
    since_last_message: float | None
    loss: float | None
    samples_per_second: float | None
    messages: dict[str, int]
    """By how they ended."""
    patients: dict[str, int]
    """By cohort."""
    unreadable_stores: int
    disk_free: float | None
    """Bytes, where the state is."""
    gpu_utilisation: dict[str, float]
    certificates: dict[str, float]
    """Seconds until they end."""


class Overview(Section):
    """All that one exporter, or one directory, shows."""

    versions: dict[str, str]
    runs: list[RunOverview]
    sites: list[SiteOverview]
    disk_free: float | None
    """Bytes left at the coordinator."""


def read_overview(samples: Samples, now: float | None = None) -> Overview:
    """What the samples say; ``now`` in Unix time, by default the time on the clock."""
    moment = time() if now is None else now
    labels = ("version", "python", "flower", "torch")
    return Overview(
        versions={label: samples.label("cape_fed_build_info", label) for label in labels},
        runs=[_run(samples, run, moment) for run in samples.by("cape_fed_run_info", "run")],
        sites=[_site(samples, site, moment) for site in samples.by("cape_fed_site_info", "site")],
        disk_free=samples.get("cape_fed_coordinator_disk_free_bytes"),
    )


def _run(samples: Samples, run: str, now: float) -> RunOverview:
    last = samples.get("cape_fed_run_last_round_timestamp_seconds", run=run)
    return RunOverview(
        run=run,
        name=samples.label("cape_fed_run_info", "name", run=run),
        strategy=samples.label("cape_fed_run_info", "strategy", run=run),
        state=samples.chosen("cape_fed_run_state", "state", run=run),
        rounds_done=int(samples.get("cape_fed_run_rounds_done", run=run) or 0),
        rounds_planned=int(samples.get("cape_fed_run_rounds_planned", run=run) or 0),
        since_last_round=None if last is None else max(0.0, now - last),
        round_seconds=samples.get("cape_fed_run_round_seconds", run=run),
        usual_seconds=samples.get("cape_fed_run_usual_round_seconds", run=run),
        loss=samples.get("cape_fed_run_loss", run=run),
        drift=samples.get("cape_fed_run_drift_ratio", run=run),
        below_quorum=samples.get("cape_fed_run_below_quorum", run=run) == 1,
        bytes_down=int(samples.get("cape_fed_run_bytes_total", run=run, direction="down") or 0),
        bytes_up=int(samples.get("cape_fed_run_bytes_total", run=run, direction="up") or 0),
        parts=samples.by("cape_fed_run_part_seconds_total", "part", run=run),
        sites=[_site_in_run(samples, run, site) for site in samples.by("cape_fed_run_site_standing", "site", run=run)],
    )


def _site_in_run(samples: Samples, run: str, site: str) -> SiteInRun:
    key = {"run": run, "site": site}
    return SiteInRun(
        site=site,
        standing=samples.chosen("cape_fed_run_site_standing", "standing", **key),
        rounds=_whole(samples.get("cape_fed_run_site_rounds_total", **key)),
        patients=_whole(samples.get("cape_fed_run_site_patients", **key)),
        loss=samples.get("cape_fed_run_site_loss", **key),
        work_seconds=samples.get("cape_fed_run_site_work_seconds", **key),
        answer_seconds=samples.get("cape_fed_run_site_answer_seconds", **key),
        samples_per_second=samples.get("cape_fed_run_site_samples_per_second", **key),
        epsilon=samples.get("cape_fed_run_site_epsilon", **key),
        refused=_counts(samples.by("cape_fed_run_site_refused_total", "reason", **key)),
        failed=_counts(samples.by("cape_fed_run_site_failed_total", "reason", **key)),
    )


def _site(samples: Samples, site: str, now: float) -> SiteOverview:
    since = samples.get("cape_fed_site_working_since_timestamp_seconds", site=site)
    last = samples.get("cape_fed_site_last_message_timestamp_seconds", site=site)
    ends = samples.by("cape_fed_site_certificate_expiry_timestamp_seconds", "certificate", site=site)
    messages: dict[str, int] = {}
    for action in samples.by("cape_fed_site_messages_total", "action", site=site):
        for outcome, number in samples.by("cape_fed_site_messages_total", "outcome", site=site, action=action).items():
            messages[outcome] = messages.get(outcome, 0) + int(number)
    return SiteOverview(
        site=site,
        role=samples.label("cape_fed_site_info", "role", site=site),
        run=samples.label("cape_fed_site_run_info", "run", site=site),
        round=_whole(samples.get("cape_fed_site_round", site=site)),
        working_for=None if since is None else max(0.0, now - since),
        since_last_message=None if last is None else max(0.0, now - last),
        loss=samples.get("cape_fed_site_loss", site=site),
        samples_per_second=samples.get("cape_fed_site_samples_per_second", site=site),
        messages=messages,
        patients=_counts(samples.by("cape_fed_site_store_patients", "cohort", site=site)),
        unreadable_stores=int(samples.get("cape_fed_site_stores", site=site, readable="no") or 0),
        disk_free=samples.get("cape_fed_site_disk_free_bytes", site=site, volume="state"),
        gpu_utilisation=samples.by("cape_fed_site_gpu_utilisation_ratio", "gpu", site=site),
        certificates={name: end - now for name, end in ends.items()},
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _counts(values: dict[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}
