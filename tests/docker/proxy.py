"""The coordinator's nginx with the configuration of its compose file, on this machine's addresses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.deployment.certificates import Certificates
from tests.deployment.host import Host
from tests.deployment.superlink import free_port
from tests.docker.federation import DOCKER


def nginx() -> str | None:
    """The program, where it is installed."""
    return shutil.which("nginx", path=os.pathsep.join([os.defpath, "/usr/sbin", "/sbin"]))


def start_proxy(host: Host, certificates: Certificates, superlink: int) -> int:
    """Start nginx before the SuperLink at port ``superlink``; the port that it listens on."""
    port, scratch = free_port(), host.folder / "nginx"
    scratch.mkdir()
    text = (DOCKER / "coordinator/nginx.conf").read_text()
    for there, here in {
        "/tmp/": f"{scratch}/",
        "superlink:8000": f"127.0.0.1:{superlink}",
        "listen 8443": f"listen 127.0.0.1:{port}",
        "/etc/cape-fed/server.pem": str(certificates.certificate),
        "/etc/cape-fed/ca.crt": str(certificates.ca),
        "/run/secrets/server.key": str(certificates.key),
    }.items():
        assert there in text
        text = text.replace(there, here)
    file = Path(scratch / "nginx.conf")
    file.write_text(text)
    program = nginx()
    assert program
    # Workers of another user could not put bodies of requests into this folder.
    host.start("nginx", [program, "-c", str(file), "-e", "stderr", "-g", "daemon off; user root;"])
    host.wait_for((scratch / "nginx.pid").exists, 20, "nginx")
    return port
