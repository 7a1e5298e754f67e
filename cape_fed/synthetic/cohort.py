"""A cohort as a stream of batches: patients of one population, recorded by the machines of one hospital."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.seeds import derive_rng
from cape_fed.signal.leads import LEADS
from cape_fed.synthetic.device import Device
from cape_fed.synthetic.flaws import FlawRates, draw_flaws
from cape_fed.synthetic.physiology import Visits, draw_physiology, draw_visits
from cape_fed.synthetic.population import Floats, Population, draw_patients
from cape_fed.synthetic.recorder import SETTLING, Recording, record, span
from cape_fed.synthetic.rhythm import mean_rate
from cape_fed.synthetic.torso import draw_torsos, place_electrodes
from cape_fed.synthetic.truth import MEASURED, describe
from cape_fed.synthetic.vcg import render
from cape_fed.synthetic.waves import Kernels, draw_kernels

BLOCK = 64
"""Patients drawn from one seed. Cohorts consist of whole blocks, the last one cut off, so that a longer cohort begins
with the patients of a shorter one."""

Signal = NDArray[np.int16]


@dataclass(frozen=True)
class CohortSpec:
    """Everything that distinguishes one cohort from another."""

    name: str
    role: Literal["train", "evaluate"]
    population: Population
    devices: tuple[Device, ...]
    shares: tuple[float, ...] = (1.0,)
    """The share of the records that each device makes."""
    flaws: FlawRates = field(default_factory=FlawRates)


@dataclass(frozen=True)
class Batch:
    """Consecutive records of a cohort."""

    truth: pd.DataFrame
    """One row for each record, see ``cape_fed.synthetic.truth``."""
    signals: list[Signal]
    """The counts of each record, ``[samples, 12]``, with leads in the order of ``LEADS``."""
    devices: list[Device]
    """The machine that made each record."""


def make_cohort(spec: CohortSpec, patients: int, seed: int) -> Iterator[Batch]:
    """Stream a cohort of ``patients`` patients, with a memory that does not grow with their number.

    The records depend on nothing but ``seed`` and the specification, which includes the name. Raises InputError if
    ``patients`` is below 1 or ``seed`` is negative.
    """
    if patients < 1:
        raise InputError(f"cannot make a cohort of {patients} patients: ask for at least 1")
    if seed < 0:
        raise InputError(f"seed {seed} is negative: take 0 or more")
    return _stream(spec, patients, seed)


def _stream(spec: CohortSpec, patients: int, seed: int) -> Iterator[Batch]:
    records = 0
    for first in range(0, patients, BLOCK):
        rng = derive_rng(seed, "synthetic", spec.name, first // BLOCK)
        batch = _cut(_make_block(spec, rng), min(BLOCK, patients - first))
        batch.truth["patient"] = [f"P{first + number + 1:06d}" for number in batch.truth["patient"]]
        batch.truth.insert(0, "record", [f"R{records + row + 1:06d}" for row in range(len(batch.signals))])
        records += len(batch.signals)
        yield batch


def _cut(batch: Batch, patients: int) -> Batch:
    """The first ``patients`` patients of a block."""
    keep = np.flatnonzero(batch.truth["patient"].to_numpy() < patients)
    truth = batch.truth.iloc[keep].reset_index(drop=True)
    return Batch(truth, [batch.signals[i] for i in keep], [batch.devices[i] for i in keep])


def _make_block(spec: CohortSpec, rng: np.random.Generator) -> Batch:
    """Draw ``BLOCK`` patients and record their visits."""
    patients = draw_patients(spec.population, BLOCK, rng)
    visits = draw_visits(patients, draw_physiology(patients, rng), rng)
    torsos = draw_torsos(patients.female, rng)
    leads = place_electrodes(torsos[visits.patient], rng)
    kernels = draw_kernels(patients, visits)
    machine = rng.choice(len(spec.devices), len(leads), p=spec.shares)
    signals, measured = _record_all(spec.devices, machine, visits, kernels, leads, rng)
    devices = [spec.devices[number] for number in machine]
    truth = describe(patients, visits, kernels, leads, measured)
    truth["device"] = [device.name for device in devices]
    return _add_flaws(Batch(truth, signals, devices), spec.flaws, rng)


def _record_all(
    devices: tuple[Device, ...],
    machine: NDArray[np.int64],
    visits: Visits,
    kernels: Kernels,
    leads: Floats,
    rng: np.random.Generator,
) -> tuple[list[Signal], Floats]:
    """Record each visit with the device at index ``machine``; return signals and facts ``[n, len(MEASURED)]``."""
    signals: dict[int, Signal] = {}
    measured = np.zeros((len(leads), len(MEASURED)), np.float32)
    for number, device in enumerate(devices):
        rows = np.flatnonzero(machine == number)
        if len(rows):
            recording, rate = _record(device, rows, visits, kernels, leads, rng)
            measured[rows] = np.column_stack([rate, recording.gain, recording.levels])
            signals.update(zip(rows.tolist(), recording.counts, strict=True))
    return [signals[row] for row in range(len(leads))], measured


def _record(
    device: Device,
    rows: NDArray[np.int64],
    visits: Visits,
    kernels: Kernels,
    leads: Floats,
    rng: np.random.Generator,
) -> tuple[Recording, Floats]:
    """Render the visits ``rows`` and record them with one device; also returns the mean ventricular rate of each."""
    visits = visits.take(rows)
    ecg, beats = render(visits, kernels.take(rows), leads[rows], device.fs, span(device), rng)
    rate = mean_rate(beats, visits, SETTLING, SETTLING + device.recorded_samples / device.fs)
    return record(device, ecg, rng), rate


def _add_flaws(batch: Batch, rates: FlawRates, rng: np.random.Generator) -> Batch:
    """Add flaws: columns that mark them in the truth, leads that are flat, records that are there a second time."""
    truth, signals = batch.truth, batch.signals
    flaws = draw_flaws(rates, len(signals), rng)
    truth["age_known"], truth["patient_known"] = ~flaws.no_age, ~flaws.no_patient
    truth["flat_lead"] = np.array(["", *LEADS], object)[flaws.flat_lead + 1]
    truth["duplicate"] = False
    for row in np.flatnonzero(flaws.flat_lead >= 0):
        signals[row][:, flaws.flat_lead[row]] = 0
    again = np.flatnonzero(flaws.duplicate)
    copies = truth.iloc[again].assign(duplicate=True)
    order = np.argsort(np.concatenate([np.arange(len(signals)), again + 0.5]), kind="stable")
    both = pd.concat([truth, copies], ignore_index=True).iloc[order].reset_index(drop=True)
    source = np.concatenate([np.arange(len(signals)), again])[order]
    return Batch(both, [signals[i] for i in source], [batch.devices[i] for i in source])
