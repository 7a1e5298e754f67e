"""The demo: the commands that a user would type, one after the other, on synthetic cohorts."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import typer

from cape_fed.errors import InputError
from cape_fed.extras import require

PATIENTS = 1000
"""Patients in each cohort."""
METHODS = {
    "random": ["pretrain", "batching=random"],
    "idb": ["pretrain", "batching=idb"],
    "federated": ["simulate"],
}
"""The three ways of training, by the name of their directory, with command and batching."""


def take_tour(out: Path, seed: int, patients: int = PATIENTS, overrides: Sequence[str] = ()) -> None:
    """Run every step into the directory ``out``; a step that fails ends the demo with its message and exit code.

    Each cohort has ``patients`` patients; ``overrides`` change the configuration of training and evaluation. Raises
    InputError if ``out`` is a file or a directory that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty: choose another directory with --out")
    require("federation", "flwr", "the demo")
    os.environ["CAPE_FED_SALT_FILE"] = str(out / "salt")
    begin = perf_counter()
    _step(["synth", f"{out}/archives", "--patients", str(patients), "--seed", str(seed)])
    cohorts = json.loads((out / "archives" / "cohorts.json").read_text())
    roles = {role: [cohort["name"] for cohort in cohorts if cohort["role"] == role] for role in ("train", "evaluate")}
    for arguments in _commands(out, roles["train"], roles["evaluate"], [f"seed={seed}", *overrides]):
        _step(arguments)
    typer.echo(f"done in {perf_counter() - begin:.0f} s")
    typer.echo(f"report: {(out / 'report' / 'report.html').resolve()}")


def _commands(out: Path, train: list[str], evaluate: list[str], changes: Sequence[str]) -> Iterator[list[str]]:
    """The arguments of every command that follows ``synth``."""
    yield ["doctor", f"{out}/archives/{train[1]}", "--format", "wfdb"]
    for name in (*train, *evaluate):
        yield ["ingest", f"{out}/archives/{name}", f"{out}/stores/{name}", "--format", "wfdb", "--cohort", name]
    data = [f"data.{role}=[{','.join(f'{out}/stores/{name}' for name in names)}]"
            for role, names in (("train", train), ("evaluate", evaluate))]  # fmt: skip
    for method, (command, *batching) in METHODS.items():
        used = data[:1] if command == "pretrain" else data
        yield [command, "experiment=demo", *batching, *used, *changes, f"out={out}/{method}"]
    for method in METHODS:
        yield ["evaluate", f"{out}/{method}/bundle", "experiment=demo", *data, *changes, f"out={out}/{method}"]
    yield ["compare", *(f"{out}/{method}" for method in METHODS), "--out", f"{out}/report"]


def _step(arguments: list[str]) -> None:
    """Print a command, run it and print how long it took."""
    from cape_fed.cli.main import run

    typer.echo(f"\n$ cape-fed {shlex.join(arguments)}")
    begin = perf_counter()
    code = run(arguments)
    if code:
        raise typer.Exit(code)
    typer.echo(f"[{perf_counter() - begin:.0f} s]")
