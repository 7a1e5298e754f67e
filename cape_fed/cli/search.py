"""``cape-fed search``."""

from __future__ import annotations

from typing import Annotated

import typer

from cape_fed.cli.study import take_out


def search(
    name: Annotated[str, typer.Argument(help="recipe; or a YAML file.")],
    overrides: Annotated[list[str], typer.Argument(help="key=value for every recipe, and out=DIR.")],
    recipes: Annotated[int, typer.Option(min=1, help="Recipes to try, those of earlier calls included.")] = 40,
    workers: Annotated[int, typer.Option(min=1, help="Recipes tried at a time.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in out=DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Look for the settings of pretraining that do best on validation patients of the cohorts that train.

    Optuna proposes recipes, each is tried on stores of your own with several seeds, or in synthetic worlds where no
    data.train is given, and weak ones are given up early. Neither test patients nor hospitals outside training have a
    part in it. Writes results.json, recipes.svg and report.html to DIR.

    Example: cape-fed search recipe data.train=[stores/a,stores/b] out=searches/recipe --recipes 40 --workers 2
    """
    from cape_fed.cli.progress import progress_bar
    from cape_fed.extras import require

    require("search", "optuna", "cape-fed search")
    from cape_fed.search.config import read_search
    from cape_fed.search.run import run_search

    out, others = take_out(overrides)
    chosen = read_search(name)
    with progress_bar("recipes") as bar:
        results = run_search(
            chosen, others, out, recipes=recipes, workers=workers, resume=resume,
            progress=lambda done, total, _: bar.update(done, total),
        )  # fmt: skip
    if as_json:
        print(results.model_dump_json(indent=1))
    else:
        from cape_fed.cli.tables import print_search

        print_search(results, out)
