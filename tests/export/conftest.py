from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.helpers import write_tiny


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("export") / "bundle")
