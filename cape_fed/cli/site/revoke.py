"""``cape-fed site revoke``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def revoke(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    app: Annotated[str, typer.Argument(help="The hash of an approved app, or at least its first 8 digits.")],
) -> None:
    """Run an app no more; a run of it that is under way is refused from its next message on.

    Example: cape-fed site revoke /etc/cape-fed/site.toml 3f9a1c0d22e4
    """
    from cape_fed.site.approvals import Approvals
    from cape_fed.site.node import read_site

    entry = Approvals(read_site(file)).revoke(app)
    print(f"revoked: {entry.hash}")
