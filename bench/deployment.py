"""What a round between real processes costs in addition to its training steps, and what 16-bit updates save."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.auroc import mean_auroc
from bench.row import Row
from cape_fed.config import RunConfig
from cape_fed.simulation import simulate_federation
from cape_fed.study.plant import make_stores
from cape_fed.synthetic.catalogue import default_cohorts
from tests.deployment.deployment import Deployment
from tests.deployment.hospitals import Hospitals
from tests.deployment.hospitals import write_cohorts as write_stores
from tests.deployment.outcome import rounds

ROUNDS = 8
STEADY = 2
"""The first round that counts; earlier ones also write byte code."""
QUICK = ["federation.evaluate=false", "federation.measure_every=99", f"federation.rounds={ROUNDS}"]
STEPS = (2, 300)
"""Steps of a round: hardly any work, and some seconds of it."""
TRANSPORTS = ("float32", "float16", "bfloat16")
COHORTS, PATIENTS = 4, 500
SEEDS = (0, 1, 2)


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    stores = write_stores(scratch / "hospitals")
    reference = _rounds(scratch / "stock", stores, 2, stock=True)
    for steps in STEPS:
        lines = _rounds(scratch / f"site-{steps}", stores, steps, stock=False)
        megabytes = (lines[0]["bytes_down"] + lines[0]["bytes_up"]) / 1e6
        yield Row(
            f"deployed round, SuperLink and 2 sites on 2 cores, tiny, {steps} steps",
            f"{_seconds(lines):.1f} s with cape-fed site, {_own(lines):.1f} s of it the sites' own work",
            f"2 steps with flower-supernode and its pauses: {_seconds(reference):.1f} s, {_own(reference):.1f} s own",
            f"{_seconds(lines) - _own(lines):.1f} s overhead (stock: {_seconds(reference) - _own(reference):.1f} s)",
            "3 s",
            f"a cage, a fork and the app's own modules a site and message; {megabytes:.1f} MB a round",
        )
    yield from _transports(scratch)


def _seconds(lines: list[dict[str, Any]]) -> float:
    return float(median(line["seconds"] for line in lines))


def _own(lines: list[dict[str, Any]]) -> float:
    """What the quicker site worked: the other one waits for a core."""
    return float(median(min(site["seconds"] for site in line["sites"].values()) for line in lines))


def _rounds(folder: Path, stores: Path, steps: int, *, stock: bool) -> list[dict[str, Any]]:
    """The rounds that count, of a run whose sites ``cape-fed site`` or (``stock``) Flower's own command starts."""
    with Deployment(folder) as deployment:
        if not stock:  # as a coordinator's unit has it: how often the SuperLink's own SuperExec looks for a run
            deployment.env["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"] = "3"
        deployment.link.start()
        hospitals = Hospitals(deployment, stores)
        for name in "ab":
            deployment.nodes.register(name)
            if stock:
                deployment.nodes.start(name, hospitals.toml(name))
            else:
                hospitals.start_site(name)
        done = hospitals.run(folder / "run", *QUICK, f"federation.local_steps={steps}", timeout=400)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return rounds(folder / "run")[STEADY:]


def _transports(scratch: Path) -> Iterator[Row]:
    """Bytes that the sites send and OOD AUROC of the resulting encoders, for each number format of the updates."""
    stores = _synthetic_stores(scratch / "transport")
    sent: dict[str, float] = {}
    found: dict[str, list[float]] = {transport: [] for transport in TRANSPORTS}
    for transport, seed in product(TRANSPORTS, SEEDS):
        out = scratch / f"{transport}-{seed}"
        config = {
            "model": "tiny",
            "seed": seed,
            "train": {"pairs": 64, "learning_rate": 2e-3},
            "federation": {
                "rounds": 12,
                "local_steps": 10,
                "measure_every": 99,
                "evaluate": False,
                "transport": transport,
            },
            "data": {"train": stores[:-1], "evaluate": stores[-1:]},
            "out": out,
        }
        simulate_federation(RunConfig.model_validate(config), lambda done, total, line: None)
        sent[transport] = rounds(out)[0]["bytes_up"]
        found[transport].append(mean_auroc(out / "bundle", stores[:-1], stores[-1:])["ood"])
    exact = found["float32"]
    for transport in TRANSPORTS[1:]:
        lost = [one - other for one, other in zip(found[transport], exact, strict=True)]
        yield Row(
            f"updates in {transport}, {COHORTS - 1} sites, tiny, 12 rounds, {len(SEEDS)} seeds",
            f"{sent[transport] / 1e6:.2f} MB up a round, OOD AUROC {mean(found[transport]):.4f}",
            f"float32: {sent['float32'] / 1e6:.2f} MB, {mean(exact):.4f} ({min(exact):.4f} to {max(exact):.4f})",
            f"{sent[transport] / sent['float32']:.2f} of the bytes, "
            f"AUROC {mean(lost):+.4f} ({min(lost):+.4f} to {max(lost):+.4f})",
            "half the bytes",
            f"{sent[transport] / 1e6:.2f} MB: two bytes a weight and site",
        )


def _synthetic_stores(scratch: Path) -> list[Path]:
    cohorts = default_cohorts(COHORTS, 0)
    make_stores(scratch, cohorts, PATIENTS, 0, 2)
    return [scratch / cohort.name for cohort in cohorts]
