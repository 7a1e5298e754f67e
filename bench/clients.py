"""Clients of ``cape-fed serve``, in a process of their own: ``python -m bench.clients ADDRESS CLIENTS SECONDS``.

Each asks for one recording after the other. Prints latencies in seconds and the CPU time of this process, as JSON.
"""

from __future__ import annotations

import json
import sys
from threading import Thread
from time import perf_counter, process_time

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as triton

FS, SECONDS = 500, 10
WARM = 1.0
"""Seconds before the first latency that counts."""


def recordings(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (count, 12, FS * SECONDS)).astype(np.float32)


def request() -> bytes:
    """One recording of ten seconds at 500 Hz."""
    signal = recordings(1)
    made = triton.ModelInferRequest(model_name="ecg-encoder", raw_input_contents=[signal.tobytes()])
    made.parameters["fs"].int64_param = FS
    made.inputs.add(name="ecg", datatype="FP32", shape=signal.shape)
    content: bytes = made.SerializeToString()
    return content


def load(address: str, clients: int, seconds: float) -> dict[str, object]:
    content, cpu = request(), process_time()
    latencies, answered = [list[float]() for _ in range(clients)], [0] * clients
    begin = perf_counter()
    end = begin + WARM + seconds

    def ask(number: int) -> None:
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while (sent := perf_counter()) < end:
                infer(content, timeout=60)
                answered[number] += 1
                if sent > begin + WARM and perf_counter() <= end:
                    latencies[number].append(perf_counter() - sent)

    threads = [Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "latencies": [one for own in latencies for one in own],
        "answered": sum(answered),
        "cpu": process_time() - cpu,
    }


if __name__ == "__main__":
    print(json.dumps(load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
