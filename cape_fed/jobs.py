"""Whole jobs on stores and run directories: what a command does once its configuration is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import yaml

from cape_fed.checkpoints import run_steps
from cape_fed.config import RunConfig, flat_paths
from cape_fed.coordinator.protection import protection_of
from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.collect import identify
from cape_fed.evaluate.federated.central import Sites
from cape_fed.evaluate.foreign.embed import embed_foreign, try_foreign
from cape_fed.evaluate.foreign.load import load_foreign, load_one
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.results import BundleInfo, ForeignInfo, Results
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.files import atomic_file
from cape_fed.finetune.division import divide
from cape_fed.finetune.foreign import adapt_foreign
from cape_fed.finetune.results import FinetuneResults
from cape_fed.finetune.run import finetune_cohorts
from cape_fed.finetune.setup import FinetuneSettings, FinetuneSetup
from cape_fed.finetune.tasks import usable_tasks
from cape_fed.methods.private import check_private_run
from cape_fed.pretrain.central import CENTRAL, pretrain
from cape_fed.pretrain.cohorts import Cohort, open_cohorts, open_stores, split_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.distributed import join_processes, leave_processes
from cape_fed.pretrain.encoder import EncoderConfig
from cape_fed.pretrain.heads import load_heads, project
from cape_fed.pretrain.workbench import check_batches
from cape_fed.privacy.central import CentralAccount
from cape_fed.privacy.rounding import count_roughly
from cape_fed.progress import Progress
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.embed import check_profile, embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.seen import check_same_split, check_unseen, split_of_run
from cape_fed.release.start import load_start
from cape_fed.release.untrained import untrained
from cape_fed.rundir import RunDirectory, read_metrics
from cape_fed.store.composition import compose
from cape_fed.store.counts import count_store
from cape_fed.store.split import Split, split_patients
from cape_fed.store.store import Store

log = logging.getLogger(__name__)

RANDOM_INIT = "random-init"


def pretrain_centrally(config: RunConfig, progress: Progress, splits: Mapping[str, Split] | None = None) -> None:
    """Central pretraining into the run directory ``config.out``, in one process or in those of a torchrun group.

    ``splits`` by cohort name take the place of those that the configuration would make.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    paths = flat_paths(config.data.train)
    check_private_run(config.privacy, config.pretraining)
    stores = open_stores(paths)
    if not config.privacy.on:
        check_batches(stores, config.pretraining, splits)
    device = choose_device(config.device)
    start = load_start(config.start, config.encoder_config)
    if start is not None:
        start.check_profile(stores[0].profile, str(stores[0].path))
        start.check_unseen({store.cohort: count_store(store) for store in stores if config.privacy.on})
    processes = join_processes(device)
    run = RunDirectory(config.out)
    try:
        if config.norm == "batch" and processes.world > 1:
            raise InputError("norm=batch keeps statistics of its own in every process: use norm=group under torchrun")
        if config.privacy.on and processes.world > 1:
            raise InputError("privacy=patient trains in one process: start it without torchrun")
        if config.train.pairs % processes.world:
            raise InputError(f"train.pairs={config.train.pairs} cannot be shared by {processes.world} processes")
        with run.open(config.saved(), resume=config.resume) if processes.is_first else nullcontext():
            if processes.is_first:
                open_cohorts(paths, config.split, run.splits, splits)
            processes.wait()
            cohorts = open_cohorts(paths, config.split, run.splits)
            account = _enter_steps(config, run, cohorts) if config.privacy.on else None
            bench = pretrain(
                config.pretraining,
                cohorts,
                run,
                device,
                processes,
                resume=config.resume,
                progress=progress,
                source=account.source if account else None,
                start=start.tensors if start else None,
            )
            if processes.is_first:
                count = count_roughly if config.privacy.on else count_store
                counts = {cohort.name: count(cohort.store) for cohort in cohorts}
                who = {} if config.privacy.on else {cohort.name: compose(cohort.store) for cohort in cohorts}
                provenance = config.provenance(f"central {config.batching}", counts).model_copy(
                    update={
                        "composition": who,
                        "privacy": protection_of(config.privacy, {CENTRAL: account.numbers()}) if account else None,
                        "started_from": start.provenance if start else None,
                    }
                )
                write_bundle(run.bundle, bench.learner.encoder, cohorts[0].store.profile, provenance)
    finally:
        leave_processes()


