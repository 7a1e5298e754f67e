from __future__ import annotations

from cape_fed.serving.options import Limits, usual_processes
from cape_fed.serving.tally import BOUNDS, Tally, summed


def test_servers_are_counted_as_one() -> None:
    first, second = Tally(), Tally()
    first.add("cape_fed_serving_records_total", 3)
    first.add_request("OK", 100, 0.02)
    second.add("cape_fed_serving_records_total", 4)
    second.add_request("OK", 10, 20.0)
    second.add_request("CANCELLED", 1, 0.001)
    together = summed([first.counts(2, True), second.counts(5, False)])
    assert together.totals == {
        ("cape_fed_serving_records_total", ()): 7,
        ("cape_fed_serving_requests_total", ("OK",)): 2,
        ("cape_fed_serving_requests_total", ("CANCELLED",)): 1,
        ("cape_fed_serving_received_bytes_total", ()): 111,
    }
    assert together.latencies == tuple(int(place in (2, len(BOUNDS))) for place in range(len(BOUNDS) + 1))
    assert together.latency_sum == 20.02
    assert (together.held, together.is_ready) == (7, False)
    assert summed([first.counts(2, True)]) == first.counts(2, True)


def test_a_core_has_a_process_up_to_four_and_each_twice_its_share_of_threads() -> None:
    processes = {cores: usual_processes("cpu", cores) for cores in (1, 2, 4, 16)}
    assert processes == {1: 1, 2: 2, 4: 4, 16: 4}
    assert [Limits(threads=cores).of_one_among(count).threads for cores, count in processes.items()] == [1, 2, 2, 8]
    assert usual_processes("cuda", 16) == 1
