"""Triton's client, which others wrote, embeds by the server what the encoder embeds itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from tests.serving.running import MODEL, VERSION, Running, ecg, embed, running, tensor

TOLERANCE = 2e-6
"""Largest difference from `encoder.embed`, absolute, at embeddings of size 1: other batches sum in another order."""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Running) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.address)


def close(found: Any, expected: Any) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_the_server_says_what_it_is(client: triton.InferenceServerClient, server: Running) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, VERSION)
    assert client.get_server_metadata().name == "cape-fed"
    metadata = client.get_model_metadata(MODEL)
    assert list(metadata.versions) == [VERSION]
    assert {tensor.name: list(tensor.shape) for tensor in metadata.inputs} == {"ecg": [-1, 12, -1], "fs": [1]}
    assert list(metadata.outputs[0].shape) == [-1, server.encoder.dim]


def test_one_and_many_records(client: triton.InferenceServerClient, server: Running) -> None:
    for records in (1, 5):
        close(embed(client, ecg(records)), server.encoder.embed(ecg(records), 500))


@pytest.mark.parametrize(
    ("fs", "datatype"), [(500, np.float32), (500, np.float64), (257, np.int32), (333.33, np.float64), (500, np.int64)]
)
def test_the_rate_may_be_an_input(
    client: triton.InferenceServerClient, server: Running, fs: float, datatype: type[np.generic]
) -> None:
    name = {np.float32: "FP32", np.float64: "FP64", np.int32: "INT32", np.int64: "INT64"}[datatype]
    inputs = [tensor("ecg", ecg(2), "FP32"), tensor("fs", np.array([fs], datatype), name)]
    close(client.infer(MODEL, inputs).as_numpy("embedding"), server.encoder.embed(ecg(2), fs))


def test_leads_by_name_in_any_order(client: triton.InferenceServerClient, server: Running) -> None:
    names = ["V6", "V5", "V4", "V3", "V2", "V1", "aVF", "aVL", "aVR", "III", "II", "I"]
    expected = server.encoder.embed(ecg()[:, ::-1], 500)
    close(embed(client, ecg(), parameters={"fs": 500, "leads": ", ".join(names)}), expected)
    inputs = [tensor("ecg", ecg(), "FP32"), tensor("leads", np.array(names, object), "BYTES")]
    close(client.infer(MODEL, inputs, parameters={"fs": 500}).as_numpy("embedding"), expected)


def test_missing_leads_are_masked_on_request_alone(client: triton.InferenceServerClient, server: Running) -> None:
    asked = {"fs": 500, "leads": "I,II,V2"}
    with pytest.raises(InferenceServerException, match="V1, V3"):
        embed(client, ecg()[:, :3], parameters=asked)
    expected = server.encoder.embed(ecg()[:, :3], 500, leads=["I", "II", "V2"], missing="mask")
    close(embed(client, ecg()[:, :3], parameters={**asked, "missing": "mask"}), expected)


def test_many_clients_at_once_each_get_their_own_embeddings(server: Running) -> None:
    """Recordings of several lengths, rates and sizes of request; they share batches."""
    before = server.count("cape_fed_serving_batches_total")
    asked = [(1 + index % 3, (10, 7, 10, 4)[index % 4], (500, 500, 250, 100)[index % 4], index) for index in range(48)]

    def ask(part: list[tuple[int, int, int, int]]) -> list[Any]:
        client = triton.InferenceServerClient(server.address)
        return [embed(client, ecg(*one), one[2]) for one in part]

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, [asked[index::12] for index in range(12)]))
    for index in range(12):
        for one, answer in zip(asked[index::12], answers[index], strict=True):
            close(answer, server.encoder.embed(ecg(*one), one[2]))
    assert server.count("cape_fed_serving_batches_total") - before < len(asked)


def test_the_answer_has_the_id_of_its_request_and_the_version(client: triton.InferenceServerClient) -> None:
    answer = client.infer(MODEL, [tensor("ecg", ecg(), "FP32")], request_id="abc", parameters={"fs": 500})
    assert (answer.get_response().id, answer.get_response().model_version) == ("abc", VERSION)


def test_errors_of_the_encoder_reach_the_client(client: triton.InferenceServerClient) -> None:
    broken = ecg(3)
    broken[1] = np.nan
    with pytest.raises(InferenceServerException, match="record 1 has no finite sample") as error:
        embed(client, broken)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