def _enter_steps(config: RunConfig, run: RunDirectory, cohorts: Sequence[Cohort]) -> CentralAccount:
    """The account of a private run, with all steps that are left entered: from the oldest checkpoint, if resumed."""
    account = CentralAccount(run.path, cohorts, config.pretraining, config.privacy)
    done = run_steps(run.checkpoints).numbers()[:1] if config.resume else []
    account.enter(config.train.steps - (done[0] if done else 0))
    return account


def evaluate(bundle: Path | None, config: RunConfig) -> Results:
    """Evaluate a bundle in and out of distribution into ``config.out``; baselines: a random encoder, demographics.

    Encoders of ``config.encoder`` stand beside it. Without a bundle the first of them is evaluated, the cohorts being
    ID or OOD as ``config.data`` says. InputError before anything is written where one of them cannot be had.
    """
    inputs = _foreign_inputs(config) if bundle is None else _bundle_inputs(bundle, config)
    inputs.check_names()
    for loaded in inputs.foreign.values():
        try_foreign(loaded, inputs.train[0])
    run = RunDirectory(config.out)
    with run.logging():
        for loaded in inputs.foreign.values():
            log.info("%s: it is not known on which patients it was trained", loaded.called)
        results = evaluate_bundle(inputs, config.out)
    with atomic_file(run.path / "evaluation.yaml") as partial_file:
        partial_file.write_text(yaml.safe_dump(config.saved(), sort_keys=False))
    return results


def _bundle_inputs(bundle: Path, config: RunConfig) -> EvaluationInputs:
    device = choose_device(config.device)
    encoder = load_encoder(bundle, str(device))
    train, others = _open_data(config)
    _check_roles(bundle, encoder, train, others)
    name_of = dict(zip(flat_paths(config.data.train), (store.cohort for store in train), strict=True))
    beside = RunDirectory(bundle.parent)
    return EvaluationInputs(
        bundle=bundle,
        method=config.method or encoder.provenance.method,
        embed=partial(embed_store, encoder),
        train=train,
        evaluate=others,
        baselines={RANDOM_INIT: untrained(encoder.encoder.config, config.seed, encoder.profile, device)},
        foreign=load_foreign(config.encoder or {}),
        splits={store.cohort: split_of_run(bundle, encoder, store) for store in (*train, *others)},
        heads={place: partial(project, head) for place, head in load_heads(beside).items()},
        curves=read_metrics(beside.metrics),
        sites=Sites(
            [[name_of[path] for path in paths] for paths in config.data.train],
            encoder.provenance.config.get("seed", config.seed),
        ),
        handmade=config.handmade,
        options=config.evaluation,
    )


def _foreign_inputs(config: RunConfig) -> EvaluationInputs:
    first, *beside = _require_encoder(config)
    name = config.method or first
    if name in beside:
        raise InputError(f"the method cannot be called '{name}': another encoder= has that name, give another")
    foreign = load_foreign(_require_encoder(config))
    train, others = _open_data(config)
    return EvaluationInputs(
        bundle=None,
        method=name,
        embed=partial(embed_foreign, foreign[first]),
        train=train,
        evaluate=others,
        baselines={
            RANDOM_INIT: untrained(config.encoder_config, config.seed, train[0].profile, choose_device(config.device))
        },
        foreign={(name if key == first else key): loaded for key, loaded in foreign.items()},
        splits=split_stores([*train, *others], config.split),
        handmade=config.handmade,
        options=config.evaluation,
    )


