"""Images that are built once for all tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.buildah import Image, Images, unavailable
from tests.docker.federation import DOCKER


@dataclass(frozen=True)
class Built:
    """Images of coordinator and site, and what they were built from."""

    images: Images
    context: Path
    coordinator: Image
    site: Image


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    if reason := unavailable():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("images")
    context = folder / "context"
    shutil.copytree(DOCKER, context / "docker")
    images = Images(folder / "store")
    try:
        with ThreadPoolExecutor() as pool:
            base = pool.submit(images.make_base)
            make_wheelhouse(context / "wheelhouse")
            base.result()
        coordinator = images.build(context, "coordinator", "localhost/coordinator:1")
        yield Built(images, context, coordinator, images.build(context, "site", "localhost/site:1"))
    finally:
        images.close()
        shutil.rmtree(context, ignore_errors=True)


def make_wheelhouse(out: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DOCKER / "wheelhouse.py"), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
