"""What a site notes of each message for its own metrics; none of it leaves the site."""

from __future__ import annotations

import os
from typing import Any

import torch
from flwr.app import Message

from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, Content, Request, content_bytes, read_request, source_hash
from cape_fed.monitoring.activity import ANSWERED, Activity, begin_work, note
from cape_fed.site.config import SiteConfig


class Notes:
    """Keeps the site's `Activity` up to date; in a simulation, whose run has all the numbers, it keeps none."""

    def __init__(self, site: SiteConfig, action: str, message: Message) -> None:
        self.site = site
        self.action = action
        self.down = content_bytes(message.content) if message.has_content() else 0
        self.request = _request(message)
        self._held: int | None = None

    @property
    def about(self) -> dict[str, Any]:
        """Run and round that the message names, for lines of the log."""
        return {"run": self.request.run, "round": self.request.round} if self.request else {}

    def begin(self) -> None:
        """Work on the message begins."""
        if self.site.own_process:
            self._held = begin_work(self.site.state, self.action)

    def answered(self, reply: Message) -> None:
        """The message has a reply."""
        if self.site.own_process:
            self._end_work(ANSWERED, reply)

    def failed(self, failure: SiteFailure) -> None:
        """The message is answered with a code."""
        if self.site.own_process:
            self._end_work(failure.name.lower(), None)

    def _end_work(self, outcome: str, reply: Message | None) -> None:
        note(self.site.state, lambda activity: self._end(activity, outcome, reply))
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _end(self, activity: Activity, outcome: str, reply: Message | None) -> None:
        activity.end(self.action, outcome)
        activity.source = source_hash()
        activity.bytes_down += self.down
        activity.gpu_peak_bytes = _gpu_peak()
        if self.request is not None:
            activity.run, activity.round = self.request.run, self.request.round
        if reply is not None:
            activity.bytes_up += content_bytes(reply.content)
            if self.action == "train" and self.request is not None:
                _note_training(activity, self.request, reply.content)


def _note_training(activity: Activity, request: Request, content: Content) -> None:
    numbers: dict[str, Any] = dict(content.metric_records.get(METRICS, {}))
    samples = 2 * request.local_steps * request.config.train.pairs
    activity.samples += samples
    seconds = numbers.get("seconds")
    activity.loss, activity.epsilon = numbers.get("loss"), numbers.get("epsilon")
    activity.samples_per_second = samples / seconds if seconds else None


def _gpu_peak() -> int | None:
    """Most memory that PyTorch held on a GPU since the process began; None where it has not used one."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return max(torch.cuda.max_memory_allocated(number) for number in range(torch.cuda.device_count()))


def _request(message: Message) -> Request | None:
    """The request of a message; None where there is none that can be read."""
    try:
        return read_request(message)
    except (ValueError, KeyError, InputError):
        return None
