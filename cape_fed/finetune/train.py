"""One classifier from its labels, as the validation patients choose it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.errors import RunError
from cape_fed.evaluate.cohorts import Rows
from cape_fed.finetune.classifier import Classifier, parameter_groups
from cape_fed.finetune.config import Mode
from cape_fed.finetune.labelled import Labelled, batches
from cape_fed.finetune.linear import solve_linear
from cape_fed.finetune.objective import Objective
from cape_fed.finetune.setup import FinetuneSettings
from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import TrainConfig
from cape_fed.pretrain.stages.optimiser import learning_rate
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.seeds import derive_seed
from cape_fed.signal.profile import Profile
from cape_fed.store.store import Store

_SHAPE = TrainConfig(learning_rate=1.0, warmup=0.1)
"""A rise over the first tenth, then a cosine to 0: shares of each layer's rate."""


@dataclass(frozen=True)
class Choice:
    """What the validation patients chose, and how well it did on them."""

    learning_rate: float | None
    """None where the linear layer was solved for, as for ``step``."""
    step: int | None
    score: float
    """Of the objective; NaN where it is not defined there."""
    loss: float
    rank: float
    """The score turned so that higher is better."""
    penalties: list[float | None] = field(default_factory=list)
    """Of each task's linear layer where that was solved for; None where the targets of a task do not vary."""

    def better_than(self, other: Choice) -> bool:
        """By the score and, of equal ones or where there is none, the loss."""
        return (self.rank, -self.loss) > (other.rank, -other.loss)


def fit(
    classifier: Classifier,
    mode: Mode,
    train: Labelled,
    valid: Labelled,
    objective: Objective,
    profile: Profile,
    settings: FinetuneSettings,
    seed: int,
) -> Choice:
    """Fit the classifier and leave it as the validation patients choose, and only they.

    ``linear`` solves for the layer on embeddings of whole recordings (see `solve_linear`). The other modes train with
    each learning rate in turn and take the best moment of all, the first of equals; views (as in pretraining,
    ``settings.augment``), objective and number of steps are the same in each. A rate at which the loss stops being
    finite is left there; RunError where that is all of them.
    """
    embeddings = _embed_all(classifier, profile, train)
    classifier.standardise(torch.from_numpy(embeddings).to(classifier.centre.device))
    classifier.aim(objective.centre, objective.unit)
    if mode != "linear":

        def moments(rate: float) -> Iterator[Choice]:
            for step in _train(classifier, mode, rate, train, objective, profile, settings, seed):
                yield replace(_validate(classifier, valid, profile, objective), learning_rate=rate, step=step)

        return _leave_at_the_best(classifier, map(moments, settings.finetune.learning_rates))
    held_out = _embed_all(classifier, profile, valid)
    penalties = settings.finetune.penalties
    chosen = solve_linear(classifier, train, valid, (embeddings, held_out), objective, penalties)
    return replace(_validate(classifier, valid, profile, objective), penalties=chosen)


def _leave_at_the_best(classifier: Classifier, attempts: Iterable[Iterator[Choice]]) -> Choice:
    """Go through the moments of each attempt from the same beginning, and leave the classifier as it was at the best.

    An attempt ends at the first moment whose loss is not finite; RunError where there is no other in any.
    """
    begin = deepcopy(classifier.state_dict())
    best: tuple[Choice, dict[str, Tensor]] | None = None
    for moments in attempts:
        classifier.load_state_dict(begin)
        for found in moments:
            if not isfinite(found.loss):
                break
            if best is None or found.better_than(best[0]):
                best = found, deepcopy(classifier.state_dict())
    if best is None:
        raise RunError("the loss is not finite at any learning rate: lower finetune.learning_rates")
    classifier.load_state_dict(best[1])
    return best[0]


def predict(classifier: Classifier, profile: Profile, store: Store, rows: Rows) -> NDArray[np.float64]:
    """Outputs ``[n, tasks]`` for whole recordings, not for views."""
    embeddings = torch.from_numpy(embed(classifier, profile, store, rows)).to(classifier.centre.device)
    with torch.no_grad():
        return classifier.outputs(embeddings).double().cpu().numpy()


def embed(classifier: Classifier, profile: Profile, store: Store, rows: Rows) -> NDArray[np.float32]:
    """Embeddings ``[n, dim]`` of some of a store's rows; leaves the encoder in evaluation mode."""
    return embed_store(PretrainedEncoder(classifier.encoder, profile), store, rows)


def _embed_all(classifier: Classifier, profile: Profile, records: Labelled) -> NDArray[np.float32]:
    """Embeddings ``[n, dim]`` of records in their order."""
    return np.concatenate([embed(classifier, profile, store, rows) for store, rows in records.by_store()])


def _train(
    classifier: Classifier,
    mode: Mode,
    rate: float,
    train: Labelled,
    objective: Objective,
    profile: Profile,
    settings: FinetuneSettings,
    seed: int,
) -> Iterator[int]:
    """Take all steps, stopping after those at which the classifier is validated; yields their number so far."""
    options = settings.finetune
    groups = parameter_groups(classifier, mode, rate, options.layer_decay)
    optimiser = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    shares = [group["lr"] for group in optimiser.param_groups]
    augmentation = Augmentation(settings.augment, profile.fs)
    steps = options.steps_for(len(train))
    for step, index in enumerate(batches(len(train), options.batch, steps, seed)):
        for group, share in zip(optimiser.param_groups, shares, strict=True):
            group["lr"] = share * learning_rate(_SHAPE, step, steps)
        classifier.train()
        optimiser.zero_grad(set_to_none=True)
        loss = _loss(classifier, train.take(index), objective, augmentation, settings, derive_seed(seed, "views", step))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        done = step + 1
        if done % options.check_every == 0 or done == steps:
            yield done


def _loss(
    classifier: Classifier,
    records: Labelled,
    objective: Objective,
    augmentation: Augmentation,
    settings: FinetuneSettings,
    seed: int,
) -> Tensor:
    device = classifier.centre.device
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    signals, valid = (torch.from_numpy(part).to(device) for part in records.signals())
    target = torch.from_numpy(records.targets).to(device)
    ecg, valid = augmentation(signals, valid, generator)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
        outputs = classifier(ecg, valid)
    return objective.loss(outputs.float(), target)


def _validate(classifier: Classifier, valid: Labelled, profile: Profile, objective: Objective) -> Choice:
    """How the classifier does on the validation patients."""
    outputs = np.concatenate([predict(classifier, profile, store, rows) for store, rows in valid.by_store()])
    loss = objective.loss(torch.from_numpy(outputs), torch.from_numpy(valid.targets).double())
    score = objective.score(valid.targets, outputs)
    return Choice(None, None, score, float(loss), objective.rank(score))
