"""From a bundle to a directory in another format, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.export.base import Source
from cape_fed.export.onnx_model import description
from cape_fed.export.registry import get_format
from cape_fed.extras import require
from cape_fed.files import atomic_directory
from cape_fed.release.bundle import CARD, load_encoder
from cape_fed.release.sums import SUMS, digest, write_sums
from cape_fed.signal.given import checked_rate

ABOUT = "export.json"
"""What the model takes and gives, and the bundle that it was made from."""


def export_bundle(bundle: Path, to: str, out: Path, rate: float | None = None) -> None:
    """Write the encoder of a bundle to ``out`` in the format ``to``, with its card, `ABOUT` and checksums.

    ``rate`` in Hz makes the preprocessing of recordings of that rate part of the model. InputError for a format that is
    not known or cannot hold it, a package that is missing, and a directory that is there already.
    """
    format = get_format(to)
    for module, extra in format.needs.items():
        require(extra, module, f"--to {to}")
    if rate is not None and not format.prepares:
        raise InputError(f"--to {to} takes prepared recordings: leave --rate out, or export to onnx or triton")
    if out.exists():
        raise InputError(f"{out} is there already: give --out another directory")
    if bundle.resolve() in out.resolve().parents:
        raise InputError(f"{out} is inside the bundle, which would no longer load: give --out another directory")
    source = Source(load_encoder(bundle), _rate(rate))
    with atomic_directory(out) as partial:
        format.write(source, partial)
        (partial / CARD).write_bytes((bundle / CARD).read_bytes())
        about = {"format": to, **description(source), "bundle": digest(bundle / SUMS)}
        (partial / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
        write_sums(partial)


def _rate(rate: float | None) -> float | None:
    try:
        return None if rate is None else checked_rate(rate)
    except ValueError as error:
        raise InputError(f"--rate: {error}") from None
