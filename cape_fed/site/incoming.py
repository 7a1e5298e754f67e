"""What a message brings to a site: its request and its encoder, checked as the coordinator checks replies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from flwr.app import Message
from torch import Tensor

from cape_fed.errors import InputError
from cape_fed.federation.messages import Content, Request, read_request
from cape_fed.federation.tensors import ENCODER, euclidean_norm, to_arrays
from cape_fed.federation.validation import RefusedError, read_tensors
from cape_fed.methods.registry import AnyMethod, make_method
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.norm import is_statistic

MAX_NORM = 100.0
"""Largest norm of an encoder that a site takes, in norms of one with new weights: no training gets there."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that is to be worked on."""

    request: Request
    encoder: dict[str, Tensor]
    method: AnyMethod
    content: Content
    """All records of the message, for those that only some messages have."""


def open_request(message: Message) -> Request:
    """The request of a message; RefusedError where it asks for what this version does not know.

    ValueError or KeyError where the message is none that can be read.
    """
    try:
        return read_request(message)
    except InputError as error:
        raise RefusedError("request", str(error)) from error


def open_message(message: Message, request: Request) -> Incoming:
    """The encoder and the method that a message brings; RefusedError where they cannot be used."""
    new = build_encoder(request.config.encoder_config).state_dict()
    arrays = read_tensors(message.content, ENCODER, new)
    if euclidean_norm(arrays) > MAX_NORM * euclidean_norm(to_arrays(new)):
        raise RefusedError("norm", f"the norm of the encoder is over {MAX_NORM:g} times that of a new one")
    encoder = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    parameters = {name: value for name, value in encoder.items() if not is_statistic(name)}
    try:
        method = make_method(request.method, request.options, parameters)
    except InputError as error:
        raise RefusedError("method", str(error)) from error
    return Incoming(request, encoder, method, message.content)
