"""What a bundle says of itself: read where this version of cape-fed knows how, refused in one sentence otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from cape_fed.errors import InputError, VersionError
from cape_fed.pretrain.encoders import AnyEncoderConfig
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import ARITHMETIC, Profile, check_arithmetic

CONFIG, PROFILE = "config.json", "profile.json"
FORMAT = 1


class BundleConfig(BaseModel):
    """Contents of `CONFIG`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    encoder: AnyEncoderConfig
    provenance: Provenance = Provenance()
    """How it came about: method, configuration, cohorts with their counts and fingerprints."""


def read_config(root: Path) -> BundleConfig:
    """The configuration of a bundle; VersionError where it is of another format, InputError where it is damaged.

    The format is read first: a later one may have keys that mean nothing here.
    """
    try:
        text = (root / CONFIG).read_text(encoding="utf-8")
        found = _stated(text, "format", FORMAT)
        if found != FORMAT:
            raise VersionError(
                f"{root} has bundle format {found}, this version of cape-fed reads {FORMAT}: "
                "use the version that wrote it, or a later one"
            )
        return BundleConfig.model_validate_json(text)
    except (OSError, ValueError) as error:
        raise _unreadable(root, CONFIG) from error


def read_profile(root: Path) -> Profile:
    """The preprocessing of a bundle; VersionError where it is computed otherwise here, InputError where it is damaged.

    The version of its arithmetic is read first, as the format of `read_config`.
    """
    try:
        text = (root / PROFILE).read_text(encoding="utf-8")
        check_arithmetic(_stated(text, "version", ARITHMETIC), str(root))
        return Profile.model_validate_json(text)
    except (OSError, ValueError) as error:
        raise _unreadable(root, PROFILE) from error


def _stated(text: str, key: str, otherwise: int) -> Any:
    held = json.loads(text)
    return held.get(key, otherwise) if isinstance(held, dict) else otherwise


def _unreadable(root: Path, name: str) -> InputError:
    return InputError(f"{root} is not a bundle this version can read: check {name}")
