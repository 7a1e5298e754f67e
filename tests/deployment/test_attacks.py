"""Attacks on a federation while it trains, from outside and by its coordinator, on real processes.

Each is refused and told at the right side, and the run and both nodes go on. Foreign and evil apps are in `test_code`,
spoilt replies in `test_fault_matrix`, requests to nginx in `test_kits` and `test_images`, certificates in
`test_network`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import PullMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supernode.fleet_http_client import FleetHttpClient

from cape_fed.cli.main import run as command
from cape_fed.errors import InputError
from cape_fed.federation.fab import pack, read_app
from cape_fed.federation.failures import WORDS, SiteFailure
from cape_fed.site import audit
from cape_fed.site.node import read_site
from cape_fed.site.refused import RefusedApps
from tests.deployment.certificates import make_certificates, make_key
from tests.deployment.deployment import Deployment, unavailable
from tests.deployment.hospitals import Hospitals
from tests.deployment.outcome import log_of, missing, rounds, rounds_done
from tests.deployment.processes import Process
from tests.deployment.superlink import CONNECTION
from tests.deployment.test_code import ASKING, OWN_APP, PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SETTINGS = ["federation.rounds=500", "federation.evaluate=false", "federation.measure_every=99", "federation.strikes=9"]
SETTINGS += ["federation.local_steps=60"]
SEND = """
import importlib, pathlib, sys
content = pathlib.Path(sys.argv.pop(1)).read_bytes()
vars(importlib.import_module("flwr.cli.run.run")).update(build_fab_from_disk=lambda folder: content)
importlib.import_module("flwr.cli.app").app(prog_name="flwr")
"""
"""Flower's command with an app that its own packing would not make."""


@dataclass
class Attacked:
    """A federation in the middle of a run, and what belongs to it."""

    hospitals: Hospitals
    out: Path
    nodes: dict[str, Process]

    @property
    def deployment(self) -> Deployment:
        return self.hospitals.deployment

    def goes_on(self) -> None:
        """Wait for a whole round that begins after this moment; both nodes are those of the beginning."""
        before = rounds_done(self.out)
        self.hospitals.wait_for_rounds(self.out, before + 2)
        assert missing(self.out)[before + 1] == ["b"]
        assert [node.returncode for node in self.nodes.values()] == [None] * len(self.nodes)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, cohorts: Path) -> Iterator[Attacked]:
    """Site a trains; site b takes no message as large as an encoder, so that the coordinator sends it too much."""
    if reason := unavailable():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("attacked")
    with Deployment(folder / "deployment") as deployment:
        deployment.link.start()
        hospitals = Limited(deployment, cohorts)
        hospitals.start("ab")
        out = folder / "run"
        hospitals.start_run(out, *SETTINGS)
        hospitals.wait_for_rounds(out, 1)
        yield Attacked(hospitals, out, {name: deployment.nodes[name] for name in "ab"})


class Limited(Hospitals):
    """Hospitals of which b takes small messages only."""

    def toml(self, name: str) -> str:
        right = super().toml(name)
        return right.replace("[limits]\n", "[limits]\nmessage_mb = 0.5\n") if name == "b" else right


def elsewhere(attacked: Attacked, folder: Path, key: Path, **changes: Path) -> Process:
    """Whoever holds this key and the rest of the kit of site a, on a machine of their own, starts a site by it."""
    text = attacked.hospitals.toml("a").replace(str(attacked.deployment.nodes.keys["a"]), str(key))
    text = text.replace(str(attacked.hospitals.state("a")), str(folder / "state"))
    if "certificate" in changes:
        text = text.replace(str(attacked.deployment.link.certificates.ca), str(changes["certificate"]))
    file = folder / "a.toml"
    file.write_text(text)
    return attacked.deployment.nodes.start_site(f"thief-{folder.name}", file, wait=0)


def test_an_oversized_message_is_refused_and_named_on_both_sides(attacked: Attacked) -> None:
    assert f"site b {WORDS[SiteFailure.LARGE_MESSAGE]}" in log_of(attacked.out)
    site = read_site(attacked.hospitals.folder / "b.toml")
    refused = [entry for entry, _ in audit.read_entries(site) if entry["kind"] == "refused"]
    assert {entry["code"] for entry in refused} == {"LARGE_MESSAGE"}
    assert "limits.message_mb" in (site.state / "log.txt").read_text()


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        ("stolen", "a process is online with its key"),
        ("unregistered", "does not know the key"),
        ("authority", "is not valid here: certificate signature failure"),
    ],
)
def test_a_kit_is_of_no_use_elsewhere(attacked: Attacked, tmp_path: Path, attack: str, words: str) -> None:
    """With the key of a site that is online, with another key, and at a server of somebody else's authority."""
    key = attacked.deployment.nodes.keys["a"] if attack == "stolen" else make_key(tmp_path, "own")
    other = {"certificate": make_certificates(tmp_path / "tls").ca} if attack == "authority" else {}
    thief = elsewhere(attacked, tmp_path, key, **other)
    assert attacked.hospitals.wait_for_end(thief, 60) != 0
    said = thief.output()
    assert words in said
    assert "SuperNode ID:" not in said
    assert "Traceback" not in said
    if attack != "authority":
        log = attacked.deployment.logs()["superlink"].read_text()
        assert re.search(r'"POST /v1/fleet/(activate|register)-node HTTP/1.1" 4\d\d', log)
    attacked.goes_on()


