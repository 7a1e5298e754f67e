"""Where the site's pages come from: the repository, each in the place that it has there, so that links hold in both."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/RESULTS.md", "docs")
_STAGED = tempfile.TemporaryDirectory(prefix="cape-fed-docs-")
"""Removed when the build ends."""


def on_config(config: Any) -> Any:
    """Build from links to the pages: MkDocs takes them from one folder, which must not be the repository itself."""
    for page in PAGES:
        link = Path(_STAGED.name) / page
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT / page)
    config.docs_dir = _STAGED.name
    return config
