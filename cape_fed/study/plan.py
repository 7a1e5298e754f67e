"""From a study's questions to its trials: every combination of level, panel and seed, each trained once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from pydantic import Field, ValidationError

from cape_fed.compose import compose_config, describe
from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.section import Section
from cape_fed.study.config import Question, StudyConfig, TrialKeys
from cape_fed.study.leave_out import LEFT_OUT, each_left_out, leave_out
from cape_fed.study.sites import Planted, Sites
from cape_fed.study.subsets import SubsetConfig
from cape_fed.study.worlds import World
from cape_fed.synthetic.planted import ALL, CONDITIONS

SEED, WORLD, PLANTED = "seed", "world", "planted"
WORLDS = "worlds"
"""Folder of the worlds that stand, in a study's directory."""
_APART = {"out", "device", "threads", "resume", "method", "engine", "roster", "finetune", "encoder", "handmade"}
"""Keys of the configuration that do not tell one trial from another."""

_FIXED = ("demographics", "handmade")
"""Kinds of pretraining that no seed changes."""


class Trial(Section):
    """One encoder of a study: how it is trained, on whom, and what it is measured on."""

    config: RunConfig
    keys: TrialKeys
    subset: SubsetConfig | None = None
    level: str | None = Field(default=None, description="the subset's level")
    artefacts: dict[str, Sites] = Field(default={}, description="cohorts on which each artefact is probed")

    @property
    def name(self) -> str:
        """Hash of everything that decides the outcome: equal for equal trials of different questions.

        The keys say which cohorts are made for a trial, and their paths only where: a study may be moved.
        """
        plain = self.model_dump(mode="json")
        plain["config"] = {key: value for key, value in plain["config"].items() if key not in _APART}
        if self.keys.world is not None or self.keys.planted is not None:
            del plain["config"]["data"]
            plain["artefacts"] = sorted(self.artefacts)
        if self.keys.world is None:  # keys that were added later leave the names of other trials as they were
            del plain["keys"]["world"], plain["keys"]["world_patients"]
        if self.keys.world_kind == "drawn":
            del plain["keys"]["world_kind"]
        if self.keys.left_out is None:
            del plain["keys"]["left_out"]
        return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class PlannedTrial:
    """Where a trial stands in the study."""

    question: str
    panel: str
    """Values of what the question is asked across, empty for nothing."""
    level: str
    seed: int
    """Of the training; in a world, its number."""
    trial: Trial

    @property
    def in_a_world(self) -> bool:
        """Whether its cohorts are drawn for it."""
        return self.trial.keys.world is not None

    @property
    def left_out(self) -> str | None:
        """The cohort that is left out of training, where the study leaves each out in turn."""
        return self.trial.keys.left_out

    @property
    def place(self) -> str:
        """The panel and the cohort left out, empty where there is neither."""
        return ", ".join(filter(None, (self.panel, self.left_out and f"{self.left_out} left out")))


def make_plan(study: StudyConfig, overrides: Sequence[str], out: Path, planted: Planted) -> list[PlannedTrial]:
    """Every trial of every question, in the order of the file; equal trials occur more than once, with one name.

    What is set later wins: the study's settings, the question's ``across``, ``overrides`` of the command line, the
    level. InputError in one line for keys or values that do not fit.
    """
    return [
        planned
        for name, question in study.questions.items()
        for level, own in _levels(question).items()
        for planned in _place(
            name, question, level, choices(study.settings, question.across, overrides, own), out, planted
        )
    ]


def choices(*groups: Sequence[str]) -> dict[str, list[str]]:
    """The values of every key as overrides, one value where it is not swept; a later group wins over earlier ones."""
    found: dict[str, list[str]] = {}
    try:
        for override in OverridesParser.create().parse_overrides([text for group in groups for text in group]):
            key = override.get_key_element()
            swept = override.is_sweep_override()
            values = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
            found[key] = [f"{key}={value}" for value in values]
    except HydraException as error:
        raise InputError(f"cannot read the study's settings: {' '.join(str(error).split())[:200]}") from error
    return found


def _levels(question: Question) -> dict[str, Sequence[str]]:
    levels: Mapping[str, Sequence[str]] = (
        dict.fromkeys(question.subset.levels, ()) if question.subset else question.levels
    )
    return {**levels, **question.beside}


