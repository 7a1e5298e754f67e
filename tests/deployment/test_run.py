"""Whole runs on a real SuperLink with real SuperNodes, also when the coordinator is killed in the middle."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from cape_fed.appfiles import ROOT
from cape_fed.errors import LostError, StoppedError
from cape_fed.rundir import PAGE_FILE
from cape_fed.status import read_status
from tests.deployment.hospitals import Hospitals, simulate
from tests.deployment.outcome import encoder_of, last_evaluation, log_of, missing, rounds, same
from tests.deployment.superlink import CONNECTION
from tests.tracking.shown import assert_same, expected, in_tensorboard

pytestmark = pytest.mark.timeout(400)


def test_a_run_gives_the_weights_of_the_simulation_bit_for_bit(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start()
    out = tmp_path / "run"
    done = hospitals.run(out, "federation.rounds=2", "tracking.tensorboard=true")
    assert (done.returncode, done.stdout.strip()) == (0, str(out / "bundle")), done.stderr
    simulated = simulate(hospitals.cohorts, tmp_path / "simulated", "federation.rounds=2")
    assert same(encoder_of(out), simulated)
    assert missing(out) == [[], []]
    assert len(in_tensorboard(out)) > 4
    assert_same(in_tensorboard(out), expected(out / "metrics.jsonl"))
    assert last_evaluation(out)["tasks"].keys() == last_evaluation(tmp_path / "simulated")["tasks"].keys()
    assert last_evaluation(out)["sites_summed"] == ["a"]
    assert last_evaluation(out)["sites_too_small"] == ["b"]
    hospitals.deployment.wait_for((out / PAGE_FILE).exists, 60, "the page, which a process of its own writes")
    assert {path.name for path in out.iterdir()} >= {
        path.name for path in (tmp_path / "simulated").iterdir() if path.name != "sites"
    }

    left = "".join(path.read_text() for path in out.glob("*.jsonl")) + log_of(out)
    assert str(hospitals.cohorts) not in left
    again = hospitals.run(out)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "holds a run already" in again.stderr


@pytest.mark.slow
def test_flowers_own_command_runs_it_as_well(hospitals: Hospitals, tmp_path: Path) -> None:
    """What it packs is another bundle, which the sites have to approve."""
    hospitals.app = build_fab_from_disk(ROOT)
    hospitals.start()
    settings = "model=tiny train.pairs=8 federation.local_steps=1 federation.rounds=1 federation.evaluate=false"
    settings += " roster={a:train,b:train,d:evaluate}"
    config = f'experiment="small" overrides="{settings} out={tmp_path / "plain"}"'
    run = hospitals.deployment.submit(ROOT, config)
    assert hospitals.deployment.wait_finished(run, 120) == "finished:completed"
    assert [sorted(line["sites"]) for line in rounds(tmp_path / "plain")] == [["a", "b"]]


@pytest.mark.slow
def test_after_a_kill_of_serverapp_and_superlink_a_run_resumes_to_the_same_weights(
    hospitals: Hospitals, tmp_path: Path
) -> None:
    hospitals.start()
    out = tmp_path / "run"
    follower = hospitals.start_run(out, "federation.rounds=3")
    hospitals.wait_for_rounds(out, 1)
    hospitals.deployment.link.kill_serverapp()
    assert hospitals.wait_for_end(follower, 60) == LostError.code
    assert f"cape-fed run --resume {out}" in follower.output()

    follower = hospitals.deployment.start_cli(["cape-fed", "run", "--resume", str(out)])
    hospitals.wait_for_rounds(out, 2)
    hospitals.deployment.link.restart()
    assert hospitals.wait_for_end(follower, 60) == LostError.code
    resumed = hospitals.resume(out)
    assert resumed.returncode == 0, resumed.stderr
    assert same(encoder_of(out), simulate(hospitals.cohorts, tmp_path / "simulated", "federation.rounds=3"))
    assert [line["round"] for line in rounds(out)] == [0, 1, 2]
    finished = hospitals.resume(out)
    assert (finished.returncode, finished.stdout.strip()) == (0, str(out / "bundle"))


def test_bad_input_is_one_line_and_exit_code_2(hospitals: Hospitals, tmp_path: Path) -> None:
    run = hospitals.deployment.run_cli
    for command, words in (
        (["cape-fed", "run", "nowhere", "roster={a: train}", f"out={tmp_path / 'x'}"], "nowhere"),
        (["cape-fed", "run", CONNECTION, f"out={tmp_path / 'x'}"], "a run on a SuperLink needs a roster"),
        (["cape-fed", "run", CONNECTION, "roster=missing.yaml", f"out={tmp_path / 'x'}"], "roster"),
        (["cape-fed", "run", CONNECTION, "roster={a: lead}", f"out={tmp_path / 'x'}"], "roster.a.role"),
        (["cape-fed", "run", "--resume", str(tmp_path)], "nothing to resume"),
        (["cape-fed", "run", f"out={tmp_path / 'x'}"], "name a SuperLink first"),
    ):
        done = run(command, 60)
        assert done.returncode == 2, (command, done)
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "x").exists()
    out = tmp_path / "alone"
    done = hospitals.run(out, "federation.join_deadline=1")
    assert done.returncode == 2
    assert "0 of 2 training sites, 1 needed; sites that did not join: a, b, d" in done.stderr
    assert read_status(out)["state"] == "failed"


def test_a_site_says_what_is_wrong_with_its_toml(hospitals: Hospitals) -> None:
    deployment = hospitals.deployment
    deployment.nodes.register("a")
    file = hospitals.folder / "a.toml"
    right = hospitals.toml("a")
    for text, words in (
        (right.replace('role = "train"', 'role = "lead"'), "site.toml: role"),
        (right.replace(str(hospitals.cohorts / "a"), "/nowhere"), "/nowhere"),
        (right.replace('device = "cpu"', 'device = "cuda:9"'), "device 'cuda:9' is not available"),
        (right + "[", "is not TOML"),
    ):
        file.write_text(text)
        done = deployment.run_cli(["cape-fed", "site", str(file)], 60)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
        assert words in done.stderr
    file.write_text(right)
    done = deployment.run_cli(["cape-fed", "site", str(file), "--check"], 60)
    assert done.returncode == 1, done  # nothing is wrong with it, but its admin has not approved the app yet
    assert "a: train" in done.stdout
    deployment.nodes.make_key("a").chmod(0o644)
    done = deployment.run_cli(["cape-fed", "site", str(file), "--check"], 60)
    assert "others can read the key" in done.stderr


@pytest.mark.slow
def test_a_follower_that_is_interrupted_leaves_the_run_alone(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("ad")
    out = tmp_path / "run"
    follower = hospitals.start_run(out, "federation.rounds=2", "federation.evaluate=false")
    hospitals.wait_for_rounds(out, 1)
    follower.kill(signal.SIGINT, group=False)
    assert "the run goes on: cape-fed run --resume" in follower.output()
    followed = hospitals.resume(out)
    assert followed.returncode == 0, followed.stderr
    assert missing(out) == [[], []]
    started = json.loads((out / "superlink.json").read_text())
    assert hospitals.deployment.wait_finished(started["run"], 30) == "finished:completed"


@pytest.mark.slow
def test_a_run_that_is_stopped_says_so_and_goes_on_when_it_is_resumed(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("ab")
    run_cli, out = hospitals.deployment.run_cli, tmp_path / "run"
    shown = json.loads(run_cli(["cape-fed", "sites", CONNECTION, "--json"]).stdout)
    assert [(site["name"], site["online"], site["role"]) for site in shown] == [("a", True, None), ("b", True, None)]
    second = hospitals.deployment.nodes.make_key("b")
    refused = run_cli(["cape-fed", "sites", CONNECTION, "--register", f"{second}.pub", "--name", "a"])
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "the name a is taken" in refused.stderr

    settings = ["federation.rounds=3", "federation.evaluate=false", "federation.measure_every=99"]
    follower = hospitals.start_run(out, *settings)
    hospitals.wait_for_rounds(out, 1)
    run = json.loads((out / "superlink.json").read_text())["run"]
    run_cli(["flwr", "stop", str(run), CONNECTION])
    assert hospitals.wait_for_end(follower, 90) == StoppedError.code
    assert f"cape-fed run --resume {out} goes on with it" in follower.output()
    assert " round 1/3: 2 sites, loss " in follower.output()
    status = run_cli(["cape-fed", "status", str(out)])
    assert (status.returncode, "was stopped" in status.stdout) == (3, True), status

    resumed = hospitals.resume(out)
    assert resumed.returncode == 0, resumed.stderr
    assert "all 3 rounds are done" in resumed.stderr.splitlines()[-1]
    assert "rounds by site: a 3 of 3, b 3 of 3" in resumed.stderr.splitlines()[-1]
    shown = json.loads(run_cli(["cape-fed", "sites", CONNECTION, "--json"]).stdout)
    assert [(site["role"], site["cohorts"]) for site in shown] == [("train", ["a"]), ("train", ["b"])]
