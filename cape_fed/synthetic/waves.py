"""A beat as Gaussian kernels of the heart's dipole, and how illnesses change them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.physiology import KERNELS, Visits
from cape_fed.synthetic.population import TERRITORIES, Bools, Floats, Patients

SEPTAL, APICAL, LATERAL, ST, T = map(KERNELS.index, ("septal", "apical", "lateral", "ST", "T"))
QRS = slice(SEPTAL, ST)

_P_CENTRE, _P_WIDTH = np.array([0.36, 0.64]), np.array([0.165, 0.165])
_QRS_CENTRE, _QRS_WIDTH = np.array([0.20, 0.39, 0.52, 0.69]), np.array([0.070, 0.070, 0.076, 0.086])
_LBBB_CENTRE, _LBBB_WIDTH = np.array([0.13, 0.34, 0.61, 0.79]), np.array([0.05, 0.110, 0.120, 0.085])
"""Centres and widths of the kernels within the P wave and the QRS complex, as shares of their durations."""

_P_DIPOLES = [[0.060, 0.085, -0.050], [0.075, 0.060, 0.055]]
_QRS_DIPOLES = [[-0.11, -0.02, -0.34], [0.92, 0.60, -0.12], [0.90, 0.54, 0.58], [-0.10, -0.06, 0.62]]
_LBBB_DIPOLES = [[0.08, 0.04, -0.20], [0.60, 0.30, 0.85], [0.78, 0.18, 1.55], [0.25, -0.05, 0.65]]
_QRS_ANGLE = 36.0
"""Frontal angle of the sum of the QRS dipoles before they are rotated to the axis of a patient."""
_T_DIPOLE = [0.30, 0.30, -0.24]


@dataclass(frozen=True)
class Kernels:
    """The kernels of the beats of each record; the second axis is ``KERNELS``."""

    centre: Floats
    """``[n, 8]``, seconds from the onset of QRS; for ST and T, at an RR interval of 1 s."""
    rise: Floats
    """``[n, 8]``, standard deviation before the centre in seconds."""
    fall: Floats
    """``[n, 8]``, standard deviation after the centre in seconds."""
    dipole: Floats
    """``[n, 8, 3]`` in mV over x (left), y (down), z (back)."""

    def take(self, index: NDArray[np.int64]) -> Kernels:
        """The entries at ``index``, which may repeat."""
        return Kernels(self.centre[index], self.rise[index], self.fall[index], self.dipole[index])


def draw_kernels(patients: Patients, visits: Visits) -> Kernels:
    """Make the kernels of each visit from its parameters and the illnesses of its patient."""
    centre, rise, fall = _timing(patients, visits)
    return Kernels(centre, rise, fall, _dipoles(patients, visits))


def _timing(patients: Patients, visits: Visits) -> tuple[Floats, Floats, Floats]:
    """Centres, rises and falls, each ``[n, 8]`` in s."""
    at = visits.physiology
    count = len(at.rate)
    blocked = (patients.lbbb[visits.patient] > 0)[:, None]
    centre, rise, fall = (np.empty((count, len(KERNELS)), np.float32) for _ in range(3))
    centre[:, :2] = -at.pr[:, None] + at.p_duration[:, None] * _P_CENTRE
    rise[:, :2] = fall[:, :2] = at.p_duration[:, None] * _P_WIDTH
    centre[:, QRS] = at.qrs[:, None] * np.where(blocked, _LBBB_CENTRE, _QRS_CENTRE)
    rise[:, QRS] = fall[:, QRS] = at.qrs[:, None] * np.where(blocked, _LBBB_WIDTH, _QRS_WIDTH)
    fall[:, T] = at.t_width
    rise[:, T] = at.t_width * at.t_skew
    centre[:, T] = at.qtc - 2 * at.t_width
    j = at.qrs
    centre[:, ST] = j + 0.3 * (centre[:, T] - j)
    rise[:, ST] = 0.22 * (centre[:, T] - j)
    fall[:, ST] = 0.45 * (centre[:, T] - j)
    return centre, rise, fall


def _dipoles(patients: Patients, visits: Visits) -> Floats:
    """The dipole of each kernel, ``[n, 8, 3]`` in mV."""
    at = visits.physiology
    severity = {name: getattr(patients, name)[visits.patient] for name in ("lbbb", "lvh", "mi")}
    blocked = (severity["lbbb"] > 0)[:, None, None]
    dipole = np.empty((len(at.rate), len(KERNELS), 3), np.float32)
    dipole[:, :2] = _P_DIPOLES
    dipole[:, QRS] = np.where(blocked, _LBBB_DIPOLES, _QRS_DIPOLES)
    dipole[:, T] = _T_DIPOLE
    dipole[:, T, 2] *= at.t_anterior
    dipole[:, ST] = dipole[:, T]
    dipole = dipole * at.weight[..., None] + at.shape
    dipole[:, QRS] = _turn(dipole[:, QRS], vector_angle(at.axis) - _QRS_ANGLE, at.rotation)
    dipole[:, T] = _turn(dipole[:, T], 0.5 * (at.axis - 45) + at.t_angle, 0.3 * at.rotation)
    dipole[:, ST] = dipole[:, T] * at.j_point[:, None] / 0.3
    _hypertrophy(dipole, severity["lvh"])
    _scar(dipole, severity["mi"], patients.mi_territory[visits.patient])
    dipole[:, T] *= at.t_amplitude[:, None]
    _discordant(dipole, severity["lbbb"] > 0, 0.32, 0.12)
    dipole[:, :2] *= (at.p_amplitude * ~visits.af)[:, None, None]
    dipole[:, QRS.start :] *= at.amplitude[:, None, None]
    return dipole


def _hypertrophy(dipole: Floats, severity: Floats) -> None:
    """Left ventricular hypertrophy: more voltage to the left and back, and strain in the more severe half."""
    growth = np.where(severity > 0, 0.25 + 0.55 * severity, 0)[:, None]
    dipole[:, LATERAL] += growth * np.array([0.8, 0.15, 0.9], np.float32)
    dipole[:, APICAL] *= 1 + 0.4 * growth
    _discordant(dipole, np.clip(severity * 1.8 - 0.55, 0, 1), 0.20, 0.07)


def _scar(dipole: Floats, severity: Floats, territory: NDArray[np.int64]) -> None:
    """Old infarction: early in QRS the forces point away from the scar, R is lost over it, T points away from it.

    Inferior scars remove forces along y (down), anterior ones along -z (forward), lateral ones along x (left).
    """
    rows = np.arange(len(dipole))
    axis = np.array([1, 2, 0])[territory]
    away = severity * np.array([-1.0, 1.0, -1.0], np.float32)[territory]
    for kernel, loss in ((SEPTAL, (0.50, 0.45, 0.45)), (APICAL, (0.45, 0.55, 0.55)), (T, (0.60, 0.60, 0.55))):
        dipole[rows, kernel, axis] += away * np.array(loss, np.float32)[territory]
    dipole[rows, LATERAL, axis] += away * 0.15
    dipole[rows, APICAL, 0] *= 1 - 0.5 * severity * (territory == TERRITORIES.index("anterior"))


def _discordant(dipole: Floats, degree: Floats | Bools, t_share: float, st_share: float) -> None:
    """Turn repolarisation against QRS: by ``degree`` (0 to 1), T and ST go to ``-share`` times the main QRS forces."""
    main = dipole[:, APICAL] + dipole[:, LATERAL]
    part = np.asarray(degree, np.float32)[:, None]
    for kernel, share in ((T, t_share), (ST, st_share)):
        dipole[:, kernel] = (1 - part) * dipole[:, kernel] - part * share * main


def _turn(dipole: Floats, frontal: Floats, horizontal: Floats) -> Floats:
    """Rotate vectors ``[n, ..., 3]`` by angles in degrees: clockwise in the frontal plane, then towards the back."""
    shape = (-1,) + (1,) * (dipole.ndim - 2)
    a, b = (np.deg2rad(angle).reshape(shape) for angle in (frontal, horizontal))
    x, y, z = dipole[..., 0], dipole[..., 1], dipole[..., 2]
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    x, z = x * np.cos(b) - z * np.sin(b), x * np.sin(b) + z * np.cos(b)
    return np.stack([x, y, z], axis=-1).astype(np.float32)


def vector_angle(axis: Floats) -> Floats:
    """The angle in Frank's frontal plane of a vector that leads I and aVF show at ``axis``, both in degrees."""
    to_leads = np.array([[0.632, -0.235], [-0.081, 1.184]])
    shown = np.stack([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis)) * np.sqrt(3) / 2])
    x, y = np.linalg.solve(to_leads, shown)
    return np.asarray(np.rad2deg(np.arctan2(y, x)), np.float32)