def _place(
    name: str, question: Question, level: str, values: Mapping[str, Sequence[str]], out: Path, planted: Planted
) -> Iterator[PlannedTrial]:
    """One trial for each combination of what is swept; what is swept in addition to the seed makes the panels."""
    panels = [key for key, several in values.items() if len(several) > 1 and key not in (SEED, WORLD, LEFT_OUT)]
    if question.artefacts != "no" and (others := [key for key in panels if key != PLANTED]):
        raise InputError(f"question {name} looks for artefacts in one setting: give one value to {others[0]}")
    if SEED in values and WORLD in values:
        raise InputError("a world has one seed, its number: leave out seed=")
    combinations = (dict(zip(values, combination, strict=True)) for combination in product(*values.values()))
    for chosen in (one for combination in combinations for one in each_left_out(combination)):
        panel = ", ".join(_show(chosen[key]) for key in panels)
        own = {key: chosen.pop(key).partition("=")[2] for key in TrialKeys.model_fields if key in chosen}
        if WORLD in own:
            chosen[SEED] = f"{SEED}={own[WORLD]}"
        seed = int(chosen.get(SEED, "seed=0").partition("=")[2])
        trial = _make_trial(question, level, _trial_keys(own), list(chosen.values()), out, planted)
        yield PlannedTrial(name, panel, level, seed, trial)


def _show(override: str) -> str:
    """``norm group`` for ``norm=group``; of a study's own keys the value says enough."""
    key, _, value = override.partition("=")
    return value if key in TrialKeys.model_fields else f"{key.rpartition('.')[2]} {value}"


def _trial_keys(values: Mapping[str, str]) -> TrialKeys:
    try:
        return TrialKeys.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"study: {describe(error)}") from error


def _make_trial(
    question: Question, level: str, keys: TrialKeys, overrides: list[str], out: Path, planted: Planted
) -> Trial:
    config = _compose((*overrides, f"out={json.dumps(str(out))}"))
    artefacts: dict[str, Sites] = {}
    if keys.planted is not None:
        if keys.planted not in planted:
            raise InputError(f"no planted artefact '{keys.planted}': choose one of {', '.join(CONDITIONS)}")
        config = _with_stores(config, planted[keys.planted])
        artefacts = dict(planted) if keys.planted == ALL else {}
    if sum(key is not None for key in (keys.planted, keys.world, keys.left_out)) > 1:
        raise InputError("a trial has one source of cohorts: give only one of planted=, world= and left_out=")
    if keys.left_out is not None:
        config = _with_stores(config, leave_out(config.data, keys.left_out))
    if (world := world_of(keys, out)) is not None:
        config = _with_stores(config, world.sites)
    if len(config.data.train) < 1 or any(len(site) > 1 for site in config.data.train):
        raise InputError("a study needs data.train=[STORE,...], every store being a site of its own")
    if keys.pretraining in _FIXED and keys.world is None:
        config = config.model_copy(update={"seed": 0})
    subset, chosen = None, None
    if question.subset is not None and level in question.subset.levels:
        if keys.world is not None:
            raise InputError("subsets are drawn from stores that are there: give data.train= in place of world=")
        if keys.patients is None:
            raise InputError("a study of subsets needs patients=N: how many train each encoder")
        subset, chosen = question.subset.of(keys.patients), level
    return Trial(config=config, keys=keys, subset=subset, level=chosen, artefacts=artefacts)


@lru_cache(maxsize=4096)
def _compose(overrides: tuple[str, ...]) -> RunConfig:
    """The configuration of overrides, of which the trials that differ in a study's own keys have the same."""
    return compose_config(overrides)


def _with_stores(config: RunConfig, sites: Sites) -> RunConfig:
    data = {"train": [[path] for path in sites.train], "evaluate": [[path] for path in sites.evaluate]}
    return RunConfig.model_validate({**config.model_dump(), "data": data})


def world_of(keys: TrialKeys, out: Path) -> World | None:
    """The world of a trial in the study at ``out``; None where it has stores of its own."""
    if keys.world is None:
        return None
    kind = "" if keys.world_kind == "drawn" else f"-{keys.world_kind}"
    place = f"{keys.world:04d}-{keys.world_patients}-patients{kind}"
    return World(keys.world, keys.world_patients, out / WORLDS / place, keys.world_kind)


def plain_plan(study: StudyConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """What decides the plan, for the study's ``config.yaml``."""
    return {"study": study.model_dump(mode="json"), "overrides": sorted(overrides)}
