"""``cape-fed inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cape_fed.errors import InputError
from cape_fed.store.store import Store, open_store
from cape_fed.store.summary import summarise


def inspect(
    store: Annotated[Path, typer.Argument(help="Folder made by cape-fed ingest.")],
    verify: Annotated[bool, typer.Option("--verify", help="Read everything and compare it with its hashes.")] = False,
    plot: Annotated[
        tuple[str, Path] | None, typer.Option(metavar="RECORD OUT", help="Draw a record on ECG paper (png, svg, pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what a store holds: records, patients, rates, labels, ages, what was left out.

    Example: cape-fed inspect stores/ptbxl --plot records100/00000/00001_lr ecg.png
    """
    opened = open_store(store)
    if verify:
        _verify(opened)
    if plot:
        _plot(opened, *plot)
    summary = summarise(opened)
    typer.echo(json.dumps(summary) if as_json else _text(opened, summary))


def _verify(store: Store) -> None:
    from cape_fed.store.verify import damaged_records

    if damaged := damaged_records(store):
        named = ", ".join(damaged[:3])
        raise InputError(f"{store.path}: {len(damaged)} records are damaged, e.g. {named}: ingest the archive again")
    typer.echo(f"{len(store)} records match their hashes", err=True)


def _plot(store: Store, record: str, out: Path) -> None:
    # matplotlib takes a second to import
    from cape_fed.plot import save_record

    save_record(store, store.row_of(record), out)
    typer.echo(f"drew {out}", err=True)


def _text(store: Store, summary: dict[str, Any]) -> str:
    meta, age, sex = store.meta, summary["age"], summary["sex"]
    lines = [
        f"{store.path}: cohort {meta.cohort}, {meta.records} records of {meta.patients} patients, "
        f"{summary['bytes'] / 1e6:.1f} MB",
        f"profile   {meta.profile.name} ({meta.profile_hash}): {meta.profile.fs} Hz, {meta.profile.seconds:g} s; "
        f"{summary['padded']} records are padded",
        f"patients  {summary['patients_with_several']} with several records, "
        f"{meta.patients_without_id} records without a patient id",
        f"rates     {_counts(meta.rates, ' Hz')}",
        f"age       {_range(age)}, known for {age['known']}",
        f"sex       {sex['F']} F, {sex['M']} M, {sex['unknown']} unknown",
        f"left out  {meta.duplicates} exact repeats; {_counts(meta.dropped)} (of {meta.records_seen} in the archive)",
        f"flagged   {_counts(summary['quality'])}",
        f"same signal under several patients: {meta.shared_signals} records",
        f"begins    {summary['late']} records after the first second of their recording",
        *([f"gains     {meta.common_gain:g} ADC units per mV for all leads"] if meta.common_gain else []),
        "",
        f"{'label':8}{'positive':>10}{'negative':>10}{'not annotated':>15}",
    ]
    lines += [
        f"{name:8}{count['positive']:>10}{count['negative']:>10}{count['not_annotated']:>15}"
        for name, count in summary["labels"].items()
    ]
    return "\n".join(lines)


def _counts(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{name}{unit}: {count}" for name, count in counts.items()) or "none"


def _range(age: dict[str, float]) -> str:
    return f"{age['min']:g} to {age['max']:g}, median {age['median']:g}" if age["known"] else "unknown"
