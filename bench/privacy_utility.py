"""``python -m bench.privacy_utility OUT``: what privacy costs in AUROC, by ε, patients a site and the encoder at first.

Synthetic hospitals, two of which train and one of which takes no part; one line of ``OUT/utility.jsonl`` for each run.
What is in that file is not run again, so that an interrupted grid goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

from cape_fed.cli.main import run

TRAIN, OTHER = ("synth-a", "synth-b"), "synth-e"


def main() -> None:
    options = _options()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("CAPE_FED_SALT_FILE", str(out / "salt"))
    table = out / "utility.jsonl"
    done = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    known = {(line["patients"], line["epsilon"], line["begin"], line["seed"]) for line in done}
    for patients, epsilon, begin, seed in product(options.sizes, options.epsilons, options.begin, range(options.seeds)):
        if (patients, epsilon, begin, seed) in known:
            continue
        line = {"patients": patients, "epsilon": epsilon, "begin": begin, "seed": seed}
        line |= one_run(out, patients, epsilon, begin, seed, options.rounds, options.steps)
        with table.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def one_run(out: Path, patients: int, epsilon: str, begin: str, seed: int, rounds: int, steps: int) -> dict[str, Any]:
    """Mean AUROC of one federation, within its cohorts and outside."""
    stores = hospitals(out / f"{patients}-{seed}", patients, seed)
    folder = out / f"run-{patients}-{epsilon}-{begin}-{seed}"
    train = f"data.train=[{','.join(str(stores[name]) for name in TRAIN)}]"
    words = ["simulate", "experiment=small", train, f"out={folder}", f"seed={seed}", f"federation.rounds={rounds}"]
    words += [f"federation.local_steps={steps}", "federation.evaluate=false", "federation.measure_every=0"]
    if epsilon != "inf":
        words += ["privacy=patient", f"privacy.epsilon={epsilon}"]
    if begin == "pretrained":
        words.append(f"start={pretrained(out, rounds * steps)}")
    _do(words)
    _do(["evaluate", str(folder / "bundle"), train, f"data.evaluate=[{stores[OTHER]}]", f"out={folder / 'evaluation'}"])
    summary = json.loads((folder / "evaluation" / "results.json").read_text())["summary"]["auroc"]
    return {scope: summary[scope] and summary[scope]["point"] for scope in ("id", "ood")}


def hospitals(folder: Path, patients: int, seed: int) -> dict[str, Path]:
    """Stores of synthetic hospitals of one size, by name."""
    stores = {name: folder / "stores" / name for name in (*TRAIN, OTHER)}
    if not (folder / "archives").exists():
        _do(["synth", str(folder / "archives"), "--cohorts", "3", "--patients", str(patients), "--seed", str(seed)])
    for name, store in stores.items():
        if not store.exists():
            words = ["--format", "wfdb", "--cohort", name, "--profile", "compact100"]
            _do(["ingest", str(folder / "archives" / name), str(store), *words])
    return stores


def pretrained(out: Path, steps: int) -> Path:
    """An encoder from synthetic hospitals whose machines are none of those that are trained on."""
    folder = out / "pretrained"
    if not (folder / "bundle").exists():
        archives = out / "other" / "archives"
        _do(["synth", str(archives), "--cohorts", "6", "--patients", "1000", "--seed", "1000"])
        stores = []
        for archive in sorted(path for path in archives.iterdir() if path.is_dir() and path.name[-1] in "cd"):
            stores.append(out / "other" / archive.name)
            words = ["--format", "wfdb", "--cohort", f"other-{archive.name}", "--profile", "compact100"]
            _do(["ingest", str(archive), str(stores[-1]), *words])
        paths = ",".join(map(str, stores))
        _do(["pretrain", "experiment=small", f"data.train=[{paths}]", f"train.steps={steps}", f"out={folder}"])
    return folder / "bundle"


def _do(words: list[str]) -> None:
    if code := run(words):
        raise SystemExit(code)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 2000, 8000], help="patients a site")
    parser.add_argument("--epsilons", nargs="+", default=["1", "3", "8", "inf"])
    parser.add_argument("--begin", nargs="+", default=["fresh", "pretrained"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10, help="steps a round")
    return parser.parse_args()


if __name__ == "__main__":
    main()
