"""Whether a file holds the public key of a site that a SuperLink may be asked to let in."""

from __future__ import annotations

from pathlib import Path

import yaml

from cape_fed.errors import InputError
from cape_fed.federation.keys import fingerprint, read_public
from cape_fed.federation.kit import find_kit


def check_public_key(file: Path) -> str:
    """The fingerprint of the public key in a file; InputError where it holds something else."""
    try:
        return fingerprint(read_public(file.read_bytes()))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} {error}") from error


def site_of(connection: str, file: Path, name: str | None) -> str:
    """The name to register a key under: the one given, or that of the file, ``SITE.pub``.

    Where the connection is a coordinator's kit the name has to be on its roster; InputError otherwise.
    """
    found = name or file.name.removesuffix(".pub")
    kit = find_kit(connection)
    if kit is None:
        return found
    try:
        roster = yaml.safe_load(kit.roster.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the roster {kit.roster}: run cape-fed provision again") from error
    if found not in roster:
        raise InputError(
            f"{found} is not on the roster ({', '.join(roster)}): the file is called SITE.pub, or --name says whose it "
            "is; a new site is added to federation.yaml first"
        )
    return found
