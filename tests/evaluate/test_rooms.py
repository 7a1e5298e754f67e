"""Dependencies between the rooms of evaluation point one way, and out of evaluation downwards only."""

from __future__ import annotations

import pytest

from tests.imports import ROOT, imports_of

ORDER = (
    ("statistics",), ("targets",), ("cohorts", "options", "prediction", "results"), ("probes", "foreign"),
    ("handmade",), ("scoring",), ("artefact",), ("federated", "attacks"), ("files",), ("report",),
    ("inputs", "methods", "collect", "run", "compare", "figures"),
)  # fmt: skip
RANK = {room: number for number, rooms in enumerate(ORDER) for room in rooms}
ABOVE = {
    "evaluate": ("config", "compose", "jobs", "simulation", "cli", "finetune", "study", "federation"),
    "finetune": ("config", "compose", "jobs", "simulation", "cli", "study", "federation"),
    "study": ("cli",),
    "release": ("evaluate", "finetune", "study", "jobs"),
}


def test_a_room_imports_lower_rooms_only() -> None:
    seen = set()
    for module, imported in imports_of(ROOT / "cape_fed" / "evaluate"):
        parts, others = module.split("."), imported.split(".")
        if others[:2] == ["cape_fed", "evaluate"] and parts[2] != "__init__":
            assert RANK[others[2]] <= RANK[parts[2]], f"{module} imports {imported}"
            seen |= {parts[2], others[2]}
    assert seen == RANK.keys()


@pytest.mark.parametrize("package", ABOVE)
def test_nothing_above_a_package_is_imported_by_it(package: str) -> None:
    found = list(imports_of(ROOT / "cape_fed" / package))
    assert found
    for module, imported in found:
        assert imported.split(".")[1] not in ABOVE[package], f"{module} imports {imported}"
