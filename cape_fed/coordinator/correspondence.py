"""What a run asks its sites, and which of their replies count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, TypeVar

from flwr.app import Message, MessageType
from torch import Tensor

from cape_fed.coordinator.checkpoint import RunState
from cape_fed.coordinator.exchange import Answer, Exchange, Question
from cape_fed.coordinator.membership import Membership
from cape_fed.coordinator.quorum import below_quorum
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.failures import FAILING, SiteFailure, failure_name
from cape_fed.federation.messages import Request, read_numbers, request_content
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import Member, members_with
from cape_fed.federation.tensors import euclidean_norm, to_arrays
from cape_fed.federation.update import Update
from cape_fed.federation.validation import RefusedError, check_reply, check_update
from cape_fed.methods.registry import AnyMethod
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.release.provenance import Participation

log = logging.getLogger(__name__)

Checked = TypeVar("Checked")


class Correspondence:
    """Asks the members of a run; a reply that does not count is a refusal in the site's standing."""

    def __init__(
        self, plan: FederationPlan, method: AnyMethod, state: RunState, exchange: Exchange, membership: Membership
    ) -> None:
        self.plan = plan
        self.federation = plan.federation
        self.method = method
        self.state = state
        self.exchange = exchange
        self.membership = membership
        self.saved_round = state.facts.rounds_done
        """The earliest round that a resumed run would begin with: sites keep what they need from there on."""
        self._trouble: list[dict[str, str]] = []

    def members(self, role: str | None = None) -> list[Member]:
        """Members that are there and in good standing, by name."""
        barred = self.state.facts.standing.barred
        there = [member for member in self.membership.online() if member.name not in barred]
        return [member for member in there if role in (None, member.role)]

    def trainers(self) -> set[str]:
        """Names of all training sites, there or not: what a quorum is a share of."""
        entries = self.membership.entries
        if entries is not None:
            return {name for name, entry in entries.items() if entry.role == "train"}
        there = {member.name for member in members_with(self.membership.members.values(), "train")}
        return there | self.state.facts.patients.keys()

    def lacking(self, counted: Iterable[str], among: Collection[str] | None = None) -> str | None:
        """What the ``counted`` training sites lack of a quorum, in words; None where the quorum is met.

        The quorum is a share of the sites in ``among``, by default of all training sites.
        """
        asked = self.trainers() if among is None else among
        facts = self.state.facts
        # A quarantined site is missing as a site; what it said of its patients does not count any more.
        patients = {name: number for name, number in facts.patients.items() if name not in facts.standing.quarantined}
        return below_quorum(self.federation, set(counted) & set(asked), asked, patients)

    def refresh(self) -> None:
        """See who is there, and remember what a resumed run has to know of them."""
        self.membership.refresh()
        facts = self.state.facts
        while self.membership.admitted:
            facts.standing.renew(self.membership.admitted.pop(0))
        trainers = members_with(self.membership.members.values(), "train")
        facts.patients |= {member.name: member.weight(member.patients) for member in trainers}
        facts.cohorts, facts.profile = dict(self.membership.cohorts), self.membership.profile

    def ask_round(
        self,
        number: int,
        train: Sequence[Member],
        others: Sequence[Member],
        extra: Mapping[str, Any],
        *,
        measure: bool,
        sums: EvaluateOptions | None,
    ) -> dict[str, Answer]:
        """Have sites train, and the others look at, the state's encoder at the same time; replies that count.

        ``extra`` records go to those that train.
        """
        wishes: dict[str, Any] = {"measure": measure, "sums": sums}
        training = self._questions(number, train, MessageType.TRAIN, self.state.encoder, extra, **wishes)
        looking = self._questions(number, others, MessageType.EVALUATE, self.state.encoder, **wishes)
        answers = self._ask(number, [*training, *looking])
        for member in others:
            if member.name in answers:
                self.accept(number, member.name)
        return answers

    def ask_evaluate(
        self,
        number: int,
        members: Sequence[Member],
        encoder: Mapping[str, Tensor],
        extra: Mapping[str, Any] | None = None,
        **wishes: Any,
    ) -> dict[str, Answer]:
        """Have sites look at an encoder, with further records for them; replies that count."""
        return self._ask(number, self._questions(number, members, MessageType.EVALUATE, encoder, extra, **wishes))

    def updates(self, number: int, answers: Mapping[str, Answer]) -> dict[str, Update]:
        """The updates in training sites' replies, by site; one that does not count is refused."""
        found = {name: self.checked(number, answer, self._update) for name, answer in answers.items()}
        updates = {name: update for name, update in found.items() if update is not None}
        for name in updates:
            self.accept(number, name)
        return updates

    def take_part(self, number: int, answers: Mapping[str, Answer], updates: Mapping[str, Update]) -> None:
        """The updates of a round went into the encoder: remember who gave what."""
        facts = self.state.facts
        for name, update in updates.items():
            before = facts.participation.get(name, Participation())
            facts.participation[name] = Participation(
                rounds=before.rounds + 1,
                patients=update.weight,
                last_round=number,
                cohorts=sorted(answers[name].member.cohorts),
            )

    def take_trouble(self) -> list[dict[str, str]]:
        """What did not count since this was last asked: site, what (refused or failed), and the reason in one word."""
        taken, self._trouble = self._trouble, []
        return taken

    def accept(self, number: int, site: str) -> None:
        """All that was asked of a site in a round counted."""
        self.state.facts.standing.accept(site, number)

    def checked(self, number: int, answer: Answer, check: Callable[[Message, Member], Checked]) -> Checked | None:
        """What ``check`` makes of a reply; None, and the site's standing suffers, where it refuses it."""
        if answer.message is None:
            return None
        try:
            return check(answer.message, answer.member)
        except RefusedError as refused:
            log.warning("round %d: the reply of site %s was refused: %s", number, answer.member.name, refused)
            self.state.facts.standing.refuse(answer.member.name, number, refused.code, self.federation.strikes)
            self._trouble.append({"site": answer.member.name, "what": "refused", "reason": refused.code})
            return None

    def _ask(self, number: int, questions: Sequence[Question]) -> dict[str, Answer]:
        def check(message: Message, member: Member) -> bool:
            check_reply(message, member, self.state.facts.run, number)
            return True

        answers = self.exchange.ask(questions, str(number), self.federation.round_deadline)
        by_name = {answer.member.name: answer for answer in answers.values()}
        for name, answer in by_name.items():
            if answer.message is None:
                self._trouble.append({"site": name, "what": "failed", "reason": failure_name(answer.code)})
            if answer.code == SiteFailure.LEFT:
                self.membership.dismiss(name)
            elif answer.code in FAILING:
                self.state.facts.standing.fail(name, number, answer.reason, self.federation.strikes)
        return {name: answer for name, answer in by_name.items() if self.checked(number, answer, check)}

    def _questions(
        self,
        number: int,
        members: Sequence[Member],
        kind: str,
        encoder: Mapping[str, Tensor],
        extra: Mapping[str, Any] | None = None,
        **wishes: Any,
    ) -> list[Question]:
        """One message to each of ``members``; ``wishes`` are fields of its `Request`, sums of training sites only."""
        federation = self.federation
        request = Request(
            run=self.state.facts.run,
            federation=federation.name,
            role="train",
            round=number,
            local_steps=federation.local_steps,
            total_steps=federation.steps,
            saved_round=min(self.saved_round, number),
            # Less than the coordinator waits, so that a site that gives up can still say so.
            seconds=max(0.8 * federation.round_deadline, federation.round_deadline - 30),
            config=self.plan.pretraining,
            method=federation.strategy,
            options=federation.options,
            transport=federation.transport,
            privacy=self.plan.privacy,
            seen=self.plan.start.provenance.unprotected if self.plan.start and self.plan.privacy.on else {},
            id=token_hex(16) if self.plan.privacy.on else "",  # a ledger takes a message once
            **wishes,
        )
        contents: dict[Any, Any] = {}
        questions = []
        for member in members:
            own = _within(request, member)
            key = (own.role, own.measure, own.sums is None)
            if key not in contents:
                contents[key] = request_content(own, encoder, extra)
            questions.append(Question(member, kind, contents[key]))
        return questions

    def _update(self, message: Message, member: Member) -> Update:
        changes = check_update(
            message,
            member,
            self.state.encoder,
            self.federation.transport,
            self.federation.max_change,
            private=self.plan.privacy.on,
        )
        longest = self.federation.max_change * euclidean_norm(to_arrays(self.state.encoder))
        extra = self.method.read_reply(message.content, longest)
        return Update(member.name, changes, member.weight(read_numbers(message)[PATIENTS]), extra)


def _within(request: Request, member: Member) -> Request:
    """What is asked of a member: nothing that it does not do, and sums only of one that trains."""
    sums = request.sums if member.role == "train" and "sums" in member.parts else None
    measure = request.measure and "measure" in member.parts
    return request.model_copy(update={"role": member.role, "sums": sums, "measure": measure})
