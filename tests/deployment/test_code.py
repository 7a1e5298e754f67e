"""Whoever can start runs does not decide what code runs at a hospital: attacks with apps on real SuperNodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from cape_fed.appfiles import stage_app
from cape_fed.cli.main import run as command
from cape_fed.federation.fab import app_hash, read_app
from cape_fed.site import audit
from cape_fed.site.approvals import Approvals
from cape_fed.site.cage import probe
from cape_fed.site.cage.bubblewrap import why_not
from cape_fed.site.node import read_site
from cape_fed.site.refused import RefusedApps
from tests.deployment.hospitals import Hospitals, packed
from tests.deployment.outcome import log_of, rounds

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

OWN_APP = """
from pathlib import Path
Path({marker!r}).write_text("imported")
from flwr.clientapp import ClientApp
app = ClientApp()
"""
ASKING = """
from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()
@app.main()
def main(grid, context):
    nodes = [node.node_id for node in grid.get_nodes()]
    replies = grid.send_and_receive([Message(RecordDict(), node, "query") for node in nodes], timeout=60)
    print("ANSWERS", sorted(reply.error.code if reply.has_error() else 0 for reply in replies))
"""
PROJECT = """
[project]
name = "own"
version = "1.0.0"
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "somebody"
[tool.flwr.app.components]
serverapp = "asking:app"
clientapp = "own:app"
[tool.flwr.app.config]
"""


def test_an_app_of_the_coordinators_own_is_not_imported(hospitals: Hospitals, tmp_path: Path) -> None:
    """It is refused by its hash and kept for the admin to look at; both sites go on."""
    hospitals.start("ab")
    marker, app = tmp_path / "marker", tmp_path / "own-app"
    app.mkdir()
    for name, text in (("own", OWN_APP.format(marker=str(marker))), ("asking", ASKING)):
        (app / f"{name}.py").write_text(text)
    (app / "pyproject.toml").write_text(PROJECT)
    deployment = hospitals.deployment
    run = deployment.submit(app, "")
    assert deployment.wait_finished(run, 120) == "finished:completed"
    said = deployment.run_cli(["flwr", "log", str(run), "testing", "--show"]).stdout
    assert "ANSWERS [108, 108]" in said
    assert not marker.exists()
    for name in "ab":
        site = read_site(hospitals.folder / f"{name}.toml")
        (refused,) = RefusedApps(site.state).entries()
        assert refused.run == run
        assert "own.py" in read_app(RefusedApps(site.state).content(refused)).files
        assert f"run {run} asked for the app {refused.hash[:12]}" in (site.state / "log.txt").read_text()
        assert "app refused" in [entry["kind"] for entry, _ in audit.read_entries(site)]
    out = tmp_path / "run"
    done = hospitals.run(out, "federation.rounds=1", "federation.evaluate=false")
    assert done.returncode == 0, done.stderr
    assert app_hash() in done.stderr


def test_a_changed_client_is_refused_by_name_until_it_is_approved(
    hospitals: Hospitals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the coordinator changes a line of ``client/``; one hospital approves that, the other one does not."""
    hospitals.start("ab")
    changed = stage_app(tmp_path / "changed")
    (changed / "client" / "app.py").open("a").write("\n# three steps where one is allowed\n")
    hospitals.env = {"PYTHONPATH": str(changed)}
    out = tmp_path / "run"
    follower = hospitals.start_run(
        out, "federation.rounds=1", "federation.join_deadline=60", "federation.evaluate=false"
    )
    refused = RefusedApps(hospitals.state("a"))
    hospitals.deployment.wait_for(refused.entries, 90, "a refusal")
    file = hospitals.folder / "a.toml"
    assert command(["site", "approve", str(file), str(refused.entries()[0].run), "--yes"]) == 0
    assert "changed client/app.py (+2 -0 lines)" in capsys.readouterr().out
    assert Approvals(read_site(file)).find(read_app(packed(changed)).hash) is not None
    assert hospitals.wait_for_end(follower, 240) == 0, follower.output()
    assert [sorted(line["sites"]) for line in rounds(out)] == [["a"]]
    log = log_of(out)
    for name in "ab":
        assert f"site {name} has not approved this app" in log
    assert "site b did not join" in log


EVIL = """
import json
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
import probe
app = ClientApp()

@app.query()
def query(message, context):
    asked = json.loads(message.content.config_records["asked"]["json"])
    found = {"could": sorted(probe._attempts(asked)), "config": sorted(context.node_config), "run": context.run_config}
    return Message(RecordDict({"found": ConfigRecord({"json": json.dumps(found)})}), reply_to=message)
"""
EVIL_ASKING = """
import json
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()

@app.main()
def main(grid, context):
    asked = RecordDict({"asked": ConfigRecord({"json": str(context.run_config["asked"])})})
    node = next(iter(grid.get_nodes())).node_id
    (reply,) = grid.send_and_receive([Message(asked, node, "query")], timeout=120)
    Path(str(context.run_config["out"])).write_text(reply.content.config_records["found"]["json"])
"""


@pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")
def test_an_approved_app_that_turns_out_evil_finds_nothing_to_steal(hospitals: Hospitals, tmp_path: Path) -> None:
    """It tries to read salt, key and another hospital's store, to write elsewhere, and to reach the network."""
    app, out = tmp_path / "evil-app", tmp_path / "found.json"
    app.mkdir()
    for name, text in (("own", EVIL), ("asking", EVIL_ASKING), ("probe", Path(probe.__file__).read_text())):
        (app / f"{name}.py").write_text(text)
    (app / "pyproject.toml").write_text(PROJECT + 'asked = ""\nout = ""\n')
    hospitals.app = build_fab_from_disk(app)
    salt = tmp_path / "salt"
    salt.write_bytes(b"s" * 32)
    hospitals.deployment.nodes.register("a")
    node = hospitals.start_site("a", env={"CAPE_FED_SALT_FILE": str(salt)})
    key, other, own = hospitals.deployment.nodes.keys["a"], hospitals.cohorts / "b", hospitals.cohorts / "a"
    secrets = [
        salt,
        key,
        other / "store.json",
        hospitals.folder / "a.toml",
        hospitals.folder / "a.apps" / "approved.json",
    ]
    asked = {
        "read": [str(path) for path in (*secrets, f"/proc/{node.pid}/environ", own / "store.json")],
        "write": [str(path) for path in (own, hospitals.folder / "a.apps", "/usr/lib", hospitals.state("a"))],
        "address": ["127.0.0.1", hospitals.deployment.link.port],
    }
    assert all(path.exists() for path in secrets)
    config = tmp_path / "run.toml"
    config.write_text(f"asked = {json.dumps(json.dumps(asked))}\nout = {json.dumps(str(out))}\n")
    run = hospitals.deployment.submit(app, str(config))
    assert hospitals.deployment.wait_finished(run, 180) == "finished:completed"
    found = json.loads(out.read_text())
    assert found["could"] == [f"read:{own / 'store.json'}"]
    assert not [name for name in found["config"] if name.startswith("superlink") or "key" in name]
    assert {"name", "role", "state", "stores.only"} <= set(found["config"])
