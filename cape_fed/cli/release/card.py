"""``cape-fed release card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is to be given away.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="Directory that cape-fed evaluate wrote of this bundle.")
    ] = None,
    named: Annotated[list[str] | None, typer.Option(help="Site that agreed to be named; once for each.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, as it is to stand in the card.")] = None,
) -> None:
    """Complete a bundle's model card, and take out the names of sites that did not agree to stand in it.

    In the card and in config.json, sites that are not --named become SITE-1, SITE-2 and so on, and their cohorts
    cohort-1 and so on; a bundle does not get these names back. Evaluate and audit it first, by its cohorts' names.

    Example: cape-fed release card runs/fed/bundle --evaluation runs/fed-eval --named hospital-a --licence CC-BY-4.0
    """
    from cape_fed.errors import InputError
    from cape_fed.evaluate.collect import identify
    from cape_fed.evaluate.figures import figures_of
    from cape_fed.evaluate.results import read_results
    from cape_fed.release.bundle import amend_bundle
    from cape_fed.release.provenance import Provenance
    from cape_fed.release.withhold import withhold_names

    changes: dict[str, object] = {} if licence is None else {"licence": licence}
    if evaluation is not None:
        results = read_results(evaluation)
        if results.bundle.sha256 != identify(bundle).sha256:
            raise InputError(f"{evaluation} evaluated another encoder than that of {bundle}")
        changes["evaluation"] = figures_of(results)

    def amend(provenance: Provenance) -> Provenance:
        return withhold_names(provenance, named or []).model_copy(update=changes)

    amend_bundle(bundle, amend)
    print(bundle / "README.md")
