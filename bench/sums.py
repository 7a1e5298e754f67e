"""What the rule for sums towards transfer probes costs in AUROC, and what it keeps from an attacker, by size of a site.

``python -m bench.sums FOLDER`` makes six synthetic cohorts and an encoder in FOLDER, unless they are there already, and
prints the table that docs/science-tables.md has. From nothing it takes about half an hour on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.compose import compose_config
from cape_fed.evaluate.attacks.rate import true_positive_rate
from cape_fed.evaluate.attacks.sums import leverage
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.federated.central import Sites, transfer_of_sites
from cape_fed.evaluate.federated.dimensions import most_of_products, projection
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.fit import fit
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.predict import apply_probes
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.statistics.metrics import ranking_metrics
from cape_fed.evaluate.targets.registry import is_regression, task_names
from cape_fed.jobs import pretrain_centrally
from cape_fed.release.bundle import load_encoder
from cape_fed.release.embed import embed_store
from cape_fed.seeds import derive_rng
from cape_fed.store import Store, open_store
from cape_fed.store.split import Split, split_patients
from cape_fed.study.plant import make_stores
from cape_fed.synthetic.catalogue import default_cohorts

SIZES, DRAWS, PATIENTS = (100, 200, 400, 1000, 2400), 5, 3500
TRAIN, OTHERS = ("synth-a", "synth-b", "synth-c", "synth-d"), ("synth-e", "synth-f")
TRAINING = ("model=tiny", "train.steps=240", "train.pairs=32", "device=cpu", "train.monitor_every=240")


def main(folder: Path) -> None:
    make_stores(folder / "stores", default_cohorts(6, 0), PATIENTS, 0, 1)
    stores = {name: open_store(folder / "stores" / name) for name in (*TRAIN, *OTHERS)}
    method = Representation("encoder", lambda store: _embedded(folder, store))
    features = {name: method.features(store) for name, store in stores.items()}
    print(
        "| patients a site | d | tasks with a probe | AUROC in full, all tasks | in full, these tasks | by the rule | "
        "attack in full | by the rule |\n|---|---|---|---|---|---|---|---|"
    )
    for patients in SIZES:
        rows = [_measure(stores, features, method, patients, seed) for seed in range(DRAWS)]
        print(_line(patients, rows), flush=True)


def _measure(
    stores: Mapping[str, Store], features: Features, method: Representation, patients: int, seed: int
) -> dict[str, float]:
    """One draw of so many patients a site: dimensions, AUROC and what the attack finds, in full and by the rule."""
    splits = {name: _split(stores[name], patients if name in TRAIN else PATIENTS, seed) for name in stores}
    train, others = [stores[name] for name in TRAIN], [stores[name] for name in OTHERS]
    cohorts = make_cohorts(train, others, splits, task_names([*train, *others]))
    dimensions = most_of_products(min(len(np.unique(c.store.patients[c.train])) for c in cohorts if c.role == "id"))
    options = EvaluateOptions(dimensions=dimensions)
    whole = fit(method, cohorts, features, options).transfer
    ruled = transfer_of_sites(Sites([[name] for name in TRAIN], seed), cohorts, features, method, options)
    outside = [cohort for cohort in cohorts if cohort.role == "ood"]
    full, kept = (_aurocs(probes, outside, features, method) for probes in (whole, ruled))
    return {
        "d": dimensions,
        "left out": len(full.keys() - kept.keys()),
        "tasks": len(kept),
        "full": float(np.mean([full[task] for task in kept])) if kept else np.nan,
        "ruled": float(np.mean(list(kept.values()))) if kept else np.nan,
        "everything": float(np.mean(list(full.values()))),
        "attack in full": _attack(cohorts, features, features["synth-d"].shape[1], seed),
        "attack": _attack(cohorts, features, dimensions, seed),
    }


def _aurocs(
    probes: Mapping[str, LinearProbe], cohorts: Sequence[EvaluatedCohort], features: Features, method: Representation
) -> dict[str, float]:
    """Mean AUROC over cohorts of each task that is a yes or no."""
    found: dict[str, list[float]] = {}
    for cohort in cohorts:
        for block in apply_probes(method, cohort, features[cohort.name], "transfer", probes):
            if not is_regression(block.task):
                ones = np.ones((int(block.patients.max()) + 1, 1))
                auroc = ranking_metrics(block.target, block.score, block.patients, ones)["auroc"][0]
                found.setdefault(block.task, []).append(float(auroc))
    return {task: float(np.mean(values)) for task, values in found.items()}


def _attack(cohorts: Sequence[EvaluatedCohort], features: Features, dimensions: int, seed: int) -> float:
    """What leverage finds of the train patients of synth-a by their Σxxᵀ, with synth-d as the known population."""
    site = next(cohort for cohort in cohorts if cohort.name == "synth-a")
    columns = projection(features["synth-a"].shape[1], dimensions, seed)
    own, elsewhere = features["synth-a"] @ columns, features["synth-d"] @ columns
    inside = np.zeros(len(own), bool)
    inside[site.train] = True
    scores = leverage(own[inside].T @ own[inside], Moments.of(elsewhere, np.zeros(len(elsewhere))), own)
    # The attacker has one recording of each candidate.
    _, first = np.unique(site.store.patients, return_index=True)
    return true_positive_rate(scores[first][inside[first]], scores[first][~inside[first]])


def _split(store: Store, patients: int, seed: int) -> Split:
    """The split of so many patients of a store, drawn by the seed; the others are in no part."""
    drawn = derive_rng(seed, "patients", store.cohort).permutation(len(store.patient_keys))[:patients]
    kept = np.isin(store.patients, drawn)
    return Split(*(rows[kept[rows]] for rows in split_patients(store, seed)))


def _line(patients: int, rows: Sequence[Mapping[str, float]]) -> str:
    mean = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    return (
        f"| {patients:,} | {mean['d']:.0f} | {mean['tasks']:.1f} of {mean['tasks'] + mean['left out']:.1f} | "
        f"{mean['everything']:.3f} | {mean['full']:.3f} | {mean['ruled']:.3f} | {100 * mean['attack in full']:.1f} % | "
        f"{100 * mean['attack']:.1f} % |"
    )


def _embedded(folder: Path, store: Store) -> NDArray[np.float32]:
    """Embeddings of a store by the encoder in the folder; it is trained on the training cohorts unless it is there."""
    path, run = folder / f"{store.cohort}.npy", folder / "run"
    if not path.exists():
        if not (run / "bundle").exists():
            names = ",".join(str(folder / "stores" / name) for name in TRAIN)
            config = compose_config([f"data.train=[{names}]", f"out={run}", *TRAINING])
            pretrain_centrally(config, lambda done, total, line: None)
        np.save(path, embed_store(load_encoder(run / "bundle"), store))
    embedded: NDArray[np.float32] = np.load(path)
    return embedded


if __name__ == "__main__":
    main(Path(sys.argv[1]))
