"""What a SuperLink says of a site's key, asked in Flower's own protocol.

An activation with a heartbeat interval that nobody may have is refused in one way for a key that is registered and in
another for one that is not, and changes nothing. `tests/deployment/test_check.py` holds this against the installed
Flower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest
from flwr.supercore.constant import VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from cape_fed.site.config import SuperLinkAccess

NO_INTERVAL = 0.0
"""Seconds between heartbeats that a SuperLink refuses."""
SHORT_INTERVAL = 10.0
"""The shortest that it takes: a node that is not deactivated is taken for gone after two of them."""


class FleetRefusalError(Exception):
    """The SuperLink, or the proxy in front of it, refused a request."""

    def __init__(self, status: int, code: int | None, said: str) -> None:
        super().__init__(said)
        self.status = status
        """HTTP status."""
        self.code = code
        """Flower's own code, None where the answer is not Flower's."""


class Fleet:
    """A site's way to the part of a SuperLink that sites may reach."""

    def __init__(self, access: SuperLinkAccess, key: ec.EllipticCurvePrivateKey) -> None:
        self._public = public_key_to_bytes(key.public_key())
        self._versions = _Versions()
        self._open: Callable[[], FleetHttpClient] = lambda: FleetHttpClient.from_server_address(
            access.address,
            insecure=False,
            root_certificates=str(access.certificate),
            interceptors=[
                self._versions,
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(key, key.public_key()),
            ],
        )

    @property
    def version_trouble(self) -> str:
        """What the SuperLink said of this site's version of Flower, empty where it said nothing."""
        return self._versions.trouble

    def is_registered(self) -> bool:
        """Whether the key is registered; FleetRefusalError where the answer says neither. Changes nothing."""
        try:
            self._activate(NO_INTERVAL)
        except FleetRefusalError as error:
            if error.code == ApiErrorCode.FLEET_INVALID_HEARTBEAT_INTERVAL:
                return True
            if error.code == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED:
                return False
            raise
        return True  # a Flower that takes the interval has activated the node; it is taken for gone at once

    def is_free(self) -> bool:
        """Whether no process is online with the key, which is registered: comes online and leaves at once."""
        try:
            node = self._activate(SHORT_INTERVAL)
        except FleetRefusalError as error:
            if error.code == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED:
                return False
            raise
        self._ask(lambda client: client.DeactivateNode(DeactivateNodeRequest(node_id=node)))
        return True

    def _activate(self, interval: float) -> int:
        request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=interval)
        return int(self._ask(lambda client: client.ActivateNode(request)).node_id)

    def _ask(self, question: Callable[[FleetHttpClient], Any]) -> Any:
        try:
            with self._open() as client:
                return question(client)
        except httpx.HTTPStatusError as error:
            answer = FlowerError.from_json(error.response.text)
            code = None if answer is None else answer.code
            raise FleetRefusalError(error.response.status_code, code, str(error)) from error
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error


class _Versions:
    """Keeps what a SuperLink says of versions in the head of its answers."""

    trouble = ""

    def intercept(
        self, context: ProtobufRequestContext, call_next: Callable[[ProtobufRequestContext], httpx.Response]
    ) -> httpx.Response:
        response = call_next(context)
        self.trouble = response.headers.get(VERSION_INCOMPATIBILITY_MESSAGE_METADATA_KEY, "")
        return response
