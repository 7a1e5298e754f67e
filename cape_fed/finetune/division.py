"""Which patients of a cohort train, which choose the classifier and which test it."""

from __future__ import annotations

from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.finetune.config import SplitBy
from cape_fed.pretrain.config import SplitConfig
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.seen import split_of_run
from cape_fed.store.split import Split, split_by_fold, split_patients
from cape_fed.store.store import Store

VALID_FOLD, TEST_FOLD = 9, 10
"""As PTB-XL recommends: every record of these two was validated by humans (Wagner et al. 2020)."""


def divide(
    bundle: Path | None, encoder: PretrainedEncoder, store: Store, by: SplitBy, config: SplitConfig
) -> tuple[Split, str]:
    """The split of a cohort to learn from, and how it was made, in words.

    No patient on whom the encoder was pretrained is tested; of one without a ``bundle`` these are not known. Raises
    InputError where the cohort cannot be split that way.
    """
    if bundle is not None and encoder.provenance.trained_as(store.cohort, store.meta.fingerprint):
        if by == "folds":
            raise InputError(
                f"{bundle} was pretrained on {store.cohort}, on patients of its test fold as well: leave "
                "finetune.split at auto, or pretrain without it"
            )
        split, how = split_of_run(bundle, encoder, store), "as in pretraining, which had this cohort"
    elif by == "folds" or (by == "auto" and store.folds is not None):
        split = split_by_fold(store, VALID_FOLD, TEST_FOLD)
        how = f"by the archive's folds: {VALID_FOLD} validation, {TEST_FOLD} test, the others train"
    else:
        split, how = split_patients(store, config.seed, config.fractions), "by patient, from the seed"
    for name in ("train", "valid"):
        if not len(getattr(split, name)):
            raise InputError(f"{store.path} has no {name} patients ({how}): change finetune.split or split.*")
    return split, how
