"""A search tries the reference first, keeps to its file, gives weak recipes up and can be interrupted."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.search.config import Range, SearchConfig
from cape_fed.search.results import SearchResults
from cape_fed.search.run import run_search
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals
from tests.search.conftest import Score

FEW = ("split.valid=0.2", "evaluation.min_patients=1")
"""With which small stores have patients enough for a score."""

Scored = Callable[[Score], list[RunConfig]]


def valley(config: RunConfig) -> float:
    """Best at a temperature of 0.1, a crop of 0.3 and large batches; a little better in world 8."""
    distance = abs(math.log10(config.objective.temperature) + 1)
    return 0.9 - 0.05 * distance - 0.02 * (config.augment.crop - 0.3) - 0.01 * (config.train.pairs == 8) + (
        0.01 * (config.seed == 8)
    )  # fmt: skip


def test_a_search_comes_near_the_best_recipe(scored: Scored, search: SearchConfig, tmp_path: Path) -> None:
    tried = scored(valley)
    results = run_search(search, [], tmp_path / "s", recipes=40)
    assert len(results.recipes) == 40
    best, reference = results.ranked[0], results.reference
    assert best.values["batch"] == "many"
    assert 0.05 < float(best.values["objective.temperature"]) < 0.2
    assert reference is not None
    assert reference.values == search.reference
    assert best.score > reference.score + 0.03
    assert tried[0].objective.temperature == 0.9
    assert SearchResults.model_validate_json((tmp_path / "s" / "results.json").read_text()) == results
    page = (tmp_path / "s" / "report.html").read_text()
    assert "40 recipes were tried in up to 2 worlds" in page
    assert " ".join(best.overrides) in page
    assert results.importance["objective.temperature"] == max(results.importance.values())


def test_recipes_are_trained_as_the_file_says(scored: Scored, search: SearchConfig, tmp_path: Path) -> None:
    tried = scored(valley)
    results = run_search(search, ["precision=bfloat16"], tmp_path / "s", recipes=12)
    told = Counter((*recipe.overrides, world) for recipe in results.recipes for world in (7, 8)[: len(recipe.worlds)])
    done = Counter(
        (f"train.pairs={config.train.pairs}", f"train.steps={config.train.steps}",
         f"objective.temperature={config.objective.temperature:.4g}", f"augment.crop={config.augment.crop:g}",
         config.seed)
        for config in tried
    )  # fmt: skip
    assert told == done
    assert all(config.precision == "bfloat16" and config.model == "tiny" for config in tried)
    assert {site[0].parent.name for config in tried for site in config.data.train} == {"0007", "0008"}
    assert all(len(config.data.train) == 4 and not config.data.evaluate for config in tried)


def test_what_is_below_the_median_in_its_first_world_is_given_up(
    scored: Scored, search: SearchConfig, tmp_path: Path
) -> None:
    scored(valley)
    results = run_search(search, [], tmp_path / "s", recipes=30)
    for index, recipe in enumerate(results.recipes):
        before = sorted(other.worlds[0] for other in results.recipes[:index] if other.ending == "complete")
        median = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2 if before else -math.inf
        if len(before) >= search.at_random:
            assert (recipe.ending == "given up") == (recipe.worlds[0] < median)
            assert len(recipe.worlds) == (1 if recipe.ending == "given up" else 2)
    assert sum(recipe.ending == "given up" for recipe in results.recipes) > 3


def test_an_easy_first_world_keeps_no_recipe_from_being_given_up_in_the_second(
    scored: Scored, search: SearchConfig, tmp_path: Path
) -> None:
    scored(lambda config: 0.99 if config.seed == 7 else valley(config))
    results = run_search(search.model_copy(update={"worlds": (7, 8, 9)}), [], tmp_path / "s", recipes=30)
    given_up = [recipe for recipe in results.recipes if recipe.ending == "given up"]
    assert {len(recipe.worlds) for recipe in given_up} == {2}
    for index, recipe in enumerate(results.recipes):
        before = [other.worlds[1] for other in results.recipes[:index] if other.ending == "complete"]
        if len(before) >= search.at_random:
            assert (recipe in given_up) == (recipe.worlds[1] < median(before))


def test_a_search_may_learn_from_its_first_recipe(scored: Scored, search: SearchConfig, tmp_path: Path) -> None:
    scored(valley)
    assert len(run_search(search.model_copy(update={"at_random": 1}), [], tmp_path / "s", recipes=6).recipes) == 6


def test_equal_scores_have_no_variance_to_explain(scored: Scored, search: SearchConfig, tmp_path: Path) -> None:
    scored(lambda config: 0.5)
    results = run_search(search, [], tmp_path / "s", recipes=6)
    assert results.importance == {}
    assert len(results.ranked) == 6


def test_an_interrupted_search_tries_again_what_was_lost(scored: Scored, search: SearchConfig, tmp_path: Path) -> None:
    def interrupted(config: RunConfig) -> float:
        if len(tried) == 8:
            raise KeyboardInterrupt
        return valley(config)

    tried = scored(interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(search, [], tmp_path / "s", recipes=12)
    lost = tried[-1]
    with pytest.raises(InputError, match="holds a run already"):
        run_search(search, [], tmp_path / "s", recipes=12)
    with pytest.raises(InputError):
        run_search(search, ["train.weight_decay=0.1"], tmp_path / "s", recipes=12, resume=True)
    again = scored(valley)
    results = run_search(search, [], tmp_path / "s", recipes=12, resume=True)
    assert len(results.recipes) == 12
    assert again[0].objective.temperature == lost.objective.temperature
    told = [tuple(recipe.overrides) for recipe in results.recipes]
    assert len(set(told)) == len(told)
    assert scored(valley) == []
    assert run_search(search, [], tmp_path / "s", recipes=12, resume=True) == results


def test_recipes_that_fail_are_told_and_do_not_stop_the_others(
    scored: Scored, search: SearchConfig, tmp_path: Path
) -> None:
    def some(config: RunConfig) -> float:
        if config.train.pairs == 16:
            raise RuntimeError("out of memory")
        return valley(config)

    scored(some)
    results = run_search(search, [], tmp_path / "s", recipes=16)
    failed = [recipe for recipe in results.recipes if recipe.ending == "failed"]
    assert failed
    assert {recipe.failure for recipe in failed} == {"out of memory"}
    assert {recipe.values["batch"] for recipe in results.ranked} == {"few"}
    assert "out of memory" in (tmp_path / "s" / "report.html").read_text()

    def none(config: RunConfig) -> float:
        raise RuntimeError("no label")

    scored(none)
    with pytest.raises(RunError, match="no recipe was tried in all worlds: no label"):
        run_search(search, [], tmp_path / "t", recipes=3)


def test_settings_that_do_not_go_together_are_a_failure_of_their_recipe(
    scored: Scored, search: SearchConfig, tmp_path: Path
) -> None:
    space = {"split.valid": ("0.1", "0.6"), "split.test": ("0.1", "0.6")}
    reference = {"split.valid": "0.1", "split.test": "0.1"}
    tried = scored(lambda config: 0.8 - config.split.valid)
    both = search.model_copy(update={"space": space, "reference": reference})
    results = run_search(both, ["train.pairs=8"], tmp_path / "s", recipes=12)
    failed = [recipe for recipe in results.recipes if recipe.ending == "failed"]
    assert {tuple(recipe.values.values()) for recipe in failed} == {("0.6", "0.6")}
    assert all("leave nobody to train on" in (recipe.failure or "") for recipe in failed)
    assert len(results.recipes) == 12
    assert tried


@pytest.mark.parametrize(
    ("overrides", "changes", "says"),
    [
        (["train.pairs=4"], {}, "train.pairs is what the search varies: leave train.pairs=4 out"),
        ([], {"settings": ("objective.temperature=0.1",)}, "objective.temperature is what the search varies"),
        (["train.paris=4"], {}, "train.paris"),
        (["seed=3"], {}, "the search's worlds are the seeds: leave seed=3 out"),
        ([], {"settings": ("seed=3",)}, "the search's worlds are the seeds: leave seed=3 out"),
        ([], {"space": {"seed": ("1", "2")}, "reference": {"seed": "1"}}, "seed is no part of a recipe"),
        ([], {"patients": 10}, "patients=10 leaves 7 to train on, and a batch has 8 pairs"),
        ([], {"patients": 90}, r"patients=90 leaves 36 to validate in 4 cohorts, and a task takes 20 \+ 20"),
        (
            [],
            {"space": {"train.pairs": Range(low=8, high=64)}, "reference": {"train.pairs": "8"}},
            r"train.pairs=42.61: train.pairs: .*; give the values of train.pairs as a list in place of a range",
        ),
        ([], {"space": {"model": ("tiny", "huge")}, "reference": {"model": "tiny"}}, "model=huge: .*huge"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_tried(
    scored: Scored, search: SearchConfig, tmp_path: Path, overrides: list[str], changes: dict[str, object], says: str
) -> None:
    tried = scored(valley)
    with pytest.raises(InputError, match=says):
        run_search(search.model_copy(update=changes), overrides, tmp_path / "s", recipes=3)
    assert not tried
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("in_file", [False, True])
def test_on_stores_recipes_are_tried_with_seeds(
    scored: Scored, search: SearchConfig, tiny_store: TinyStore, tmp_path: Path, in_file: bool
) -> None:
    for name in "ab":
        make_store(tiny_store, name, 40)
    stores = (tmp_path / "a", tmp_path / "b")
    tried = scored(valley)
    named = [f"data.train=[{stores[0]},{stores[1]}]", *FEW]
    if in_file:
        search = search.model_copy(update={"settings": (*search.settings, *named)})
    results = run_search(search, [] if in_file else named, tmp_path / "s", recipes=4)
    assert {tuple(site[0] for site in config.data.train) for config in tried} == {stores}
    assert {config.seed for config in tried} == {7, 8}
    assert results.reference is not None
    assert len(results.reference.worlds) == 2
    page = (tmp_path / "s" / "report.html").read_text()
    assert "4 recipes were tried in up to 2 seeds" in page
    assert "world" not in page
    assert not (tmp_path / "s" / "worlds").exists()
    shutil.rmtree(tmp_path / "b")
    make_store(tiny_store, "b", 41)
    with pytest.raises(InputError, match="stores differ"):
        run_search(search, [] if in_file else named, tmp_path / "s", recipes=5, resume=True)


@pytest.mark.parametrize(
    ("patients", "says"),
    [(20, "batch=many: cohort b has 12 training patients, train.pairs=16 needs more"), (0, "/b")],
)
def test_stores_that_do_not_do_are_told_before_anything_is_tried(
    scored: Scored, search: SearchConfig, tiny_store: TinyStore, tmp_path: Path, patients: int, says: str
) -> None:
    make_store(tiny_store, "a", 40)
    if patients:
        make_store(tiny_store, "b", patients)
    tried = scored(valley)
    with pytest.raises(InputError, match=says):
        run_search(search, [f"data.train=[{tmp_path}/a,{tmp_path}/b]", *FEW], tmp_path / "s", recipes=3)
    assert not tried
    assert not (tmp_path / "s").exists()


def test_stores_on_which_nothing_can_be_scored_are_told_before_anything_is_tried(
    scored: Scored, search: SearchConfig, tiny_store: TinyStore, tmp_path: Path
) -> None:
    make_store(tiny_store, "a", 40)
    tried = scored(valley)
    with pytest.raises(InputError, match=r"no task has 20 patients of either kind .* or lower evaluation.min_patients"):
        run_search(search, [f"data.train=[{tmp_path}/a]"], tmp_path / "s", recipes=3)
    assert not tried
    assert not (tmp_path / "s").exists()


def make_store(tiny_store: TinyStore, name: str, patients: int) -> None:
    signals, owner = patient_signals(patients=patients, seed=ord(name))
    tiny_store(name, signals=signals, patient=[f"{name}{p}" for p in owner])
