"""Pauses that grow with the time in which nothing happens."""

from __future__ import annotations

from cape_fed.site.pace import Pace


def test_a_pause_is_a_twentieth_of_the_quiet_time_within_its_bounds() -> None:
    now = [100.0]
    pace = Pace(0.1, 4.0, lambda: now[0])
    pauses = []
    for now[0] in (100.0, 101.0, 110.0, 140.0, 1e6):
        pauses.append(pace.pause())
    assert pauses == [0.1, 0.1, 0.5, 2.0, 4.0]
    pace.happened()
    assert pace.pause() == 0.1


def test_looks_add_little_to_a_round_of_any_length() -> None:
    """Whenever a message comes, the look that finds it is at most a twentieth of the quiet time, or 0.1 s, away."""
    now = [0.0]
    pace = Pace(0.1, 4.0, lambda: now[0])
    while now[0] < 600:
        before = now[0]
        now[0] += pace.pause()
        assert now[0] - before <= max(0.1, before / 20) + 1e-9
