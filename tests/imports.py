"""Which modules of this project a module imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def imports_of(package: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a module below ``package`` and a module of ``cape_fed`` that it imports, wherever in its file."""
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cape_fed"):
                yield module, str(node.module)
            elif isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names if alias.name.startswith("cape_fed"))
