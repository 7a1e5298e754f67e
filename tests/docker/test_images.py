"""Images are built offline from a wheelhouse, and a federation of their containers gives the simulation's weights."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.hospitals import simulate, write_cohorts
from tests.deployment.host import Host
from tests.deployment.outcome import encoder_of, rounds, rounds_done, same
from tests.docker.buildah import Image
from tests.docker.conftest import Built
from tests.docker.container import Container, read_service
from tests.docker.federation import DOCKER, Federation
from tests.docker.proxy import nginx, start_proxy

ROOT = DOCKER.parent
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]
QUICK = ["federation.evaluate=false", "federation.measure_every=99", "federation.quorum=1.0"]


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohorts(tmp_path_factory.mktemp("cohorts"))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "host")
    try:
        yield host
    finally:
        host.close()


@pytest.mark.parametrize("name", ["coordinator", "site"])
def test_an_image_holds_what_it_needs_and_no_tools(built: Built, host: Host, tmp_path: Path, name: str) -> None:
    image: Image = getattr(built, name)
    assert image.user == "10001:10001"
    assert image.health[0] == "CMD"
    assert image.labels["org.opencontainers.image.title"] == f"cape-fed-{name}"
    assert image.labels["org.opencontainers.image.version"] == "0.1.0"
    print(f"{name}: {image.size / 1e9:.2f} GB")
    assert image.size < 2e9
    root = built.images.unpack(image)
    tools = ("pip", "pip3", "uv", "gcc", "cc", "ld", "make", "git", "curl", "wget")
    found = [
        tool
        for tool in tools
        for folder in ("bin", "opt/cape-fed/bin", "usr/local/bin")
        if (root / folder / tool).exists()
    ]
    assert found == []
    shell = Container(
        image, root, {**read_service(DOCKER / "site/compose.yaml", "site"), "volumes": [], "secrets": []}, {}
    )
    script = "id -u; for place in / /etc /opt/cape-fed /srv; do touch $place/x 2>/dev/null && echo $place; done"
    script += "; grep Cap /proc/self/status"
    done = host.run_cli(shell.command("sh", "-c", script, entrypoint=False))
    user, *lines = done.stdout.split("\n")
    assert user == "10001", done.stderr
    assert [line.split()[1] for line in lines if line] == ["0" * 16] * 5
    modules = "import pip"
    assert host.run_cli(shell.command("python", "-c", modules, entrypoint=False)).returncode == 1


def test_the_bill_of_an_image_names_every_distribution_in_it(built: Built, host: Host) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    root = built.images.unpack(built.site)
    text = (root / "usr/share/doc/cape-fed/sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {plain(entry["name"]): entry["version"] for entry in json.loads(text)["components"]}
    code = "import sys; from importlib.metadata import distributions as found\n"
    code += (
        "for one in found(path=[path for path in sys.path if 'site-packages' in path]): print(one.name, one.version)"
    )
    container = Container(
        built.site, root, {**read_service(DOCKER / "site/compose.yaml", "site"), "volumes": [], "secrets": []}, {}
    )
    done = host.run_cli(container.command("python", "-c", code, entrypoint=False))
    installed = {plain(name): version for name, version in map(str.split, done.stdout.splitlines())}
    assert installed.pop("cape-fed") == "0.1.0", done.stderr
    assert installed == listed
    assert all(entry["externalReferences"][0]["hashes"] for entry in json.loads(text)["components"])


def test_a_wheel_that_was_exchanged_is_not_installed(built: Built, tmp_path: Path) -> None:
    folder = built.context / "wheelhouse/dependencies"
    copy = tmp_path / "wheels"
    shutil.copytree(folder, copy, copy_function=lambda source, target: Path(target).hardlink_to(source))
    (wheel,) = copy.glob("idna-*.whl")
    content = wheel.read_bytes()
    wheel.unlink()
    wheel.write_bytes(content + b"\0")
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    assert subprocess.run(command, cwd=copy, check=False, capture_output=True).returncode == 1
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", str(copy), "--no-deps"]
    lines = [line for line in (copy / "requirements.txt").read_text().splitlines() if line.startswith("idna")]
    (tmp_path / "one.txt").write_text("\n".join(lines))
    done = subprocess.run(
        [*pip, "--require-hashes", "--ignore-installed", "-r", str(tmp_path / "one.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_a_federation_of_containers_gives_the_weights_of_the_simulation(
    built: Built, host: Host, cohorts: Path, tmp_path: Path
) -> None:
    federation = Federation(built.images, host, cohorts, built.coordinator, built.site)
    federation.start_superlink()
    if nginx():
        federation.fleet_port = start_proxy(host, federation.certificates, federation.port)
    for name in "ab":
        federation.start_site(name)
    run = federation.start_run("first", *QUICK, "federation.rounds=2")
    host.wait_for(lambda: run.returncode is not None, 300, "the end of the run", every=0.5)
    assert run.returncode == 0, run.output()
    expected = simulate(cohorts, tmp_path / "simulated", *QUICK, "federation.rounds=2", "data.evaluate=[]")
    assert same(encoder_of(federation.state / "runs/first"), expected)
    assert all(federation.healthy(container) for container in (federation.coordinator, *federation.sites.values()))
    if federation.fleet_port:
        statuses = {
            path: status(federation, path) for path in ("/", "/health", "/v1/control/list-runs", "/v1/runtime/x")
        }
        assert set(statuses.values()) == {403}, statuses
        assert status(federation, "/v1/fleet/../control/list-runs") == 403
        assert status(federation, "/v1/fleet/%2e%2e/control/list-runs") == 403
    for name in ("a", "b", "superlink"):
        federation.stop(name)
    assert leftovers(host.folder) == []
    assert not federation.healthy(federation.coordinator)


def test_a_federation_whose_images_are_exchanged_goes_on_with_the_same_weights(
    built: Built, host: Host, cohorts: Path, tmp_path: Path
) -> None:
    federation = Federation(built.images, host, cohorts, built.coordinator, built.site)
    federation.start_superlink()
    for name in "ab":
        federation.start_site(name)
    out = federation.state / "runs/second"
    run = federation.start_run("second", *QUICK, "federation.rounds=4")
    host.wait_for(lambda: rounds_done(out) >= 1, 300, "a round", every=0.2)
    for name in ("a", "b", "superlink"):
        federation.stop(name)
    host.wait_for(lambda: run.returncode is not None, 60, "the end of the command")
    assert run.returncode in (3, 4)  # it said that it was stopped, unless its container was gone at once
    done = rounds_done(out)
    assert done < 4
    write_newer_package(built.context / "wheelhouse/package", tmp_path / "newer")
    federation.upgrade(
        built.images.build(built.context, "coordinator", "localhost/coordinator:2"),
        built.images.build(built.context, "site", "localhost/site:2"),
    )
    federation.start_superlink()
    for name in "ab":
        federation.start_site(name)
    code = "from importlib.metadata import version; print(version('cape-fed'))"
    assert federation.run("python", "-c", code).strip() == "0.1.1"
    federation.run("cape-fed", "run", "--resume", "/var/lib/cape-fed/runs/second")
    expected = simulate(cohorts, tmp_path / "simulated", *QUICK, "federation.rounds=4", "data.evaluate=[]")
    assert same(encoder_of(out), expected)
    assert [line["round"] for line in rounds(out)] == [0, 1, 2, 3]
    assert leftovers(host.folder) == []


def write_newer_package(folder: Path, scratch: Path) -> None:
    """Put the wheel of a version 0.1.1, which computes what 0.1.0 does, into the place of the package's."""
    for name in ("cape_fed", "server", "client", "configs"):
        shutil.copytree(ROOT / name, scratch / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, scratch / name)
    project = (ROOT / "pyproject.toml").read_text()
    assert 'version = "0.1.0"' in project
    (scratch / "pyproject.toml").write_text(project.replace('version = "0.1.0"', 'version = "0.1.1"'))
    shutil.rmtree(folder)
    make = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(scratch)]
    subprocess.run(make, check=True, capture_output=True)
    sys.path.insert(0, str(DOCKER))
    try:
        from wheelhouse import write_package_list  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(DOCKER))
    write_package_list(next(folder.glob("*.whl")))


def status(federation: Federation, path: str) -> int:
    """What the proxy answers to a POST without credentials."""
    tls = ssl.create_default_context(cafile=str(federation.certificates.ca))
    request = urllib.request.Request(f"https://127.0.0.1:{federation.fleet_port}{path}", data=b"{}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20, context=tls) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def leftovers(folder: Path) -> list[Path]:
    """Files that somebody had begun to write and did not finish."""
    return sorted(folder.rglob("*.partial"))


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
