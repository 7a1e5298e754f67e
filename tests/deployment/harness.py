"""The real Flower deployment engine on this machine: SuperLink, SuperNodes, TLS and registered keys, for tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

T = TypeVar("T")

CONNECTION = "testing"
LABEL = "CAPE_FED_TEST_PROCESS"
BIN = Path(sys.executable).parent
HEALTH = """
import ssl, sys, urllib.request
tls = ssl.create_default_context(cafile=sys.argv[2])
print(urllib.request.urlopen(sys.argv[1], timeout=2, context=tls).status)
"""


class DeploymentError(AssertionError):
    """A deployment did not do what a test waited for; the tails of its logs are in the message."""


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority and of the server certificate that it signed."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(
    folder: Path, *, names: Iterable[str] = (), valid: tuple[timedelta, timedelta] | None = None
) -> Certificates:
    """Write an own authority and a server certificate for 127.0.0.1, localhost and further ``names`` or addresses.

    ``valid`` is the server certificate's validity from now: ``(timedelta(-2), timedelta(-1))`` has expired.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start, end = valid or (timedelta(hours=-1), timedelta(days=7))
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.now(UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, since: timedelta, until: timedelta
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now + since).not_valid_after(now + until)

    root = certificate(issuer, authority.public_key(), timedelta(days=-30), timedelta(days=30))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = certificate(subject, server.public_key(), start, end)
    alternatives = [_alternative_name(name) for name in ("127.0.0.1", "localhost", *names)]
    leaf = leaf.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    files = Certificates(folder / "ca.crt", folder / "server.pem", folder / "server.key")
    for path, builder in ((files.ca, root), (files.certificate, leaf)):
        path.write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write_secret(files.key, _private(server, serialization.PrivateFormat.PKCS8))
    return files


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def make_key(folder: Path, name: str) -> Path:
    """Write an OpenSSH key pair (EC P-384) ``name`` and ``name.pub``; the private key's path."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    path = folder / name
    _write_secret(path, _private(key, serialization.PrivateFormat.OpenSSH))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(f"{name}.pub").write_bytes(public + f" {name}\n".encode())
    return path


def _private(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def free_port() -> int:
    """A TCP port that nobody on loopback uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Found:
    """One living process of a deployment as /proc tells."""

    pid: int
    command: str


def processes(marker: str) -> list[Found]:
    """Living processes, zombies not counted, whose environment holds the line ``marker``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if state not in "ZX":
            found.append(Found(int(entry.name), command))
    return found


def signal_all(marker: str, number: int, command: str = "") -> list[int]:
    """Send a signal to the processes with ``marker`` and with ``command`` in their line; their ids."""
    pids = [found.pid for found in processes(marker) if command in found.command]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids


class Process:
    """A process of the deployment with its own session and log file; what it starts inherits its ``marker``.

    A session or process group would not do: the SuperLink starts its SuperExec in a session of its own.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self.offset = log.stat().st_size if log.exists() else 0
        label = f"{name}-{uuid4().hex}"
        self.marker = f"{LABEL}={label}"
        with log.open("ab") as stream:
            self.popen = subprocess.Popen(
                command,
                cwd=cwd,
                env={**env, LABEL: label},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self.popen.poll()

    def output(self) -> str:
        """What this process and its children wrote since it started, without colours."""
        with self.log.open("rb") as stream:
            stream.seek(self.offset)
            return re.sub(r"\x1b\[[0-9;]*m", "", stream.read().decode(errors="replace"))

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True, seconds: float = 10) -> int:
        """Send a signal to it (and to all it started) and wait for its end; its exit status.

        It is reaped here: Flower's children take a parent that is a zombie for alive.
        """
        others = [found.pid for found in processes(self.marker) if found.pid != self.pid] if group else []
        self.popen.send_signal(number)
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return self.popen.wait(seconds)


