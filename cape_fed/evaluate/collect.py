"""From the outcomes of an encoder and its baselines to the results of an evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.methods import MethodOutcome
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS
from cape_fed.evaluate.results import ArtefactProbe, BundleInfo, CohortInfo, Estimate, MethodResults, Results
from cape_fed.evaluate.scoring.cells import Key, Resamples, Scored, make_resamples
from cape_fed.evaluate.scoring.delong import delong_intervals
from cape_fed.evaluate.scoring.differences import compare
from cape_fed.evaluate.scoring.pooled import score_with_pools
from cape_fed.evaluate.scoring.subgroups import score_subgroups
from cape_fed.evaluate.scoring.tables import method_results
from cape_fed.release.description import CONFIG, read_config
from cape_fed.release.protection import protection_line


def collect_results(
    outcomes: Mapping[str, MethodOutcome],
    cohorts: Sequence[EvaluatedCohort],
    method: str,
    bundle: BundleInfo,
    options: EvaluateOptions,
) -> Results:
    """Score every method on the same resamples and set the encoder ``method`` against all others, its baselines."""
    resamples = make_resamples((block for outcome in outcomes.values() for block in outcome.predictions), options)
    roles = {cohort.name: cohort.role for cohort in cohorts}
    scored = {
        name: score_with_pools(outcome.predictions, resamples, roles, options) for name, outcome in outcomes.items()
    }
    demographics = outcomes[DEMOGRAPHICS.name].artefact_probe
    tables = {
        name: _method_results(scored[name], cohorts, outcomes[name], demographics, resamples, options)
        for name in outcomes
    }
    baselines = [name for name in outcomes if name != method]
    return Results(
        **dict(tables[method]),
        method=method,
        bundle=bundle,
        seed=options.seed,
        cohorts={cohort.name: _describe(cohort) for cohort in cohorts},
        baselines={name: tables[name] for name in baselines},
        differences=compare(scored, [(method, name) for name in baselines], roles, options.level),
        options=options,
    )


def identify(bundle: Path) -> BundleInfo:
    """A bundle's name, the hash of its weights, and what protects the patients behind them."""
    weights = bundle / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    config = read_config(bundle) if (bundle / CONFIG).is_file() else None
    provenance = config.provenance if config else None
    privacy = protection_line(provenance.privacy, provenance.protected_before) if provenance else None
    return BundleInfo(name="/".join(bundle.parts[-2:]), sha256=digest, privacy=privacy)


def _method_results(
    scored: Mapping[Key, Scored],
    cohorts: Sequence[EvaluatedCohort],
    outcome: MethodOutcome,
    demographics: ArtefactProbe,
    resamples: Resamples,
    options: EvaluateOptions,
) -> MethodResults:
    """The tables of one method, with the cohort probe on demographics next to its own."""
    reference = Estimate(**{name: getattr(demographics, name) for name in Estimate.model_fields})
    artefact_probe = outcome.artefact_probe.model_copy(update={"demographics": reference})
    subgroups, gaps = score_subgroups(outcome.predictions, cohorts, resamples, options)
    return method_results(scored, cohorts, artefact_probe, options.level).model_copy(
        update={
            "calibration": list(outcome.calibration),
            "subgroups": subgroups,
            "gaps": gaps,
            "delong": list(delong_intervals(scored, outcome.predictions, options.level)),
        }
    )


def _describe(cohort: EvaluatedCohort) -> CohortInfo:
    return CohortInfo(
        role=cohort.role,
        records=len(cohort.store),
        patients=len(cohort.store.patient_keys),
        evaluated={probe: len(rows) for probe, rows in cohort.tested.items()},
        left_out=cohort.left_out,
        fingerprint=cohort.fingerprint(),
    )
