"""What a store holds, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.quality import Quality
from cape_fed.store.format import StoreFiles
from cape_fed.store.store import Store

LATE_SECONDS = 1.0


def summarise(store: Store) -> dict[str, Any]:
    """Counts, rates, labels, ages and sexes of a store as JSON values; no record name among them."""
    several = int((np.bincount(store.patients) > 1).sum())
    described = store.meta.model_dump(mode="json", exclude={"findings", "format_version"})
    return described | {
        "bytes": sum(path.stat().st_size for path in StoreFiles.of(store.path)),
        "patients_with_several": several,
        "padded": int((store.valid < store.profile.samples).sum()),
        "late": int(np.nansum(store.begins > LATE_SECONDS)),
        "age": _ages(store.label("age")),
        "sex": _binary(store.label("sex"), ("F", "M", "unknown")),
        "labels": {name: _binary(store.label(name)) for name in store.label_names},
        "quality": {
            str(flag.name): count for flag in Quality if (count := int(((store.quality & np.uint32(flag)) > 0).sum()))
        },
    }


def _binary(
    values: NDArray[np.float32], names: tuple[str, str, str] = ("positive", "negative", "not_annotated")
) -> dict[str, int]:
    counts = ((values == 1).sum(), (values == 0).sum(), np.isnan(values).sum())
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _ages(ages: NDArray[np.float32]) -> dict[str, float]:
    known = ages[np.isfinite(ages)]
    if not len(known):
        return {"known": 0}
    low, middle, high = np.percentile(known, (0, 50, 100))
    return {"known": len(known), "min": float(low), "median": float(middle), "max": float(high)}
