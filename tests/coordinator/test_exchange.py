"""Questions to sites: every one gets an answer, if only the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict

from cape_fed.coordinator import exchange
from cape_fed.coordinator.exchange import Answer, Exchange, Question, Wait
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.roster import Member
from tests.coordinator.scripted import Script, ScriptedGrid


def content(number: float = 1.0) -> RecordDict:
    return RecordDict({"metrics": MetricRecord({"loss": number})})


def grid_of(**scripts: Script) -> tuple[ScriptedGrid, list[Question]]:
    grid = ScriptedGrid()
    questions = []
    for node, (name, script) in enumerate(scripts.items(), start=2):
        grid.add(node, name, script)
        questions.append(Question(Member(name, "train", node, {}), "train", content()))
    return grid, questions


def by_name(answers: dict[int, Answer]) -> dict[str, Answer]:
    return {answer.member.name: answer for answer in answers.values()}


def test_answers_come_by_name_whatever_the_order() -> None:
    grid, questions = grid_of(b=lambda message: content(2.0), a=lambda message: content(1.0))
    answers = by_name(Exchange(grid).ask(questions, "0", 5.0))
    assert list(answers) == ["a", "b"]
    for name, loss in (("a", 1.0), ("b", 2.0)):
        message = answers[name].message
        assert message is not None
        assert message.content.metric_records["metrics"]["loss"] == loss


def test_an_error_is_an_answer_in_words(caplog: pytest.LogCaptureFixture) -> None:
    grid, questions = grid_of(a=lambda message: int(SiteFailure.POLICY), b=lambda message: 8)
    answers = by_name(Exchange(grid).ask(questions, "3", 5.0))
    assert {name: answer.message for name, answer in answers.items()} == {"a": None, "b": None}
    assert answers["a"].reason == "does not do that by its own policy"
    assert answers["b"].reason == "lost the process that was working"
    assert "round 3: site a does not do that by its own policy" in caplog.text


def test_a_site_that_says_nothing_is_waited_for_until_the_deadline() -> None:
    grid, questions = grid_of(a=lambda message: content(), b=lambda message: None)
    answers = by_name(Exchange(grid).ask(questions, "0", 0.3))
    assert answers["a"].message is not None
    assert answers["b"].message is None
    assert answers["b"].reason == "did not answer within 0 s"


def test_a_message_that_is_not_taken_is_said() -> None:
    grid, questions = grid_of(a=lambda message: content(), b=lambda message: content())

    def push(messages: Iterable[Message]) -> list[str]:
        taken = list(ScriptedGrid.push_messages(grid, messages))
        return [taken[0], ""]

    grid.push_messages = push  # type: ignore[method-assign]
    answers = by_name(Exchange(grid).ask(questions, "0", 1.0))
    assert answers["a"].message is not None
    assert answers["b"].reason == "could not be sent a message"


def test_a_reply_that_cannot_be_read_is_the_sites_fault_and_ends_nothing() -> None:
    grid, questions = grid_of(a=lambda message: content(), b=lambda message: content())
    pull = grid.pull_messages

    def broken(message_ids: Iterable[str]) -> Iterable[Message]:
        (number,) = message_ids
        if number == "m1":
            raise ValueError("not a message")
        return pull([number])

    grid.pull_messages = broken  # type: ignore[method-assign]
    answers = by_name(Exchange(grid).ask(questions, "0", 5.0))
    assert answers["a"].message is not None
    assert answers["b"].reason == "sent a reply that cannot be read"


def test_the_end_of_the_run_ends_the_wait() -> None:
    grid, questions = grid_of(a=lambda message: content())

    def ended(message_ids: Iterable[str]) -> Iterable[Message]:
        raise SystemExit(1)

    grid.pull_messages = ended  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        Exchange(grid).ask(questions, "0", 5.0)


def test_progress_is_told_and_bytes_are_counted_once() -> None:
    seen: list[Wait] = []
    text = RecordDict({"site": ConfigRecord({"json": "x" * 100})})
    grid, questions = grid_of(a=lambda message: text)
    exchange = Exchange(grid, seen.append)
    exchange.ask(questions, "0", 5.0)
    assert seen[-1] == Wait(answered=1, asked=1, awaited=[], silent=[])
    assert exchange.take_bytes() == {"bytes_down": 0, "bytes_up": 100}
    assert exchange.take_bytes() == {"bytes_down": 0, "bytes_up": 0}


def test_nothing_is_asked_of_nobody() -> None:
    assert Exchange(ScriptedGrid()).ask([], "0", 5.0) == {}


def test_looking_for_replies_leaves_time_for_the_sites() -> None:
    assert exchange._pause(0.0, 0.0) < 0.01
    assert exchange._pause(0.2, 0.05) == pytest.approx(0.15)
    assert exchange._pause(4.0, 0.01) == pytest.approx(0.2, rel=0.01)
    assert exchange._pause(100.0, 0.0) == exchange.LONGEST_PAUSE
    assert exchange._pause(1.0, 1.0) == pytest.approx(3.0)
