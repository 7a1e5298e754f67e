"""A fine-tuned classifier on disk: its encoder as a bundle, its linear layer, and who was learnt from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.finetune.classifier import Classifier
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.rundir import RunDirectory
from cape_fed.signal.profile import Profile
from cape_fed.store.counts import count_store
from cape_fed.store.split import Split, save_split

HEAD = "head.safetensors"


def save_classifier(
    path: Path,
    classifier: Classifier,
    tasks: Sequence[str],
    profile: Profile,
    provenance: Provenance,
    cohorts: Sequence[EvaluatedCohort],
) -> None:
    """Write ``bundle/``, `HEAD` and ``splits/`` into ``path``.

    ``provenance`` is the pretrained encoder's; ``cohorts`` are those learnt from, ID from now on. Their splits lie
    where an evaluation looks for them, so that it tests nobody whose labels were learnt.
    """
    run = RunDirectory(path)
    write_bundle(run.bundle, classifier.encoder, profile, _described(provenance, cohorts))
    save_file(head_tensors(classifier), path / HEAD, {"tasks": json.dumps(list(tasks))})
    for cohort in cohorts:
        split = Split(cohort.train, cohort.valid, cohort.tested["transfer"])
        save_split(run.splits / f"{cohort.name}.parquet", cohort.store, split)


def _described(provenance: Provenance, cohorts: Sequence[EvaluatedCohort]) -> Provenance:
    """How the fine-tuned encoder came about: labels are learnt without differential privacy, whatever was before."""
    method = f"{provenance.method}, fine-tuned"
    if provenance.privacy is not None:
        learnt = {cohort.name: count_store(cohort.store) for cohort in cohorts}
        return Provenance(method=method, cohorts=learnt, config=provenance.config, started_from=provenance)
    learnt = {cohort.name: count_store(cohort.store) for cohort in cohorts if not provenance.trained_as(cohort.name)}
    return provenance.model_copy(update={"method": method, "cohorts": {**provenance.cohorts, **learnt}})


def head_tensors(classifier: Classifier) -> dict[str, Tensor]:
    """``weight`` ``[tasks, dim]`` and ``bias`` ``[tasks]``: outputs are ``embedding @ weight.T + bias``."""
    weight = classifier.head.weight.detach() / classifier.scale * classifier.target_unit[:, None]
    bias = classifier.head.bias.detach() * classifier.target_unit + classifier.target_centre
    bias -= weight @ classifier.centre
    return {"weight": weight.cpu().contiguous(), "bias": bias.cpu().contiguous()}
