"""One method on all cohorts, before its scores are set against those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cape_fed.evaluate.artefact.probe import LINEAR, METRIC, NEAREST, probe_artefacts, projection_accuracies
from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.federated.central import Sites, transfer_of_sites
from cape_fed.evaluate.inputs import Project
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.fit import fit
from cape_fed.evaluate.probes.predict import predict_with
from cape_fed.evaluate.probes.representation import Features, Representation, filled
from cape_fed.evaluate.results import ArtefactProbe, Calibration, Estimate
from cape_fed.evaluate.scoring.calibration import calibrate


@dataclass(frozen=True)
class MethodOutcome:
    """What one method gives."""

    predictions: Sequence[Prediction]
    artefact_probe: ArtefactProbe
    calibration: Sequence[Calibration]


def evaluate_method(
    method: Representation,
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    heads: Mapping[str, Project],
    options: EvaluateOptions,
    sites: Sites | None = None,
) -> MethodOutcome:
    """Fit the probes of a method, predict every tested record, and name its cohort from features and projections.

    Where ``options.dimensions`` are named, the transfer probes are those that the ``sites`` would arrive at; a method
    that is not an embedding, with columns hidden from tasks or with trees for probes, is fitted in full all the same.
    """
    probes = fit(method, cohorts, features, options)
    if options.dimensions is not None and sites is not None and not method.hidden and method.learner == "ridge":
        probes = replace(probes, transfer=transfer_of_sites(sites, cohorts, features, method, options))
    dense = filled(cohorts, features)
    linear, nearest = _probe_projections(cohorts, dense, heads, options)
    artefact_probe = probe_artefacts(cohorts, dense, options)
    return MethodOutcome(
        predict_with(method, cohorts, features, probes),
        artefact_probe.model_copy(update={"projection": linear, "projection_neighbours": nearest}),
        calibrate(method, cohorts, features, probes.transfer, options),
    )


def _probe_projections(
    cohorts: Sequence[EvaluatedCohort], features: Features, heads: Mapping[str, Project], options: EvaluateOptions
) -> tuple[Estimate | None, Estimate | None]:
    """The cohort probe on projections, linear and by neighbours; None where there is no head."""
    projections = {
        place: {name: head(embeddings) for name, embeddings in features.items()} for place, head in heads.items()
    }
    found = projection_accuracies(cohorts, projections, options)
    linear, nearest = (
        Estimate.of(METRIC, found[name], options.level) if name in found else None for name in (LINEAR, NEAREST)
    )
    return linear, nearest
