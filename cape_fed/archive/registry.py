"""Archive formats by name; a new format is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from cape_fed.archive.base import Reader
from cape_fed.archive.code15 import Code15
from cape_fed.archive.manifest import Manifest
from cape_fed.archive.mimic_iv_ecg import MimicIvEcg
from cape_fed.archive.ptbxl import PtbXl
from cape_fed.archive.wfdb_tree import WfdbTree
from cape_fed.errors import InputError

READERS: dict[str, Callable[[bool], Reader]] = {
    "wfdb": WfdbTree,
    "ptbxl": PtbXl,
    "code15": Code15,
    "mimic-iv-ecg": MimicIvEcg,
    "manifest": Manifest,
}
"""Format → reader class; the argument is ``verify``."""


def get_reader(name: str, *, verify: bool = False) -> Reader:
    """Return the reader of a format, one that compares checksums where asked; InputError names the known formats."""
    if name not in READERS:
        raise InputError(f"unknown format '{name}': choose one of {', '.join(READERS)}")
    return READERS[name](verify)