def finetune(bundle: Path | None, config: RunConfig, progress: Progress) -> FinetuneResults:
    """Fine-tune an encoder on ``data.train``, test it there and on ``data.evaluate``, into ``config.out``.

    The encoder is that of a bundle or, without one, that of ``config.encoder``.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    source = _foreign_source(config) if bundle is None else _bundle_source(bundle, config, str(device))
    encoder, train, others = source.encoder, source.train, source.others
    for store in (*train, *others):
        check_profile(encoder, store)
    if bundle is not None:
        check_unseen(bundle, encoder, others)
        check_same_split(bundle, encoder, train)
    divided = {store.cohort: divide(bundle, encoder, store, config.finetune.split, config.split) for store in train}
    divided |= {store.cohort: (split_patients(store, config.split.seed), "all tested") for store in others}
    splits = {name: split for name, (split, _) in divided.items()}
    cohorts = make_cohorts(train, others, splits, task_names([*train, *others]))
    tasks = usable_tasks(cohorts, config.finetune.target, config.evaluation.min_patients)
    settings = FinetuneSettings(config.finetune, config.evaluation, config.augment, config.precision, config.seed)
    method = config.method or encoder.provenance.method
    return finetune_cohorts(
        FinetuneSetup(encoder, method, cohorts, tasks, settings, device, source.scratch, source.foreign),
        source.identity,
        {name: how for name, (_, how) in divided.items()},
        RunDirectory(config.out),
        config.saved(),
        resume=config.resume,
        progress=progress,
    )


class _Source(NamedTuple):
    """What is fine-tuned, on which stores."""

    encoder: PretrainedEncoder
    identity: BundleInfo
    scratch: EncoderConfig
    foreign: ForeignInfo | None
    train: list[Store]
    others: list[Store]


def _bundle_source(bundle: Path, config: RunConfig, device: str) -> _Source:
    if config.encoder:
        raise InputError("finetune takes one encoder: a bundle, or encoder=package.module:factory in its place")
    encoder = load_encoder(bundle, device)
    return _Source(encoder, identify(bundle), encoder.encoder.config, None, *_open_data(config))


def _foreign_source(config: RunConfig) -> _Source:
    (name, factory), *more = _require_encoder(config).items()
    if more:
        raise InputError(f"encoder= names {1 + len(more)} encoders: finetune takes one at a time")
    if config.finetune.save:
        raise InputError("finetune.save=true: a bundle holds no encoder of somebody else's; leave it out")
    loaded = load_one(name, factory)
    train, others = _open_data(config)
    encoder = adapt_foreign(loaded, train[0], config.finetune.modes)
    return _Source(encoder, BundleInfo(name=factory), config.encoder_config, loaded.info, train, others)


def _require_encoder(config: RunConfig) -> dict[str, str]:
    if not config.encoder:
        raise InputError("no encoder is named: give a bundle, or encoder=package.module:factory")
    return config.encoder


def _open_data(config: RunConfig) -> tuple[list[Store], list[Store]]:
    """The stores of ``data.train`` and of ``data.evaluate``."""
    others = flat_paths(config.data.evaluate)
    return open_stores(flat_paths(config.data.train)), open_stores(others) if others else []


def _check_roles(bundle: Path, encoder: PretrainedEncoder, train: Sequence[Store], others: Sequence[Store]) -> None:
    """ID is what the encoder was trained on, OOD what it was not, whatever the command says; InputError otherwise."""
    check_unseen(bundle, encoder, others)
    check_same_split(bundle, encoder, train)
    strange = [
        store.cohort for store in train if not encoder.provenance.trained_as(store.cohort, store.meta.fingerprint)
    ]
    if strange:
        raise InputError(f"{bundle} was not trained on {', '.join(strange)}: not ID, name it in data.evaluate")
