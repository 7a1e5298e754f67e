"""A federation whose coordinator and sites run from images, with the volumes that their compose files name."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.deployment.certificates import Certificates, make_certificates, make_key
from tests.deployment.hospitals import SETTINGS
from tests.deployment.host import Host
from tests.deployment.processes import Process
from tests.deployment.superlink import free_port
from tests.docker.buildah import Image, Images
from tests.docker.container import Container, read_service

DOCKER = Path(__file__).resolve().parents[2] / "docker"
CONNECTION = "hospitals"
STATE = "/var/lib/cape-fed"


@dataclass
class Federation:
    """A SuperLink and sites from images; ``cohorts`` holds a store for each site."""

    images: Images
    host: Host
    cohorts: Path
    coordinator_image: Image
    site_image: Image
    fleet_port: int | None = None
    """Where sites connect, if not to the SuperLink itself: a proxy's port."""
    certificates: Certificates = field(init=False)
    port: int = field(init=False)
    coordinator: Container = field(init=False)
    sites: dict[str, Container] = field(init=False, default_factory=dict)
    running: dict[str, Process] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.port = free_port()
        self.certificates = make_certificates(self.host.folder / "tls")
        _give(self.certificates.key)
        self.coordinator = self._coordinator()

    @property
    def state(self) -> Path:
        """The coordinator's volume."""
        return self.host.folder / "coordinator"

    def start_superlink(self) -> None:
        """Start the coordinator's container by its image's own command and wait until it calls itself healthy."""
        own = {"0.0.0.0": "127.0.0.1", "8000": str(self.port)}
        command = [own.get(word, word) for word in self.coordinator.image.command]
        self.running["superlink"] = self.host.start("superlink", self.coordinator.command(*command))
        self.host.wait_for(lambda: self.healthy(self.coordinator), 120, "a healthy SuperLink", every=1)

    def start_site(self, name: str) -> None:
        """Start a site's container; the first time its key is made and registered."""
        if name not in self.sites:
            self.sites[name] = self._site(name)
            public = self.state / f"{name}.pub"
            shutil.copy(self.host.folder / "keys" / f"{name}.pub", public)
            self.run("flwr", "supernode", "register", f"{STATE}/{name}.pub", CONNECTION, "--name", name)
        self.approve(name)
        process = self.running[name] = self.host.start(name, self.sites[name].command())
        self.host.wait_for(lambda: "SuperNode ID:" in process.output(), 120, f"site {name} connected", every=0.5)

    def approve(self, name: str) -> None:
        """Approve the app of the installed version, as a site's admin does from a container of its own."""
        site = self.sites[name]
        admin = Container(site.image, site.root, read_service(DOCKER / "site/compose.yaml", "admin"), site.places)
        arguments = ("site", "approve", "/etc/cape-fed/site.toml", "--same-as-installed")
        done = self.host.run_cli(admin.command(*arguments), 120)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *command: str, timeout: float = 300) -> str:
        """What a command says that is executed in the coordinator's container; AssertionError where it fails."""
        done = self.host.run_cli(self.coordinator.command(*command, entrypoint=False), timeout)
        assert done.returncode == 0, done.stdout + done.stderr + self.host.tails()
        return done.stdout

    def start_run(self, name: str, *overrides: str) -> Process:
        """Start a federation of all sites; its directory is ``runs/NAME`` of the coordinator's volume."""
        roster = "roster={" + ",".join(f"{site}: train" for site in self.sites) + "}"
        command = ["cape-fed", "run", CONNECTION, *SETTINGS, roster, f"out={STATE}/runs/{name}", *overrides]
        return self.host.start(f"run-{name}", self.coordinator.command(*command, entrypoint=False))

    def stop(self, name: str) -> int:
        """End a container as an engine does: SIGTERM to its first process, which has 30 s."""
        return self.running.pop(name).kill(15, group=False, seconds=30)

    def upgrade(self, coordinator: Image, site: Image) -> None:
        """Replace the images; volumes stay. Containers have to be stopped before."""
        self.coordinator_image, self.site_image = coordinator, site
        self.coordinator = self._coordinator()
        self.sites = {name: self._site(name) for name in self.sites}

    def healthy(self, container: Container) -> bool:
        """What the image's own health check says."""
        return self.host.run_cli(container.health(), 30).returncode == 0

    def _coordinator(self) -> Container:
        flower = self.host.folder / "flower.toml"
        flower.write_text((DOCKER / "coordinator/flower.toml").read_text().replace("8000", str(self.port)))
        service = read_service(DOCKER / "coordinator/compose.yaml", "superlink")
        tls = self.certificates
        places = {
            "./flower.toml": flower,
            "./tls/ca.crt": tls.ca,
            "./tls/server.pem": tls.certificate,
            "server.key": tls.key,
        }
        container = self._container(self.coordinator_image, service, places, self.state)
        (self.state / "flwr" / "config.toml").touch()
        container.environment["CAPE_FED_HEALTH"] = f"https://127.0.0.1:{self.port}/health"
        return container

    def _site(self, name: str) -> Container:
        key = self.host.folder / "keys" / name
        if not key.exists():
            _give(make_key(key.parent, name))
        settings, own_port = self.host.folder / f"{name}.toml", free_port()
        settings.write_text(
            f'name = "{name}"\nrole = "train"\nstate = "{STATE}/site"\ndevice = "cpu"\nthreads = 1\n'
            f'[stores]\nonly = "/srv/stores/{name}"\n[limits]\nmin_patients = 3\n'
            f'[superlink]\naddress = "127.0.0.1:{self.fleet_port or self.port}"\n'
            'certificate = "/etc/cape-fed/ca.crt"\nkey = "/run/secrets/site.key"\n'
        )
        store = self.cohorts / name
        for path in (self.cohorts, store, *store.rglob("*")):  # a store is its owner's alone
            _give(path)
        apps = self.host.folder / f"{name}.apps"
        apps.mkdir(exist_ok=True)
        _give(apps)
        places = {
            "./site.apps": apps,
            "${CAPE_FED_STORES:-./stores}": self.cohorts,
            "./site.toml": settings,
            "./ca.crt": self.certificates.ca,
            "site.key": key,
        }
        service = read_service(DOCKER / "site/compose.yaml", "site")
        container = self._container(self.site_image, service, places, self.host.folder / f"site-{name}")
        container.environment["CAPE_FED_LOCAL_PORT"] = str(own_port)
        container.environment["CAPE_FED_HEALTH"] = f"http://127.0.0.1:{own_port}/health"
        return container

    def _container(self, image: Image, service: dict[str, object], places: dict[str, Path], state: Path) -> Container:
        root = self.images.unpack(image)
        if not state.exists():  # a new volume is filled from the image
            shutil.copytree(root / STATE.lstrip("/"), state)
            for path in (state, *state.rglob("*")):
                _give(path)
        return Container(image, root, service, {**places, "state": state})


def _give(path: Path) -> None:
    """Make the user of the images the owner."""
    os.chown(path, 10001, 10001)
