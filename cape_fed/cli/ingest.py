"""``cape-fed ingest``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cape_fed.archive.findings import OF_TABLES, SHOWING_VALUES
from cape_fed.archive.ingest import Ingested, ingest_archive
from cape_fed.archive.plan import Recipe
from cape_fed.archive.registry import READERS, get_reader
from cape_fed.cli.progress import progress_bar
from cape_fed.signal.profile import get_profile
from cape_fed.store.format import StoreMeta
from cape_fed.store.keys import site_salt
from cape_fed.store.writer import require_text


def ingest(
    archive: Annotated[Path, typer.Argument(help="Folder or file of the archive; it is only read.")],
    store: Annotated[Path, typer.Argument(help="Folder to make; an unfinished one lies in STORE.partial.")],
    format: Annotated[str, typer.Option(help=f"{', '.join(READERS)}.")],
    cohort: Annotated[str, typer.Option(help="Name of the cohort: one hospital, one family of devices.")],
    profile: Annotated[str, typer.Option(help="Preprocessing: compact100, canonical500 or cape400.")] = "compact100",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read; default one a core.")] = None,
    patient_namespace: Annotated[
        str | None, typer.Option(help="Cohorts with the same namespace share patient ids; default the cohort.")
    ] = None,
    common_gain: Annotated[
        float | None, typer.Option(help="ADC units per mV for all leads, in place of the headers' gains; see doctor.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read an archive into a store: one profile, salted patient keys, exact repeats left out.

    An ingest that was interrupted resumes when the same command is run again. Records that cannot be used are left
    out and counted by reason.

    Example: cape-fed ingest ptb-xl stores/ptbxl --format ptbxl --cohort ptbxl --workers 8
    """
    require_text(store)
    reader = get_reader(format, common_gain=common_gain, salt=site_salt)
    namespace = patient_namespace or cohort
    recipe = Recipe(archive, reader, cohort, namespace, get_profile(profile), site_salt(), common_gain)
    try:
        with progress_bar("records", rate=True) as bar:
            done = ingest_archive(
                recipe, store, workers=workers or os.cpu_count() or 1, overwrite=overwrite, report=bar.update
            )
    except KeyboardInterrupt:
        typer.echo(f"cape-fed: stopped before {store} was complete: run the same command again to resume", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(_values(done)) if as_json else _summary(done))


def _values(done: Ingested) -> dict[str, object]:
    described = done.meta.model_dump(mode="json", exclude={"findings"})
    return described | {
        "store": str(done.store),
        "bytes": done.size,
        "seconds": round(done.seconds, 3),
        "records_read": done.records_read,
        "was_there": done.was_there,
    }


def _summary(done: Ingested) -> str:
    meta = done.meta
    if done.was_there:
        held = f"{meta.records} records of {meta.patients} patients"
        return f"{done.store} holds this archive already, {held}; --overwrite reads it again"
    speed = done.records_read / done.seconds
    lines = [
        f"{done.store}: {meta.records} records of {meta.patients} patients, {done.size / 1e6:.1f} MB, "
        f"{done.seconds:.1f} s, {speed:.0f} records/s",
        f"  without a patient id: {meta.patients_without_id}",
        f"  left out of {meta.records_seen}: {sum(meta.dropped.values())} unusable, {meta.duplicates} exact repeats",
    ]
    for code, count in sorted(meta.dropped.items(), key=lambda item: -item[1]):
        lines.append(f"    {code}: {count}, e.g. {meta.findings[code].examples[0]}")
    lines += list(_found(meta, "in the tables", OF_TABLES))
    lines += list(_found(meta, "not understood, cape-fed doctor shows the values", SHOWING_VALUES))
    if meta.shared_signals:
        lines.append(f"  same signal under several patients: {meta.shared_signals} records, kept on one side of splits")
    if meta.common_gain is not None:
        lines.append(f"  all leads scaled by {meta.common_gain:g} ADC units per mV, not by the headers' gains")
    return "\n".join(lines)


def _found(meta: StoreMeta, title: str, codes: tuple[str, ...]) -> Iterator[str]:
    there = [code for code in codes if code in meta.findings and code not in meta.dropped]
    if there:
        yield f"  {title}:"
    for code in there:
        finding = meta.findings[code]
        example = f", e.g. {finding.examples[0]}" if finding.examples else ""
        yield f"    {code}: {finding.count}{example}"
