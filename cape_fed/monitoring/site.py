"""The metrics of a site: what its ClientApps noted, and its stores, certificates, disk and GPUs as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cape_fed.errors import InputError
from cape_fed.monitoring.activity import Activity, is_under_way, read_activity
from cape_fed.monitoring.build import add_build
from cape_fed.monitoring.families import Families, Series
from cape_fed.monitoring.machine import Kept, disk, file_expiry, gpus, server_expiry
from cape_fed.monitoring.specs import SITE_SPECS
from cape_fed.store.check import read_meta
from cape_fed.store.format import StoreMeta

LOOK_AT_SERVER = 3600.0
LOOK_AT_GPUS = 5.0


@dataclass(frozen=True)
class Watched:
    """What there is to watch at a site."""

    name: str
    role: str
    stores: tuple[Path, ...]
    state: Path
    authority: Path | None = None
    """Certificate of the authority that the site trusts."""
    address: str | None = None
    """HOST:PORT of the SuperLink."""


class SiteCollector(Collector):
    """Reads the site's files anew for every scrape; never a recording, and PyTorch is not imported."""

    def __init__(self, site: Watched) -> None:
        self.site = site
        self._highest: dict[Series, float] = {}
        self._server = Kept(lambda: server_expiry(site.address) if site.address else None, LOOK_AT_SERVER)
        self._gpus = Kept(gpus, LOOK_AT_GPUS)

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        families = Families(SITE_SPECS, self._highest)
        add_build(families)
        families.add("cape_fed_site_info", 1.0, site=self.site.name, role=self.site.role)
        activity = read_activity(self.site.state)
        if activity is not None:
            if activity.working is not None and not is_under_way(self.site.state, activity.working):
                activity.working = None
            _add_activity(families, self.site.name, activity)
        self._add_stores(families)
        self._add_machine(families)
        return families.metrics()

    def readiness(self) -> dict[str, str]:
        """The state directory and each store, by its number in site.toml."""
        trouble = {}
        if not self.site.state.is_dir():
            trouble["state"] = "the directory is not there"
        for number, path in enumerate(self.site.stores, 1):
            if _meta(path) is None:
                trouble[f"store {number}"] = "cannot be opened"
        return trouble

    def _add_stores(self, families: Families) -> None:
        name = self.site.name
        found = [_meta(path) for path in self.site.stores]
        readable = [meta for meta in found if meta is not None]
        families.add("cape_fed_site_stores", len(readable), site=name, readable="yes")
        families.add("cape_fed_site_stores", len(found) - len(readable), site=name, readable="no")
        for meta in readable:
            families.add("cape_fed_site_store_records", meta.records, site=name, cohort=meta.cohort)
            families.add("cape_fed_site_store_patients", meta.patients, site=name, cohort=meta.cohort)

    def _add_machine(self, families: Families) -> None:
        name = self.site.name
        folders = {"state": self.site.state, **{f"store {n}": path for n, path in enumerate(self.site.stores, 1)}}
        for volume, folder in folders.items():
            if space := disk(folder):
                families.add("cape_fed_site_disk_free_bytes", space.free, site=name, volume=volume)
                families.add("cape_fed_site_disk_size_bytes", space.size, site=name, volume=volume)
        expiries = {
            "authority": file_expiry(self.site.authority) if self.site.authority else None,
            "server": self._server(),
        }
        for certificate, end in expiries.items():
            families.add("cape_fed_site_certificate_expiry_timestamp_seconds", end, site=name, certificate=certificate)
        for gpu in self._gpus():
            key = {"site": name, "gpu": gpu.index}
            families.add("cape_fed_site_gpu_utilisation_ratio", gpu.utilisation, **key)
            families.add("cape_fed_site_gpu_memory_used_bytes", gpu.used, **key)
            families.add("cape_fed_site_gpu_memory_size_bytes", gpu.size, **key)


def _add_activity(families: Families, name: str, activity: Activity) -> None:
    for action, outcomes in activity.messages.items():
        for outcome, number in outcomes.items():
            families.add("cape_fed_site_messages_total", number, site=name, action=action, outcome=outcome)
    for action, seconds in activity.seconds.items():
        families.add("cape_fed_site_message_seconds_total", seconds, site=name, action=action)
    working = activity.working
    families.add("cape_fed_site_working", float(working is not None), site=name)
    families.add("cape_fed_site_working_since_timestamp_seconds", working.since if working else None, site=name)
    families.add("cape_fed_site_last_message_timestamp_seconds", activity.last_time, site=name)
    if activity.run:
        families.add("cape_fed_site_run_info", 1.0, site=name, run=activity.run, source=activity.source or "")
    families.add("cape_fed_site_round", activity.round, site=name)
    families.add("cape_fed_site_loss", activity.loss, site=name)
    families.add("cape_fed_site_epsilon", activity.epsilon, site=name)
    families.add("cape_fed_site_samples_total", activity.samples, site=name)
    families.add("cape_fed_site_samples_per_second", activity.samples_per_second, site=name)
    families.add("cape_fed_site_bytes_total", activity.bytes_down, site=name, direction="down")
    families.add("cape_fed_site_bytes_total", activity.bytes_up, site=name, direction="up")
    families.add("cape_fed_site_gpu_peak_bytes", activity.gpu_peak_bytes, site=name)


def _meta(path: Path) -> StoreMeta | None:
    try:
        return read_meta(path)
    except (InputError, OSError):
        return None
