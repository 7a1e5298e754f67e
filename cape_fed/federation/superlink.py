"""A run on a SuperLink, started and watched through Flower's own command line."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import ssl
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from cape_fed.appfiles import stage_app
from cape_fed.errors import InputError, RunError
from cape_fed.expiry import certificate_end, expiry_words, invalid_words, server_end
from cape_fed.federation.fab import app_hash, pack_app
from cape_fed.federation.kit import find_kit

FLWR = (sys.executable, "-c", "from cape_fed.federation.superlink import flwr; flwr()")
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
"""Environment of all that is Flower's: nothing is told or looked up elsewhere."""
CALL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Node:
    """A site as the SuperLink knows it."""

    id: int
    name: str
    """Under which its key is registered; empty where it has none."""
    online: bool
    last_seen: float | None
    """Unix time of the last heartbeat, or of the end of the connection; None where it was never there."""


def flwr() -> None:
    """Flower's own command, except that it packs this installation's app: its own packing differs between machines."""
    vars(importlib.import_module("flwr.cli.run.run")).update(build_fab_from_disk=pack_app)
    importlib.import_module("flwr.cli.app").app(prog_name="flwr")


class SuperLink:
    """The SuperLink behind a connection of Flower's ``config.toml``, or behind the coordinator's kit in a folder."""

    def __init__(self, connection: str) -> None:
        kit = find_kit(connection)
        self.given = connection
        """What a user calls it."""
        self.connection = kit.name if kit else connection
        if kit:  # this process and those that it starts work with the kit's connection and notes
            os.environ["FLWR_HOME"] = str(kit.flower_home())

    def start(self, values: Mapping[str, str]) -> int:
        """Start a run of this project's app with a run config; its id. InputError where the SuperLink refuses it."""
        with tempfile.TemporaryDirectory(prefix="cape-fed-") as scratch:
            app = stage_app(Path(scratch) / "app")
            settings = Path(scratch) / "run.toml"
            # JSON's strings are TOML's as well.
            settings.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
            answer = self._call("run", [str(app), self.connection, "--run-config", str(settings)])
        if not app_hash().startswith(str(answer.get("fab-hash") or "-")):
            raise RunError(f"run {answer['run-id']}: Flower sent another app than {app_hash()}: no site will run it")
        return int(answer["run-id"])

    def status(self, run: int) -> str:
        """What the SuperLink says of a run, such as ``running`` or ``finished:completed``."""
        answer = self._call("list", [self.connection, "--run-id", str(run)])
        return str(answer["runs"][0]["status"])

    def nodes(self) -> list[Node]:
        """All sites that are registered, by name. InputError where the SuperLink does not answer."""
        from flwr.cli.flower_config import read_superlink_connection
        from flwr.cli.utils import flwr_cli_exc_handler, init_http_client_from_connection
        from flwr.proto.control_pb2 import ListNodesRequest

        try:
            with contextlib.redirect_stdout(io.StringIO()), flwr_cli_exc_handler():
                client = init_http_client_from_connection(read_superlink_connection(self.connection))
                try:
                    found = client.ListNodes(ListNodesRequest()).nodes_info
                finally:
                    client.close()
        except click.ClickException as error:
            raise self._refusal(error.message) from error
        nodes = [_node(info) for info in found if info.status != "unregistered"]
        return sorted(nodes, key=lambda node: (node.name, node.id))

    def register(self, name: str, key: Path) -> int:
        """Let the site with this public key in under a name that no other has; the id of its node."""
        if taken := [node.id for node in self.nodes() if node.name == name]:
            raise InputError(
                f"the name {name} is taken by node {taken[0]} on SuperLink {self.connection}: one name has one key; "
                f"for a new key remove the old one first: cape-fed sites {self.given} --remove {name}"
            )
        answer = self._call("supernode", ["register", str(key), self.connection, "--name", name])
        return int(answer["node-id"])

    def remove(self, name: str) -> list[int]:
        """Let nobody in under a name any more; the ids of its nodes, whose keys can never be registered again."""
        nodes = [node.id for node in self.nodes() if node.name == name]
        if not nodes:
            raise InputError(f"no site is registered as {name} on SuperLink {self.connection}")
        for node in nodes:
            self._call("supernode", ["unregister", str(node), self.connection])
        return nodes

    def ending_certificates(self) -> list[str]:
        """A clause for each certificate on the way to it that ends soon, as far as they can be looked at."""
        if not (known := self._address()):
            return []
        address, authority = known
        told = []
        with contextlib.suppress(OSError, ValueError):
            told.append(expiry_words(certificate_end(authority), f"the authority's certificate {authority}"))
        with contextlib.suppress(OSError, ValueError):
            told.append(expiry_words(server_end(address, authority), f"the certificate of {address}"))
        return [words for words in told if words]

    def _call(self, command: str, arguments: Sequence[str]) -> dict[str, Any]:
        """One call of ``flwr``; with ``--format json`` it exits with 0 even where it failed."""
        try:
            done = subprocess.run(
                [*FLWR, command, *arguments, "--format", "json"],
                capture_output=True,
                text=True,
                timeout=CALL_SECONDS,
                env={**os.environ, **QUIET},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RunError(
                f"SuperLink {self.connection} did not answer flwr {command} in {CALL_SECONDS:.0f} s"
            ) from error
        start = done.stdout.find("{")
        try:
            answer: dict[str, Any] = json.loads(done.stdout[start:]) if start >= 0 else {}
        except json.JSONDecodeError:
            answer = {}
        if not answer.get("success"):
            said = answer.get("error-message") or done.stderr or done.stdout or "no answer"
            raise self._refusal(str(said))
        return answer

    def _refusal(self, said: str) -> InputError:
        """What Flower said, or what is wrong with the certificate, which Flower calls a network that is unavailable."""
        if known := self._address():
            said = _invalid_certificate(*known) or said
        return InputError(f"SuperLink {self.connection}: {' '.join(said.split())[:300]}")

    def _address(self) -> tuple[str, Path] | None:
        """Where it listens and whose certificate it should show; None where the connection does not say so."""
        home = Path(os.environ.get("FLWR_HOME") or Path.home() / ".flwr")
        try:
            known = tomllib.loads((home / "config.toml").read_text())["superlink"][self.connection]
            return str(known["address"]), Path(known["root-certificates"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # Flower's own command will say what is wrong with the connection


def _invalid_certificate(address: str, authority: Path) -> str:
    """What is wrong with the certificate of the server at HOST:PORT; empty where nothing is, or no server answers."""
    try:
        server_end(address, authority)
    except ssl.SSLCertVerificationError as error:
        remedy = "; cape-fed provision --renew signs a new one for the same key"
        said = invalid_words(address, error)
        return said + remedy if "expired" in said else said
    except (OSError, ValueError):
        pass
    return ""


def _node(info: Any) -> Node:
    online = info.status == "online"
    if online:  # online_until is two intervals after the last heartbeat
        seen: float | None = info.online_until - 2 * info.heartbeat_interval
    else:
        seen = datetime.fromisoformat(info.last_deactivated_at).timestamp() if info.last_deactivated_at else None
    return Node(info.node_id, info.name, online, seen)
