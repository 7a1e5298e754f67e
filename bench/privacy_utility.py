"""``python -m bench.privacy_utility OUT``: what privacy costs in AUROC, by ε, patients a site and the encoder at first.

Two synthetic hospitals train and a third one takes no part; they are the same for every seed, which is of the training.
One line of ``OUT/utility.jsonl`` for each run. What is in that file is not run again, so that an interrupted grid goes
on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from bench.auroc import mean_auroc

TRAIN, OTHER = ("a", "b"), "e"
OTHER_PATIENTS = 2000
FOREIGN = ("c", "d")
"""Hospitals of other machines, by which an encoder is pretrained."""


class Setting(NamedTuple):
    """One run of the grid."""

    patients: int
    epsilon: str
    begin: str
    views: int
    seed: int


def main() -> None:
    options = _options()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("CAPE_FED_SALT_FILE", str(out / "salt"))
    table = out / "utility.jsonl"
    done = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    known = {Setting(**{key: line[key] for key in Setting._fields}) for line in done}
    left = [setting for setting in _grid(options) if setting not in known]
    stores = [(letter, patients) for patients in options.sizes for letter in TRAIN]
    stores += [(OTHER, OTHER_PATIENTS), *((letter, 1000) for letter in FOREIGN)]
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for made in as_completed([pool.submit(make_store, out, *store) for store in stores]):
            made.result()
        pool.submit(pretrain, out, options.rounds * options.steps).result()
        for ended in as_completed([pool.submit(run_one, out, one, options.rounds, options.steps) for one in left]):
            with table.open("a") as file:
                file.write(json.dumps(ended.result()) + "\n")
            print(json.dumps(ended.result()), flush=True)


def make_store(out: Path, letter: str, patients: int) -> None:
    """The store of one synthetic hospital, once."""
    from cape_fed.study.plant import make_stores
    from cape_fed.synthetic.catalogue import default_cohorts

    spec = next(spec for spec in default_cohorts(6, 0) if spec.name[-1] == letter)
    make_stores(_stores(out, patients), [spec], patients, 0, 0)


def pretrain(out: Path, steps: int) -> None:
    """An encoder from hospitals whose machines are none of those that are trained on, once."""
    if not (out / "pretrained" / "bundle").exists():
        paths = ",".join(str(_stores(out, 1000) / f"synth-{letter}") for letter in FOREIGN)
        words = ["pretrain", "experiment=small", "model=tiny", f"data.train=[{paths}]"]
        _do([*words, f"train.steps={steps}", f"out={out}/pretrained"])


def run_one(out: Path, setting: Setting, rounds: int, steps: int) -> dict[str, Any]:
    """Mean AUROC of one federation, within its cohorts and outside."""
    folder = out / "-".join(["run", *map(str, setting)])
    shutil.rmtree(folder, ignore_errors=True)
    paths = [_stores(out, setting.patients) / f"synth-{letter}" for letter in TRAIN]
    words = ["simulate", "experiment=small", "model=tiny", f"data.train=[{','.join(map(str, paths))}]", f"out={folder}"]
    words += [f"seed={setting.seed}", f"federation.rounds={rounds}", f"federation.local_steps={steps}"]
    words += ["federation.evaluate=false", "federation.measure_every=0"]
    if setting.epsilon != "inf":
        words += ["privacy=patient", f"privacy.epsilon={setting.epsilon}", f"privacy.views={setting.views}"]
    if setting.begin == "pretrained":
        words.append(f"start={out}/pretrained/bundle")
    _do(words)
    outside = [_stores(out, OTHER_PATIENTS) / f"synth-{OTHER}"]
    return setting._asdict() | mean_auroc(folder / "bundle", paths, outside)


def _grid(options: argparse.Namespace) -> Iterable[Setting]:
    """Largest first, so that no long run begins at the end."""
    for patients, epsilon, begin, seed in product(
        sorted(options.sizes, reverse=True), options.epsilons, options.begin, options.seeds
    ):
        for views in options.views if epsilon != "inf" and begin == "fresh" else (1,):
            yield Setting(patients, epsilon, begin, views, seed)


def _stores(out: Path, patients: int) -> Path:
    return out / f"stores-{patients}"


def _do(words: list[str]) -> None:
    from cape_fed.cli.main import run

    if code := run(words):
        raise RuntimeError(f"cape-fed {words[0]} ended with exit code {code}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 2000, 8000], help="patients a site")
    parser.add_argument("--epsilons", nargs="+", default=["1", "3", "8", "inf"])
    parser.add_argument("--begin", nargs="+", default=["fresh", "pretrained"])
    parser.add_argument("--views", type=int, nargs="+", default=[1], help="of blocks of a fresh, private encoder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10, help="steps a round")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
