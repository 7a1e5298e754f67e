"""Comparison of evaluated runs, record by record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, read_predictions
from cape_fed.evaluate.files.sample import SAMPLE_FILE, read_sample
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.report.document import report_comparison
from cape_fed.evaluate.results import (
    RESULTS_FILE,
    Comparison,
    Difference,
    ForeignInfo,
    MethodResults,
    Results,
    read_results,
    write_json,
)
from cape_fed.evaluate.scoring import differences
from cape_fed.evaluate.scoring.cells import make_resamples
from cape_fed.evaluate.scoring.pooled import score_with_pools
from cape_fed.evaluate.statistics.similarity import linear_cka

Runs = Mapping[str, tuple[Path, Results]]
"""By the name of the method, as it is shown."""


def compare_runs(dirs: Sequence[Path], out: Path, *, options: EvaluateOptions | None = None) -> Comparison:
    """Compare the methods of several evaluations, that of the first directory being the reference.

    Baselines are those of the first directory. Every method is compared with the reference and with every baseline,
    on the same resamples, drawn as ``options`` say (by default as for the first directory). Raises InputError where a
    directory holds no evaluation, the runs were not evaluated on the same records, or ``out`` is one of them.
    """
    if len(set(dirs)) < 2:
        raise InputError("a comparison needs at least two directories written by cape-fed evaluate")
    if out.resolve() in {run.resolve() for run in dirs}:
        raise InputError(f"{out} holds one of the evaluations, which the comparison would replace: give another --out")
    runs = _by_method({run: read_results(run) for run in dirs})
    _check_same_records([(run, results) for run, results in runs.values()])
    first = runs[next(iter(runs))][1]
    baselines = {name: table for name, table in first.baselines.items() if name not in runs}
    comparison = Comparison(
        reference=next(iter(runs)),
        methods={name: _table(results) for name, (_, results) in runs.items()} | baselines,
        cohorts=first.cohorts,
        differences=_differences(runs, list(baselines), options or first.options),
        similarity=_similarity({name: run for name, (run, _) in runs.items()}),
        foreign=_foreign(runs, baselines),
        absent=first.absent,
        options=options or first.options,
    )
    out.mkdir(parents=True, exist_ok=True)
    report_comparison(comparison, {name: run for name, (run, _) in runs.items()}, out)
    write_json(comparison, out / RESULTS_FILE)
    return comparison


def _foreign(runs: Runs, baselines: Iterable[str]) -> dict[str, ForeignInfo]:
    """Of the methods that are shown, those that are encoders of somebody else's."""
    first = next(iter(runs.values()))[1]
    own = {name: results.foreign[results.method] for name, (_, results) in runs.items() if results.bundle_is_foreign}
    return own | {name: info for name, info in first.foreign.items() if name in baselines}


def _by_method(runs: Mapping[Path, Results]) -> Runs:
    """Name each run by its method, with the directory where two have the same."""
    methods = [results.method for results in runs.values()]
    named = {}
    for run, results in runs.items():
        unique = methods.count(results.method) == 1
        named[results.method if unique else f"{results.method} ({run.name})"] = (run, results)
    if len(named) < len(runs):
        raise InputError("two directories hold the same method under the same name: rename one of them")
    return named


def _check_same_records(runs: Sequence[tuple[Path, Results]]) -> None:
    (first, reference), *others = runs
    for run, results in others:
        if results.options.min_patients != reference.options.min_patients:
            raise InputError(f"{run} and {first} were evaluated with another min_patients: evaluate both with the same")
        seen, expected = (
            {name: (info.role, info.fingerprint) for name, info in r.cohorts.items()} for r in (results, reference)
        )
        different = sorted(name for name in seen.keys() | expected.keys() if seen.get(name) != expected.get(name))
        if different:
            raise InputError(
                f"{run} and {first} were not evaluated on the same records ({', '.join(different)} differ): "
                "evaluate both with the same data.train, data.evaluate and seed"
            )


def _table(results: Results) -> MethodResults:
    return MethodResults(**{name: getattr(results, name) for name in MethodResults.model_fields})


def _differences(runs: Runs, baselines: Sequence[str], options: EvaluateOptions) -> list[Difference]:
    predictions = dict(_predictions(runs, baselines))
    resamples = make_resamples((block for blocks in predictions.values() for block in blocks), options)
    roles = {name: info.role for name, info in next(iter(runs.values()))[1].cohorts.items()}
    scored = {name: score_with_pools(blocks, resamples, roles, options) for name, blocks in predictions.items()}
    reference, *others = runs
    pairs = [(name, reference) for name in others] + [(name, baseline) for name in runs for baseline in baselines]
    return differences.compare(scored, pairs, roles, options.level)


def _similarity(runs: Mapping[str, Path]) -> dict[str, dict[Role, float | None]]:
    """CKA of each method to the first, where both kept embeddings of the same records."""
    samples = {name: read_sample(run / SAMPLE_FILE) for name, run in runs.items()}
    reference, *others = runs
    return {
        name: {
            role: linear_cka(samples[name][role].features, samples[reference][role].features)
            for role in samples[name]
            if role in samples[reference] and samples[name][role].same_records(samples[reference][role])
        }
        for name in others
    }


def _predictions(runs: Runs, baselines: Sequence[str]) -> Iterable[tuple[str, list[Prediction]]]:
    for index, (name, (run, results)) in enumerate(runs.items()):
        blocks = read_predictions(run / PREDICTIONS_FILE)
        yield name, [replace(block, method=name) for block in blocks if block.method == results.method]
        for baseline in baselines if index == 0 else ():
            yield baseline, [block for block in blocks if block.method == baseline]
