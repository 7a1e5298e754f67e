"""What can be asked for under differential privacy, and what it would void."""

from __future__ import annotations

from collections.abc import Iterator

from cape_fed.errors import InputError
from cape_fed.federation.config import FederationConfig
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.config import PrivacyConfig


def check_private_run(
    privacy: PrivacyConfig, pretraining: PretrainConfig, federation: FederationConfig | None = None
) -> None:
    """InputError with the first reason why a private run cannot be as it is asked for; ``federation`` if it is one."""
    if not privacy.on:
        return
    reasons = [*training_objections(pretraining)]
    if federation is not None:
        reasons += [*method_objections(federation.strategy), *_evaluation_objections(federation)]
    if reasons:
        raise InputError(f"privacy=patient: {reasons[0]}")


def training_objections(config: PretrainConfig) -> Iterator[str]:
    """What in the configuration of a learner does not go with private steps."""
    if config.norm == "batch":
        yield "norm=batch mixes patients and keeps statistics of them, which noise does not reach: take norm=group"
    if config.batching != "idb":
        yield f"batching={config.batching} mixes cohorts, and a block has patients of one: take batching=idb"
    if config.positives == "patient":
        yield "positives=patient has no use for patients with one record, whose slots are public: take positives=both"


def method_objections(name: str) -> Iterator[str]:
    """What in a federated method does not go with private steps."""
    from cape_fed.methods.registry import method_class  # imports Flower, which central runs do without

    method = method_class(name)
    if method.sends:
        yield (
            f"federation.strategy={name} sends {', '.join(sorted(method.sends))} with the weights, made from gradients "
            "without noise: take another strategy, such as fedavg"
        )
    if method.keeps_statistics:
        yield f"federation.strategy={name} is for statistics of patients at the sites: take another, such as fedavg"


def _evaluation_objections(federation: FederationConfig) -> Iterator[str]:
    if federation.evaluate:
        yield (
            "an evaluation at the sites needs exact sums over training patients, and so does the choice of the best "
            "round: set federation.evaluate=false; the last round is kept"
        )
    if federation.measure_every:
        yield "monitors are computed from patients without noise: set federation.measure_every=0"
