"""Images built and unpacked by Debian's buildah, where no container engine runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = "localhost/base"
NEEDED = ("buildah", "debootstrap", "unshare", "chroot", "mount")


def unavailable() -> str | None:
    """Why images cannot be built and run on this machine, or None."""
    if missing := [program for program in NEEDED if shutil.which(program) is None]:
        return f"images are built with Debian's buildah and debootstrap; missing: {', '.join(missing)}"
    if os.getuid() != 0:
        return "only root can build a base image with debootstrap and mount what an image holds"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "this machine gives no mount namespaces"
    return None


@dataclass(frozen=True)
class Image:
    """An image, and how a container of it starts."""

    name: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    user: str
    folder: str
    health: tuple[str, ...]
    labels: dict[str, str]
    size: int
    """Bytes of its own and of all layers below."""


class Images:
    """A storage of images in ``folder``, apart from any other of the machine's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        driver = "overlay" if _can_overlay(folder) else "vfs"
        settings = folder / "storage.conf"
        settings.write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
        )
        self._env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}
        self._containers: list[str] = []

    def make_base(self, suite: str = "bookworm") -> None:
        """An image of Debian with Python and nothing else, as ``localhost/base``."""
        root = self.folder / "base"
        _run(["debootstrap", "--variant=minbase", "--include=python3", suite, str(root)], os.environ)
        for leftover in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(root / leftover, ignore_errors=True)
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, str(root), "/")
        self._buildah("commit", "--quiet", container, BASE)
        self._buildah("rm", container)
        shutil.rmtree(root)

    def build(self, context: Path, target: str, name: str) -> Image:
        """Build a target of ``docker/Dockerfile``, without a network, from a context with a ``wheelhouse``."""
        options = ["--layers", "--format", "docker", "--network", "none", "--build-arg", f"BASE={BASE}"]
        self._buildah(
            "bud", *options, "--target", target, "--tag", name, "-f", str(context / "docker/Dockerfile"), str(context)
        )
        return self.describe(name)

    def describe(self, name: str) -> Image:
        """How a container of an image starts."""
        found = json.loads(self._buildah("inspect", "--type", "image", name))["Docker"]
        config: Mapping[str, Any] = found["config"]
        sizes = json.loads(self._buildah("images", "--json", name))[0]["size"]
        return Image(
            name,
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
            dict(item.split("=", 1) for item in config["Env"]),
            config["User"],
            config["WorkingDir"],
            tuple((config.get("Healthcheck") or {}).get("Test", ())),
            dict(config.get("Labels") or {}),
            _bytes(sizes),
        )

    def unpack(self, image: Image) -> Path:
        """Where the files of a new container of an image are."""
        container = self._buildah("from", "--pull-never", image.name)
        self._containers.append(container)
        return Path(self._buildah("mount", container))

    def close(self) -> None:
        """Remove all images and containers."""
        if (self.folder / "storage").exists():
            self._buildah("rm", "--all")
            self._buildah("rmi", "--all", "--force")
        for path in reversed([line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]):
            if path.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", path], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _buildah(self, *arguments: str) -> str:
        return _run(["buildah", *arguments], self._env).strip()


def _run(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def _can_overlay(folder: Path) -> bool:
    """Whether layers can be stacked here instead of being copied."""
    lower, upper, work, merged = (folder / name for name in ("lower", "upper", "work", "merged"))
    for path in (lower, upper, work, merged):
        path.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    script = f"mount -t overlay overlay -o {options} {merged}"
    return subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False).returncode == 0


def _bytes(text: str | int) -> int:
    """Bytes of a size such as ``1.76 GB``."""
    if isinstance(text, int):
        return text
    number, unit = text.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
