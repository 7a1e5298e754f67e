"""The parameters of the heart: a baseline for each patient, and how it differs at each visit."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.population import Bools, Floats, Patients

KERNELS = ("P right", "P left", "septal", "apical", "lateral", "basal", "ST", "T")
"""The Gaussian kernels that make up a beat, in the order in which the heart is activated."""


@dataclass(frozen=True)
class Physiology:
    """Electrical parameters, one entry for each patient or visit. Times in s, angles in degrees."""

    rate: Floats
    """Mean ventricular rate in beats per minute."""
    sinus_arrhythmia: Floats
    """Amplitude of the variation of the RR interval with breathing."""
    irregularity: Floats
    """Standard deviation of the remaining variation of the RR interval."""
    breathing: Floats
    """Breaths per second."""
    p_duration: Floats
    pr: Floats
    """From the onset of P to the onset of QRS."""
    qrs: Floats
    qtc: Floats
    """QT interval at 60 beats per minute; QT grows with the cube root of RR (Fridericia)."""
    t_width: Floats
    """Standard deviation of the descending limb of the T wave at 60 beats per minute."""
    t_skew: Floats
    """Width of the ascending limb of the T wave over that of the descending limb."""
    axis: Floats
    """Frontal QRS axis as leads I and aVF show it, without the effects of illness."""
    rotation: Floats
    """Rotation of the heart about the long axis of the body; if positive, R grows later along V1 to V6."""
    t_angle: Floats
    """Frontal angle from the QRS axis to the T axis."""
    amplitude: Floats
    p_amplitude: Floats
    t_amplitude: Floats
    t_anterior: Floats
    """Anterior part of the T vector, which makes T high in V2 and V3; larger in men."""
    j_point: Floats
    """Elevation of the ST segment along the T vector, in mV."""
    swing: Floats
    """Amplitude of the rotation of the axis with breathing."""
    shape: Floats
    """Individual deviation of the dipole of each kernel, ``[n, len(KERNELS), 3]`` in mV."""
    weight: Floats
    """Individual factor of each kernel, ``[n, len(KERNELS)]``."""

    def take(self, index: NDArray[np.int64]) -> Physiology:
        """The entries at ``index``, which may repeat."""
        return Physiology(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Visits:
    """Visits of patients, each of which gives one record: who came, at which age, in which rhythm, with which heart."""

    patient: NDArray[np.int64]
    number: NDArray[np.int64]
    age: Floats
    af: Bools
    physiology: Physiology

    def take(self, index: NDArray[np.int64]) -> Visits:
        """The entries at ``index``, which may repeat."""
        chosen = (self.patient[index], self.number[index], self.age[index], self.af[index])
        return Visits(*chosen, self.physiology.take(index))


def draw_physiology(patients: Patients, rng: np.random.Generator) -> Physiology:
    """Draw the baseline of each patient around what is typical of the age, sex and illnesses."""
    count = len(patients.age)
    old = patients.age - 50
    woman = patients.female.astype(np.float32)
    lbbb, lvh, scar = (severity > 0 for severity in (patients.lbbb, patients.lvh, patients.mi))
    block = patients.avb1 > 0

    def normal(mean: float | Floats, sd: float) -> Floats:
        return np.asarray(mean + sd * rng.standard_normal(count), np.float32)

    def spread(log_mean: float | Floats, sd: float) -> Floats:
        return np.exp(normal(log_mean, sd))

    qrs = 0.092 - 0.005 * woman + 0.00005 * old + 0.008 * patients.lvh + 0.005 * scar
    pr = np.clip(normal(0.154 + 0.00022 * old - 0.003 * woman, 0.017), 0.11, 0.198)
    return Physiology(
        rate=np.clip(normal(67 + 4 * woman + 4 * scar, 8.5), 44, 108),
        sinus_arrhythmia=spread(np.log(0.034) - 0.024 * old, 0.45),
        irregularity=spread(np.log(0.016) - 0.008 * old, 0.35),
        breathing=np.clip(normal(0.24, 0.04), 0.14, 0.36),
        p_duration=np.clip(normal(0.105 + 0.00015 * old - 0.004 * woman, 0.008), 0.08, 0.135),
        pr=np.where(block, 0.212 + 0.075 * patients.avb1 + 0.008 * rng.random(count), pr).astype(np.float32),
        qrs=np.clip(normal(qrs, 0.0065), 0.07, 0.118) + np.where(lbbb, 0.040 + 0.024 * patients.lbbb, 0),
        qtc=np.clip(normal(0.406 + 0.011 * woman + 0.0002 * old + 0.01 * lvh + 0.03 * lbbb, 0.014), 0.36, 0.52),
        t_width=spread(np.log(0.036) + 0.003 * old, 0.1),
        t_skew=np.clip(normal(1.63 - 0.10 * woman - 0.004 * old, 0.15), 1.05, 2.2),
        axis=np.clip(normal(50 - 0.55 * old + 4 * woman - 15 * lvh - 25 * lbbb, 21), -75, 105),
        rotation=normal(0.06 * old + 4 * woman, 11),
        t_angle=normal(-8 + 0.1 * old, 12),
        amplitude=spread(0.02 - 0.10 * woman - 0.0030 * old, 0.2),
        p_amplitude=spread(0.0, 0.24),
        t_amplitude=spread(-0.16 * woman - 0.006 * old - 0.35 * scar, 0.24),
        t_anterior=np.clip(normal(1.03 - 0.25 * woman - 0.004 * old, 0.26), 0.15, 2.0),
        j_point=np.clip(normal(0.05 - 0.028 * woman - 0.001 * old, 0.025), -0.03, 0.16),
        swing=spread(np.log(4.0), 0.4),
        shape=np.asarray(rng.standard_normal((count, len(KERNELS), 3)) * _SHAPE_SD[:, None], np.float32),
        weight=np.asarray(np.exp(0.16 * rng.standard_normal((count, len(KERNELS)))), np.float32),
    )


_SHAPE_SD = np.array([0.012, 0.012, 0.05, 0.09, 0.09, 0.07, 0.006, 0.03])
"""Standard deviation of the dipole of each kernel between patients, in mV."""


def draw_visits(patients: Patients, baseline: Physiology, rng: np.random.Generator) -> Visits:
    """Draw the visits of each patient over years: the heart changes a little, its rate more."""
    patient = np.repeat(np.arange(len(patients.age)), patients.visits)
    count = len(patient)
    first = np.concatenate([[0], np.cumsum(patients.visits)[:-1]])
    number = np.arange(count) - first[patient]
    years = np.cumsum(rng.exponential(1.3, count))
    elapsed = years - years[first[patient]]
    af = rng.random(count) < patients.af_burden[patient]
    # Paroxysmal AF is diagnosed from a record: if chance puts no visit of a patient in AF, the first one is.
    never = np.bincount(patient, af, len(patients.age)) == 0
    af |= (number == 0) & (never & (patients.af_burden > 0))[patient]
    age = np.minimum(patients.age[patient] + elapsed, 100)
    return Visits(patient, number, age.astype(np.float32), af, _drift(baseline.take(patient), af, rng))


def _drift(at: Physiology, af: Bools, rng: np.random.Generator) -> Physiology:
    """The parameters at each visit, given the baseline of its patient."""
    count = len(af)

    def normal(sd: float) -> Floats:
        return np.asarray(sd * rng.standard_normal(count), np.float32)

    def spread(sd: float) -> Floats:
        return np.exp(normal(sd))

    fever = np.where(rng.random(count) < 0.07, rng.uniform(15, 50, count), 0)
    sinus = np.clip(at.rate + normal(5.5) + fever, 42, 140)
    fibrillating = np.clip(at.rate * 1.22 + normal(15), 52, 150)
    changed = Physiology(
        rate=np.where(af, fibrillating, sinus).astype(np.float32),
        sinus_arrhythmia=at.sinus_arrhythmia * spread(0.2),
        irregularity=at.irregularity * spread(0.2),
        breathing=np.clip(at.breathing + normal(0.02), 0.12, 0.4),
        p_duration=at.p_duration,
        pr=np.maximum(at.pr + normal(0.004), 0.105),
        qrs=at.qrs + normal(0.0015),
        qtc=at.qtc + normal(0.005),
        t_width=at.t_width * spread(0.03),
        t_skew=at.t_skew,
        axis=at.axis + normal(4.0),
        rotation=at.rotation + normal(4.0),
        t_angle=at.t_angle + normal(5.0),
        amplitude=at.amplitude * spread(0.06),
        p_amplitude=at.p_amplitude * spread(0.12),
        t_amplitude=at.t_amplitude * spread(0.14),
        t_anterior=at.t_anterior * spread(0.08),
        j_point=at.j_point + normal(0.012),
        swing=at.swing * spread(0.2),
        shape=at.shape + np.asarray(rng.standard_normal(at.shape.shape), np.float32) * 0.25 * _SHAPE_SD[:, None],
        weight=at.weight * np.exp(0.05 * rng.standard_normal(at.weight.shape)),
    )
    return Physiology(**{f.name: np.asarray(getattr(changed, f.name), np.float32) for f in fields(changed)})
