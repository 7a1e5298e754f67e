"""What is known about each record because it was synthesised: labels, intervals, axis, artefacts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cape_fed.synthetic.physiology import Visits
from cape_fed.synthetic.population import TERRITORIES, Bools, Floats, Patients
from cape_fed.synthetic.waves import QRS, Kernels

SNOMED = {
    "AF": "164889003",
    "SINUS": "426783006",
    "SBRAD": "426177001",
    "STACH": "427084000",
    "AVB1": "270492004",
    "LBBB": "164909002",
    "MI": "164865005",
    "LVH": "164873001",
    "NORM": "164854000",
}
"""SNOMED CT codes that stand for the labels in the header of a record."""

MEASURED = ("rate", "gain", "wander_uv", "muscle_uv", "floor_uv", "hum_uv")


def describe(patients: Patients, visits: Visits, kernels: Kernels, leads: Floats, measured: Floats) -> pd.DataFrame:
    """Describe each record in a row: ``patient`` is a number, intervals are in ms, the axis is in degrees.

    ``measured`` is ``[n, len(MEASURED)]``. Labels are bool columns; the PR interval is NaN in AF.
    """
    who, at = visits.patient, visits.physiology
    table = pd.DataFrame(measured, columns=list(MEASURED))
    rr = 60 / table["rate"].to_numpy()
    sinus = ~visits.af
    pr = np.where(sinus, at.pr * 1000, np.nan)
    infarcted = patients.mi[who] > 0
    labels: dict[str, Bools] = {
        "AF": visits.af,
        "SINUS": sinus,
        "SBRAD": sinus & (table["rate"].to_numpy() < 60),
        "STACH": sinus & (table["rate"].to_numpy() > 100),
        "AVB1": sinus & (at.pr > 0.2),
        "LBBB": patients.lbbb[who] > 0,
        "MI": infarcted,
        "LVH": patients.lvh[who] > 0,
    }
    labels["NORM"] = ~np.any([found for name, found in labels.items() if name != "SINUS"], axis=0)
    facts = {
        "patient": who,
        "visit": visits.number + 1,
        "age": visits.age,
        "sex": np.where(patients.female[who], "F", "M"),
        **labels,
        "mi_territory": np.where(infarcted, np.array(TERRITORIES)[patients.mi_territory[who]], ""),
        "pr": pr,
        "qrs": at.qrs * 1000,
        "qt": at.qtc * np.cbrt(rr) * 1000,
        "qtc": at.qtc * 1000,
        "axis": frontal_axis(kernels, leads),
    }
    return pd.DataFrame(facts).join(table)


def frontal_axis(kernels: Kernels, leads: Floats) -> Floats:
    """QRS axis of each record in degrees, from the net area of QRS in leads I and aVF."""
    area = np.einsum("nk,nkd->nd", kernels.rise[:, QRS], kernels.dipole[:, QRS])
    one, two = np.einsum("nld,nd->ln", leads[:, :2], area)
    return np.asarray(np.rad2deg(np.arctan2((two - one / 2) * 2 / np.sqrt(3), one)), np.float32)
