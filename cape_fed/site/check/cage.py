"""Whether what a run brings is held in a cage on this machine, found by trying."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cape_fed.site.cage.bubblewrap import why_not
from cape_fed.site.cage.setup import GIB, bounds_of
from cape_fed.site.cage.trial import breaches
from cape_fed.site.check.finding import Finding, Subject, failed, passed, warning
from cape_fed.site.config import SiteConfig
from cape_fed.site.refused import FOLDER
from cape_fed.store.keys import salt_path

NONE = "an app can read what the site's user can read, write and send what it likes"
REMEDY = "apt-get install bubblewrap; in a container, let it make user namespaces"


def check_cage(subject: Subject) -> Finding:
    """A program in the cage tries what no app should be able to do; a site without a cage is told what that means."""
    site = subject.site
    if site.cage.kind == "none":
        return warning(f"site.toml wants none: {NONE}", "leave cage.kind out")
    if reason := why_not():
        return (failed if site.cage.kind == "bubblewrap" else warning)(f"none, {reason}: {NONE}", REMEDY)
    with tempfile.TemporaryDirectory(prefix="cape-fed-check-") as runtime:
        bounds = bounds_of(site, Path(runtime))
        bounds.empty.mkdir()
        site.audit_head_file.parent.mkdir(parents=True, exist_ok=True)
        bounds = bounds if all(Path(file).exists() for file in bounds.files) else bounds.without_files()
        found = breaches(bounds, read=_secrets(site), write=_places(site))
    if found:
        return failed(f"an app in it could {', '.join(found)}", "keep these out of the folders that apps see")
    most = f"at most {bounds.processes} processes and {bounds.memory / GIB:.0f} GiB of memory"
    return passed(f"bubblewrap: no network, salt or keys, stores to read only, nothing to write but its run, {most}")


def _secrets(site: SiteConfig) -> list[Path]:
    access = [site.superlink.key] if site.superlink else []
    candidates = [salt_path(), *access, site.state / FOLDER, *([site.apps] if site.apps else [])]
    return [path.resolve() for path in candidates if path.exists() and (path.is_file() or any(path.iterdir()))]


def _places(site: SiteConfig) -> list[Path]:
    """Folders that an app should not write to."""
    places = [*site.stores, site.state, site.state.parent, Path(sys.prefix), Path.home(), Path("/"), Path("/usr/lib")]
    return [place.resolve() for place in [*places, *([site.apps] if site.apps else [])] if place.is_dir()]
