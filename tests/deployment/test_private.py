"""Private runs on a real SuperLink with real SuperNodes, one of which has the ledger of another site."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.privacy.ledger import Ledger
from cape_fed.release.bundle import load_encoder
from cape_fed.rundir import read_metrics
from tests.deployment.hospitals import Hospitals
from tests.deployment.outcome import log_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PRIVATE = ("privacy=patient", "privacy.sample_rate=1", "federation.rounds=2", "federation.quorum=0.3")


def ledger(hospitals: Hospitals, name: str, owner: str) -> Ledger:
    state = hospitals.state(name)
    return Ledger(state / "privacy", owner, state.with_name(f"{state.name}.ledger-head"))


def test_a_site_with_the_ledger_of_another_is_named_on_both_sides_and_the_run_goes_on(
    hospitals: Hospitals, tmp_path: Path
) -> None:
    hospitals.start()  # a site that has it from the beginning does not start
    own_ledger = ledger(hospitals, "b", "b")
    own_ledger.path.unlink()
    own_ledger.anchor.unlink()
    ledger(hospitals, "b", "a").append("reserved", {"roster": "r", "run": "other", "steps": 1})
    out = tmp_path / "run"
    done = hospitals.run(out, *PRIVATE, timeout=500)
    assert done.returncode == 0, done.stderr
    assert [sorted(line["sites"]) for line in read_metrics(out / "metrics.jsonl")] == [["a"], ["a"]]
    assert "site b cannot use its privacy ledger" in log_of(out)
    own = (hospitals.state("b") / "log.txt").read_text()
    assert "is the ledger of site a: two sites cannot share one" in own
    protection = load_encoder(out / "bundle").provenance.privacy
    assert protection is not None
    assert protection.sites.keys() == {"a"}
    entered = [entry.body["steps"] for entry in ledger(hospitals, "a", "a").entries() if entry.kind == "reserved"]
    assert entered == [2, 2]
    assert 7.9 < protection.epsilon <= 8.0