class Deployment:
    """A SuperLink and SuperNodes in ``folder``; all of it ends with the ``with`` block.

    ``address`` and ``prefix`` place the coordinator in a network namespace (see ``network.py``); without them
    everything stays on 127.0.0.1.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self.folder = folder
        self.address = address
        self.prefix = tuple(prefix)
        self.port = free_port()
        self.work = folder / "work"
        self.home = folder / "flwr"
        for path in (self.work, self.home, folder / "logs", folder / "keys"):
            path.mkdir(parents=True, exist_ok=True)
        self.certificates = certificates or make_certificates(folder / "tls", names=(address,))
        self.superlink: Process | None = None
        self.nodes: dict[str, Process] = {}
        self.keys: dict[str, Path] = {}
        self._started: list[Process] = []
        self._starts: dict[str, dict[str, Any]] = {}
        self._cli = 0
        kept = {key: value for key, value in os.environ.items() if key in ("LANG", "LC_ALL", "TZ", "TMPDIR")}
        self.env = {
            **kept,
            "PATH": os.pathsep.join([str(BIN), os.defpath, "/usr/sbin", "/sbin"]),
            "HOME": str(folder),
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            **(env or {}),
        }
        self.marker = f"FLWR_HOME={self.home}"
        (self.home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "{self.address}:{self.port}"\nroot-certificates = "{self.certificates.ca}"\n'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill every process of this deployment and make sure that none is left."""
        for process in reversed(self._started):
            process.kill()
        end = time.monotonic() + 10
        while signal_all(self.marker, signal.SIGKILL):
            if time.monotonic() > end:
                raise DeploymentError(f"left running: {self.processes()}")
            time.sleep(0.05)

    # --- starting -------------------------------------------------------------------------------------------------

    def start_superlink(self, *arguments: str, env: Mapping[str, str] | None = None, wait: float = 30) -> Process:
        """Start the SuperLink with its database, TLS and authentication of SuperNodes, up to its health answer."""
        host = "127.0.0.1" if self.address == "127.0.0.1" else "0.0.0.0"  # its SuperExec comes by loopback
        command = [
            "flower-superlink", "--host", host, "--port", str(self.port),
            "--ssl-ca-certfile", str(self.certificates.ca), "--ssl-certfile", str(self.certificates.certificate),
            "--ssl-keyfile", str(self.certificates.key), "--enable-supernode-auth",
            "--database", str(self.folder / "state.db"), "--disable-runtime-dependency-installation", *arguments,
        ]  # fmt: skip
        self.superlink = self._start("superlink", command, env=env, prefix=self.prefix)
        if wait:
            self.wait_for(self._link_answers, wait, "the SuperLink's health answer")
        return self.superlink

    def health(self) -> bool:
        """Whether the SuperLink answers ``/health`` over TLS, asked from where the coordinator is."""
        url = f"https://{self.address}:{self.port}/health"
        command = [*self.prefix, sys.executable, "-c", HEALTH, url, str(self.certificates.ca)]
        asked = subprocess.run(command, env=self.env, cwd=self.work, capture_output=True, timeout=20, check=False)
        return asked.stdout.strip() == b"200"

    def _link_answers(self) -> bool:
        if self.superlink is None or self.superlink.returncode is not None:
            raise DeploymentError(f"the SuperLink ended\n{self.tails()}")
        return self.health()

    def make_key(self, name: str) -> Path:
        """The private key of site ``name``, made at the first call."""
        if name not in self.keys:
            self.keys[name] = make_key(self.folder / "keys", name)
        return self.keys[name]

    def register(self, name: str) -> Path:
        """Make site ``name``'s key and register it with the SuperLink under that name; the private key's path."""
        key = self.make_key(name)
        command = ["flwr", "supernode", "register", f"{key}.pub", CONNECTION, "--name", name, "--format", "json"]
        done = self.run_cli(command)
        if done.returncode or not json.loads(done.stdout).get("success"):
            raise DeploymentError(f"register {name}: {done.stdout}{done.stderr}")
        return key

    def start_node(
        self,
        name: str,
        site: Mapping[str, Any] | str | None = None,
        env: Mapping[str, str] | None = None,
        *arguments: str,
        prefix: Sequence[str] = (),
        wait: float = 30,
        certificate: Path | None = None,
    ) -> Process:
        """Start site ``name``'s SuperNode with node config ``site``, up to its "connected" (``wait=0``: at once).

        ``site`` is TOML text or flat keys and values; ``restart_node`` starts it the same way again.
        """
        port = free_port()
        command = [
            "flower-supernode", "--superlink", f"{self.address}:{self.port}", "--host", "127.0.0.1",
            "--port", str(port), "--root-certificates", str(certificate or self.certificates.ca),
            "--auth-supernode-private-key", str(self.make_key(name)), *arguments,
        ]  # fmt: skip
        if site:
            path = self.folder / f"{name}.toml"
            path.write_text(site if isinstance(site, str) else _toml(site))
            command += ["--node-config", str(path)]
        process = self._start(name, command, env=env, prefix=prefix)
        self.nodes[name] = process
        self._starts[name] = {
            "site": site, "env": env, "arguments": arguments, "prefix": prefix, "certificate": certificate
        }  # fmt: skip
        if wait:
            self.wait_for(lambda: self._connected(process), wait, f"SuperNode {name} connected")
        return process

    def start_site(
        self,
        name: str,
        file: Path,
        env: Mapping[str, str] | None = None,
        *,
        prefix: Sequence[str] = (),
        wait: float = 60,
    ) -> Process:
        """Start site ``name`` by ``cape-fed site FILE``, up to its "connected" (``wait=0``: at once)."""
        process = self._start(name, ["cape-fed", "site", str(file)], env=env, prefix=prefix)
        self.nodes[name] = process
        if wait:
            self.wait_for(lambda: self._connected(process), wait, f"site {name} connected")
        return process

    def _connected(self, process: Process) -> bool:
        if "SuperNode ID:" in process.output():
            return True
        if process.returncode is not None:
            raise DeploymentError(f"SuperNode {process.name} ended with {process.returncode}\n{self.tails()}")
        return False

    def node_id(self, name: str) -> int:
        """The node id that SuperNode ``name`` got from the SuperLink."""
        match = re.search(r"SuperNode ID: (\d+)", self.nodes[name].output())
        if match is None:
            raise DeploymentError(f"SuperNode {name} is not connected\n{self.tails()}")
        return int(match[1])

    def restart_superlink(self, *arguments: str, number: int = signal.SIGKILL, wait: float = 30) -> Process:
        """End the SuperLink with a signal and start it again with the same database, port and arguments."""
        self.kill_superlink(number)
        return self.start_superlink(*arguments, wait=wait)

    def restart_node(self, name: str, number: int = signal.SIGKILL, *, wait: float = 30) -> Process:
        """End SuperNode ``name`` with a signal and start it again as it was started."""
        self.kill_node(name, number)
        start = dict(self._starts[name])
        arguments = start.pop("arguments")
        return self.start_node(name, start.pop("site"), start.pop("env"), *arguments, wait=wait, **start)

    def _start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None, prefix: Sequence[str]
    ) -> Process:
        log = self.folder / "logs" / f"{name}.log"
        process = Process(name, [*prefix, *self._located(command)], log, cwd=self.work, env=self.env | dict(env or {}))
        self._started.append(process)
        return process

    # --- the command line -----------------------------------------------------------------------------------------

    def run_cli(
        self, command: Sequence[str], timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``flwr ...`` or ``cape-fed ...`` at the coordinator to its end; all it started dies with the timeout."""
        with subprocess.Popen(
            [*self.prefix, *self._located(command)],
            env=self.env | dict(env or {}),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as popen:
            try:
                output, errors = popen.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                output, errors = popen.communicate()
                text = f"{' '.join(command)} took over {timeout} s\n{output}{errors}\n{self.tails()}"
                raise DeploymentError(text) from None
        return subprocess.CompletedProcess(list(command), popen.returncode, output, errors)

    def start_cli(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, prefix: Sequence[str] | None = None
    ) -> Process:
        """Start ``flwr ...`` or ``cape-fed ...`` and return; ``.output()`` and ``.returncode`` tell how it goes."""
        self._cli += 1
        name = f"cli-{self._cli}-{Path(command[0]).name}"
        return self._start(name, command, env=env, prefix=self.prefix if prefix is None else prefix)

    def _located(self, command: Sequence[str]) -> list[str]:
        own = BIN / command[0]
        return [str(own) if own.exists() else command[0], *command[1:]]

    def submit(self, app: Path, run_config: str = "", timeout: float = 60) -> int:
        """``flwr run`` of an app folder; the run's id."""
        override = ["--run-config", run_config] if run_config else []
        done = self.run_cli(["flwr", "run", str(app), CONNECTION, "--format", "json", *override], timeout)
        answer = json.loads(done.stdout)
        if not answer.get("success"):
            raise DeploymentError(f"flwr run: {done.stdout}{done.stderr}\n{self.tails()}")
        return int(answer["run-id"])

    def status(self, run: int) -> str:
        """A run's status as ``flwr list`` gives it, such as ``finished:completed``."""
        done = self.run_cli(["flwr", "list", CONNECTION, "--run-id", str(run), "--format", "json"])
        return str(json.loads(done.stdout)["runs"][0]["status"])

    def wait_finished(self, run: int, seconds: float) -> str:
        """Wait until a run has finished; its status."""
        return self.wait_for(lambda: _finished(self.status(run)), seconds, f"run {run} finished", every=0.5)

    # --- processes and faults -------------------------------------------------------------------------------------

    def processes(self, owner: Process | None = None, command: str = "") -> list[Found]:
        """Living processes: all, those of one SuperLink or SuperNode, or those with ``command`` in their line."""
        return [found for found in processes((owner or self).marker) if command in found.command]

    def kill_superlink(self, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        """Signal the SuperLink, by default with its SuperExec and the ServerApp, and wait for its end."""
        self._running_link().kill(number, group=group, seconds=30)

    def kill_node(self, name: str, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        """Signal SuperNode ``name``, by default with its SuperExec and any ClientApp, and wait for its end."""
        self.nodes[name].kill(number, group=group, seconds=30)

    def kill_serverapp(self, number: int = signal.SIGKILL) -> list[int]:
        """Signal the running ServerApps; their process ids."""
        return signal_all(self._running_link().marker, number, "flwr-serverapp")

    def kill_clientapp(self, name: str, number: int = signal.SIGKILL) -> list[int]:
        """Signal site ``name``'s running ClientApps; their process ids."""
        return signal_all(self.nodes[name].marker, number, "flwr-clientapp")

    def _running_link(self) -> Process:
        if self.superlink is None:
            raise DeploymentError("no SuperLink was started")
        return self.superlink

    # --- waiting and logs -----------------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[[], T], seconds: float, what: str, *, every: float = 0.1) -> T:
        """Poll until ``predicate`` returns something true and return that; fail with the logs' tails after a time."""
        end = time.monotonic() + seconds
        while not (value := predicate()):
            if time.monotonic() > end:
                raise DeploymentError(f"waited {seconds:g} s for: {what}\n{self.tails()}")
            time.sleep(every)
        return value

    def logs(self) -> dict[str, Path]:
        """Every process's log file by its name."""
        return {path.stem: path for path in sorted((self.folder / "logs").glob("*.log"))}

    def tails(self, lines: int = 25) -> str:
        """The last lines of every log, for a message."""
        parts = []
        for name, path in self.logs().items():
            last = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {name}", *last]))
        return "\n".join(parts)


def _finished(status: str) -> str:
    return status if status.startswith("finished") else ""


def _toml(values: Mapping[str, Any]) -> str:
    """Flat strings, numbers and booleans as TOML, which shares JSON's notation for them."""
    lines = [
        f"{json.dumps(key)} = {json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in values.items()
    ]
    return "\n".join(lines) + "\n"


def unavailable() -> str | None:
    """Why the deployment engine cannot be tested here, or None."""
    if not sys.platform.startswith("linux"):
        return "processes are found by /proc"
    for program in ("flower-superlink", "flower-supernode", "flwr"):
        if shutil.which(program, path=str(BIN)) is None:
            return f"no {program} beside {sys.executable}"
    return None
