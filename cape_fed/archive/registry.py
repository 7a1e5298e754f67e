"""Archive formats by name; a new format is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cape_fed.archive.aecg import Aecg
from cape_fed.archive.base import Reader
from cape_fed.archive.calibration import GAIN_RANGE
from cape_fed.archive.code15 import Code15
from cape_fed.archive.dicom import Dicom
from cape_fed.archive.exports import ExportTree
from cape_fed.archive.manifest import Manifest
from cape_fed.archive.mimic_iv_ecg import MimicIvEcg
from cape_fed.archive.mortara import Mortara
from cape_fed.archive.muse import Muse
from cape_fed.archive.ptbxl import PtbXl
from cape_fed.archive.scp_ecg import ScpEcg
from cape_fed.archive.sierra import Sierra
from cape_fed.archive.wfdb_tree import WfdbTree
from cape_fed.errors import InputError

READERS: dict[str, Callable[[bool, float | None], Reader]] = {
    "wfdb": WfdbTree,
    "ptbxl": PtbXl,
    "code15": Code15,
    "mimic-iv-ecg": MimicIvEcg,
    "manifest": Manifest,
    "dicom": Dicom,
    "muse": Muse,
    "aecg": Aecg,
    "sierra": Sierra,
    "scp": ScpEcg,
    "mortara": Mortara,
}
"""Format → reader class; the arguments are ``verify`` and ``common_gain``."""


def get_reader(
    name: str, *, verify: bool = False, common_gain: float | None = None, salt: Callable[[], bytes] = bytes
) -> Reader:  # fmt: skip
    """Return the reader of a format; InputError names the known formats.

    ``verify`` compares checksums. ``common_gain`` replaces the gains of WFDB headers, in ADC units per mV.
    ``salt`` gives the site's; it is asked only by formats whose files may be named after patients.
    """
    if name not in READERS:
        raise InputError(f"unknown format '{name}': choose one of {', '.join(READERS)}")
    if common_gain is not None and not GAIN_RANGE[0] <= common_gain <= GAIN_RANGE[1]:
        raise InputError(f"a common gain of {common_gain:g} ADC units per mV is impossible")
    reader = READERS[name](verify, common_gain)
    return replace(reader, salt=salt()) if isinstance(reader, ExportTree) else reader
