"""What a site's admin hands over when something does not work: logs and facts, without names, paths and hosts."""

from __future__ import annotations

import getpass
import json
import platform
import re
import socket
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cape_fed.errors import InputError
from cape_fed.files import atomic_file
from cape_fed.monitoring.activity import read_activity
from cape_fed.monitoring.build import versions
from cape_fed.monitoring.machine import disk, file_expiry, gpus
from cape_fed.monitoring.scrub import Scrubber
from cape_fed.monitoring.site import Watched
from cape_fed.store.check import read_meta
from cape_fed.store.format import StoreFiles

LOGS = "log.txt*"
LONGEST_LOG = 4_000_000
"""Bytes of each log that go into a bundle, the last ones."""
RUN = re.compile(r"[0-9a-f]{12}")
ABOUT = """\
What is in this bundle, for whoever helps with a site of a cape-fed federation:
facts.json   versions, machine, how much the site has, how its messages ended; no names
site.toml    keys and numbers of the site's settings; texts are cut out
log.txt*     the site's log. Names of site, cohorts, hosts, users and paths are replaced by what they are, names of
             recordings and patients are cut out, and of other words only those stay that are in cape-fed's own code.
"""


@dataclass(frozen=True)
class Support:
    """The files of a bundle by name, as text."""

    files: Mapping[str, str]

    def shown(self) -> Iterator[str]:
        """All of it, for the eyes of the admin."""
        for name, text in self.files.items():
            yield f"--- {name}\n{text.rstrip()}\n"

    def write(self, out: Path) -> None:
        """Write the bundle as a ZIP file; it is there whole or not at all."""
        with atomic_file(out) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in self.files.items():
                bundle.writestr(name, text)


def gather_support(site: Watched, settings: Path) -> Support:
    """Read what goes into a bundle; ``settings`` is the site.toml. InputError where there is no log."""
    logs = sorted(path for path in site.state.glob(LOGS) if path.is_file())
    if not logs:
        raise InputError(f"{site.state} holds no log.txt: this site has not answered a message yet")
    runs = sorted(path.name for path in site.state.iterdir() if path.is_dir() and RUN.fullmatch(path.name))
    texts = {path.name: _end_of(path) for path in logs}
    scrubber = Scrubber(_known(site), _kept(site, runs), _records_in(site, texts.values()))
    files = {
        "ABOUT.txt": ABOUT,
        "facts.json": json.dumps(_facts(site, runs), indent=1) + "\n",
        "site.toml": _outline(settings),
        **{name: _scrubbed(text, scrubber) for name, text in texts.items()},
    }
    return Support(files)


def _known(site: Watched) -> dict[str, str]:
    """Names and what stands in their place; the site's own first, since they may be part of others."""
    host = socket.gethostname()
    known = {host: "⟨host⟩", host.partition(".")[0]: "⟨host⟩", getpass.getuser(): "⟨user⟩", str(Path.home()): "⟨path⟩"}
    for number, path in enumerate(site.stores, 1):
        known[str(path)] = f"⟨store {number}⟩"
        try:
            known[read_meta(path).cohort] = f"⟨cohort {number}⟩"
        except (InputError, OSError):
            continue
    known |= {str(site.state): "⟨state⟩", str(Path.cwd()): "⟨path⟩"}
    if site.address:
        known |= {site.address: "⟨coordinator⟩", site.address.rpartition(":")[0]: "⟨coordinator⟩"}
    return {**known, site.name: "⟨site⟩"}


def _kept(site: Watched, runs: list[str]) -> list[str]:
    """Identifiers that help and name nobody: of runs and of the code."""
    activity = read_activity(site.state)
    return [*runs, *filter(None, [activity.run, activity.source] if activity else [])]


def _records_in(site: Watched, texts: Any) -> set[str]:
    """Names of recordings and keys of patients of the stores that stand in the logs."""
    tokens = pa.array(sorted({token for text in texts for token in re.findall(r"[^\s'\",;:()\[\]{}]+", text)}))
    found: set[str] = set()
    for path in site.stores:
        try:
            table = pq.read_table(StoreFiles.of(path).records, columns=["record", "patient"])
        except (OSError, pa.ArrowInvalid):
            continue
        for column in table.columns:
            found.update(tokens.filter(pc.is_in(tokens, value_set=column.combine_chunks())).to_pylist())
    return found


def _facts(site: Watched, runs: list[str]) -> dict[str, Any]:
    space, activity, now = disk(site.state), read_activity(site.state), time()
    expiry = file_expiry(site.authority) if site.authority else None
    return {
        "versions": versions(),
        "system": {"name": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "role": site.role,
        "stores": [_store(path) for path in site.stores],
        "disk": {"free": space.free, "size": space.size} if space else None,
        "gpus": [{"utilisation": gpu.utilisation, "used": gpu.used, "size": gpu.size} for gpu in gpus()],
        "authority_ends_in_days": None if expiry is None else round((expiry - now) / 86400),
        "runs": runs,
        "activity": activity.model_dump() if activity else None,
    }


def _store(path: Path) -> dict[str, Any]:
    try:
        meta = read_meta(path)
    except (InputError, OSError) as error:
        return {"readable": False, "error": type(error).__name__}
    return {"readable": True, "records": meta.records, "patients": meta.patients, "profile": meta.profile_hash}


def _outline(settings: Path) -> str:
    """Keys of site.toml with their numbers and truth values; of texts only that there is one."""
    values = tomllib.loads(settings.read_text(encoding="utf-8"))
    lines: list[str] = []

    def add(table: Mapping[str, Any], prefix: str) -> None:
        for number, (key, value) in enumerate(table.items(), 1):
            name = f"{prefix}{number}" if prefix == "stores." else f"{prefix}{key}"  # an admin's own names of stores
            if isinstance(value, Mapping):
                add(value, f"{name}.")
            else:
                plain = isinstance(value, bool | int | float) or name in ("role", "device")
                lines.append(f"{name} = {json.dumps(value) if plain else '⟨text⟩'}")

    add(values, "")
    return "\n".join(lines) + "\n"


def _scrubbed(text: str, scrubber: Scrubber) -> str:
    return "".join(f"{_scrubbed_line(line, scrubber)}\n" for line in text.splitlines())


def _scrubbed_line(line: str, scrubber: Scrubber) -> str:
    """A line; of one in JSON every text, so that it stays JSON."""
    try:
        entry = json.loads(line) if line.startswith("{") else None
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return scrubber.line(line)
    cleaned = {
        scrubber.line(str(key)): "\n".join(map(scrubber.line, value.splitlines())) if isinstance(value, str) else value
        for key, value in entry.items()
        if isinstance(value, str | int | float | bool | None)
    }
    return json.dumps(cleaned, ensure_ascii=False)


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_LOG))
        block = file.read().decode("utf-8", "replace")
    return block if size <= LONGEST_LOG else block.partition("\n")[2]
