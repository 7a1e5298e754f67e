from __future__ import annotations

import pytest

from cape_fed.coordinator import parts
from cape_fed.coordinator.parts import Parts


def test_seconds_are_added_up_by_part_also_where_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 13.0, 20.0, 21.0])
    monkeypatch.setattr(parts, "perf_counter", lambda: next(clock))
    measured = Parts()
    with measured.of("sites"):
        pass
    with pytest.raises(ValueError, match="no"), measured.of("sites"):
        raise ValueError("no")
    with measured.of("save"):
        pass
    assert measured.take() == {"sites": 5.0, "save": 1.0}
    assert measured.take() == {}