@dataclass
class Signing:
    """Signs requests with a key as of a moment."""

    key: Path
    age: timedelta = timedelta(0)

    def intercept(self, context: Any, call_next: Callable[[Any], httpx.Response]) -> httpx.Response:
        private: Any = load_ssh_private_key(self.key.read_bytes(), None)
        time = (now() - self.age).isoformat()
        context.request.headers[FLEET_HTTP_PUBLIC_KEY_HEADER] = b64encode(
            public_key_to_bytes(private.public_key())
        ).decode()
        context.request.headers[TIMESTAMP_HEADER] = time
        context.request.headers[FLEET_HTTP_SIGNATURE_HEADER] = b64encode(sign_message(private, time.encode())).decode()
        return call_next(context)


def pulled(attacked: Attacked, node: int, signing: Signing) -> int:
    """The status with which the SuperLink answers somebody who asks for the messages of a node."""
    link = attacked.deployment.link
    client = FleetHttpClient.from_server_address(
        f"{link.address}:{link.port}",
        False,
        str(link.certificates.ca),
        interceptors=[RuntimeVersionHttpInterceptor(component_name="SuperNode"), signing],
    )
    with client:
        try:
            client.PullMessages(PullMessagesRequest(node=Node(node_id=node)))
        except httpx.HTTPStatusError as error:
            return error.response.status_code
    return 200


def test_a_request_that_is_replayed_or_made_for_another_site_is_turned_away(
    attacked: Attacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    done = attacked.deployment.run_cli(["cape-fed", "sites", CONNECTION, "--json"])
    ids = {site["name"]: int(site["node"]) for site in json.loads(done.stdout)}
    keys = attacked.deployment.nodes.keys
    assert pulled(attacked, ids["a"], Signing(keys["a"], timedelta(minutes=10))) == 401
    assert pulled(attacked, ids["a"], Signing(keys["a"], timedelta(minutes=-10))) == 401
    assert pulled(attacked, ids["a"], Signing(keys["b"])) == 401
    assert pulled(attacked, ids["b"], Signing(keys["b"])) == 200  # so that the others could fail
    assert attacked.deployment.logs()["superlink"].read_text().count('/v1/fleet/pull-messages HTTP/1.1" 401') == 3
    attacked.goes_on()


OWN = {"own.py": OWN_APP.format(marker="nowhere"), "asking.py": ASKING, "pyproject.toml": PROJECT}


def bomb() -> bytes:
    """An app with a file of zeros, 1 in 1000 of the size that it unpacks to."""
    return _with("zeros.py", bytes(60 << 20))


def climber() -> bytes:
    """An app with a file that leads out of its folder."""
    return _with("../../../../climbed.py", b"")


def _with(name: str, content: bytes) -> bytes:
    whole = pack({**{file: text.encode() for file, text in OWN.items()}, name: content})
    small = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as stored, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in stored.namelist():
            archive.writestr(entry, stored.read(entry))
    return small.getvalue()


@pytest.mark.parametrize(("make", "words"), [(bomb, "may unpack to"), (climber, "leads outside it")])
def test_an_evil_app_is_not_unpacked(
    attacked: Attacked, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[], bytes], words: str
) -> None:
    """It is refused by its hash; the admin who would approve it is told what is in it, and nothing is unpacked."""
    app, file = tmp_path / "app", tmp_path / "evil.fab"
    app.mkdir()
    for name, text in OWN.items():
        (app / name).write_text(text)
    file.write_bytes(make())
    with pytest.raises(InputError, match=words):
        read_app(file.read_bytes())
    sender = tmp_path / "send.py"
    sender.write_text(SEND)
    done = attacked.deployment.run_cli(
        ["python", str(sender), str(file), "run", str(app), CONNECTION, "--format", "json"]
    )
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    site = attacked.hospitals.folder / "a.toml"
    if "run-id" in answer:
        attacked.deployment.wait_finished(int(answer["run-id"]), 120)
    if make is bomb:  # Flower itself does not pack the other one, and would not unpack it at the coordinator either
        assert answer.get("success"), done
        said = attacked.deployment.run_cli(["flwr", "log", str(answer["run-id"]), CONNECTION, "--show"]).stdout
        assert "ANSWERS [108, 108]" in said
        (refused,) = RefusedApps(attacked.hospitals.state("a")).entries()
        assert RefusedApps(attacked.hospitals.state("a")).content(refused) == file.read_bytes()
        assert command(["site", "approve", str(site), str(refused.run), "--yes"]) == 2
    assert command(["site", "approve", str(site), str(file), "--yes"]) == 2
    assert words in capsys.readouterr().err
    assert [*attacked.hospitals.state("a").rglob("zeros.py")] == []
    assert [*tmp_path.parent.rglob("climbed.py"), *Path("/").glob("climbed.py")] == []
    attacked.goes_on()


def test_after_all_this_the_run_has_lost_no_round(attacked: Attacked) -> None:
    attacked.goes_on()
    assert all(line["sites"].keys() == {"a"} for line in rounds(attacked.out))
