"""``cape-fed site enrol``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def enrol(
    kit: Annotated[Path, typer.Argument(help="The kit that the coordinator sent, where it is to stay.")],
    store: Annotated[
        list[Path] | None, typer.Option("--store", help="A store of this site; once for each cohort.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder for what runs keep here; if absent that of site.toml, else in the kit."),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new key in place of the one that is there.")
    ] = False,
) -> None:
    """Make this site's own key and complete its site.toml; the public half goes to the coordinator.

    The private key is made here and stays here. Run it again to name other stores: a key that is there stays.

    Example: cape-fed site enrol /etc/cape-fed --store /srv/stores/cardiology
    """
    from cape_fed.site.enrol import enrol as enrol_site

    done = enrol_site(kit, store or [], state, replace_key=new_key)
    print(f"{done.name}: {'made a key' if done.new else 'kept the key'}, fingerprint {done.fingerprint}")
    print(f"send {done.public} to the coordinator, and compare the fingerprint by telephone")
    print(f"then: cape-fed site check {kit / 'site.toml'}")
