"""What was drawn for a patient can be measured in the recordings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, roc_auc_score

from tests.synthetic.conftest import Sample
from tests.synthetic.delineate import Measured, measure


@pytest.fixture(scope="module")
def measured(quiet: Sample) -> list[Measured]:
    return [measure(ecg) for ecg in quiet.ecg]


def column(measured: list[Measured], name: str) -> pd.Series:
    return pd.Series([getattr(record, name) for record in measured])


def calm(truth: pd.DataFrame) -> pd.Series:
    """Records in which a simple delineator is reliable."""
    return ~truth.AF & ~truth.LBBB & (truth.rate < 95)


def leads(measured: list[Measured], rows: pd.Series, lead: int) -> np.ndarray:
    """Median QRS deflections of one lead, up and down, ``[rows, 2]`` in mV."""
    beats = [(m.beat[lead], m.qrs_onset, m.qrs) for m, wanted in zip(measured, rows, strict=True) if wanted]
    waves = [beat[int(on) - 5 : int(on + width / 2) + 5] for beat, on, width in beats]
    return np.array([(wave.max(), wave.min()) for wave in waves])


def test_rate_is_what_the_truth_says(quiet: Sample, measured: list[Measured]) -> None:
    assert (np.abs(column(measured, "rate") - quiet.truth.rate) < 2).mean() > 0.97


@pytest.mark.parametrize(("name", "drawn"), [("qrs", "qrs"), ("p_peak", "pr"), ("t_end", "qt")])
def test_intervals_follow_the_truth(quiet: Sample, measured: list[Measured], name: str, drawn: str) -> None:
    rows = calm(quiet.truth)
    assert column(measured, name)[rows].corr(quiet.truth[drawn][rows], method="spearman") > 0.8


def test_axis_is_what_the_truth_says(quiet: Sample, measured: list[Measured]) -> None:
    rows = calm(quiet.truth)
    away = (column(measured, "axis") - quiet.truth.axis + 180) % 360 - 180
    assert away[rows].abs().quantile(0.8) < 5


def test_atrial_fibrillation_is_irregular_without_p(quiet: Sample, measured: list[Measured]) -> None:
    af = quiet.truth.AF
    variation = column(measured, "variation")
    assert variation[af].median() > 0.15 > 0.05 > variation[~af].median()
    p_window = np.array([np.abs(m.beat[1, m.qrs_onset - 90 : m.qrs_onset - 20]).max() for m in measured])
    assert np.median(p_window[af]) < 0.6 * np.median(p_window[~af & (quiet.truth.rate < 95)])


def test_left_bundle_branch_block_is_broad_with_discordant_t(quiet: Sample, measured: list[Measured]) -> None:
    lbbb = quiet.truth.LBBB
    qrs = column(measured, "qrs")
    assert qrs[lbbb].quantile(0.1) > 115 > qrs[~lbbb].quantile(0.9)
    rows = lbbb & ~quiet.truth.AF & (quiet.truth.rate < 95)
    r_in_v1, s_in_v1 = leads(measured, rows, 6).T
    assert (-s_in_v1 > r_in_v1).mean() > 0.9
    t_in_v1 = [
        m.beat[6, m.qrs_onset + 120 : m.qrs_onset + 230].max() for m, here in zip(measured, rows, strict=True) if here
    ]
    assert (np.array(t_in_v1) > 0.2).mean() > 0.9


def test_first_degree_block_delays_qrs(quiet: Sample, measured: list[Measured]) -> None:
    rows, block = calm(quiet.truth), quiet.truth.AVB1
    assert quiet.truth.pr[block].min() > 200
    p_peak = column(measured, "p_peak")
    assert p_peak[rows & block].median() > p_peak[rows & ~block].quantile(0.95)


def test_hypertrophy_raises_voltage(quiet: Sample, measured: list[Measured]) -> None:
    ill, well = (leads(measured, quiet.truth[label], 6)[:, 1] for label in ("LVH", "NORM"))
    r_ill, r_well = (leads(measured, quiet.truth[label], 10)[:, 0] for label in ("LVH", "NORM"))
    assert np.median(r_ill - ill) > 1.25 * np.median(r_well - well)  # Sokolow-Lyon


@pytest.mark.parametrize(("territory", "lead"), [("inferior", 5), ("anterior", 7), ("lateral", 0)])
def test_scars_turn_early_forces_away(quiet: Sample, measured: list[Measured], territory: str, lead: int) -> None:
    """In the leads over the scar, the first half of QRS is less positive: there is Q in place of R."""
    early = np.array([m.beat[lead, m.qrs_onset : int(m.qrs_onset + m.qrs / 5)].mean() for m in measured])
    scar = quiet.truth.mi_territory == territory
    assert scar.sum() > 10
    assert roc_auc_score(scar[scar | quiet.truth.NORM], -early[scar | quiet.truth.NORM]) > 0.75


def test_normal_records_look_normal(quiet: Sample, measured: list[Measured]) -> None:
    """R grows along the chest leads, V1 has rS, P and T are upright in II, and all waves are negative in aVR."""
    normal = quiet.truth.NORM & (quiet.truth.rate < 95)
    waves = {lead: leads(measured, normal, lead) for lead in (3, 6, 7, 9, 10)}
    assert (-waves[6][:, 1] > waves[6][:, 0]).mean() > 0.85
    assert np.median(waves[6][:, 0]) < np.median(waves[7][:, 0]) < np.median(waves[9][:, 0])
    assert (-waves[3][:, 1] > waves[3][:, 0]).mean() > 0.9
    beats = [m for m, wanted in zip(measured, normal, strict=True) if wanted]
    p = np.array([m.beat[[1, 3], max(m.qrs_onset - 90, 0) : m.qrs_onset - 25].mean(axis=1) for m in beats])
    assert (p[:, 0] > 0).mean() > 0.9
    assert (p[:, 1] < 0).mean() > 0.9
    t = np.array([m.beat[[1, 3], m.qrs_onset + 110 : m.qrs_onset + 190].mean(axis=1) for m in beats])
    assert (t[:, 0] > 0).mean() > 0.9
    assert (t[:, 1] < 0).mean() > 0.9
    assert 0.35 < np.median([m.beat[1].max() for m in beats]) < 1.2


def test_women_have_longer_qtc_and_faster_rates(quiet: Sample) -> None:
    women, men = (quiet.truth[~quiet.truth.AF & (quiet.truth.sex == sex)] for sex in "FM")
    assert women.qtc.mean() > men.qtc.mean() + 4
    assert women.rate.mean() > men.rate.mean() + 1


def test_age_and_sex_are_learnable_but_not_given_away(quiet: Sample, measured: list[Measured]) -> None:
    waves = np.stack(
        [m.beat[:, m.qrs_onset - 120 : m.qrs_onset + 220 : 6].ravel() for m in measured if m.qrs_onset >= 120]
    )
    kept = np.array([m.qrs_onset >= 120 for m in measured])
    truth = quiet.truth[kept]
    intervals = np.array([(m.rate, m.qrs, m.p_peak, m.t_end, np.log(m.variation)) for m in measured])[kept]
    train = truth.patient.str[1:].astype(int).to_numpy() % 3 > 0
    directions = np.linalg.svd(waves[train] - waves[train].mean(axis=0), full_matrices=False)[2][:30]
    features = np.column_stack([waves @ directions.T, intervals])
    features = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
    woman, age = (truth.sex == "F").to_numpy(), truth.age.to_numpy()
    sex_model = LogisticRegression(C=0.02).fit(features[train], woman[train])
    sex = roc_auc_score(woman[~train], sex_model.decision_function(features[~train]))
    age_model = RidgeCV(np.logspace(0, 4, 9)).fit(features[train], age[train])
    assert 0.7 < sex < 0.95
    assert 0.15 < r2_score(age[~train], age_model.predict(features[~train])) < 0.7


def test_a_patients_records_resemble_each_other(quiet: Sample, measured: list[Measured]) -> None:
    """One heart at two visits differs less than two hearts do, but it does differ."""
    beats = np.stack([m.beat[:, m.qrs_onset - 10 : m.qrs_onset + 50].ravel() for m in measured])
    patient = quiet.truth.patient.to_numpy()
    again = np.flatnonzero(patient[1:] == patient[:-1])
    same = np.linalg.norm(beats[again] - beats[again + 1], axis=1)
    other = np.linalg.norm(beats[again] - np.roll(beats, len(beats) // 2, axis=0)[again], axis=1)
    assert 0.15 < np.median(same) / np.median(other) < 0.6
