"""A beat as Gaussian kernels of the heart's dipole, and what illness does to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.physiology import KERNELS, Visits
from cape_fed.synthetic.population import Floats, Patients

QRS = slice(2, 6)
ST, T = KERNELS.index("ST"), KERNELS.index("T")

_P_CENTRE, _P_WIDTH = np.array([0.36, 0.64]), np.array([0.165, 0.165])
_QRS_CENTRE, _QRS_WIDTH = np.array([0.18, 0.39, 0.52, 0.69]), np.array([0.062, 0.068, 0.076, 0.086])
_LBBB_CENTRE, _LBBB_WIDTH = np.array([0.13, 0.34, 0.61, 0.79]), np.array([0.05, 0.110, 0.120, 0.085])
"""Kernel centres and widths within the P wave and the QRS complex, as shares of their duration."""

_P_DIPOLES = [[0.060, 0.085, -0.050], [0.075, 0.060, 0.055]]
_QRS_DIPOLES = [[-0.11, -0.02, -0.34], [0.92, 0.60, -0.12], [0.90, 0.54, 0.58], [-0.10, -0.06, 0.62]]
_LBBB_DIPOLES = [[0.08, 0.04, -0.20], [0.60, 0.30, 0.85], [0.78, 0.18, 1.55], [0.25, -0.05, 0.65]]
_T_DIPOLE = [0.30, 0.30, -0.24]


@dataclass(frozen=True)
class Kernels:
    """The kernels of each record's beat; the kernel axis is ``KERNELS``."""

    centre: Floats
    """``[n, 8]``, s from the onset of QRS at an RR interval of 1 s for ST and T, at any for the others."""
    rise: Floats
    """``[n, 8]``, standard deviation before the centre, s."""
    fall: Floats
    """``[n, 8]``, standard deviation after the centre, s."""
    dipole: Floats
    """``[n, 8, 3]`` in mV over x (left), y (down), z (back)."""

    def take(self, index: NDArray[np.int64]) -> Kernels:
        """Entries ``index``."""
        return Kernels(self.centre[index], self.rise[index], self.fall[index], self.dipole[index])


def draw_kernels(patients: Patients, visits: Visits) -> Kernels:
    """Turn parameters into kernels."""
    centre, rise, fall = _timing(patients, visits)
    return Kernels(centre, rise, fall, _dipoles(patients, visits))


def _timing(patients: Patients, visits: Visits) -> tuple[Floats, Floats, Floats]:
    """Centres and the two widths, each ``[n, 8]`` in s."""
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
    """Dipole of each kernel, ``[n, 8, 3]``."""
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
    dipole[:, QRS] = _turn_to_axis(dipole[:, QRS], at.axis, at.rotation)
    dipole[:, T] = _turn(dipole[:, T], 0.5 * (at.axis - 45) + at.t_angle, 0.3 * at.rotation)
    dipole[:, ST] = dipole[:, T] * at.j_point[:, None] / 0.3
    _hypertrophy(dipole, severity["lvh"])
    _scar(dipole, severity["mi"], patients.mi_territory[visits.patient])
    dipole[:, T] *= at.t_amplitude[:, None]
    _discordant(dipole, severity["lbbb"], 0.32, 0.12)
    dipole[:, :2] *= (at.p_amplitude * ~visits.af)[:, None, None]
    dipole[:, QRS.start :] *= at.amplitude[:, None, None]
    return dipole


def _hypertrophy(dipole: Floats, severity: Floats) -> None:
    """LVH: more voltage to the left and back, and strain in the worse half."""
    ill = severity > 0
    growth = np.where(ill, 0.25 + 0.55 * severity, 0)[:, None]
    dipole[:, 4] += growth * np.array([0.8, 0.15, 0.9], np.float32)
    dipole[:, 3] *= 1 + 0.4 * growth
    _discordant(dipole, np.clip(severity * 1.8 - 0.55, 0, 1), 0.20, 0.07)


def _scar(dipole: Floats, severity: Floats, territory: NDArray[np.int64]) -> None:
    """Old infarction: forces point away from the scar early in QRS, R is lost over it, T turns away from it.

    Inferior scars take from y (down), anterior ones from -z (forward), lateral ones from x (left).
    """
    axis = np.array([1, 2, 0])[territory]
    towards = np.array([1.0, -1.0, 1.0], np.float32)[territory]
    rows = np.arange(len(dipole))
    early = np.array([0.50, 0.45, 0.45], np.float32)[territory]
    dipole[rows, 2, axis] -= towards * severity * early
    dipole[rows, 3, axis] -= towards * severity * np.array([0.45, 0.55, 0.55], np.float32)[territory]
    dipole[rows, 4, axis] -= towards * severity * 0.15
    dipole[rows, T, axis] -= towards * severity * np.array([0.6, 0.6, 0.55], np.float32)[territory]
    dipole[rows, 3, 0] *= 1 - 0.5 * severity * (territory == 1)


def _discordant(dipole: Floats, severity: Floats, t_share: float, st_share: float) -> None:
    """Repolarisation against the main QRS forces: T and ST move from where they are to ``-share`` of the QRS vector."""
    main = dipole[:, 3] + dipole[:, 4]
    part = severity[:, None]
    full = (severity > 0)[:, None] if t_share > 0.3 else part
    dipole[:, T] = (1 - full) * dipole[:, T] - full * t_share * main
    dipole[:, ST] = (1 - full) * dipole[:, ST] - full * st_share * main


def _turn(dipole: Floats, frontal: Floats, horizontal: Floats) -> Floats:
    """Turn vectors ``[n, ..., 3]`` by angles in degrees: clockwise in front, then towards the back."""
    shape = (-1,) + (1,) * (dipole.ndim - 2)
    a, b = (np.deg2rad(angle).reshape(shape) for angle in (frontal, horizontal))
    x, y, z = dipole[..., 0], dipole[..., 1], dipole[..., 2]
    x, y = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    x, z = x * np.cos(b) - z * np.sin(b), x * np.sin(b) + z * np.cos(b)
    return np.stack([x, y, z], axis=-1).astype(np.float32)


def _turn_to_axis(dipole: Floats, axis: Floats, rotation: Floats) -> Floats:
    """Turn QRS vectors ``[n, 4, 3]`` so that their sum lies at ``axis`` in the frontal plane."""
    return _turn(dipole, vector_angle(axis) - 36.0, rotation)


def vector_angle(axis: Floats) -> Floats:
    """Angle in Frank's frontal plane that leads I and aVF show as ``axis`` (both in degrees)."""
    to_leads = np.array([[0.632, -0.235], [-0.081, 1.184]])
    shown = np.stack([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis)) * np.sqrt(3) / 2])
    x, y = np.linalg.solve(to_leads, shown)
    return np.asarray(np.rad2deg(np.arctan2(y, x)), np.float32)
